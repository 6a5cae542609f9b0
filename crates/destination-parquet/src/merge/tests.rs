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
        let keep = Keep { mode: SyncMode::Mirror, filtered: false, interim: tombstones, ended };
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

/// A row of a table that keeps removals: key, order key, number, and whether it is a removal.
type Kept = (i64, String, Option<i64>, bool);

fn kept(merged: &[RecordBatch]) -> Vec<Kept> {
    let of = |rows: &RecordBatch| {
        let versions = Versions::of(rows, &table());
        let mut removals: Vec<_> = (0..rows.num_rows()).map(|row| versions.is_removal(row)).collect();
        let ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        let numbers: Vec<_> = rows.column(1).as_primitive::<Int64Type>().iter().collect();
        let orders = (0..rows.num_rows()).map(|row| versions.order(row).to_owned());
        ids.into_iter()
            .zip(orders)
            .zip(numbers)
            .zip(removals.drain(..))
            .map(|(((id, order), n), removal)| (id, order, n, removal))
            .collect::<Vec<_>>()
    };
    let mut kept: Vec<_> = merged.iter().flat_map(of).collect();
    kept.sort();
    kept
}

/// What `soft_delete` and `history` keep, in its plainest form.
fn kept_model(versions: &[Version], mode: SyncMode, ended: Option<Epoch>) -> Vec<Kept> {
    let mut of_key: BTreeMap<i64, BTreeMap<OrderKey, Version>> = BTreeMap::new();
    for version in versions {
        of_key.entry(version.id).or_default().insert(version.order, *version);
    }
    let mut kept = Vec::new();
    for (id, versions) in of_key {
        let newest = *versions.last_key_value().unwrap().1;
        let image = versions.values().rev().find(|version| !version.removal).map(|version| version.n);
        let unseen = ended.filter(|&epoch| !newest.removal && newest.order.epoch() < epoch);
        let end = unseen.map(|epoch| OrderKey::snapshot(epoch).to_string());
        if mode == SyncMode::SoftDelete {
            let order = end.clone().unwrap_or_else(|| newest.order.to_string());
            kept.push((id, order, image, newest.removal || end.is_some()));
        } else {
            kept.extend(versions.values().map(|v| (id, v.order.to_string(), (!v.removal).then_some(v.n), v.removal)));
            kept.extend(end.map(|order| (id, order, None, true)));
        }
    }
    kept.sort();
    kept
}

proptest! {
    #[test]
    fn other_modes_keep_what_they_must_in_however_many_steps(
        inputs in prop::collection::vec(prop::collection::vec(version(), 0..30), 1..5),
        ended in prop::option::of((1u32..4).prop_map(Epoch)),
        bits in 0u8..4,
    ) {
        let all: Vec<_> = inputs.iter().flatten().copied().collect();
        for mode in [SyncMode::SoftDelete, SyncMode::History] {
            let interim = Keep { mode, filtered: false, interim: true, ended: None };
            let last = Keep { mode, filtered: false, interim: false, ended: ended.map(|epoch| Ended { epoch, synced_at: 9 }) };
            let wanted = kept_model(&all, mode, ended);
            let mut steps = Vec::new();
            for versions in &inputs {
                let one = Versioned { batches: vec![batch(versions)] };
                let batches = merge(&[one], &table(), interim, &Bucket::ALL.split(bits)).unwrap().concat();
                steps.push(Versioned { batches });
            }
            let inputs: Vec<_> = inputs.iter().map(|versions| Versioned { batches: vec![batch(versions)] }).collect();
            let once = merge(&inputs, &table(), last, &Bucket::ALL.split(bits)).unwrap().concat();
            prop_assert_eq!(kept(&once), wanted.clone());
            let stepwise = merge(&steps, &table(), last, &[Bucket::ALL]).unwrap().concat();
            prop_assert_eq!(kept(&stepwise), wanted.clone());
            // What is merged already stays as it is.
            let again = merge(&[Versioned { batches: once }], &table(), Keep { ended: None, ..last }, &[Bucket::ALL]);
            prop_assert_eq!(kept(&again.unwrap().concat()), wanted);
        }
    }
}
