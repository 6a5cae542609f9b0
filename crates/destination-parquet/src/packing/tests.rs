use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use commutator_core::{Column, LogicalType, PipelineId, Slice, SyncMode, TableName, TableSchema, Target};
use proptest::prelude::*;

use super::*;

fn target(mode: SyncMode) -> Target {
    Target {
        pipeline: PipelineId::new("test").unwrap(),
        table: TableName::new("orders"),
        name: "orders".to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    }
}

fn schema(columns: u32) -> Arc<TableSchema> {
    let own = (0..columns).map(|i| Column::new(format!("c{i}"), LogicalType::Text));
    let key = Column::key("id", LogicalType::Int64);
    Arc::new(TableSchema::new(std::iter::once(key).chain(own).collect()).unwrap())
}

fn file(name: usize, bucket: Bucket, schema: u32, bytes: u64) -> DataFile {
    DataFile { name: name.to_string(), bucket, schema, rows: bytes.max(1), bytes, memory: bytes, written_as: None }
}

fn manifest(mode: SyncMode, files: Vec<DataFile>, buckets: Vec<Bucket>, number: u32) -> Manifest {
    let mut manifest = Manifest::first(&target(mode), "session".to_owned());
    manifest.version = 20;
    manifest.schemas = (0..=number).map(|number| (number, schema(number))).collect();
    (manifest.files, manifest.buckets) = (files, buckets);
    manifest
}

/// Packs groups as the real thing does, but for the rows.
fn packed(groups: Vec<Group>, number: u32, first: usize) -> Vec<Packed> {
    let pack = |(i, group): (usize, Group)| {
        let bytes = group.files.iter().map(|file| file.bytes).sum();
        let bucket = group.buckets.as_ref().map_or(Bucket::ALL, |(_, bucket)| *bucket);
        let new =
            DataFile { rows: group.files.iter().map(|file| file.rows).sum(), ..file(first + i, bucket, number, bytes) };
        let buckets = group.buckets.iter().map(|(_, bucket)| *bucket).collect();
        Packed { group, files: vec![new], buckets }
    };
    groups.into_iter().enumerate().map(pack).collect()
}

fn rows(manifest: &Manifest) -> u64 {
    manifest.files.iter().map(|file| file.rows).sum()
}

/// A tree of buckets, each split or not, and the sizes of their files.
fn tree() -> impl Strategy<Value = BTreeMap<Bucket, u64>> {
    prop::collection::vec((any::<u64>(), 0u8..6, 0u64..60), 0..12).prop_map(|splits| {
        let mut leaves = BTreeMap::from([(Bucket::ALL, 30)]);
        for (hash, bits, size) in splits {
            let Some((&leaf, _)) = leaves.iter().find(|(leaf, _)| leaf.contains(hash)) else { continue };
            leaves.remove(&leaf);
            leaves.extend(leaf.split(bits.min(20 - leaf.depth().min(20))).into_iter().map(|child| (child, size)));
        }
        leaves
    })
}

proptest! {
    #[test]
    fn packing_keeps_all_rows_makes_no_more_files_and_is_done_after_once(
        sizes in prop::collection::vec((0u64..150, 0u32..3), 0..40),
    ) {
        let files = sizes.iter().enumerate().map(|(i, &(bytes, number))| file(i, Bucket::ALL, number, bytes));
        let before = manifest(SyncMode::Append, files.collect(), Vec::new(), 2);
        let groups = pack(&before.files, 100, 2);
        for group in &groups {
            let bytes: u64 = group.files.iter().map(|file| file.bytes).sum();
            prop_assert!(bytes <= 100 || group.files.len() == 1);
        }
        let count = groups.len();
        let (after, applied) = apply(&before, &before, &packed(groups, 2, 1000), Some(9));
        prop_assert_eq!(applied, count);
        prop_assert_eq!(rows(&after), rows(&before));
        prop_assert!(after.files.len() <= before.files.len());
        prop_assert!(after.files.iter().all(|file| file.schema == 2));
        prop_assert_eq!(after.schemas.len(), 1);
        prop_assert_eq!(pack(&after.files, 100, 2), []);
        prop_assert!(after.files.iter().filter(|file| file.bytes * 2 < 100).count() <= 1);
    }

    #[test]
    fn coarser_buckets_still_hold_every_key_once_and_are_not_split_soon(tree in tree(), empty in any::<u64>()) {
        let filled = tree.iter().filter(|&(_, &size)| size > 0 && empty % 7 != size % 7);
        let files = filled.enumerate().map(|(i, (&bucket, &size))| file(i, bucket, 0, size));
        let before = manifest(SyncMode::Mirror, files.collect(), tree.keys().copied().collect(), 0);
        let (after, _) = apply(&before, &before, &packed(coarser(&before, 100, 0), 0, 1000), None);
        prop_assert_eq!(rows(&after), rows(&before));
        for hash in (0..4096).map(|i: u64| i << 52) {
            prop_assert_eq!(after.buckets.iter().filter(|bucket| bucket.contains(hash)).count(), 1);
        }
        for file in &after.files {
            prop_assert!(after.buckets.contains(&file.bucket));
            prop_assert!(before.files.contains(file) || file.memory <= 50);
        }
        prop_assert_eq!(coarser(&after, 100, 0), []);
    }

    #[test]
    fn a_group_of_which_a_file_was_replaced_meanwhile_is_left_out(
        sizes in prop::collection::vec(1u64..60, 2..40),
        gone in any::<prop::sample::Index>(),
    ) {
        let files = sizes.iter().enumerate().map(|(i, &bytes)| file(i, Bucket::ALL, 0, bytes)).collect();
        let before = manifest(SyncMode::Append, files, Vec::new(), 0);
        let mut newest = before.clone();
        let gone = newest.files.remove(gone.index(sizes.len()));
        newest.files.push(file(500, Bucket::ALL, 0, gone.bytes));
        newest.version += 3;
        let groups = pack(&before.files, 100, 0);
        let stale = groups.iter().filter(|group| group.files.contains(&gone)).count();
        let count = groups.len();
        let (after, applied) = apply(&newest, &before, &packed(groups, 0, 1000), Some(9));
        prop_assert_eq!(applied, count - stale);
        prop_assert_eq!(rows(&after), rows(&newest));
        prop_assert_eq!((after.version, after.commit()), (24, 23));
        prop_assert!(after.holds(&newest) && !after.holds(&before));
        prop_assert!(after.replaced.iter().all(|file| !after.names().any(|name| name == file.name)));
        let again = apply(&after, &after, &[], None).0;
        prop_assert_eq!((again.version, again.commit()), (25, 23));
    }
}

#[test]
fn what_was_written_under_an_older_schema_keeps_it_if_the_table_got_a_newer_one() {
    let before = manifest(SyncMode::Append, (0..3).map(|i| file(i, Bucket::ALL, 0, 10)).collect(), Vec::new(), 1);
    let packed = packed(pack(&before.files, 100, 1), 1, 1000);
    let mut newest = before.clone();
    newest.schemas = [(0, schema(0)), (2, schema(2))].into();
    newest.files.push(file(9, Bucket::ALL, 2, 10));
    let (after, applied) = apply(&newest, &before, &packed, None);
    assert_eq!((applied, after.schema().unwrap().0), (1, 2));
    assert_eq!(after.schemas.keys().copied().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn nothing_is_written_anew_for_one_small_file_or_for_large_ones() {
    let files: Vec<_> = [80, 10, 50, 100].into_iter().enumerate().map(|(i, b)| file(i, Bucket::ALL, 0, b)).collect();
    assert_eq!(pack(&files, 100, 0), []);
    assert_eq!(pack(&files, 100, 1).len(), 4);
    assert_eq!(pack(&[], 100, 1), []);
}

/// A number that counts how often it is looked at.
#[derive(Clone)]
struct Counted<'a>(usize, &'a Cell<usize>);

impl Counted<'_> {
    fn count(&self) {
        self.1.set(self.1.get() + 1);
    }
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.count();
        self.0 == other.0
    }
}

impl Eq for Counted<'_> {}

impl Hash for Counted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.count();
        self.0.hash(state);
    }
}

#[test]
fn an_exchange_looks_at_each_file_a_few_times_however_many_there_are() {
    for (count, each) in [(100, 2), (20_000, 2), (20_000, 400)] {
        let looks = Cell::new(0);
        let all: Vec<_> = (0..count).map(|number| Counted(number, &looks)).collect();
        let new: Vec<_> = (count..2 * count).map(|number| Counted(number, &looks)).collect();
        let mut exchange = Exchange::new(&all, Counted::clone);
        for (old, new) in all.chunks(each).zip(&new) {
            assert!(exchange.exchange(old, std::slice::from_ref(new)));
        }
        let numbers: Vec<usize> = exchange.finish().into_iter().map(|one| one.0).collect();
        assert_eq!(numbers, (count..count + count / each).collect::<Vec<_>>());
        // Put into the map, found, compared, removed; a map that collides or grows does so a little more often.
        assert!(looks.get() <= 10 * count, "{} looks at {count} files in groups of {each}", looks.get());
    }
}

#[test]
fn buckets_find_their_files_in_the_order_of_the_manifest() {
    let buckets = Bucket::ALL.split(14);
    let files: Vec<_> = buckets.iter().rev().enumerate().map(|(i, &bucket)| file(i, bucket, 0, 10)).collect();
    let found = files_by_bucket(&files, &buckets);
    assert_eq!(found.len(), files.len());
    assert!(found.iter().all(|(bucket, files)| files.len() == 1 && files[0].bucket == *bucket));
    // A file of which a bucket has only some of the keys, and one of which none has any.
    assert!(files_by_bucket(&[file(0, Bucket::ALL, 0, 1)], &buckets).is_empty());
    assert!(files_by_bucket(&[file(0, buckets[1], 0, 1)], &buckets[..1]).is_empty());
    let finer = [file(1, buckets[3], 0, 1), file(0, buckets[2], 0, 1)];
    assert_eq!(files_by_bucket(&finer, &[Bucket::ALL])[&Bucket::ALL], finer);
}
