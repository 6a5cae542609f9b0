//! Numbers that become doubles, in runs whose rules change between them, and in letters that are tried again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Float64Array;
use commutator_core::rules::{ColumnRule, Numbers, TableRules};
use commutator_core::{
    ChangeBatch, Column, ErrorKind, LogicalType, OnBadRecord, Result, SyncMode, TableName, TableSchema,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, TableOutcome, Transform};
use serde_json::{Value, json};

use crate::items::{Items, seen};
use crate::letter_store::Letters;
use crate::refusing::{Refusing, When};
use crate::rules::{options, pipeline, run};

/// A whole number that no double holds, and the nearest one that is.
const LONG: i64 = (1 << 53) + 1;
const NEAREST: f64 = 9_007_199_254_740_992.0;

fn types(memory: &Memory) -> BTreeMap<String, LogicalType> {
    let rows = memory.rows("t").unwrap();
    rows.schema().columns().iter().map(|column| (column.name.clone(), column.ty)).collect()
}

#[tokio::test]
async fn what_is_there_decides_what_a_number_becomes() {
    let mut source = Items { snapshot: vec![json!({"id": 1, "old": LONG})], ..Items::default() };
    let memory = Memory::new();
    let rules = |numbers| options(TableRules::default().numbers(numbers));
    assert!(run(&source, &memory, rules(Numbers::Exact)).await.succeeded());
    source.changes.push(vec![json!({"id": LONG, "old": LONG, "new": LONG})]);
    source.changes.push(vec![json!({"id": 3, "new": 7, "list": [LONG]})]);
    assert!(run(&source, &memory, rules(Numbers::Float)).await.succeeded());
    let (int, float) = (LogicalType::Int64, LogicalType::Float64);
    let expected = [("id", int), ("list", LogicalType::Json), ("new", float), ("old", int)];
    assert_eq!(types(&memory), expected.map(|(name, ty)| (name.to_owned(), ty)).into());
    let rows = [
        json!({"id": 1, "old": LONG}),
        json!({"id": 3, "new": 7.0, "list": [LONG]}),
        json!({"id": LONG, "old": LONG, "new": NEAREST}),
    ];
    let mut found = seen(&memory, "t");
    found.sort_by_key(|row| row["id"].as_i64());
    assert_eq!(found, rows);
    source.changes.push(vec![json!({"id": 4, "new": LONG})]);
    assert!(run(&source, &memory, rules(Numbers::Exact)).await.succeeded());
    assert_eq!(types(&memory)["new"], LogicalType::Number);
    let new = |id: i64| seen(&memory, "t").into_iter().find(|row| row["id"] == id).map(|mut row| row["new"].take());
    let digits = [new(3), new(LONG), new(4)].map(Option::unwrap);
    assert_eq!(digits, ["7", "9007199254740992", "9007199254740993"].map(Value::from));
}

#[tokio::test]
async fn a_replayed_row_widens_no_column_of_doubles() {
    let source = Items {
        snapshot: vec![json!({"id": 1, "a": LONG, "exact": 1})],
        changes: vec![vec![json!({"id": 2, "a": LONG, "pinned": 5}), json!({"id": 3, "a": 1, "pinned": "6"})]],
        ..Items::default()
    };
    let float = || ColumnRule::pinned(LogicalType::Float64);
    let by_column = TableRules::default().column("a", float()).column("pinned", float());
    let by_policy = TableRules::default().numbers(Numbers::Float).column("pinned", float());
    for rules in [by_column, by_policy] {
        let (memory, expected, letters) = (Memory::new(), Memory::new(), Letters::default());
        let mut options = options(rules);
        options.defaults.mode = SyncMode::Append;
        options.defaults.on_bad_record = OnBadRecord::DeadLetter;
        let whole = pipeline(&source, expected.clone(), options.clone());
        let whole = whole.with_dead_letters(Arc::new(Letters::default()));
        assert!(whole.run(&CancellationToken::new()).await.unwrap().succeeded());
        let refusing = Refusing::new(memory.clone(), [2], When::AtWrite);
        let before = pipeline(&source, refusing, options.clone()).with_dead_letters(Arc::new(letters.clone()));
        assert_eq!(before.run(&CancellationToken::new()).await.unwrap().tables[0].dead_letters, 1);
        let after = pipeline(&source, memory.clone(), options).with_dead_letters(Arc::new(letters));
        assert!(after.replay(None).await.unwrap().succeeded());
        assert_eq!(types(&memory)["a"], LogicalType::Float64);
        assert_eq!((types(&memory), seen(&memory, "t")), (types(&expected), seen(&expected, "t")));
    }
}

/// Adds a column that holds no number.
#[derive(Debug)]
struct NotFinite(f64);

impl Transform for NotFinite {
    fn transform(&self, _: &TableName, batch: ChangeBatch) -> Result<ChangeBatch> {
        let columns = [batch.schema().columns(), &[Column::new("x", LogicalType::Float64)]].concat();
        let schema = Arc::new(TableSchema::new(columns)?);
        let mut arrays = batch.rows().columns().to_vec();
        arrays.push(Arc::new(Float64Array::from(vec![self.0; batch.len()])));
        let rows = arrow_array::RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
        batch.with_rows(schema, rows)
    }
}

#[tokio::test]
async fn a_double_that_is_no_number_stops_its_table() {
    let source = Items { snapshot: vec![json!({"id": 1})], ..Items::default() };
    for (value, passes) in [(0.1, true), (f64::NAN, false), (f64::NEG_INFINITY, false)] {
        let memory = Memory::new();
        let pipeline = pipeline(&source, memory.clone(), options(TableRules::default()));
        let pipeline = pipeline.with_transform(Arc::new(NotFinite(value)));
        let table = pipeline.run(&CancellationToken::new()).await.unwrap().tables.remove(0);
        match &table.outcome {
            TableOutcome::Failed(error) => assert_eq!((passes, error.kind()), (false, ErrorKind::DataInvalid)),
            _ => assert_eq!(seen(&memory, "t"), [json!({"id": 1, "x": 0.1})]),
        }
    }
}
