use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use bytes::Buf;
use commutator_core::{Column, Epoch, Sequence, TableSchema};

use super::*;

fn batch(columns: Vec<(Column, ArrayRef)>, ops: &[Op]) -> ChangeBatch {
    let (columns, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    let orders = (1..).map(|n: u64| OrderKey::new(Epoch(1), Sequence::from(n))).take(ops.len()).collect();
    let changed_at = ops.iter().map(|op| (!op.is_removal()).then_some(EPOCH_2000 + 1)).collect();
    ChangeBatch::new(schema, rows, ops.to_vec(), orders, changed_at).unwrap()
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Takes the fields of one row apart.
fn fields(bytes: &mut impl Buf) -> Vec<Option<Vec<u8>>> {
    let count = bytes.get_i16();
    let field = |bytes: &mut dyn Buf| {
        let length = usize::try_from(bytes.get_i32()).ok()?;
        Some(bytes.copy_to_bytes(length).to_vec())
    };
    (0..count).map(|_| field(bytes)).collect()
}

fn encoded(batch: &ChangeBatch, shape: Shape) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut out = BytesMut::new();
    let mut rows = Rows::new(batch, shape, NulPolicy::Replace).unwrap();
    assert!(!rows.fill(&mut out, usize::MAX).unwrap());
    let rows = (0..batch.len()).map(|_| fields(&mut out)).collect();
    assert!(out.is_empty());
    rows
}

#[test]
fn a_row_has_its_values_and_the_system_columns_of_its_shape() {
    let columns = vec![
        (Column::key("id", LogicalType::Text), text(&[Some("a"), Some("b")])),
        (Column::new("n", LogicalType::Int64), Arc::new(Int64Array::from(vec![Some(-1), None])) as ArrayRef),
        (Column::new("doc", LogicalType::Json), text(&[Some("[1]"), None])),
    ];
    let batch = batch(columns, &[Op::Insert, Op::Remove]);
    let order = |n: u64| Some(OrderKey::new(Epoch(1), n.into()).to_string().into_bytes());
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let stage = encoded(&batch, Shape::Stage);
    let time = some(&1_i64.to_be_bytes());
    assert_eq!(stage[0], [some(b"a"), some(&[255; 8]), some(b"[1]"), order(1), time.clone(), some(&[0])]);
    assert_eq!(stage[1], [some(b"b"), None, None, order(2), None, some(&[1])]);
    assert_eq!(encoded(&batch, Shape::Items)[0], [some(b"a"), some(&[255; 8]), some(b"\x01[1]"), order(1), time]);
    assert_eq!(encoded(&batch, Shape::Changes)[1].last().unwrap(), &some(b"remove"));
}

#[test]
fn rows_come_in_pieces_and_replacements_are_counted() {
    let columns = vec![
        (Column::key("id", LogicalType::Text), text(&[Some("a"), Some("b"), Some("c")])),
        (Column::new("t", LogicalType::Text), text(&[Some("\0"), Some("x"), Some("y\0")])),
    ];
    let batch = batch(columns, &[Op::Snapshot; 3]);
    let mut rows = Rows::new(&batch, Shape::Items, NulPolicy::Replace).unwrap();
    let mut pieces = 0;
    let mut out = BytesMut::new();
    while rows.fill(&mut out, 1).unwrap() {
        pieces += 1;
        out.clear();
    }
    assert_eq!((pieces, rows.replaced()), (2, 2));
}

#[test]
fn a_nul_in_a_key_names_its_column() {
    let batch = batch(vec![(Column::key("id", LogicalType::Text), text(&[Some("a\0")]))], &[Op::Insert]);
    let mut rows = Rows::new(&batch, Shape::Stage, NulPolicy::Replace).unwrap();
    let error = rows.fill(&mut BytesMut::new(), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert!(error.to_string().contains("column: id"), "{error}");
}

#[test]
fn the_longest_key_is_found() {
    let long = "x".repeat(2000);
    let columns = vec![
        (Column::key("a", LogicalType::Text), text(&[Some("x"), Some(&long)])),
        (Column::key("b", LogicalType::Text), text(&[Some("y"), Some("yy")])),
        (Column::key("c", LogicalType::Number), text(&[Some("1"), Some("2")])),
    ];
    assert_eq!(longest_key(&batch(columns, &[Op::Insert; 2])), 2002);
}

#[test]
fn the_header_is_that_of_the_documentation() {
    assert_eq!(HEADER.len(), 11 + 4 + 4);
    assert_eq!(TRAILER, (-1_i16).to_be_bytes());
}
