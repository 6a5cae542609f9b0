use std::sync::Arc;

use arrow_array::StringArray;
use commutator_core::Column;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::encode;

/// JSON documents whose values often agree, and often do not.
fn document() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("0".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        (any::<i32>(), 0_u8..6).prop_map(|(n, scale)| {
            let mut text = Vec::new();
            commutator_core::schema::write_number(n.into(), scale, &mut text);
            String::from_utf8(text).unwrap()
        }),
        Just("99999999999999999999999999999999999999".to_owned()),
        Just("-0.00000000000000000000000000000000000001".to_owned()),
        // Not as they would be written again, or too long.
        prop_oneof![Just("-0"), Just("1.50"), Just("1E+3"), Just("123456789012345678901234567890123456789")]
            .prop_map(str::to_owned),
    ];
    let text = prop_oneof![Just("x".to_owned()), any::<String>()].prop_map(|text| Value::from(text).to_string());
    let leaf = prop_oneof![
        2 => Just("null".to_owned()),
        2 => any::<bool>().prop_map(|value| value.to_string()),
        6 => number,
        4 => text,
        1 => Just(r#""\u00e9\/\ud83d\ude00\ud800""#.to_owned()),
    ];
    leaf.prop_recursive(10, 40, 5, |inner| {
        let name = prop_oneof![4 => Just("a"), 4 => Just("b.c"), 4 => Just("d \"e\""), 1 => Just("A"), 1 => Just("")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::hash_map(name, inner, 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn documents() -> impl Strategy<Value = Vec<Option<String>>> {
    prop::collection::vec(prop::option::weighted(0.8, document()), 0..8)
}

fn rows(documents: &[Option<String>]) -> (TableSchema, RecordBatch) {
    let table = TableSchema::new(vec![Column { native: true, ..Column::new("doc", LogicalType::Json) }]).unwrap();
    let array: ArrayRef = Arc::new(documents.iter().map(Option::as_deref).collect::<StringArray>());
    let count = documents.len();
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; count])) };
    let time = || -> ArrayRef {
        Arc::new(arrow_array::TimestampMicrosecondArray::from(vec![Some(7); count]).with_timezone("UTC"))
    };
    let columns = vec![array, text("modify"), text("1"), time(), time()];
    let rows = RecordBatch::try_new(arrow_schema(&table, Shape::Changes), columns).unwrap();
    (table, rows)
}

fn none() -> Forms {
    Forms::from([("doc".to_owned(), Form::Nothing)])
}

/// Returns the rows after they were a file.
fn stored(table: &TableSchema, forms: &Forms, rows: &RecordBatch) -> RecordBatch {
    let layout = Layout::new(table, forms, Shape::Changes);
    let bytes = encode::encode(layout.clone(), std::slice::from_ref(rows), 1).unwrap();
    let back: Vec<_> = encode::decode(bytes, layout).unwrap().collect::<Result<_>>().unwrap();
    arrow_select::concat::concat_batches(&rows.schema(), &back).unwrap()
}

/// Every value with its members sorted, every other character as it is; escapes are not told apart.
fn canonical(text: &str) -> String {
    use commutator_core::rules::json;
    if let Some(mut members) = json::members(text) {
        members.sort();
        let members = members.into_iter().map(|(name, value)| format!("{name:?}:{}", canonical(value)));
        return format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    }
    if let Some(elements) = json::elements(text) {
        return format!("[{}]", elements.into_iter().map(canonical).collect::<Vec<_>>().join(","));
    }
    json::string(text).map_or_else(|| text.to_owned(), |text| format!("{text:?}"))
}

fn documents_of(rows: &RecordBatch) -> Vec<Option<String>> {
    rows.column(0).as_string::<i32>().iter().map(|text| text.map(canonical)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn documents_come_back_exactly(documents in documents()) {
        let (table, batch) = rows(&documents);
        let forms = wider(&none(), &batch).unwrap_or_else(none);
        prop_assert_eq!(wider(&forms, &batch), None);
        prop_assert_eq!(documents_of(&stored(&table, &forms, &batch)), documents_of(&batch));
    }

    #[test]
    fn a_file_is_read_and_written_again_in_a_wider_form(old in documents(), new in documents()) {
        let (table, old) = rows(&old);
        let (_, new) = rows(&new);
        let narrow = wider(&none(), &old).unwrap_or_else(none);
        let wide = wider(&narrow, &new).unwrap_or_else(|| narrow.clone());
        let again = stored(&table, &wide, &stored(&table, &narrow, &old));
        prop_assert_eq!(documents_of(&again), documents_of(&old));
        prop_assert_eq!(documents_of(&stored(&table, &wide, &new)), documents_of(&new));
    }

    /// A form is widened value by value, and by the join: both are the same, in any order.
    #[test]
    fn widening_is_the_join(documents in documents()) {
        let alone = |document: &String| {
            let mut form = Form::Nothing;
            see(&mut form, document);
            form
        };
        let mut widened = Form::Nothing;
        documents.iter().flatten().for_each(|document| see(&mut widened, document));
        let joined = documents.iter().flatten().rev().map(alone).fold(Form::Nothing, Form::join);
        prop_assert_eq!(widened, joined);
    }
}

#[test]
fn what_does_not_fit_is_an_error_without_the_value() {
    let form = Form::List(Box::new(Form::Scalar(LogicalType::Int64)));
    for text in [r#"["secret"]"#, r#"{"secret":1}"#, "[1.5]", "secret"] {
        let error = super::encode::encode(&form, vec![Some(text)]).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let array: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    assert!(decode::decode(&form, &array).is_err());
}

#[test]
fn columns_that_are_text_anyway_are_left_alone() {
    let (table, batch) = rows(&[Some("{}".to_owned()), None]);
    let forms = wider(&none(), &batch).unwrap();
    let layout = Layout::new(&table, &forms, Shape::Changes);
    assert!(layout.native.is_empty());
    assert_eq!(layout.file(), &batch.schema());
}
