//! What conflicts and contracts make of batches.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rules::tests::{batch, rows};
use crate::rules::{ColumnRule, Numbers, OnTypeConflict, TableRules};
use crate::schema::{conform, merge_by};
use crate::{Op, TableSchema};

/// A table that takes batches one after the other.
struct Table {
    rules: Rules,
    by: TypeJoin,
    schema: Option<TableSchema>,
    batches: Vec<ChangeBatch>,
    left_out: LeftOut,
}

impl Table {
    fn new(said: &TableRules) -> Self {
        let rules = Rules::new(said, &[Column::key("id", LogicalType::Int64)], None).unwrap();
        Self { rules, by: TypeJoin::of(said), schema: None, batches: Vec::new(), left_out: LeftOut::default() }
    }

    fn take(&mut self, items: &[Value]) -> Result<()> {
        let items: Vec<_> = items.iter().map(|item| (Op::Insert, item.clone())).collect();
        let types: HashMap<_, _> =
            self.schema.iter().flat_map(|schema| schema.columns().iter().map(|c| (c.name.clone(), c.ty))).collect();
        let known = |identity: &str| types.get(identity).copied();
        let (changes, left_out) = self.rules.admit(&batch(&items), &known, self.schema.is_some())?;
        self.left_out += left_out;
        self.schema = Some(match &self.schema {
            Some(schema) => merge_by(schema, changes.schema(), self.by)?,
            None => TableSchema::clone(changes.schema()),
        });
        self.batches.push(changes);
        Ok(())
    }

    fn types(&self) -> Vec<(String, LogicalType)> {
        let mut types: Vec<_> = self
            .schema
            .iter()
            .flat_map(TableSchema::columns)
            .map(|c| (identity::wanted(&c.name).to_owned(), c.ty))
            .collect();
        types.sort();
        types
    }

    /// Returns all rows as the destination has them in the end, as text per column.
    fn rows(&self) -> Vec<Value> {
        let schema = Arc::new(self.schema.clone().unwrap());
        let batches = self.batches.iter().map(|batch| conform(batch, &schema).unwrap());
        let named = |values: BTreeMap<String, Value>| {
            json!(
                values
                    .into_iter()
                    .map(|(name, value)| (identity::wanted(&name).to_owned(), value))
                    .collect::<HashMap<_, _>>()
            )
        };
        batches.flat_map(|batch| rows(&batch)).map(|(_, values)| named(values)).collect()
    }
}

fn contract(columns: SchemaPolicy, types: SchemaPolicy) -> TableRules {
    TableRules::default().contract(Contract { columns, types })
}

#[test]
fn a_frozen_table_names_every_difference() {
    let mut table = Table::new(&TableRules::default().contract(Contract::both(SchemaPolicy::Freeze)));
    table.take(&[json!({"id": 1, "a": 1, "b": "x"})]).unwrap();
    table.take(&[json!({"id": 2, "a": 7}), json!({"id": 3})]).unwrap();
    let error = table.take(&[json!({"id": 4, "a": 1.5, "b": "y", "c": true})]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    let expected = "`a` is int64 and would have to be decimal(20,1); `c` would be a new column of type bool";
    assert_eq!(error.context(), [("difference", expected.to_owned())]);
}

#[test]
fn what_is_new_is_new_whatever_kinds_of_it_come_together() {
    let said =
        contract(SchemaPolicy::DiscardRow, SchemaPolicy::DiscardColumn).on_type_conflict(OnTypeConflict::Variant);
    for cut in [1, 2] {
        let mut table = Table::new(&said);
        table.take(&[json!({"id": 1})]).unwrap();
        let items = [json!({"id": 2, "a": 1}), json!({"id": 3, "a": "x"})];
        items.chunks(cut).for_each(|items| table.take(items).unwrap());
        assert_eq!(table.rows(), [json!({"id": 1})], "{cut} at a time");
        assert_eq!((table.left_out.discarded_rows, table.left_out.discarded_values), (2, 0));
    }
}

#[test]
fn a_value_fits_whatever_stands_beside_it_where_conflicts_become_text() {
    let first = json!({"id": 1, "a": 1, "b": [1], "c": 12.5});
    let tiny: Value = serde_json::from_str("1e-130").unwrap();
    let others = [json!({"id": 2, "a": 2, "b": 2, "c": 5}), json!({"id": 3, "a": "x", "b": "x", "c": tiny})];
    let expected = [first.clone(), others[0].clone(), json!({"id": 3, "b": "x"})];
    for numbers in [Numbers::Exact, Numbers::DecimalOrText] {
        let said = contract(SchemaPolicy::DiscardColumn, SchemaPolicy::DiscardColumn);
        let said = said.on_type_conflict(OnTypeConflict::Text).numbers(numbers);
        for cut in [1, 2] {
            let mut table = Table::new(&said);
            table.take(std::slice::from_ref(&first)).unwrap();
            others.chunks(cut).for_each(|items| table.take(items).unwrap());
            assert_eq!(table.rows(), expected, "{numbers:?}, {cut} at a time");
            assert_eq!(table.left_out.discarded_values, 2);
        }
    }
}

#[test]
fn a_value_fits_whatever_type_its_batch_has() {
    let mut table = Table::new(&TableRules::default().contract(Contract::both(SchemaPolicy::Freeze)));
    table.take(&[json!({"id": 1, "a": 12.5, "b": [1]})]).unwrap();
    table.take(&[json!({"id": 2, "a": 7, "b": "x"})]).unwrap();
    assert_eq!(table.rows(), [json!({"id": 1, "a": 12.5, "b": [1]}), json!({"id": 2, "a": 7, "b": "x"})]);
    let error = table.take(&[json!({"id": 3, "a": 700})]).unwrap_err();
    assert_eq!(error.context()[0].1, "`a` is decimal(3,1) and would have to be decimal(20,1)");
    let frozen = TableRules::default().contract(Contract::both(SchemaPolicy::Freeze));
    let mut table = Table::new(&frozen.on_type_conflict(OnTypeConflict::Text));
    table.take(&[json!({"id": 1, "a": "x"})]).unwrap();
    table.take(&[json!({"id": 2, "a": 7})]).unwrap();
    assert_eq!(table.rows()[1], json!({"id": 2, "a": "7"}));
}

#[test]
fn what_does_not_fit_is_discarded_and_counted() {
    use SchemaPolicy::{DiscardColumn, DiscardRow, Evolve};
    let items =
        [json!({"id": 2, "a": 1.5, "c": 1}), json!({"id": 3, "a": 2, "c": 1, "d": 1}), json!({"id": 4, "a": 3})];
    let found = |columns, types| {
        let mut table = Table::new(&contract(columns, types));
        table.take(&[json!({"id": 1, "a": 1})]).unwrap();
        table.take(&items).unwrap();
        (table.rows()[1..].to_vec(), table.left_out.discarded_rows, table.left_out.discarded_values)
    };
    let a = |id: i64, a: i64| json!({"id": id, "a": a});
    assert_eq!(found(DiscardColumn, DiscardColumn), (vec![json!({"id": 2}), a(3, 2), a(4, 3)], 0, 4));
    assert_eq!(found(DiscardRow, DiscardColumn), (vec![a(4, 3)], 2, 0));
    assert_eq!(found(Evolve, DiscardRow), (vec![json!({"id": 3, "a": 2, "c": 1, "d": 1}), a(4, 3)], 1, 0));
    assert_eq!(found(DiscardColumn, DiscardRow), (vec![a(3, 2), a(4, 3)], 1, 2));
}

#[test]
fn kinds_of_values_have_columns_of_their_own() {
    let mut table = Table::new(&TableRules::default().on_type_conflict(OnTypeConflict::Variant));
    table.take(&[json!({"id": 1, "a": 1}), json!({"id": 2, "a": "x"})]).unwrap();
    table.take(&[json!({"id": 3, "a": "y"})]).unwrap();
    table.take(&[json!({"id": 4, "a": 1.5}), json!({"id": 5, "a": [1]}), json!({"id": 6, "a": true})]).unwrap();
    let decimal = LogicalType::Decimal { precision: 20, scale: 1 };
    let types = [
        ("a", decimal),
        ("a__bool", LogicalType::Bool),
        ("a__json", LogicalType::Json),
        ("a__text", LogicalType::Text),
        ("id", LogicalType::Int64),
    ];
    assert_eq!(table.types(), types.map(|(name, ty)| (name.to_owned(), ty)));
    assert_eq!(
        table.rows(),
        [
            json!({"id": 1, "a": 1}),
            json!({"id": 2, "a__text": "x"}),
            json!({"id": 3, "a__text": "y"}),
            json!({"id": 4, "a": 1.5}),
            json!({"id": 5, "a__json": [1]}),
            json!({"id": 6, "a__bool": true}),
        ]
    );
}

#[test]
fn a_pinned_type_holds_whatever_becomes_of_other_columns() {
    for policy in [OnTypeConflict::Text, OnTypeConflict::Variant] {
        let said = TableRules::default().column("x", ColumnRule::pinned(LogicalType::Json)).on_type_conflict(policy);
        let mut table = Table::new(&said);
        table.take(&[json!({"id": 1, "x": 1, "y": 1}), json!({"id": 2, "x": "a", "y": "a"})]).unwrap();
        let types: Vec<_> = table.types().into_iter().filter(|(name, _)| name.starts_with('x')).collect();
        assert_eq!(types, [("x".to_owned(), LogicalType::Json)], "{policy:?}");
        assert!(table.types().len() > 2 || policy == OnTypeConflict::Text);
    }
}

#[test]
fn numbers_that_no_decimal_holds_become_text() {
    let mut table =
        Table::new(&TableRules::default().numbers(Numbers::DecimalOrText).on_type_conflict(OnTypeConflict::Text));
    table.take(&[json!({"id": 1, "a": 1.5, "b": 1})]).unwrap();
    table.take(&[serde_json::from_str(r#"{"id": 2, "a": 1e-100, "b": 2.5}"#).unwrap()]).unwrap();
    table.take(&[json!({"id": 3, "a": 7})]).unwrap();
    let decimal = LogicalType::Decimal { precision: 20, scale: 1 };
    let types = [("a", LogicalType::Text), ("b", decimal), ("id", LogicalType::Int64)];
    assert_eq!(table.types(), types.map(|(name, ty)| (name.to_owned(), ty)));
    let tiny = format!("0.{}1", "0".repeat(99));
    assert_eq!(
        table.rows(),
        [json!({"id": 1, "a": "1.5", "b": 1}), json!({"id": 2, "a": tiny, "b": 2.5}), json!({"id": 3, "a": "7"})]
    );
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let value = prop_oneof![
        Just(json!(1)),
        Just(json!(1.5)),
        Just(json!("x")),
        Just(json!("2")),
        Just(json!(true)),
        Just(json!([1])),
        Just(serde_json::from_str("1e-100").unwrap()),
    ];
    prop::collection::vec((prop::option::of(value.clone()), prop::option::of(value)), 1..8).prop_map(|rows| {
        (0..)
            .zip(rows)
            .map(|(id, (a, b))| {
                let mut item = json!({"id": id});
                for (name, value) in [("a", a), ("b", b)] {
                    if let Some(value) = value {
                        item[name] = value;
                    }
                }
                item
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn conflicts_end_the_same_however_a_table_is_cut(items in values(), cut in 0..8usize, policy in 0..7usize) {
        let said = [
            TableRules::default(),
            TableRules::default().on_type_conflict(OnTypeConflict::Text),
            TableRules::default().numbers(Numbers::DecimalOrText).on_type_conflict(OnTypeConflict::Text),
            TableRules::default().on_type_conflict(OnTypeConflict::Variant),
            TableRules::default().numbers(Numbers::Float),
            TableRules::default().numbers(Numbers::Float).on_type_conflict(OnTypeConflict::Text),
            TableRules::default().numbers(Numbers::Float).on_type_conflict(OnTypeConflict::Variant),
        ];
        let said = &said[policy];
        let (mut whole, mut parts) = (Table::new(said), Table::new(said));
        whole.take(&items).unwrap();
        for part in [&items[..cut.min(items.len())], &items[cut.min(items.len())..]] {
            if !part.is_empty() {
                parts.take(part).unwrap();
            }
        }
        prop_assert_eq!(whole.types(), parts.types());
        prop_assert_eq!(whole.rows(), parts.rows());
    }

    #[test]
    fn nothing_is_discarded_in_silence(first in values(), more in values(), policies in (0..3usize, 0..3usize)) {
        let policy = |at: usize| [SchemaPolicy::Evolve, SchemaPolicy::DiscardColumn, SchemaPolicy::DiscardRow][at];
        let mut table = Table::new(&contract(policy(policies.0), policy(policies.1)));
        table.take(&first).unwrap();
        table.take(&more).unwrap();
        let rows = table.rows();
        let count = |rows: &[Value]| rows.iter().map(|row| row.as_object().unwrap().len()).sum::<usize>() as u64;
        let all = [first, more].concat();
        prop_assert_eq!(rows.len() as u64 + table.left_out.discarded_rows, all.len() as u64);
        if table.left_out.discarded_rows == 0 {
            prop_assert_eq!(count(&rows) + table.left_out.discarded_values, count(&all));
        }
    }
}

mod floats;
