use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use commutator_core::{ChangeBatch, Column, LogicalType, Op};
use proptest::prelude::*;

use super::*;
use crate::types::rows;

fn table() -> Arc<TableSchema> {
    let columns = vec![Column::key("id", LogicalType::Int64), Column::new("n", LogicalType::Int64)];
    Arc::new(TableSchema::new(columns).unwrap())
}

/// A version of a key; `n` tells versions apart.
#[derive(Debug, Clone, Copy)]
struct Version {
    id: i64,
    n: i64,
    order: OrderKey,
    removal: bool,
}

fn version() -> impl Strategy<Value = Version> {
    // Equal order keys are the same version, so everything else follows from them.
    (0i64..30, 1u32..4, 0u64..20).prop_map(|(id, epoch, sequence)| Version {
        id,
        n: i64::from(epoch) * 1000 + sequence.cast_signed(),
        order: OrderKey::new(Epoch(epoch), sequence.into()),
        removal: sequence % 5 == 4,
    })
}

fn batch(versions: &[Version]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(versions.iter().map(|v| v.id).collect::<Int64Array>());
    let numbers: ArrayRef = Arc::new(versions.iter().map(|v| (!v.removal).then_some(v.n)).collect::<Int64Array>());
    let columns = RecordBatch::try_new(table().to_arrow(), vec![ids, numbers]).unwrap();
    let ops = versions.iter().map(|v| if v.removal { Op::Remove } else { Op::Modify }).collect();
    let orders = versions.iter().map(|v| v.order).collect();
    let changes = ChangeBatch::new(table(), columns, ops, orders, vec![None; versions.len()]).unwrap();
    rows(&changes, &table(), 1).unwrap()
}

/// What is in merged rows: per key its order key, and its number unless it was removed.
fn contents(merged: &[RecordBatch]) -> Vec<(i64, String, Option<i64>)> {
    let mut contents: Vec<_> = merged
        .iter()
        .flat_map(|rows| {
            let (ids, numbers) =
                (rows.column(0).as_primitive::<Int64Type>(), rows.column(1).as_primitive::<Int64Type>());
            let versions = Versions::of(rows, &table());
            let read = |i: usize| (ids.value(i), versions.order(i).to_owned(), numbers.iter().nth(i).flatten());
            (0..rows.num_rows()).map(read).collect::<Vec<_>>()
        })
        .collect();
    contents.sort();
    contents
}

/// The rule in its plainest form.
fn model(versions: &[Version], keep: Keep) -> Vec<(i64, String, Option<i64>)> {
    let mut newest: BTreeMap<i64, Version> = BTreeMap::new();
    for version in versions {
        let held = newest.entry(version.id).or_insert(*version);
        if version.order > held.order {
            *held = *version;
        }
    }
    newest.retain(|_, v| (keep.interim || !v.removal) && keep.ended.is_none_or(|e| v.order.epoch() >= e.epoch));
    newest.into_values().map(|v| (v.id, v.order.to_string(), (!v.removal).then_some(v.n))).collect()
}

proptest! {
    #[test]
    fn the_newest_version_of_each_key_stays_whatever_it_stands_in(
        inputs in prop::collection::vec(prop::collection::vec(version(), 0..40), 0..6),
        tombstones in any::<bool>(),
        from_epoch in prop::option::of((1u32..4).prop_map(Epoch)),
        bits in 0u8..5,
    ) {
        let ended = from_epoch.map(|epoch| Ended { epoch, synced_at: 9 });
        let keep = Keep { mode: SyncMode::Mirror, interim: tombstones, ended };
        let all: Vec<_> = inputs.iter().flatten().copied().collect();
        let inputs: Vec<_> = inputs.iter().map(|versions| Versioned { batches: vec![batch(versions)] }).collect();
        let buckets = Bucket::ALL.split(bits);
        let parts = merge(&inputs, &table(), keep, &buckets).unwrap();
        prop_assert_eq!(contents(&parts.concat()), model(&all, keep));
        for (bucket, part) in buckets.iter().zip(&parts) {
            for rows in part {
                let keys = Keys::of(rows, table().keys());
                prop_assert!((0..rows.num_rows()).all(|row| bucket.contains(keys.hash(row))));
            }
        }
    }

    #[test]
    fn merging_in_steps_is_merging_at_once(
        old in prop::collection::vec(version(), 0..60),
        new in prop::collection::vec(version(), 0..60),
    ) {
        let keep = Keep { interim: true, ..Keep::default() };
        let input = |versions: &[Version]| Versioned { batches: vec![batch(versions)] };
        let once = merge(&[input(&old), input(&new)], &table(), keep, &[Bucket::ALL]).unwrap().concat();
        let mut steps = Vec::new();
        for versions in [&old, &new] {
            let batches = merge(&[input(versions)], &table(), keep, &[Bucket::ALL]).unwrap().concat();
            steps.push(Versioned { batches });
        }
        let steps = merge(&steps, &table(), keep, &[Bucket::ALL]).unwrap().concat();
        prop_assert_eq!(contents(&once), contents(&steps));
    }

    #[test]
    fn scattered_rows_are_all_there(versions in prop::collection::vec(version(), 0..60), bits in 0u8..5) {
        let parts = scatter(&[batch(&versions)], &table(), &Bucket::ALL.split(bits)).unwrap();
        let whole = scatter(&[batch(&versions)], &table(), &[Bucket::ALL]).unwrap();
        prop_assert_eq!(contents(&parts.concat()), contents(&whole.concat()));
        prop_assert_eq!(whole.iter().flatten().map(RecordBatch::num_rows).sum::<usize>(), versions.len());
    }
}

#[test]
fn of_equal_order_keys_the_later_stays_within_an_input_and_the_earlier_between_inputs() {
    let version = |n| Version { id: 1, n, order: OrderKey::snapshot(Epoch::FIRST), removal: false };
    let one = Versioned { batches: vec![batch(&[version(1)]), batch(&[version(2)])] };
    let two = Versioned { batches: vec![batch(&[version(3)])] };
    let merged = merge(&[one, two], &table(), Keep::default(), &[Bucket::ALL]).unwrap().concat();
    assert_eq!(contents(&merged), [(1, OrderKey::snapshot(Epoch::FIRST).to_string(), Some(2))]);
}

#[test]
fn many_rows_come_in_batches_that_one_column_can_hold() {
    let version = |id| Version { id, n: id, order: OrderKey::snapshot(Epoch::FIRST), removal: false };
    let versions: Vec<_> = (0..10_000).map(version).collect();
    let input = || Versioned { batches: vec![batch(&versions)] };
    let merged = merge(&[input(), input()], &table(), Keep::default(), &[Bucket::ALL]).unwrap().concat();
    assert!(merged.iter().all(|rows| rows.num_rows() <= BATCH_ROWS));
    let ids = |rows: &RecordBatch| rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(merged.iter().flat_map(ids).collect::<Vec<_>>(), (0..10_000).collect::<Vec<_>>());
    // Where nothing goes, nothing is copied.
    let same = merge(&[input()], &table(), Keep::default(), &[Bucket::ALL]).unwrap().concat();
    assert_eq!(same, input().batches);
}
