//! Items as they were sent, in a column of their own.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use commutator_core::schema::item_column;
use commutator_core::{Column, Error, ErrorKind, LogicalType, Op, Result, TableSchema};

use super::cursor::invalid;

/// Returns the rows with each one's item as text, exactly as it stands in the body; removals have none.
pub(super) fn with_items(
    schema: &TableSchema,
    rows: &RecordBatch,
    (body, spans): (&[u8], &[Range<usize>]),
    ops: &[Op],
) -> Result<(Arc<TableSchema>, RecordBatch)> {
    let text = |(span, op): (&Range<usize>, &Op)| {
        if op.is_removal() {
            return Ok(None);
        }
        let text = body.get(span.clone()).unwrap_or_default();
        str::from_utf8(text).map(Some).map_err(|e| invalid("An item is not UTF-8", span.start).with_source(e))
    };
    let items = spans.iter().zip(ops).map(text).collect::<Result<StringArray>>()?;
    let columns = [schema.columns(), &[Column::new(item_column(), LogicalType::Text)]].concat();
    let schema = TableSchema::new(columns)?;
    let arrays: Vec<ArrayRef> = rows.columns().iter().map(Arc::clone).chain([Arc::new(items) as ArrayRef]).collect();
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "The items of a page do not fit its rows").with_source(e))?;
    Ok((Arc::new(schema), rows))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use commutator_core::{ChangeBatch, Epoch, Extras};

    use super::super::{Decoder, RecordFilter};
    use super::*;

    fn items(changes: &ChangeBatch) -> Vec<Option<String>> {
        let (at, column) = changes.schema().get(&item_column()).unwrap();
        assert_eq!(column.ty, LogicalType::Text);
        changes.rows().column(at).as_string::<i32>().iter().map(|item| item.map(str::to_owned)).collect()
    }

    #[test]
    fn items_stay_as_they_were_sent() {
        let keys = vec![Column::key("id", LogicalType::Text)];
        let mut decoder = Decoder::with_extras(keys, Extras { item: true, ..Extras::default() });
        let sent = [r#"{"id":{"S":"ä"}, "n":{"N":"1.50"},"s":{"SS":["b","a"]}}"#, r#"{ "id" : {"S":"b"}}"#];
        let page = format!(r#"{{"Count":2,"Items":[{} , {}]}}"#, sent[0], sent[1]);
        let changes = decoder.scan_page(page.as_bytes(), Epoch::FIRST).unwrap().changes.unwrap();
        assert_eq!(items(&changes), sent.map(|item| Some(item.to_owned())));
        let record = |name: &str, sequence: u8, image: &str| {
            format!(
                r#"{{"eventName":"{name}","dynamodb":{{"Keys":{{"id":{{"S":"b"}}}},{image}"SequenceNumber":"{sequence}","StreamViewType":"NEW_IMAGE"}}}}"#
            )
        };
        let records = [record("MODIFY", 1, &format!(r#""NewImage":{},"#, sent[1])), record("REMOVE", 2, "")];
        let page = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let changes = decoder.records_page(page.as_bytes(), Epoch::FIRST, RecordFilter::default()).unwrap().changes;
        assert_eq!(items(&changes.unwrap()), [Some(sent[1].to_owned()), None]);
    }
}
