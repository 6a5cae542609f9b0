use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use proptest::prelude::*;

use super::*;
use crate::{Column, Epoch, LogicalType, TableSchema};

const OPS: [Op; 5] = [Op::Snapshot, Op::Insert, Op::Modify, Op::Remove, Op::Expire];

fn version(sequence: u64, op: Op, at: i64) -> Version {
    Version { order: OrderKey::new(Epoch::FIRST, sequence.into()), op, at }
}

/// The versions of one key, by order; clocks of one-second grain that go back now and then.
fn versions() -> impl Strategy<Value = Vec<Version>> {
    prop::collection::btree_map(0..40_u64, (prop::sample::select(OPS.to_vec()), 0..12_i64), 0..12)
        .prop_map(|drawn| drawn.into_iter().map(|(sequence, (op, at))| version(sequence, op, at)).collect())
}

/// A batch of versions of several keys, in any order.
fn batch(rows: &[(i64, Version)]) -> ChangeBatch {
    let schema = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64)]).unwrap());
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let arrow = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(ids)]).unwrap();
    let ops = rows.iter().map(|(_, version)| version.op).collect();
    let orders = rows.iter().map(|(_, version)| version.order).collect();
    // An odd time is the source's, an even one is that of the first write.
    let told = rows.iter().map(|(_, version)| (version.at % 2 == 1).then_some(version.at)).collect();
    ChangeBatch::new(schema, arrow, ops, orders, told).unwrap()
}

fn synced_at(rows: &[(i64, Version)]) -> Vec<i64> {
    rows.iter().map(|(_, version)| if version.at % 2 == 1 { 1_000 } else { version.at }).collect()
}

/// The intervals of each key and order.
fn table(rows: &[(i64, Version)]) -> BTreeMap<(i64, OrderKey), Interval> {
    let found = batch(rows).intervals(&synced_at(rows)).unwrap();
    rows.iter().map(|(id, version)| (*id, version.order)).zip(found).collect()
}

proptest! {
    #[test]
    fn intervals_neither_overlap_nor_leave_a_hole(versions in versions()) {
        let intervals = intervals(&versions);
        prop_assert_eq!(intervals.len(), versions.len());
        for (i, (version, interval)) in versions.iter().zip(&intervals).enumerate() {
            prop_assert!(interval.from <= version.at);
            prop_assert!(interval.to.is_none_or(|to| interval.from <= to));
            let last = i + 1 == versions.len();
            prop_assert_eq!(interval.current, last && !version.op.is_removal());
            prop_assert_eq!(interval.to.is_none(), interval.current);
            if version.op.is_removal() {
                prop_assert_eq!(interval.to, Some(interval.from));
            } else if !last {
                prop_assert_eq!(interval.to, Some(intervals[i + 1].from));
            }
            if !last {
                prop_assert!(interval.to.is_some_and(|to| to <= intervals[i + 1].from));
            }
        }
    }

    /// Where the clock does not go back, each version begins at its own time.
    #[test]
    fn times_in_order_are_kept(mut versions in versions()) {
        versions.sort_by_key(|version| version.at);
        for (i, version) in (0..).zip(&mut versions) {
            version.order = OrderKey::new(Epoch::FIRST, i.into());
        }
        let begins: Vec<_> = intervals(&versions).iter().map(|interval| interval.from).collect();
        prop_assert_eq!(begins, versions.iter().map(|version| version.at).collect::<Vec<_>>());
    }

    #[test]
    fn intervals_do_not_depend_on_the_order_of_arrival(
        keys in prop::collection::vec(versions(), 1..4), seed in any::<prop::sample::Index>()
    ) {
        let sorted: Vec<_> = (0..).zip(&keys).flat_map(|(id, versions)| versions.iter().map(move |v| (id, *v))).collect();
        let mut mixed = sorted.clone();
        if !mixed.is_empty() {
            let by = seed.index(mixed.len());
            mixed.rotate_left(by);
            mixed.reverse();
        }
        let expected: BTreeMap<_, _> = (0..)
            .zip(&keys)
            .flat_map(|(id, versions)| versions.iter().map(move |v| (id, v.order)).zip(intervals(versions)))
            .collect();
        prop_assert_eq!(table(&sorted), expected.clone());
        prop_assert_eq!(table(&mixed), expected);
    }

    /// A replay adds no version that is not there, and so changes nothing, whatever part of the table it repeats.
    #[test]
    fn a_replay_changes_nothing(versions in versions(), from in 0..12_usize) {
        let rows: Vec<_> = versions.iter().map(|version| (1, *version)).collect();
        let repeated: Vec<_> = rows.iter().chain(rows.iter().skip(from)).copied().collect();
        let distinct = batch(&repeated).distinct().unwrap();
        let once = batch(&rows);
        prop_assert_eq!(distinct.orders(), once.orders());
        prop_assert_eq!(distinct.intervals(&synced_at(&rows)).unwrap(), intervals(&versions));
    }
}

#[test]
fn a_life_of_an_item() {
    let versions = [
        // Read by the snapshot at 50, after the change at 30.
        version(0, Op::Snapshot, 50),
        version(1, Op::Modify, 30),
        version(2, Op::Modify, 30),
        version(3, Op::Expire, 60),
        version(4, Op::Insert, 80),
    ];
    let interval = |from, to, current| Interval { from, to, current };
    assert_eq!(
        intervals(&versions),
        [
            interval(30, Some(30), false),
            interval(30, Some(30), false),
            interval(30, Some(60), false),
            interval(60, Some(60), false),
            interval(80, None, true),
        ]
    );
    assert_eq!(intervals(&versions[..4])[3], interval(60, Some(60), false));
}
