//! What rules make of items, case by case.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use serde_json::{Value, json};

use super::cell::{Cell, Cells};
use super::convert::{Strictness, build, infer};
use super::*;
use crate::schema::identity;
use crate::{ChangeBatch, Column, Epoch, ErrorKind, LogicalType, Op, OrderKey, Secret, SyncMode, TableSchema};

/// An item's operation and its attributes; `id` is the key.
pub(super) type Item = (Op, Value);

/// Returns items as a source would: the types that they need, attributes in the order in which they are met.
pub(super) fn batch(items: &[Item]) -> ChangeBatch {
    let mut names = vec!["id".to_owned()];
    for (_, item) in items {
        for name in item.as_object().unwrap().keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let (mut columns, mut arrays): (Vec<Column>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for name in names {
        let texts: Vec<_> = items.iter().map(|(_, item)| item.get(&name).map(Value::to_string)).collect();
        let cell = |text: &'_ Option<String>| text.as_deref().map_or(Cell::Null, Cell::of_json).owned();
        let Some(ty) = infer(texts.iter().map(cell)) else { continue };
        arrays.push(build(ty, texts.iter().map(cell), Strictness::SameKind).unwrap().array);
        columns.push(Column { key: name == "id", ..Column::new(name, ty) });
    }
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    let orders = (0..items.len() as u64).map(|at| OrderKey::new(Epoch(1), at.into())).collect();
    ChangeBatch::new(schema, rows, items.iter().map(|(op, _)| *op).collect(), orders, vec![None; items.len()]).unwrap()
}

impl Cell<'_> {
    fn owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(value) => Cell::Bool(value),
            Self::Number(text) => Cell::Number(text.into_owned().into()),
            Self::Text(text) => Cell::Text(text.into_owned().into()),
            Self::Document(text) => Cell::Document(text.to_owned().leak()),
        }
    }
}

/// Returns rows as their operation and their values by identity, whatever the columns' types are.
pub(super) fn rows(batch: &ChangeBatch) -> Vec<(Op, BTreeMap<String, Value>)> {
    let columns: Vec<_> = batch.schema().columns().iter().zip(batch.rows().columns()).collect();
    let row = |row: usize| {
        let mut values = BTreeMap::new();
        for (column, array) in &columns {
            let mut text = Vec::new();
            match Cells::new(array, column.ty).get(row) {
                Cell::Null => continue,
                cell => cell.write_json(&mut text),
            }
            values.insert(column.name.clone(), serde_json::from_slice(&text).unwrap());
        }
        (batch.ops()[row], values)
    };
    (0..batch.len()).map(row).collect()
}

pub(super) fn salt() -> Secret {
    Secret::new("pepper".to_owned())
}

pub(super) fn rules(said: &TableRules) -> Rules {
    Rules::new(said, &[Column::key("id", LogicalType::Int64)], Some(&salt())).unwrap()
}

pub(super) fn applied(said: &TableRules, items: &[Item]) -> Vec<Value> {
    let changes = rules(said).apply(&batch(items)).unwrap().changes;
    rows(&changes)
        .into_iter()
        .map(|(_, values)| {
            json!(
                values
                    .into_iter()
                    .map(|(name, value)| (identity::wanted(&name).to_owned(), value))
                    .collect::<BTreeMap<_, _>>()
            )
        })
        .collect()
}

fn inserted(items: &[Value]) -> Vec<Item> {
    items.iter().map(|item| (Op::Insert, item.clone())).collect()
}

#[test]
fn columns_become_what_is_said_of_them() {
    let said = TableRules::default()
        .exclude("tmp*")
        .column("secret", ColumnRule::excluded())
        .column("phone", ColumnRule::masked(Mask::KeepLast(2)))
        .column("email", ColumnRule::hashed().renamed("email_hash"))
        .column("region", ColumnRule::constant("eu"))
        .column("amount", ColumnRule::pinned(LogicalType::Decimal { precision: 9, scale: 2 }));
    let items = inserted(&[
        json!({"id": 1, "tmp1": 1, "secret": "x", "phone": 12345, "email": "a@b.c", "amount": "1.50"}),
        json!({"id": 2, "email": 7}),
    ]);
    let found = applied(&said, &items);
    let mut without = found.clone();
    for row in &mut without {
        row.as_object_mut().unwrap().remove("email_hash");
    }
    assert_eq!(
        without,
        [json!({"id": 1, "phone": "***45", "region": "eu", "amount": 1.5}), json!({"id": 2, "region": "eu"}),]
    );
    assert_ne!(found[0]["email_hash"], found[1]["email_hash"]);
}

#[test]
fn only_what_is_included_has_a_column() {
    let said = TableRules::default().include("a*").exclude("ab").column("z", ColumnRule::constant(true));
    let found = applied(&said, &inserted(&[json!({"id": 1, "a": 1, "ab": 2, "b": 3})]));
    assert_eq!(found, [json!({"id": 1, "a": 1, "z": true})]);
    // A constant is there in every row, whatever patterns say of an attribute that some items have under its name.
    let found = applied(&said.exclude("z"), &inserted(&[json!({"id": 1, "z": 5}), json!({"id": 2})]));
    assert_eq!(found, [json!({"id": 1, "z": true}), json!({"id": 2, "z": true})]);
}

#[test]
fn a_value_that_cannot_be_cast_refuses_its_row() {
    let said = TableRules::default().column("n", ColumnRule::pinned(LogicalType::Int64));
    let items = inserted(&[
        json!({"id": 1, "n": "7"}),
        json!({"id": 2, "n": "x"}),
        json!({"id": 3, "n": 1.5}),
        json!({"id": 4}),
    ]);
    let applied = rules(&said).apply(&batch(&items)).unwrap();
    assert_eq!(applied.refused.iter().map(|refused| refused.row).collect::<Vec<_>>(), [1, 2]);
    assert!(applied.refused.iter().all(|refused| refused.error.kind() == ErrorKind::DataInvalid));
    assert_eq!(applied.changes.len(), 2);
}

#[test]
fn rules_that_cannot_hold_are_refused() {
    let key = [Column::key("id", LogicalType::Int64)];
    let mask = || ColumnRule::masked(Mask::KeepLast(1));
    for said in [
        TableRules::default().column("id", ColumnRule::excluded()),
        TableRules::default().column("id", mask()),
        TableRules::default().column("id", ColumnRule::constant(1)),
        TableRules::default().column("id", ColumnRule::pinned(LogicalType::Text)),
        TableRules::default().column("a", ColumnRule::default().renamed("id")),
        TableRules::default().column("a", ColumnRule::default().renamed("x")).column("b", mask().renamed("x")),
        TableRules::default().column("a", ColumnRule::default().renamed("_CT_order")),
        TableRules::default().column("a", ColumnRule::excluded().renamed("x")),
        TableRules::default().column("a", ColumnRule { mask: Some(Mask::KeepLast(1)), ..ColumnRule::hashed() }),
        TableRules::default().column("a", ColumnRule::pinned(LogicalType::Timestamp)),
        TableRules::default().column("a", ColumnRule { cast: Some(LogicalType::Int64), ..ColumnRule::constant("x") }),
        TableRules::default().column("a", ColumnRule::default().nested(Nested::Packed)),
        TableRules::default().nested(Nested::Flatten(Flatten { depth: 0, ..Flatten::default() })),
    ] {
        assert_eq!(Rules::new(&said, &key, Some(&salt())).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{said:?}");
    }
    let hashed = TableRules::default().column("id", ColumnRule::hashed().renamed("key"));
    for none in [None, Some(&Secret::new(String::new()))] {
        assert_eq!(Rules::new(&hashed, &key, none).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let rules = Rules::new(&hashed, &key, Some(&salt())).unwrap();
    let [key] = rules.keys() else { panic!("one key column") };
    assert_eq!((identity::wanted(&key.name), key.ty, rules.hides_keys()), ("key", LogicalType::Text, true));
    assert!(!format!("{rules:?}").contains("pepper"));
}

#[test]
fn a_hash_is_that_of_salt_and_json() {
    use sha2::{Digest, Sha256};
    let said = TableRules::default().column("id", ColumnRule::hashed()).column("a", ColumnRule::hashed());
    let found = applied(
        &said,
        &inserted(&[json!({"id": 12, "a": "12"}), json!({"id": 13, "a": 12}), json!({"id": 14, "a": [1]})]),
    );
    let hash = |json: &str| {
        let digest = Sha256::digest(format!("pepper\0{json}"));
        let (high, low) = digest.split_at(16);
        let number = |half: &[u8]| u128::from_be_bytes(half.try_into().unwrap());
        Value::from(format!("{:032x}{:032x}", number(high), number(low)))
    };
    assert_eq!(found[0], json!({"id": hash("12"), "a": hash("\"12\"")}));
    assert_eq!(found[1], json!({"id": hash("13"), "a": hash("12")}));
    assert_eq!(found[2]["a"], hash("[1]"));
}

#[test]
fn an_item_that_passes_no_more_is_removed() {
    let said = TableRules::default().filter("s = 'on'".parse().unwrap());
    let on = |id: i64| json!({"id": id, "s": "on"});
    let off = |id: i64| json!({"id": id, "s": "off"});
    let items = [
        (Op::Snapshot, off(1)),
        (Op::Insert, off(2)),
        (Op::Modify, on(3)),
        (Op::Modify, off(4)),
        (Op::Remove, json!({"id": 5})),
        (Op::Expire, json!({"id": 6})),
    ];
    let found = |mode| {
        let applied = rules(&said).for_mode(mode).apply(&batch(&items)).unwrap();
        assert_eq!(applied.left_out, LeftOut { filtered_rows: 3, ..LeftOut::default() });
        rows(&applied.changes).into_iter().map(|(op, row)| (op, json!(row))).collect::<Vec<_>>()
    };
    let passing = (Op::Modify, on(3));
    let removals = [(Op::Remove, json!({"id": 5})), (Op::Expire, json!({"id": 6}))];
    let removed = (Op::Remove, json!({"id": 4}));
    assert_eq!(found(SyncMode::Mirror), [&[passing.clone(), removed][..], &removals].concat());
    assert_eq!(found(SyncMode::Append), [&[passing][..], &removals].concat());
}

#[test]
fn a_filter_of_keys_alone_lets_removals_pass_only_of_its_keys() {
    let said = TableRules::default().filter("id < 10".parse().unwrap());
    let items =
        [(Op::Remove, json!({"id": 5})), (Op::Remove, json!({"id": 50})), (Op::Modify, json!({"id": 51, "a": 1}))];
    let applied = rules(&said).apply(&batch(&items)).unwrap();
    assert_eq!(rows(&applied.changes), [(Op::Remove, BTreeMap::from([("id".to_owned(), json!(5))]))]);
    // Only what other attributes decide about can come to pass, or pass no more.
    assert!(!rules(&said).leave_items_out() && !rules(&TableRules::default()).leave_items_out());
    let others = TableRules::default().filter("id < 10 and s = 'on'".parse().unwrap());
    assert!(rules(&others).leave_items_out());
    assert!(rules(&said).for_part("s = 'on'".parse().unwrap(), None).leave_items_out());
}

#[test]
fn a_table_is_packed_into_one_column() {
    let said = TableRules::default()
        .nested(Nested::Packed)
        .column("b", ColumnRule::default().renamed("a"))
        .column("c", ColumnRule::excluded());
    let items = [
        (Op::Insert, json!({"id": 1, "z": 5, "b": "x", "a": [1, 2], "c": 1})),
        (Op::Insert, json!({"id": 2})),
        (Op::Remove, json!({"id": 3})),
    ];
    assert_eq!(
        applied(&said, &items),
        [
            json!({"id": 1, "data": {"a": "x", "a__attribute": [1, 2], "z": 5}}),
            json!({"id": 2, "data": {}}),
            json!({"id": 3}),
        ]
    );
}

#[test]
fn packed_numbers_keep_their_digits() {
    let text = r#"{"a":[1.50,12345678901234567890123456789012345678.5],"z":1e-130}"#;
    let mut item: Value = serde_json::from_str(text).unwrap();
    item["id"] = json!(1);
    let said = TableRules::default().nested(Nested::Packed);
    let changes = rules(&said).apply(&batch(&[(Op::Insert, item)])).unwrap().changes;
    let data = Cells::new(changes.rows().column(1), LogicalType::Json).get(0);
    let expected = text.replace("1e-130", &format!("0.{}1", "0".repeat(129)));
    assert_eq!(data, Cell::Document(&expected));
}

#[test]
fn an_items_exact_json_is_beside_whatever_becomes_of_it() {
    let identity = crate::schema::item_column();
    let mut names = crate::schema::Names::new(
        crate::IdentifierRules { max_bytes: 63, case_sensitive: true, accepts: |_| true, reserved: &[] },
        crate::NameMap::new(),
    );
    assert_eq!(names.name(&identity), "_ct_item");
    assert_eq!(names.name("_ct_item"), "attribute_ct_item");
    let item = json!({"id": 1, "a": 1, (identity.clone()): "{\"id\":{\"N\":\"1\"}}"});
    for nested in [Nested::Packed, Nested::Flatten(Flatten::default())] {
        let said = TableRules::default().nested(nested).keep_item(true);
        let found = applied(&said, &inserted(std::slice::from_ref(&item)));
        assert_eq!(found[0]["_ct_item"], item[&identity]);
    }
    let contract = Contract::both(SchemaPolicy::Freeze);
    let frozen = rules(&TableRules::default().keep_item(true).contract(contract));
    let known = |identity: &str| (identity == "a").then_some(LogicalType::Int64);
    assert!(frozen.admit(&batch(&inserted(&[item])), &known, true).is_ok());
    let shows = TableRules::default().keep_item(true).column("a", ColumnRule::hashed());
    assert!(Rules::new(&shows, &[Column::key("id", LogicalType::Int64)], Some(&salt())).is_err());
}

#[test]
fn maps_become_columns_and_the_rest_stays() {
    let said = TableRules::default().nested(Nested::Flatten(Flatten { depth: 2, separator: ".".to_owned() }));
    let items = inserted(&[
        json!({"id": 1, "m": {"a": 1, "b": {"c": {"d": 1}, "e": [true]}}, "l": [{"a": 1}]}),
        json!({"id": 2, "m": "text", "m.a": "another"}),
        json!({"id": 3, "m": {}}),
        json!({"id": 4, "m": {"b": 5, "n": null}}),
    ]);
    let changes = rules(&said).apply(&batch(&items)).unwrap().changes;
    let names: Vec<_> =
        changes.schema().columns().iter().map(|column| (identity::wanted(&column.name), column.ty)).collect();
    assert_eq!(
        names,
        [
            ("id", LogicalType::Int64),
            ("m", LogicalType::Json),
            ("m.a", LogicalType::Int64),
            ("m.b", LogicalType::Int64),
            ("m.b.c", LogicalType::Json),
            ("m.b.e", LogicalType::Json),
            ("l", LogicalType::Json),
            ("m.a", LogicalType::Text),
        ]
    );
}
