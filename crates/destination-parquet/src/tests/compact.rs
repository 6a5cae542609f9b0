//! Compaction beside writers, with lost answers, and after crashes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use commutator_core::{Destination as _, Epoch, ErrorKind, LogicalType, Op, OrderKey, Session, SyncMode, Target};

use super::broken_store::BrokenStore;
use super::rows::{batch, schema, snapshot_rows, transact};
use crate::chain;
use crate::compact::{Compacted, Compaction};
use crate::config::Config;
use crate::destination::Parquet;
use crate::folder::Folder;
use crate::manifest::{Manifest, Purpose, file_name, file_owner};
use crate::sizes::Sizes;

const NONE: Compaction = Compaction { grace: Duration::ZERO };

struct Place {
    store: Arc<BrokenStore>,
    parquet: Parquet,
    folder: Folder,
    target: Target,
    session: Box<dyn Session>,
    next: i64,
}

impl Place {
    async fn open(mode: SyncMode) -> Self {
        let store = Arc::new(BrokenStore::default());
        // A row takes some 100 bytes.
        let small =
            Sizes { buffer: 1 << 20, file: 500, bucket: 3000, merge: 10_000, chunk: 5000, parallel_mb: 2, held: 400 };
        let parquet = Parquet::new(store.store(), Config::new("memory://").settings(), small);
        let folder = Folder::new(&store.store(), "orders");
        let target = Target { mode, ..super::rows::target() };
        let session = parquet.open(&target).await.unwrap();
        Self { store, parquet, folder, target, session, next: 0 }
    }

    /// A table with its snapshot behind it, and some files.
    async fn loaded(mode: SyncMode, rows: i64) -> Self {
        let mut place = Self::open(mode).await;
        let ids: Vec<i64> = (0..rows).collect();
        transact(&mut place.session, Some(&snapshot_rows(Epoch::FIRST, &ids)), Some(Epoch::FIRST)).await.unwrap();
        place.next = rows;
        place
    }

    async fn insert(&mut self) {
        self.change(Op::Insert, self.next).await;
        self.next += 1;
    }

    async fn change(&mut self, op: Op, id: i64) {
        let order = OrderKey::new(Epoch::FIRST, u64::try_from(self.next + 5).unwrap().into());
        transact(&mut self.session, Some(&batch(&schema(LogicalType::Int64), &[(op, order, id)])), None).await.unwrap();
    }

    async fn compact(&self, compaction: Compaction) -> Compacted {
        self.parquet.compact(&self.target, compaction).await.unwrap()
    }

    async fn manifest(&self) -> Manifest {
        chain::newest(&self.folder).await.unwrap().unwrap()
    }

    async fn ids(&self) -> Vec<i64> {
        use arrow_array::cast::AsArray as _;
        let rows = self.parquet.rows(&self.target).await.unwrap().unwrap();
        let mut ids = rows.rows().column(0).as_primitive::<arrow_array::types::Int64Type>().values().to_vec();
        ids.sort_unstable();
        ids
    }

    /// What a plain glob finds.
    async fn seen(&self) -> BTreeSet<String> {
        let entries = self.folder.list("", "").await.unwrap();
        entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(".parquet")).collect()
    }

    async fn hidden(&self, extension: &str) -> usize {
        let entries = self.folder.list("_commutator", "").await.unwrap();
        entries.iter().filter(|entry| entry.name.ends_with(extension)).count()
    }

    async fn assert_whole(&self) {
        let live: BTreeSet<String> = self.manifest().await.names().map(str::to_owned).collect();
        assert_eq!(self.seen().await, live);
        assert_eq!(self.ids().await, (0..self.next).collect::<Vec<_>>());
        assert_eq!(self.hidden(".staged").await, 0);
    }
}

#[tokio::test]
async fn small_files_become_one_and_the_writer_goes_on() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    for _ in 0..5 {
        place.insert().await;
    }
    let before = place.manifest().await;
    let done = place.compact(Compaction::default()).await;
    assert_eq!((done.files, done.replaced, done.written), (1, 6, 1));
    assert!(done.replaced_bytes > done.written_bytes && !done.waits);
    place.assert_whole().await;
    let after = place.manifest().await;
    assert_eq!(
        (&after.checkpoint, after.owner, &after.session, after.commit()),
        (&before.checkpoint, before.owner, &before.session, before.version)
    );
    assert_eq!(place.hidden(".replaced").await, 6);

    // The writer knows nothing of it and goes on; so does the next compaction, and the writer after it.
    place.insert().await;
    place.assert_whole().await;
    assert_eq!(place.manifest().await.files.len(), 2);
    assert_eq!(place.compact(NONE).await.replaced, 2);
    assert_eq!(place.compact(NONE).await.replaced, 0);
    place.insert().await;
    place.assert_whole().await;
    assert_eq!(place.hidden(".replaced").await, 6);
}

#[tokio::test]
async fn replaced_files_go_when_their_time_is_over() {
    for by_commit in [true, false] {
        let mut place = Place::loaded(SyncMode::Append, 3).await;
        place.insert().await;
        place.compact(Compaction { grace: Duration::from_secs(1) }).await;
        assert_eq!(place.hidden(".replaced").await, 2);
        tokio::time::sleep(Duration::from_millis(2100)).await;
        if by_commit {
            place.insert().await;
        } else {
            assert_eq!(place.compact(Compaction::default()).await.written, 0);
        }
        assert_eq!((place.hidden(".replaced").await, place.manifest().await.replaced.len()), (0, 0));
        place.assert_whole().await;
    }
}

#[tokio::test]
async fn buckets_of_a_table_that_shrank_are_put_together() {
    let mut place = Place::loaded(SyncMode::Mirror, 400).await;
    let many = place.manifest().await.files.len();
    assert!(many > 8);
    for id in 20..400 {
        place.change(Op::Remove, id).await;
    }
    place.next = 20;
    let before = place.manifest().await;
    let done = place.compact(Compaction::default()).await;
    assert!(done.files < 3 && done.replaced == before.files.len(), "{done:?}");
    assert!(place.manifest().await.buckets.len() < before.buckets.len());
    place.assert_whole().await;
    place.change(Op::Modify, 7).await;
    place.insert().await;
    place.assert_whole().await;
    assert_eq!(place.compact(NONE).await.written, 0);
}

#[tokio::test]
async fn a_first_load_is_left_alone_in_mirror() {
    let mut place = Place::open(SyncMode::Mirror).await;
    assert_eq!(place.parquet.compact(&place.target, NONE).await.unwrap_err().kind(), ErrorKind::NotFound);
    for id in 0..3 {
        transact(&mut place.session, Some(&snapshot_rows(Epoch::FIRST, &[id])), None).await.unwrap();
    }
    let before = place.manifest().await;
    let done = place.compact(NONE).await;
    assert!(done.waits && done.files == 3 && done.written == 0, "{done:?}");
    assert_eq!(place.manifest().await, before);
}

/// Compactions come at every moment of a commit; neither loses or doubles a row.
#[tokio::test]
async fn compactions_and_commits_at_the_same_time_lose_nothing() {
    for mode in [SyncMode::Append, SyncMode::Mirror] {
        let mut place = Place::loaded(mode, 3).await;
        let (parquet, target) = (place.parquet.clone(), place.target.clone());
        let done = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&done);
        let compactions = tokio::spawn(async move {
            let mut written = 0;
            while !until.load(Ordering::SeqCst) {
                match parquet.compact(&target, Compaction::default()).await {
                    Ok(done) => written += done.written,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
                }
                tokio::task::yield_now().await;
            }
            written
        });
        for _ in 0..40 {
            place.insert().await;
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::SeqCst);
        let written = compactions.await.unwrap();
        assert!(written > 0 || mode == SyncMode::Mirror);
        place.assert_whole().await;
    }
}

#[tokio::test]
async fn a_compaction_that_finds_another_owner_gives_its_files_up() {
    for at_rename in [false, true] {
        let mut place = Place::loaded(SyncMode::Append, 3).await;
        place.insert().await;
        let faults = &place.store.faults;
        let moment = if at_rename { &faults.take_over_at_rename } else { &faults.take_over };
        moment.lock().unwrap().replace((place.parquet.clone(), place.target.clone()));
        let done = place.compact(NONE).await;
        assert_eq!(done.written, 1, "it starts over under the new owner");
        assert_eq!(place.manifest().await.owner, 2);
        place.assert_whole().await;
        let refused = transact(&mut place.session, None, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Fenced, "the old writer is fenced as if there had been no compaction");
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    place.insert().await;
    place.store.faults.lose_answer.store(true, Ordering::SeqCst);
    assert_eq!(place.compact(Compaction::default()).await.written, 1);
    place.store.faults.lose_answer.store(false, Ordering::SeqCst);
    place.insert().await;
    place.assert_whole().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_before_a_compaction_is_still_found() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    place.store.faults.lose_answer.store(true, Ordering::SeqCst);
    let rows = snapshot_rows(Epoch::FIRST, &[3]);
    transact(&mut place.session, Some(&rows), None).await.unwrap_err();
    place.store.faults.lose_answer.store(false, Ordering::SeqCst);
    place.next = 4;
    assert_eq!(place.compact(Compaction::default()).await.replaced, 2);
    place.session = place.parquet.open(&place.target).await.unwrap();
    place.assert_whole().await;
    place.insert().await;
    place.assert_whole().await;
}

#[tokio::test]
async fn what_fails_leaves_the_table_as_it_was() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    place.insert().await;
    let before = place.manifest().await;
    for fault in [&place.store.faults.refuse_files, &place.store.faults.refuse_data] {
        fault.store(true, Ordering::SeqCst);
        let error = place.parquet.compact(&place.target, NONE).await.unwrap_err();
        fault.store(false, Ordering::SeqCst);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(place.manifest().await, before);
        place.assert_whole().await;
    }
}

#[tokio::test]
async fn what_a_dead_compaction_did_not_hide_is_hidden_by_whoever_comes_next() {
    for next in ["commit", "open", "compact"] {
        let mut place = Place::loaded(SyncMode::Append, 3).await;
        place.insert().await;
        place.store.faults.refuse_hiding.store(true, Ordering::SeqCst);
        place.compact(Compaction::default()).await;
        place.store.faults.refuse_hiding.store(false, Ordering::SeqCst);
        assert_eq!(place.seen().await.len(), 3, "{next}");
        match next {
            "commit" => place.insert().await,
            "open" => place.session = place.parquet.open(&place.target).await.unwrap(),
            _ => assert_eq!(place.compact(Compaction::default()).await.written, 0),
        }
        place.assert_whole().await;
        assert_eq!(place.hidden(".replaced").await, 2, "{next}");
    }
}

#[tokio::test]
async fn files_that_a_dead_compaction_staged_are_removed_by_the_next_start() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    let name = file_name(Purpose::Data, 1, 7, "abc");
    let staged = crate::manifest::hidden_name(&name, crate::manifest::Hidden::Staged);
    assert_eq!(file_owner(&staged), Some(1));
    for name in [&name, &staged] {
        place.folder.put(name, bytes::Bytes::from_static(b"x")).await.unwrap();
    }
    place.session = place.parquet.open(&place.target).await.unwrap();
    place.assert_whole().await;
}

#[tokio::test]
async fn files_of_older_columns_get_those_of_the_table() {
    let mut place = Place::open(SyncMode::Append).await;
    transact(&mut place.session, Some(&snapshot_rows(Epoch::FIRST, &[0, 1])), None).await.unwrap();
    let wide = schema(LogicalType::Decimal { precision: 22, scale: 3 });
    let rows = [(Op::Snapshot, OrderKey::snapshot(Epoch::FIRST), 2)];
    transact(&mut place.session, Some(&batch(&wide, &rows)), None).await.unwrap();
    let numbers = |manifest: &Manifest| manifest.files.iter().map(|file| file.schema).collect::<BTreeSet<_>>();
    // While the first snapshot runs, files of several schemas are there.
    assert_eq!(numbers(&place.manifest().await).len(), 2);
    assert_eq!(place.compact(NONE).await.replaced, 2);
    let manifest = place.manifest().await;
    assert_eq!((numbers(&manifest).len(), manifest.schemas.len()), (1, 1));
    transact(&mut place.session, None, Some(Epoch::FIRST)).await.unwrap();
    assert_eq!(place.parquet.rows(&place.target).await.unwrap().unwrap().len(), 3);
}

/// What a widened column makes the writer do, beyond what it can hold in memory.
#[tokio::test]
async fn files_that_are_written_anew_show_only_when_all_are_there() {
    let mut place = Place::loaded(SyncMode::Append, 3).await;
    for _ in 0..4 {
        place.insert().await;
    }
    let before = place.manifest().await;
    let wide = schema(LogicalType::Decimal { precision: 22, scale: 3 });
    let row = batch(&wide, &[(Op::Insert, OrderKey::new(Epoch::FIRST, 90_u64.into()), 7)]);
    place.store.faults.refuse_data.store(true, Ordering::SeqCst);
    transact(&mut place.session, Some(&row), None).await.unwrap_err();
    place.store.faults.refuse_data.store(false, Ordering::SeqCst);
    assert_eq!((place.manifest().await, place.hidden(".staged").await), (before, 0));
    place.assert_whole().await;
    transact(&mut place.session, Some(&row), None).await.unwrap();
    let manifest = place.manifest().await;
    let number = manifest.schema().unwrap().0;
    assert!(manifest.files.len() == 6 && manifest.files.iter().all(|file| file.schema == number));
    let live: BTreeSet<String> = manifest.names().map(str::to_owned).collect();
    assert_eq!((place.seen().await, place.hidden(".staged").await), (live, 0));
    assert_eq!(place.parquet.rows(&place.target).await.unwrap().unwrap().len(), 8);
}
