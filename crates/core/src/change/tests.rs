use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::{Column, Epoch, LogicalType};

/// One version of a row: its key, its epoch and sequence, and its value, which a removal lacks.
type Version = (i64, (u32, u64), Option<i64>);

fn schema() -> Arc<TableSchema> {
    let columns = vec![
        Column::key("id", LogicalType::Int64),
        Column::key("zone", LogicalType::Text),
        Column::new("n", LogicalType::Int64),
    ];
    Arc::new(TableSchema::new(columns).unwrap())
}

fn columns(versions: &[Version]) -> Vec<ArrayRef> {
    vec![
        Arc::new(Int64Array::from_iter_values(versions.iter().map(|v| v.0 / 2))),
        Arc::new(StringArray::from_iter_values(versions.iter().map(|v| if v.0 % 2 == 0 { "a" } else { "ab" }))),
        Arc::new(versions.iter().map(|v| v.2).collect::<Int64Array>()),
    ]
}

fn batch(versions: &[Version]) -> ChangeBatch {
    let rows = RecordBatch::try_new(schema().to_arrow(), columns(versions)).unwrap();
    let ops = versions.iter().map(|v| if v.2.is_some() { Op::Modify } else { Op::Remove }).collect();
    let orders = versions.iter().map(|v| OrderKey::new(Epoch(v.1.0), v.1.1.into())).collect();
    ChangeBatch::new(schema(), rows, ops, orders, vec![None; versions.len()]).unwrap()
}

/// Returns the versions of a batch, by its accessors alone.
fn versions(batch: &ChangeBatch) -> Vec<(i64, String, OrderKey, Option<i64>)> {
    let rows = batch.rows();
    let (ids, zones) = (rows.column(0).as_primitive::<Int64Type>(), rows.column(1).as_string::<i32>());
    let values = rows.column(2).as_primitive::<Int64Type>();
    (0..batch.len())
        .map(|i| {
            assert_eq!(batch.ops()[i].is_removal(), values.is_null(i));
            let value = (!values.is_null(i)).then(|| values.value(i));
            (ids.value(i), zones.value(i).to_owned(), batch.orders()[i], value)
        })
        .collect()
}

/// What a mirror holds after a batch: the newest version of each key.
fn mirror(batch: &ChangeBatch) -> BTreeMap<(i64, String), (OrderKey, Option<i64>)> {
    let mut newest = BTreeMap::new();
    for (id, zone, order, value) in versions(batch) {
        let held = newest.entry((id, zone)).or_insert((order, value));
        if order > held.0 {
            *held = (order, value);
        }
    }
    newest
}

/// What a table of `soft_delete` holds after a batch: of each key the newest order, whether it is deleted, and its last value.
fn soft_deleted(batch: &ChangeBatch) -> BTreeMap<(i64, String), (OrderKey, bool, Option<i64>)> {
    let mut sorted = versions(batch);
    sorted.sort_by_key(|version| version.2);
    let mut rows = BTreeMap::new();
    for (id, zone, order, value) in sorted {
        let (held, deleted, last) = rows.entry((id, zone)).or_insert((order, true, None));
        (*held, *deleted, *last) = (order, value.is_none(), value.or(*last));
    }
    rows
}

/// Versions of few keys; equal order keys are the same version.
fn any_versions() -> impl Strategy<Value = Vec<Version>> {
    prop::collection::vec((0..6_i64, (1..3_u32, 0..12_u64)), 0..40).prop_map(|drawn| {
        let value = |id: i64, sequence: u64| (sequence % 3 != 2).then(|| id * 100 + sequence.cast_signed());
        drawn.into_iter().map(|(id, (epoch, sequence))| (id, (epoch, sequence), value(id, sequence))).collect()
    })
}

proptest! {
    #[test]
    fn a_batch_and_its_compaction_give_the_same_mirror(drawn in any_versions()) {
        let whole = batch(&drawn);
        let compact = whole.compact().unwrap();
        prop_assert_eq!(mirror(&compact), mirror(&whole));
        prop_assert_eq!(compact.len(), mirror(&whole).len());
        prop_assert_eq!(versions(&compact.compact().unwrap()), versions(&compact));
        // What is left stands in the order it had.
        let (all, left) = (versions(&whole), versions(&compact));
        let mut rest = all.iter();
        prop_assert!(left.iter().all(|version| rest.any(|other| other == version)));
    }

    #[test]
    fn compacting_in_pieces_is_compacting_at_once(drawn in any_versions(), cut in 0..40_usize) {
        let (first, second) = drawn.split_at(cut.min(drawn.len()));
        let pieces = [batch(first).compact().unwrap(), batch(second).compact().unwrap()];
        let joined = ChangeBatch::concat(&pieces).unwrap();
        prop_assert_eq!(mirror(&joined), mirror(&batch(&drawn)));
        prop_assert_eq!(joined.compact().unwrap().len(), batch(&drawn).compact().unwrap().len());
    }

    #[test]
    fn a_batch_and_its_compaction_with_images_give_the_same_deleted_rows(drawn in any_versions(), cut in 0..40_usize) {
        let whole = batch(&drawn);
        let compact = whole.compact_keeping_images().unwrap();
        prop_assert_eq!(soft_deleted(&compact), soft_deleted(&whole));
        prop_assert_eq!(mirror(&compact), mirror(&whole));
        prop_assert_eq!(versions(&compact.compact_keeping_images().unwrap()), versions(&compact));
        // One row for each key, and one more for each that is deleted and has values.
        let deleted = soft_deleted(&whole).into_values().filter(|(_, deleted, last)| *deleted && last.is_some()).count();
        prop_assert_eq!(compact.len(), mirror(&whole).len() + deleted);
        let (first, second) = drawn.split_at(cut.min(drawn.len()));
        let pieces = [first, second].map(|piece| batch(piece).compact_keeping_images().unwrap());
        prop_assert_eq!(soft_deleted(&ChangeBatch::concat(&pieces).unwrap()), soft_deleted(&whole));
    }

    #[test]
    fn a_removal_is_idle_unless_the_version_before_it_was_there(drawn in any_versions()) {
        let whole = batch(&drawn).distinct().unwrap();
        let all = versions(&whole);
        for (row, keep) in all.iter().zip(whole.not_idle().unwrap()) {
            let before = all.iter().filter(|other| (&other.0, &other.1) == (&row.0, &row.1) && other.2 < row.2);
            let was_there = before.max_by_key(|other| other.2).is_some_and(|other| other.3.is_some());
            prop_assert_eq!(keep, row.3.is_some() || was_there);
        }
        // What is kept is kept again.
        let kept = whole.filter(&whole.not_idle().unwrap()).unwrap();
        prop_assert!(kept.not_idle().unwrap().into_iter().all(|keep| keep));
        prop_assert_eq!(mirror(&kept).into_iter().filter(|row| row.1.1.is_some()).collect::<Vec<_>>(),
            mirror(&whole).into_iter().filter(|row| row.1.1.is_some()).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_snapshot_did_not_see_is_removed_once(drawn in any_versions()) {
        let whole = batch(&drawn);
        let removed = whole.unseen(Epoch(2)).unwrap();
        let old: Vec<_> = mirror(&whole).into_iter().filter(|(_, (order, value))| order.epoch() == Epoch(1) && value.is_some()).collect();
        let mut found: Vec<_> = versions(&removed).into_iter().map(|(id, zone, order, value)| {
            assert_eq!((order, value), (OrderKey::snapshot(Epoch(2)), None));
            (id, zone)
        }).collect();
        found.sort();
        prop_assert_eq!(found, old.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        prop_assert!(removed.changed_at().iter().all(Option::is_none));
        let closed = ChangeBatch::concat(&[whole, removed]).unwrap();
        prop_assert!(closed.unseen(Epoch(2)).unwrap().is_empty());
    }

    #[test]
    fn filter_take_and_concat_keep_rows_whole(drawn in any_versions(), picked in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let whole = batch(&drawn);
        let all = versions(&whole);
        let keep: Vec<_> = all.iter().map(|version| version.0 != 1).collect();
        let kept: Vec<_> = all.iter().filter(|version| version.0 != 1).cloned().collect();
        prop_assert_eq!(versions(&whole.filter(&keep).unwrap()), kept);
        if !all.is_empty() {
            let indices: Vec<_> = picked.iter().map(|index| index.index(all.len())).collect();
            let taken = whole.take(&indices.iter().map(|&i| u32::try_from(i).unwrap()).collect::<Vec<_>>()).unwrap();
            let wanted: Vec<_> = indices.iter().map(|&i| all[i].clone()).collect();
            prop_assert_eq!(versions(&taken), wanted.clone());
            let joined = ChangeBatch::concat(&[whole, taken]).unwrap();
            prop_assert_eq!(versions(&joined), [all, wanted].concat());
        }
    }

    #[test]
    fn keys_are_equal_bytes_if_and_only_if_they_are_equal(drawn in any_versions()) {
        let whole = batch(&drawn);
        let (keys, all) = (whole.keys().unwrap(), versions(&whole));
        for i in 0..all.len() {
            for j in 0..all.len() {
                let equal = (all[i].0, &all[i].1) == (all[j].0, &all[j].1);
                prop_assert_eq!(keys.row(i) == keys.row(j), equal);
            }
        }
    }
}

#[test]
fn what_a_batch_must_be_is_checked() {
    let good: [Version; 2] = [(1, (1, 5), Some(7)), (2, (1, 6), None)];
    let parts = || {
        let whole = batch(&good);
        (whole.schema, whole.rows, whole.ops, whole.orders, whole.changed_at)
    };
    let build =
        |(schema, rows, ops, orders, times): (_, _, _, _, _)| ChangeBatch::new(schema, rows, ops, orders, times);
    assert!(build(parts()).is_ok());
    let under = |columns: Vec<Column>, arrays: Vec<ArrayRef>| {
        let mut parts = parts();
        let fields = columns.iter().map(|column| column.to_field().with_nullable(true)).collect::<Vec<_>>();
        parts.1 = RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays).unwrap();
        parts
    };
    let own = || schema().columns().to_vec();
    let mut ops = parts();
    ops.2.pop();
    let mut orders = parts();
    orders.3.push(orders.3[0]);
    let mut times = parts();
    times.4.clear();
    let mut removal = parts();
    removal.2[0] = Op::Expire;
    let mut keyless = parts();
    let plain = own().into_iter().map(|column| Column { key: false, ..column }).collect();
    keyless.0 = Arc::new(TableSchema::new(plain).unwrap());
    let mut renamed = own();
    renamed[2].name = "m".to_owned();
    let mut typed = own();
    typed[2].ty = LogicalType::Text;
    let mut text = columns(&good);
    text[2] = Arc::new(StringArray::from(vec![Some("7"), None]));
    let mut null = columns(&good);
    null[1] = Arc::new(StringArray::from(vec![Some("a"), None]));
    let wrong = [
        ("lengths differ", ops),
        ("lengths differ", orders),
        ("lengths differ", times),
        ("a removal with more than its key", removal),
        ("no key column", keyless),
        ("columns differ from the schema", under(renamed, columns(&good))),
        ("columns differ from the schema", under(typed, text)),
        ("columns differ from the schema", under(own()[..2].to_vec(), columns(&good)[..2].to_vec())),
        ("null in a key column", under(own(), null)),
    ];
    for (problem, parts) in wrong {
        let error = build(parts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert_eq!(error.context(), [("problem", problem.to_owned())]);
    }
}

#[test]
fn batches_of_different_schemas_are_not_put_together() {
    let other = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64)]).unwrap());
    let rows = RecordBatch::new_empty(other.to_arrow());
    let other = ChangeBatch::new(other, rows, Vec::new(), Vec::new(), Vec::new()).unwrap();
    assert!(ChangeBatch::concat(&[batch(&[]), other]).is_err());
    assert!(ChangeBatch::concat(&[]).is_err());
}
