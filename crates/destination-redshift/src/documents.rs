//! What Redshift would not hold as it is: texts and documents that are too long, and numbers within documents.

use arrow_array::cast::AsArray as _;
use commutator_core::{ChangeBatch, Error, ErrorKind, LogicalType, Result};
use commutator_warehouse::with_plain_numbers;

use crate::config::Documents;

/// The most bytes of a text: "VARCHAR … 65,535 bytes (64K -1)" (`docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html`). It holds within a
/// document, too: "a single string value loaded to SUPER is limited to the maximum VARCHAR length of 65535 bytes"
/// (docs.aws.amazon.com/redshift/latest/dg/limitations-super.html).
const MOST_BYTES: usize = 65_535;

/// What is said of a document with a number that no `NUMERIC` holds.
const BENT: &str =
    "A document has a number that SUPER would round; set `documents` to \"text\" to keep it, and load the table anew";

/// Returns rows that Redshift holds as they are.
///
/// Returns [`DataInvalid`](ErrorKind::DataInvalid) naming the column if there is a value that it would cut or round, or a text with the
/// character NUL, at which `COPY` may end: it "treats it as an end of record (EOR) and terminates the record" (docs.aws.amazon.com/redshift/latest/dg/copy-parameters-data-conversion.html,
/// `NULL AS`).
pub(crate) fn admit(rows: ChangeBatch, documents: Documents) -> Result<ChangeBatch> {
    for (i, column) in rows.schema().columns().iter().enumerate() {
        let is_document = match column.ty {
            LogicalType::Json => true,
            LogicalType::Text => false,
            _ => continue,
        };
        let texts = rows.rows().column(i).as_string::<i32>();
        let mut refused = texts
            .iter()
            .flatten()
            .filter_map(|text| if is_document { refusal_of_document(text, documents) } else { refusal_of_text(text) });
        if let Some(sentence) = refused.next() {
            return Err(Error::new(ErrorKind::DataInvalid, sentence).with("column", &column.name));
        }
    }
    match documents {
        Documents::Super => with_plain_numbers(rows, BENT),
        Documents::Text => Ok(rows),
    }
}

const NUL: &str = "A text has the character NUL, which Redshift does not hold; `exclude` or `hash` the attribute";

/// Says why a text is refused.
fn refusal_of_text(text: &str) -> Option<&'static str> {
    if text.len() > MOST_BYTES {
        return Some("A text is longer than the 65,535 bytes that Redshift holds; `exclude` or `hash` the attribute");
    }
    text.contains('\0').then_some(NUL)
}

/// Says why a document is refused, but for its numbers.
fn refusal_of_document(json: &str, documents: Documents) -> Option<&'static str> {
    let is_long = json.len() > MOST_BYTES;
    if is_long && documents == Documents::Text {
        return Some(
            "A document is longer than the 65,535 bytes that Redshift holds as text; set `documents` to \"super\", and load the table anew",
        );
    }
    if !is_long && !json.contains("\\u0000") {
        return None;
    }
    let within = Texts::within(json);
    if within.longest > MOST_BYTES {
        return Some(
            "A document has a text that is longer than the 65,535 bytes that Redshift holds; `exclude` or `hash` the attribute",
        );
    }
    within.nul.then_some(NUL)
}

/// What the texts within a document are like, names of members included.
#[derive(Debug, Default, PartialEq, Eq)]
struct Texts {
    /// The most bytes of one. Escapes count as they are written, which is never less.
    longest: usize,
    /// Whether one has the character NUL.
    nul: bool,
}

impl Texts {
    fn within(json: &str) -> Self {
        let mut found = Self::default();
        let bytes = json.as_bytes();
        let mut at = 0;
        while let Some(quote) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'"')) {
            let start = at + quote + 1;
            at = start;
            while let Some(&byte) = bytes.get(at) {
                match byte {
                    b'"' => break,
                    b'\\' => {
                        found.nul |= bytes[at..].starts_with(b"\\u0000");
                        at += 2;
                    }
                    _ => at += 1,
                }
            }
            found.longest = found.longest.max(at.min(bytes.len()) - start);
            at += 1;
        }
        found
    }
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
            (LogicalType::Text, Documents::Super, "hunter2\0", false),
            (json, Documents::Text, r#"["hunter2\u0000"]"#, false),
            (json, Documents::Super, r#"["\\u0000"]"#, true),
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
        for (json, longest, nul) in [
            (r"[1,2]", 0, false),
            (r#"{"name": 1, "b": "longer text"}"#, 11, false),
            (r#"["\\", "abc"]"#, 3, false),
            (r#"["\"", "x"]"#, 2, false),
            (r#"["a\u0000"]"#, 7, true),
            (r#"["a\\u0000"]"#, 8, false),
            (r#"{"\u0000": 1}"#, 6, true),
        ] {
            assert_eq!(Texts::within(json), Texts { longest, nul }, "{json}");
        }
    }
}
