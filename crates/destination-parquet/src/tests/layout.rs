//! Which files a `mirror` table consists of, and which of them a commit rewrites.

use std::collections::BTreeSet;

use commutator_core::{Destination as _, Epoch, LogicalType, Op, OrderKey, Session};
use object_store::memory::InMemory;

use super::rows::{batch, schema, snapshot_rows, target, transact};
use crate::buckets::Bucket;
use crate::chain;
use crate::client::Store;
use crate::config::Config;
use crate::destination::Parquet;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::sizes::Sizes;

/// A row takes some 100 bytes.
const SMALL: Sizes =
    Sizes { buffer: 1 << 20, file: 500, bucket: 3000, merge: 10_000, chunk: 5000, parallel_mb: 2, held: 400 };

struct Place {
    parquet: Parquet,
    folder: Folder,
    session: Box<dyn Session>,
}

impl Place {
    async fn open(expected_bytes: u64) -> Self {
        let store = Store {
            objects: std::sync::Arc::new(InMemory::new()),
            root: object_store::path::Path::default(),
            label: "memory://".into(),
            local: None,
        };
        let parquet = Parquet::new(store.clone(), Config::new("memory://").settings(), SMALL);
        let mut target = target();
        target.expected_bytes = expected_bytes;
        let session = parquet.open(&target).await.unwrap();
        Self { parquet, folder: Folder::new(&store, &target.name), session }
    }

    async fn manifest(&self) -> Manifest {
        chain::newest(&self.folder).await.unwrap().unwrap()
    }

    async fn rows(&self) -> usize {
        self.parquet.rows(&target()).await.unwrap().map_or(0, |rows| rows.len())
    }

    /// Loads rows in some commits and ends the snapshot.
    async fn load(&mut self, ids: std::ops::Range<i64>, commits: usize) {
        let ids: Vec<_> = ids.collect();
        for ids in ids.chunks(ids.len().div_ceil(commits)) {
            transact(&mut self.session, Some(&snapshot_rows(Epoch::FIRST, ids)), None).await.unwrap();
        }
        transact(&mut self.session, None, Some(Epoch::FIRST)).await.unwrap();
    }
}

/// Every key falls into exactly one bucket, and every bucket has at most one file.
fn assert_covers(manifest: &Manifest) {
    for hash in (0..4096).map(|i: u64| i << 52) {
        assert_eq!(manifest.buckets.iter().filter(|bucket| bucket.contains(hash)).count(), 1);
    }
    let buckets: BTreeSet<Bucket> = manifest.files.iter().map(|file| file.bucket).collect();
    assert_eq!(buckets.len(), manifest.files.len());
    assert!(buckets.iter().all(|bucket| manifest.buckets.contains(bucket)));
    assert!(manifest.pending.is_empty());
}

#[tokio::test]
async fn a_table_that_turns_out_large_is_distributed_over_buckets_of_bounded_size() {
    for expected in [0, 100_000] {
        let mut place = Place::open(expected).await;
        place.load(0..3000, 5).await;
        let manifest = place.manifest().await;
        assert_covers(&manifest);
        assert!(manifest.buckets.len() > 64, "{}", manifest.buckets.len());
        assert!(manifest.files.iter().all(|file| file.memory <= SMALL.bucket));
        assert_eq!(place.rows().await, 3000);
        let names: BTreeSet<_> = place.folder.list("", "").await.unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names.iter().filter(|name| name.contains(".pending")).count(), 0);
    }
}

#[tokio::test]
async fn the_first_load_only_adds_files() {
    let mut place = Place::open(0).await;
    let mut before = BTreeSet::new();
    for start in (0..500).step_by(100) {
        let ids: Vec<_> = (start..start + 100).collect();
        transact(&mut place.session, Some(&snapshot_rows(Epoch::FIRST, &ids)), None).await.unwrap();
        let changes = batch(&schema(LogicalType::Int64), &[(Op::Modify, OrderKey::new(Epoch::FIRST, 5.into()), start)]);
        transact(&mut place.session, Some(&changes), None).await.unwrap();
        let manifest = place.manifest().await;
        let names: BTreeSet<_> = manifest.names().map(str::to_owned).collect();
        assert!(before.is_subset(&names));
        assert!(manifest.buckets.is_empty());
        before = names;
    }
    transact(&mut place.session, None, Some(Epoch::FIRST)).await.unwrap();
    assert_covers(&place.manifest().await);
    assert_eq!(place.rows().await, 500);
}

#[tokio::test]
async fn a_commit_rewrites_only_the_buckets_it_changes() {
    let mut place = Place::open(0).await;
    place.load(0..1000, 3).await;
    let before = place.manifest().await;
    let change = batch(&schema(LogicalType::Int64), &[(Op::Modify, OrderKey::new(Epoch::FIRST, 9.into()), 500)]);
    transact(&mut place.session, Some(&change), None).await.unwrap();
    let after = place.manifest().await;
    assert_covers(&after);
    let names = |manifest: &Manifest| manifest.names().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(&after).difference(&names(&before)).count(), 1);
    assert_eq!((after.buckets, place.rows().await), (before.buckets, 1000));
}

#[tokio::test]
async fn a_bucket_that_grows_is_split_and_rows_keep_theirs_when_their_key_is_widened() {
    let mut place = Place::open(0).await;
    place.load(0..20, 1).await;
    assert_eq!(place.manifest().await.buckets, [Bucket::ALL]);
    let mut inserts = Vec::new();
    for id in 0..400 {
        inserts.push((Op::Insert, OrderKey::new(Epoch::FIRST, 1.into()), id));
    }
    transact(&mut place.session, Some(&batch(&schema(LogicalType::Int64), &inserts)), None).await.unwrap();
    let grown = place.manifest().await;
    assert_covers(&grown);
    assert!(grown.buckets.len() > 4);
    // A change under a wider key type finds the row of the narrow one: it replaces it and adds none.
    let wide = schema(LogicalType::Decimal { precision: 22, scale: 3 });
    let change = batch(&wide, &[(Op::Modify, OrderKey::new(Epoch::FIRST, 2.into()), 7)]);
    transact(&mut place.session, Some(&change), None).await.unwrap();
    let widened = place.manifest().await;
    assert_covers(&widened);
    assert_eq!((place.rows().await, widened.schemas.len()), (400, 1));
    let number = widened.schema().unwrap().0;
    assert!(widened.files.iter().all(|file| file.schema == number));
}

#[tokio::test]
async fn a_resync_leaves_the_table_alone_until_it_ends() {
    let mut place = Place::open(0).await;
    place.load(0..300, 1).await;
    let before = place.manifest().await;
    let second = Epoch(2);
    let checkpoint = place.session.checkpoint().next_epoch(|_| true);
    place.session.begin().await.unwrap().commit(&checkpoint).await.unwrap();
    let ids: Vec<_> = (100..400).collect();
    for ids in ids.chunks(100) {
        transact(&mut place.session, Some(&snapshot_rows(second, ids)), None).await.unwrap();
        assert_eq!(place.manifest().await.files, before.files);
    }
    transact(&mut place.session, None, Some(second)).await.unwrap();
    assert_covers(&place.manifest().await);
    assert_eq!(place.rows().await, 300);
}

#[tokio::test]
async fn a_removal_in_the_transaction_that_begins_a_resync_stops_its_snapshot() {
    let mut place = Place::open(0).await;
    place.load(0..10, 1).await;
    let second = Epoch(2);
    let removal = batch(&schema(LogicalType::Int64), &[(Op::Remove, OrderKey::new(second, 5.into()), 3)]);
    let checkpoint = place.session.checkpoint().next_epoch(|_| true);
    let mut transaction = place.session.begin().await.unwrap();
    transaction.write(&removal).await.unwrap();
    transaction.commit(&checkpoint).await.unwrap();
    let ids: Vec<_> = (0..10).collect();
    transact(&mut place.session, Some(&snapshot_rows(second, &ids)), None).await.unwrap();
    transact(&mut place.session, None, Some(second)).await.unwrap();
    assert_eq!(place.rows().await, 9);
}
