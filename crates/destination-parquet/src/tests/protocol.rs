//! The commit protocol where it is delicate: lost answers, dead sessions' files, sleepers, and folders of others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use commutator_core::schema::plan;
use commutator_core::{
    Checkpoint, Destination as _, Epoch, ErrorKind, LogicalType, Op, OrderKey, Outcome, PipelineId, Progress, Result,
    Session, SyncMode, TableName, Target,
};

use super::broken_store::BrokenStore;
use super::rows::{batch, schema, snapshot_rows, target};
use crate::chain::{self, KEPT};
use crate::config::Config;
use crate::destination::Parquet;
use crate::folder::{Folder, HIDDEN};
use crate::manifest::{Purpose, file_name, file_owner, manifest_name, manifest_version};
use crate::sizes::Sizes;

struct Place {
    store: Arc<BrokenStore>,
    parquet: Parquet,
    folder: Folder,
}

fn place() -> Place {
    let store = Arc::new(BrokenStore::default());
    let parquet = Parquet::new(store.store(), Config::new("memory://").settings(), Sizes::default());
    let folder = Folder::new(&store.store(), "orders");
    Place { store, parquet, folder }
}

impl Place {
    async fn open(&self) -> Box<dyn Session> {
        self.parquet.open(&target()).await.unwrap()
    }

    /// Returns the names of all files of rows.
    async fn files(&self) -> BTreeSet<String> {
        let entries = self.folder.list("", "").await.unwrap();
        entries.into_iter().map(|entry| entry.name).filter(|name| file_owner(name).is_some()).collect()
    }

    async fn versions(&self) -> Vec<u64> {
        let entries = self.folder.list(HIDDEN, "").await.unwrap();
        entries.iter().filter_map(|entry| manifest_version(&entry.name)).collect()
    }

    /// Returns the files that the newest manifest names.
    async fn live(&self) -> BTreeSet<String> {
        let manifest = chain::newest(&self.folder).await.unwrap().unwrap();
        manifest.names().map(str::to_owned).collect()
    }

    async fn rows(&self) -> usize {
        self.parquet.rows(&target()).await.unwrap().map_or(0, |rows| rows.len())
    }
}

/// Commits snapshot rows under a checkpoint.
async fn commit(session: &mut Box<dyn Session>, ids: &[i64], checkpoint: &Checkpoint) -> Result<()> {
    let batch = snapshot_rows(Epoch::FIRST, ids);
    let plan = plan(session.describe().await?.as_ref(), batch.schema())?;
    session.evolve(&plan).await?;
    let mut transaction = session.begin().await?;
    transaction.write(&batch).await?;
    transaction.commit(checkpoint).await
}

/// Returns a checkpoint that differs from others by a fact.
fn checkpoint(step: u32) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    let facts = [("step".to_owned(), step.to_string())].into();
    checkpoint.advance(&Progress { facts, ..Progress::default() }).unwrap();
    checkpoint
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_by_the_next_session() {
    let place = place();
    let mut session = place.open().await;
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    place.store.faults.lose_answer.store(true, Ordering::SeqCst);
    let error = commit(&mut session, &[2], &checkpoint(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    place.store.faults.lose_answer.store(false, Ordering::SeqCst);
    assert_eq!(session.begin().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let session = place.open().await;
    assert_eq!((session.checkpoint(), place.rows().await), (&checkpoint(2), 2));
}

#[tokio::test]
async fn a_commit_that_is_cancelled_while_it_waits_loses_none_of_its_files() {
    let place = place();
    let mut session = place.open().await;
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    place.store.faults.hang.store(true, Ordering::SeqCst);
    let second = checkpoint(2);
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), commit(&mut session, &[2], &second));
    waiting.await.unwrap_err();
    place.store.faults.hang.store(false, Ordering::SeqCst);
    // The manifest exists, and it names files of this very session.
    commit(&mut session, &[3], &checkpoint(3)).await.unwrap_err();
    assert!(place.live().await.is_subset(&place.files().await));
    let session = place.open().await;
    assert_eq!((session.checkpoint(), place.rows().await), (&checkpoint(2), 2));
}

#[tokio::test]
async fn a_request_that_the_client_repeats_is_no_other_writer() {
    let place = place();
    let mut session = place.open().await;
    place.store.faults.repeat_create.store(true, Ordering::SeqCst);
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    assert_eq!((session.checkpoint(), place.rows().await), (&checkpoint(1), 1));
}

#[tokio::test]
async fn files_of_a_transaction_that_was_dropped_are_removed() {
    let place = place();
    let mut session = place.open().await;
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    // The manifest cannot be written, so its files stay behind; as they do after a crash.
    place.store.faults.lose_answer.store(true, Ordering::SeqCst);
    commit(&mut session, &[2], &checkpoint(2)).await.unwrap_err();
    place.store.faults.lose_answer.store(false, Ordering::SeqCst);
    let last = chain::newest(&place.folder).await.unwrap().unwrap().version;
    place.folder.delete([manifest_name(last)]).await.unwrap();
    assert_eq!(place.files().await.len(), place.live().await.len() + 1);

    let mut session = place.open().await;
    assert_eq!(place.files().await, place.live().await);
    assert_eq!((session.checkpoint(), place.rows().await), (&checkpoint(1), 1));
    place.store.faults.refuse_files.store(true, Ordering::SeqCst);
    commit(&mut session, &[3], &checkpoint(3)).await.unwrap_err();
    place.store.faults.refuse_files.store(false, Ordering::SeqCst);
    commit(&mut session, &[4], &checkpoint(4)).await.unwrap();
    assert_eq!((place.files().await, place.rows().await), (place.live().await, 2));
}

#[tokio::test]
async fn the_sweep_spares_newer_sessions_and_other_programs() {
    let place = place();
    let mut session = place.open().await;
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    let spared = ["notes.txt".to_owned(), "other/part-0.csv".to_owned(), file_name(Purpose::Data, 1000, 5, "a")];
    let removed = [Purpose::Data, Purpose::Pending, Purpose::Scratch].map(|purpose| file_name(purpose, 1, 5, "a"));
    for name in spared.iter().chain(&removed) {
        place.folder.put(name, Bytes::from_static(b"x")).await.unwrap();
    }
    place.open().await;
    let names: BTreeSet<_> = place.folder.list("", "").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(spared.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!removed.iter().any(|name| names.contains(name)), "{names:?}");
    assert_eq!(place.rows().await, 1);
}

#[tokio::test]
async fn a_writer_that_slept_while_its_versions_were_deleted_is_fenced_and_deletes_nothing() {
    let place = place();
    let mut sleeper = place.open().await;
    commit(&mut sleeper, &[1], &checkpoint(1)).await.unwrap();
    let mut session = place.open().await;
    for step in 0..2 * KEPT {
        commit(&mut session, &[i64::try_from(step).unwrap()], &checkpoint(2)).await.unwrap();
    }
    let versions = place.versions().await;
    let newest = versions.iter().max().unwrap();
    assert!(versions.len() <= usize::try_from(KEPT).unwrap() + 1 && !versions.contains(&3), "{versions:?}");
    let live = place.live().await;
    // The version that the sleeper wants is free again.
    let error = commit(&mut sleeper, &[99], &checkpoint(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(place.versions().await.contains(&3));
    assert!(live.is_subset(&place.files().await));
    assert_eq!(sleeper.begin().await.unwrap_err().kind(), ErrorKind::Fenced);
    let session = place.open().await;
    assert_eq!(session.checkpoint(), &checkpoint(2));
    assert!(!place.versions().await.contains(&3) && place.versions().await.contains(newest));
}

#[tokio::test]
async fn files_that_cannot_be_deleted_do_not_fail_a_commit() {
    let place = place();
    let mut session = place.open().await;
    let mut ended = checkpoint(1);
    ended.advance(&Progress { snapshot_ended: true, ..Progress::default() }).unwrap();
    commit(&mut session, &[1], &ended).await.unwrap();
    place.store.faults.refuse_deletes.store(true, Ordering::SeqCst);
    commit(&mut session, &[2], &ended).await.unwrap();
    place.store.faults.refuse_deletes.store(false, Ordering::SeqCst);
    assert_eq!((place.files().await.len(), place.live().await.len()), (2, 1));
    place.open().await;
    assert_eq!((place.files().await, place.rows().await), (place.live().await, 2));
}

#[tokio::test]
async fn the_folder_of_something_else_is_refused() {
    let place = place();
    place.folder.put("part-0.parquet", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(place.parquet.open(&target()).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert!(place.versions().await.is_empty());
    place.folder.delete(["part-0.parquet".to_owned()]).await.unwrap();
    place.open().await;
    for other in [
        Target { pipeline: PipelineId::new("other").unwrap(), ..target() },
        Target { mode: SyncMode::Append, ..target() },
        Target { table: TableName::new("users"), ..target() },
    ] {
        let error = place.parquet.open(&other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(place.parquet.peek(&other).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("wanted: "), "{error}");
    }
    assert_eq!(place.versions().await, [1]);
}

#[tokio::test]
async fn a_folder_that_someone_changed_is_refused_before_it_is_taken_over() {
    let place = place();
    let mut session = place.open().await;
    let mut ended = checkpoint(1);
    ended.advance(&Progress { snapshot_ended: true, ..Progress::default() }).unwrap();
    for id in 1..4 {
        commit(&mut session, &[id], &ended).await.unwrap();
    }
    let (versions, files) = (place.versions().await, place.files().await);
    let data = files.first().unwrap().clone();
    let refused = async |kind, first: &str| {
        let error = place.parquet.open(&target()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let text = error.to_string();
        assert!(["table: orders", "folder: memory:///orders", first].iter().all(|part| text.contains(part)), "{text}");
    };
    // A file of somebody else.
    place.folder.put("part-0.parquet", Bytes::from_static(b"x")).await.unwrap();
    refused(ErrorKind::ConfigInvalid, "part-0.parquet").await;
    place.folder.delete(["part-0.parquet".to_owned()]).await.unwrap();
    // A file of ours that is gone, first while the table is open.
    let bytes = place.folder.get(&data).await.unwrap();
    place.folder.delete([data.clone()]).await.unwrap();
    let error = commit(&mut session, &[9], &ended).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("table: orders"), "{error}");
    refused(ErrorKind::NotFound, &data).await;
    place.folder.put(&data, bytes).await.unwrap();
    // The newest manifest: the one before names a file that the last commit replaced.
    let last = manifest_name(*versions.iter().max().unwrap());
    let manifest = place.folder.get(&last).await.unwrap();
    place.folder.delete([last.clone()]).await.unwrap();
    refused(ErrorKind::NotFound, "-0000").await;
    place.folder.put(&last, manifest).await.unwrap();
    assert_eq!((place.versions().await, place.files().await), (versions, files));
    place.open().await;
    assert_eq!(place.rows().await, 3);
    // All manifests: the files are nobody's.
    place.folder.delete(place.versions().await.into_iter().map(manifest_name)).await.unwrap();
    refused(ErrorKind::ConfigInvalid, &data).await;
}

#[tokio::test]
async fn files_of_a_transaction_that_failed_make_room_at_once() {
    let place = place();
    let mut session = place.open().await;
    commit(&mut session, &[1], &checkpoint(1)).await.unwrap();
    // A row of the snapshot is in a file that readers see, and a change waits for the snapshot's end in another.
    let seen = (Op::Snapshot, OrderKey::snapshot(Epoch::FIRST), 2);
    let changed = (Op::Modify, OrderKey::new(Epoch::FIRST, 7_u64.into()), 3);
    let batch = batch(&schema(LogicalType::Int64), &[seen, changed]);
    let (live, mut failed) = (place.live().await, session.begin().await.unwrap());
    failed.write(&batch).await.unwrap();
    place.store.faults.refuse_data.store(true, Ordering::SeqCst);
    failed.commit(&checkpoint(2)).await.unwrap_err();
    place.store.faults.refuse_data.store(false, Ordering::SeqCst);
    assert_eq!(place.files().await, live);
    commit(&mut session, &[3], &checkpoint(3)).await.unwrap();
    assert_eq!(place.rows().await, 2);
}

#[tokio::test]
async fn a_damaged_or_newer_manifest_is_named() {
    let place = place();
    place.open().await;
    for damaged in [&b"{\"format\": 1}"[..], b"", b"{\"format\": 99}"] {
        place.folder.put(&manifest_name(1), Bytes::from_static(b"")).await.unwrap();
        place.folder.put(&manifest_name(1), Bytes::copy_from_slice(damaged)).await.unwrap();
        let error = place.parquet.open(&target()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert!(error.to_string().contains("manifest-0"), "{error}");
    }
}

#[tokio::test]
async fn check_names_what_fails() {
    let place = place();
    let failed = |report: &commutator_core::CheckReport| -> Vec<String> {
        let failed = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. }));
        failed.map(|check| check.name.clone()).collect()
    };
    let report = place.parquet.check().await.unwrap();
    assert!(report.passed() && report.checks.len() == 6, "{report:?}");
    place.store.faults.refuse_deletes.store(true, Ordering::SeqCst);
    assert_eq!(failed(&place.parquet.check().await.unwrap()), ["rename", "delete"]);
    place.store.faults.lose_answer.store(true, Ordering::SeqCst);
    let report = place.parquet.check().await.unwrap();
    assert_eq!(failed(&report), ["write"]);
    assert!(report.checks[1..].iter().any(|check| matches!(check.outcome, Outcome::Skipped { .. })));
}
