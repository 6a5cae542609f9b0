//! What Redshift would not hold as it is: texts and documents that are too long, and numbers within documents.

use arrow_array::cast::AsArray as _;
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Result};
use commutator_warehouse::with_plain_numbers;

use crate::config::Documents;

/// The most bytes of a text: "VARCHAR … 65,535 bytes (64K -1)" (docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html). It holds within a
/// document, too: "a single string value loaded to SUPER is limited to the maximum VARCHAR length of 65535 bytes"
/// (docs.aws.amazon.com/redshift/latest/dg/limitations-super.html).
const MOST_BYTES: usize = 65_535;

/// What is said of a document with a number that no `NUMERIC` holds.
const BENT: &str =
    "A document has a number that SUPER would round; set `documents` to \"text\" to keep it, and load the table anew";

/// Returns rows that Redshift holds as they are.
///
/// Returns [`DataInvalid`](ErrorKind::DataInvalid) naming the column if there is a value that it would cut or round.
pub(crate) fn admit(rows: ChangeBatch, documents: Documents) -> Result<ChangeBatch> {
    for (i, column) in rows.schema().columns().iter().enumerate() {
        let fits: fn(&str) -> bool = match column.ty {
            LogicalType::Json if documents == Documents::Super => has_short_texts,
            LogicalType::Text | LogicalType::Json => |text| text.len() <= MOST_BYTES,
            _ => continue,
        };
        let texts = rows.rows().column(i).as_string::<i32>();
        // Most columns have no text that could be too long.
        if texts.value_data().len() <= MOST_BYTES {
            continue;
        }
        if texts.iter().flatten().any(|text| text.len() > MOST_BYTES && !fits(text)) {
            return Err(too_long(column.ty, documents).with("column", &column.name));
        }
    }
    match documents {
        Documents::Super => with_plain_numbers(rows, BENT),
        Documents::Text => Ok(rows),
    }
}

fn too_long(ty: LogicalType, documents: Documents) -> Error {
    let sentence = match (ty, documents) {
        (LogicalType::Json, Documents::Super) => {
            "A document has a text that is longer than the 65,535 bytes that Redshift holds; `exclude` or `hash` the attribute"
        }
        (LogicalType::Json, Documents::Text) => {
            "A document is longer than the 65,535 bytes that Redshift holds as text; set `documents` to \"super\", and load the table anew"
        }
        _ => "A text is longer than the 65,535 bytes that Redshift holds; `exclude` or `hash` the attribute",
    };
    Error::new(ErrorKind::DataInvalid, sentence)
}

/// Returns whether no text within a document, names of members included, is too long. Escapes count as they are written, which is never less.
fn has_short_texts(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'"')) {
        let start = at + found + 1;
        at = start;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        if at.min(bytes.len()) - start > MOST_BYTES {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{RecordBatch, StringArray};
    use commutator_core::{Column, Epoch, Op, OrderKey, TableSchema};

    use super::*;

    fn rows(ty: LogicalType, values: &[Option<&str>]) -> ChangeBatch {
        let schema = TableSchema::new(vec![Column::key("id", LogicalType::Text), Column::new("a", ty)]).unwrap();
        let schema = Arc::new(schema);
        let keys = StringArray::from_iter_values((0..values.len()).map(|i| i.to_string()));
        let cells: [arrow_array::ArrayRef; 2] =
            [Arc::new(keys), Arc::new(values.iter().copied().collect::<StringArray>())];
        let batch = RecordBatch::try_new(schema.to_arrow(), cells.into()).unwrap();
        let orders =
            (1..=values.len()).map(|n| OrderKey::new(Epoch::FIRST, u64::try_from(n).unwrap().into())).collect();
        ChangeBatch::new(schema, batch, vec![Op::Insert; values.len()], orders, vec![None; values.len()]).unwrap()
    }

    #[test]
    fn what_is_too_long_or_would_be_rounded_names_its_column_and_no_value() {
        let longest = "x".repeat(MOST_BYTES);
        let too_long = format!("hunter2{longest}");
        let document = |text: &str| format!("{{\"a\":[\"{text}\",1]}}");
        let (fits, long) = (document(&longest), document(&too_long));
        let json = LogicalType::Json;
        for (ty, documents, value, is_fine) in [
            (LogicalType::Text, Documents::Super, longest.as_str(), true),
            (LogicalType::Text, Documents::Super, &too_long, false),
            (LogicalType::Number, Documents::Super, "1", true),
            (json, Documents::Super, &fits, true),
            (json, Documents::Super, &long, false),
            (json, Documents::Super, "[1e120]", false),
            (json, Documents::Text, "[1e120]", true),
            (json, Documents::Text, &fits, false),
        ] {
            let admitted = admit(rows(ty, &[Some("\"y\""), None, Some(value)]), documents);
            assert_eq!(admitted.is_ok(), is_fine, "{ty:?} {documents:?}");
            if let Err(error) = admitted {
                let said = format!("{} {error:?}", error.report());
                assert!(error.kind() == ErrorKind::DataInvalid && said.contains("column: a"), "{said}");
                assert!(!said.contains("hunter2") && !said.contains("1e120"));
            }
        }
    }

    #[test]
    fn texts_within_documents_are_found() {
        let long = "x".repeat(MOST_BYTES + 1);
        for (json, fits) in [
            (format!("[{}]", "1,".repeat(40_000)), true),
            (format!(r#"{{"{long}": 1}}"#), false),
            (format!(r#"["\\", "{long}"]"#), false),
            (format!(r#"["\"", "{}"]"#, "y".repeat(MOST_BYTES)), true),
            (format!(r#"["{}\""]"#, "y".repeat(MOST_BYTES - 2)), true),
        ] {
            assert_eq!(has_short_texts(&json), fits, "{}", &json[..10]);
        }
    }
}
