//! What becomes of an attribute does not depend on how its values were cut into batches.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch};
use commutator_core::schema::{conform, merge, plan};
use commutator_core::{ChangeBatch, Column, Epoch, LogicalType, Op, OrderKey, TableSchema};
use proptest::prelude::*;

use super::{Forms, carried};
use crate::native::wider;

/// A value of an attribute, of each kind that a batch has a type for.
#[derive(Debug, Clone)]
enum Value {
    Text(&'static str),
    Binary(&'static [u8]),
    Bool(bool),
    Int(i64),
    Decimal(i128),
    Number(&'static str),
    Json(&'static str),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["", "x", "true", "1", "{}"]).prop_map(Value::Text),
        prop::sample::select(vec![&b""[..], b"ab"]).prop_map(Value::Binary),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(vec![0, -1, i64::MAX]).prop_map(Value::Int),
        prop::sample::select(vec![5, -12_345]).prop_map(Value::Decimal),
        prop::sample::select(vec!["1E-130", "9.9E+125"]).prop_map(Value::Number),
        prop::sample::select(vec![
            r#"{"a":1}"#,
            r#"{"a":1.5,"b":[]}"#,
            r#"{"a":"x"}"#,
            "[1]",
            r#"["x",{"a":null}]"#,
            "{}"
        ])
        .prop_map(Value::Json),
    ]
}

/// Values that agree more often than not, so that forms other than JSON are met.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let some_kinds = prop::collection::vec(value(), 1..4);
    some_kinds.prop_flat_map(|kinds| prop::collection::vec(prop::sample::select(kinds), 1..12))
}

/// A batch of one row.
fn row(id: i64, value: &Value) -> ChangeBatch {
    macro_rules! one {
        ($builder:ty, $value:expr) => {{
            let mut builder = <$builder>::new();
            builder.append_value($value);
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    let (ty, array) = match *value {
        Value::Text(text) => (LogicalType::Text, one!(StringBuilder, text)),
        Value::Binary(bytes) => (LogicalType::Binary, one!(BinaryBuilder, bytes)),
        Value::Bool(value) => (LogicalType::Bool, one!(BooleanBuilder, value)),
        Value::Int(value) => (LogicalType::Int64, one!(Int64Builder, value)),
        Value::Decimal(value) => {
            let array = Decimal128Array::from(vec![value]).with_precision_and_scale(9, 2).unwrap();
            (LogicalType::Decimal { precision: 9, scale: 2 }, Arc::new(array) as ArrayRef)
        }
        Value::Number(digits) => (LogicalType::Number, one!(StringBuilder, digits)),
        Value::Json(text) => (LogicalType::Json, one!(StringBuilder, text)),
    };
    let attribute = Column { native: true, ..Column::new("a", ty) };
    let schema = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64), attribute]).unwrap());
    let rows = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(Int64Array::from(vec![id])), array]).unwrap();
    ChangeBatch::new(schema, rows, vec![Op::Snapshot], vec![OrderKey::snapshot(Epoch::FIRST)], vec![None]).unwrap()
}

/// Returns the table's columns and forms after batches of rows came, each batch with the least types that hold it.
fn arrives(batches: &[Vec<ChangeBatch>]) -> (TableSchema, Forms) {
    let mut table: Option<(TableSchema, Forms)> = None;
    for rows in batches.iter().filter(|rows| !rows.is_empty()) {
        let merged = rows[1..].iter().fold((**rows[0].schema()).clone(), |all, row| merge(&all, row.schema()).unwrap());
        let merged = Arc::new(merged);
        let rows: Vec<_> = rows.iter().map(|row| conform(row, &merged).unwrap()).collect();
        let batch = ChangeBatch::concat(&rows).unwrap();

        let after = plan(table.as_ref().map(|(schema, _)| schema), &merged).unwrap().result;
        let forms = match &table {
            Some((schema, forms)) if *schema == after => forms.clone(),
            before => carried(before.as_ref().map(|(schema, forms)| (schema, forms)), &after),
        };
        let batch = conform(&batch, &Arc::new(after.clone())).unwrap();
        let forms = wider(&forms, batch.rows()).unwrap_or(forms);
        table = Some((after, forms));
    }
    table.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn columns_and_forms_are_the_same_however_values_are_cut_into_batches(
        values in values(),
        cuts in prop::collection::vec(any::<bool>(), 12),
    ) {
        let rows: Vec<_> = (0..).zip(&values).map(|(id, value)| row(id, value)).collect();
        let mut batches = vec![Vec::new()];
        for (row, cut) in rows.iter().zip(cuts) {
            if cut {
                batches.push(Vec::new());
            }
            batches.last_mut().unwrap().push(row.clone());
        }
        prop_assert_eq!(arrives(&batches), arrives(&[rows]));
    }
}

#[test]
fn text_and_binary_are_text_whichever_comes_first() {
    for kinds in [[Value::Text("x"), Value::Binary(b"ab")], [Value::Binary(b"ab"), Value::Text("x")]] {
        let rows: Vec<_> = (0..).zip(&kinds).map(|(id, value)| row(id, value)).collect();
        let forms = arrives(&[vec![rows[0].clone()], vec![rows[1].clone()]]).1;
        assert_eq!(forms["a"].to_string(), "text");
    }
}
