use std::sync::Arc;

use arrow_array::{Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use commutator_core::{Column, LogicalType, TableSchema};
use parquet::basic::Compression;

use super::*;
use crate::encode;
use crate::form::{Form, Forms};
use crate::native;
use crate::types::Shape;

const COLUMNS: usize = 500;
const ROWS: usize = 300;

fn metadata(bytes: &Bytes) -> ArrowReaderMetadata {
    ArrowReaderMetadata::load(bytes, parquet::arrow::arrow_reader::ArrowReaderOptions::new()).unwrap()
}

/// Every tenth column is text that is always there, the others are numbers of which almost all are null.
fn rows(from: usize) -> RecordBatch {
    let column = |at: usize| -> (Field, ArrayRef) {
        let name = format!("c{at}");
        if at.is_multiple_of(10) {
            let texts = (from..from + ROWS).map(|row| format!("text {row} of column {at}"));
            (Field::new(name, DataType::Utf8, true), Arc::new(StringArray::from_iter_values(texts)))
        } else {
            let value = |row: usize| (row % 100 == at % 100).then_some(i64::try_from(row * at).unwrap());
            (Field::new(name, DataType::Int64, true), Arc::new((from..from + ROWS).map(value).collect::<Int64Array>()))
        }
    };
    let (fields, columns): (Vec<_>, Vec<_>) = (0..COLUMNS).map(column).unzip();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).unwrap()
}

#[test]
fn wide_rows_come_back_as_they_were_in_as_many_batches_as_row_groups() {
    let batches = [rows(0), rows(ROWS), rows(2 * ROWS)];
    let layout = Layout::plain(&batches[0].schema());
    assert!(layout.is_wide());
    let bytes = encode::encode(layout.clone(), &batches, 1).unwrap();
    let back: Vec<_> = encode::decode(bytes, layout).unwrap().collect::<Result<_>>().unwrap();
    let all = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(back, [all]);
}

#[test]
fn only_a_column_with_something_in_it_is_compressed() {
    let rows = rows(0);
    let layout = Layout::plain(&rows.schema());
    let bytes = encode::encode(layout, std::slice::from_ref(&rows), 1).unwrap();
    let metadata = metadata(&bytes);
    let group = metadata.metadata().row_group(0);
    for (at, column) in group.columns().iter().enumerate() {
        let compressed = column.compression() != Compression::UNCOMPRESSED;
        assert_eq!(compressed, at.is_multiple_of(10), "{at}");
    }
}

#[test]
fn a_row_group_ends_before_its_rows_are_too_large() {
    let large = "x".repeat(20_000);
    let wide = |_| -> (Field, ArrayRef) {
        (Field::new("c", DataType::Utf8, true), Arc::new(StringArray::from_iter_values([&large, &large])))
    };
    let (fields, columns): (Vec<_>, Vec<_>) = (0..COLUMNS).map(wide).unzip();
    let fields: Vec<_> = fields.into_iter().enumerate().map(|(at, field)| field.with_name(format!("c{at}"))).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    // 20 MB each.
    let bytes = encode::encode(Layout::plain(&rows.schema()), &[rows.clone(), rows.clone(), rows.clone()], 1).unwrap();
    assert_eq!(metadata(&bytes).metadata().num_row_groups(), 2);
    let back = encode::decode(bytes, Layout::plain(&rows.schema())).unwrap();
    assert_eq!(back.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 6);
}

#[test]
fn native_columns_are_sliced_with_their_forms() {
    let columns = (0..200).map(|at| Column { native: at % 3 == 0, ..Column::new(format!("c{at}"), LogicalType::Json) });
    let table = TableSchema::new(columns.collect()).unwrap();
    let mut forms: Forms =
        table.columns().iter().filter(|c| c.native).map(|c| (c.name.clone(), Form::default())).collect();
    for form in forms.values_mut() {
        native::see(form, r#"{"a":1,"b":[true]}"#);
    }
    let layout = Layout::new(&table, &forms, Shape::Items);
    let slices = layout.slices();
    assert!(slices.len() > 1 && slices.windows(2).all(|pair| pair[0].0.end == pair[1].0.start));
    assert_eq!(slices.iter().map(|(range, _)| range.len()).sum::<usize>(), layout.file().fields().len());
    let column = |(at, field): (usize, &Arc<Field>)| -> ArrayRef {
        let text = (at % 7 != 0).then_some(r#"{"a":1,"b":[true]}"#);
        match field.data_type() {
            DataType::Timestamp(..) => Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("UTC")),
            _ if !field.is_nullable() => Arc::new(StringArray::from(vec!["1", "2", "3"])),
            _ => Arc::new(StringArray::from(vec![text, Some(r#"{"a":2,"b":[]}"#), None])),
        }
    };
    let rows = layout.to_batch(layout.rows().fields().iter().enumerate().map(column).collect()).unwrap();
    let bytes = encode::encode(layout.clone(), std::slice::from_ref(&rows), 1).unwrap();
    let back: Vec<_> = encode::decode(bytes, layout).unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(back, [rows]);
}
