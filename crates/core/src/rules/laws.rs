//! Laws of rules, over random items and random cuts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{Item, applied, batch, rows, rules};
use super::*;
use crate::schema::attribute_of;
use crate::{LogicalType, Op};

/// Puts flattened columns back into maps.
fn nested_again(values: &BTreeMap<String, Value>) -> Value {
    let mut item = json!({});
    for (identity, value) in values {
        let origin = identity.split_once('\u{1f}').map_or(&**identity, |(origin, _)| origin);
        let mut place = &mut item;
        for name in origin.split('\u{1e}') {
            place = &mut place[name];
        }
        *place = value.clone();
    }
    item
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-9i64..99).prop_map(Value::from),
        "-?[1-9]\\.[0-9]{0,2}[1-9]".prop_map(|text| serde_json::from_str(&text).unwrap()),
        "[a\"\\\\]{0,2}".prop_map(Value::from),
        Just(json!([1, {"a": 2}])),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop::collection::btree_map("[ab_]{1,2}", inner, 0..3).prop_map(|map| json!(map))
    })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (prop::collection::btree_map("[abc]", value(), 0..4), 0..4usize, 0..5i64);
    prop::collection::vec(item, 1..8).prop_map(|items| {
        items
            .into_iter()
            .map(|(attributes, op, id)| {
                let op = [Op::Insert, Op::Modify, Op::Remove, Op::Snapshot][op];
                let mut item = if op.is_removal() { json!({}) } else { json!(attributes) };
                item["id"] = json!(id);
                (op, item)
            })
            .collect()
    })
}

fn said() -> impl Strategy<Value = TableRules> {
    let nested = prop_oneof![
        Just(Nested::Json),
        Just(Nested::Packed),
        Just(Nested::Flatten(Flatten::default())),
        Just(Nested::Flatten(Flatten { depth: 3, ..Flatten::default() })),
    ];
    let rule = prop_oneof![
        Just(ColumnRule::excluded()),
        Just(ColumnRule::hashed()),
        Just(ColumnRule::masked(Mask::KeepLast(1))),
        Just(ColumnRule::pinned(LogicalType::Text)),
        Just(ColumnRule::pinned(LogicalType::Int64)),
        Just(ColumnRule::constant(5)),
        Just(ColumnRule::default().renamed("b")),
        Just(ColumnRule::default()),
    ];
    let filter =
        prop::option::of(prop_oneof![Just("b = 'a' or c > 1"), Just("id > 1"), Just("a is null"), Just("a.b = 1")]);
    (nested, rule.clone(), rule, filter).prop_map(|(nested, a, c, filter)| {
        let c = ColumnRule { rename: c.rename.map(|_| "x".to_owned()), ..c };
        let said = TableRules::default().nested(nested).column("a", a).column("c", c);
        TableRules { filter: filter.map(|filter| filter.parse().unwrap()), ..said }
    })
}

proptest! {
    #[test]
    fn a_row_depends_on_nothing_but_its_item(said in said(), items in items(), cut in 0..8usize) {
        let rules = rules(&said);
        let whole = rules.apply(&batch(&items)).unwrap();
        let mut expected = (Vec::new(), Vec::new(), LeftOut::default());
        let cut = cut.min(items.len());
        for (start, part) in [(0, &items[..cut]), (cut, &items[cut..])].into_iter().filter(|(_, part)| !part.is_empty()) {
            let applied = rules.apply(&batch(part)).unwrap();
            expected.0.extend(rows(&applied.changes));
            expected.1.extend(applied.refused.iter().map(|refused| refused.row + start));
            expected.2 += applied.left_out;
        }
        let refused: Vec<_> = whole.refused.iter().map(|refused| refused.row).collect();
        prop_assert_eq!((rows(&whole.changes), refused, whole.left_out), expected);
    }

    #[test]
    fn flattening_loses_nothing(items in items(), depth in 1..5usize) {
        let said = TableRules::default().nested(Nested::Flatten(Flatten { depth, ..Flatten::default() }));
        let changes = rules(&said).apply(&batch(&items)).unwrap().changes;
        let found: Vec<_> = rows(&changes).iter().map(|(_, values)| nested_again(values)).collect();
        prop_assert_eq!(found, items.into_iter().map(|(_, item)| item).collect::<Vec<_>>());
        for column in changes.schema().columns() {
            prop_assert!(["id", "a", "b", "c"].contains(&attribute_of(&column.name)));
        }
    }

    #[test]
    fn packing_loses_nothing(items in items()) {
        let said = TableRules::default().nested(Nested::Packed);
        for (row, (op, item)) in applied(&said, &items).into_iter().zip(items) {
            let mut unpacked = row["data"].clone();
            if op.is_removal() {
                prop_assert!(unpacked.is_null());
                continue;
            }
            unpacked["id"] = row["id"].clone();
            prop_assert_eq!(unpacked, item);
        }
    }
}
