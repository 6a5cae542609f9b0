//! One atomic unit of rows and checkpoint.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use commutator_core::{ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, Result, Retry, SyncMode, Target, Transaction};

use crate::append::Append;
use crate::buckets::Bucket;
use crate::chain;
use crate::evolution::Evolution;
use crate::files::{Files, lock};
use crate::folder::Folder;
use crate::manifest::{Manifest, Purpose};
use crate::memory::Share;
use crate::merge::Ended;
use crate::mirror::Mirror;
use crate::replaced;
use crate::session::{Outcome, ParquetSession};
use crate::sweep::GONE;
use crate::types::rows;

/// How often a commit is put together anew because compactions came in between.
const TRIES: u32 = 16;

/// What is written goes into files that no manifest names, so a transaction that is dropped leaves nothing that counts; its files
/// are removed by the next commit or the next session.
#[derive(Debug)]
pub(crate) struct ParquetTransaction<'a> {
    session: &'a mut ParquetSession,
    /// `None` as long as the table has no columns.
    files: Option<Arc<Files>>,
    changes: Changes,
    ended: Option<Epoch>,
    synced_at: i64,
    /// Whether a write failed, upon which the transaction's files were removed.
    broken: bool,
}

#[derive(Debug)]
enum Changes {
    Append(Box<Append>),
    Mirror(Mirror),
}

impl<'a> ParquetTransaction<'a> {
    pub(crate) fn new(session: &'a mut ParquetSession) -> Self {
        let files = session.files().map(Arc::new);
        let share = Share::new(&session.memory);
        let changes = match session.target.mode {
            SyncMode::Append => Changes::Append(Box::new(Append::new(session.settings.file_bytes, share))),
            _ => Changes::Mirror(Mirror::new(session.sizes, session.target.expected_bytes, share)),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let synced_at = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        Self { session, files, changes, ended: None, synced_at, broken: false }
    }

    async fn try_commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        for _ in 0..TRIES {
            let next = match self.prepare(checkpoint).await {
                Ok(next) => next,
                // A compaction may have replaced a file that was to be read.
                Err(error) if error.kind() == ErrorKind::NotFound && self.session.adopt().await? => continue,
                Err(error) => {
                    discard(&self.session.folder, &self.session.written).await;
                    return Err(error);
                }
            };
            // From here on until the answer it is unclear whether the manifest exists, also if this future is dropped in between:
            // a manifest of this session may name its files, so it may neither commit again nor delete any of them.
            self.session.failed = Some(ErrorKind::Unavailable);
            let appended = chain::append(&self.session.folder, &next).await?;
            match self.session.outcome(appended, next).await? {
                Outcome::Committed => return Ok(()),
                Outcome::Again => {}
                Outcome::Fenced => return Err(chain::fenced(&self.session.target)),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "The table is compacted all the time").with_retry(Retry::Backoff))
    }

    /// Writes what the next manifest needs, and returns it.
    async fn prepare(&mut self, checkpoint: &Checkpoint) -> Result<Manifest> {
        self.session.keep_evolution().await?;
        let before = &self.session.manifest;
        let mut next = before.clone();
        next.version += 1;
        next.compacts = None;
        next.ended = before.last_ended();
        next.checkpoint = checkpoint.clone();
        next.evolution = None;
        replaced::forget(&mut next, replaced::seconds(Duration::ZERO));
        if let Some(files) = &self.files {
            let columns = before.schema().map(|(_, schema)| &**schema);
            let when = (next.version, checkpoint.epoch(), self.synced_at / 1000);
            next.evolution = Evolution::between(columns, &files.schema, when);
            next.schemas.insert(files.number, Arc::clone(&files.schema));
            match &mut self.changes {
                Changes::Append(append) => append.commit(files, before, &mut next, self.ended.is_some()).await?,
                Changes::Mirror(mirror) => {
                    let ended = self.ended.map(|epoch| Ended { epoch, synced_at: self.synced_at });
                    mirror.commit(files, before, &mut next, ended).await?;
                }
            }
            keep_readable(files, &mut next).await?;
            files.publish(&next.files).await?;
            next.forget_unused_schemas();
        }
        Ok(next)
    }
}

/// Removes the files of a transaction that failed before anything could name them, which on a full disk makes room for the next one.
///
/// What cannot be removed now is removed by the next commit or the next session.
async fn discard(folder: &Folder, written: &Mutex<Vec<String>>) {
    let names = lock(written).clone();
    if let Err(error) = folder.delete(names).await {
        tracing::debug!(%error, folder = folder.address(), "Files of a failed transaction cannot be deleted");
    }
}

/// A table without rows is one file with its columns, so that readers find it; a table with rows has no file without.
async fn keep_readable(files: &Files, next: &mut Manifest) -> Result<()> {
    let has_rows = next.files.iter().any(|file| file.rows > 0);
    let mut empty = None;
    next.files.retain(|file| {
        if file.rows == 0 && file.schema == files.number && file.written_as.is_none() {
            empty = Some(file.clone());
        }
        file.rows > 0
    });
    if !has_rows {
        let file = match empty {
            Some(file) => file,
            None => files.write(Purpose::Data, Bucket::ALL, Vec::new()).await?,
        };
        next.files.push(file);
    }
    Ok(())
}

#[async_trait]
impl Transaction for ParquetTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let session = &*self.session;
        let Some(files) = &self.files else {
            return Err(Error::new(ErrorKind::SchemaConflict, "The table has no columns yet")
                .with("table", &session.target.table));
        };
        let rows = rows(batch, &files.schema, self.synced_at).map_err(|e| e.with("table", &session.target.table))?;
        let written = match &mut self.changes {
            Changes::Append(append) => append.write(rows, files).await,
            Changes::Mirror(mirror) => mirror.write(rows, files, &session.manifest).await,
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) => {
                self.broken = true;
                discard(&session.folder, &session.written).await;
                Err(explain_missing(&session.folder, &session.target, session.manifest.version, error).await)
            }
        }
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.ended = Some(epoch);
        Ok(())
    }

    async fn commit(mut self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        if self.broken {
            let message = "A write of this transaction failed before; begin another one";
            return Err(Error::new(ErrorKind::Unexpected, message).with("table", &self.session.target.table));
        }
        match self.try_commit(checkpoint).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let session = &*self.session;
                Err(explain_missing(&session.folder, &session.target, session.manifest.version, error).await)
            }
        }
    }
}

/// Returns the error that explains why a file of ours is missing: another writer took the table over and removed it, or someone else
/// did.
async fn explain_missing(folder: &Folder, target: &Target, version: u64, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    match chain::newest(folder).await {
        Ok(Some(newest)) if newest.version > version => chain::fenced(target).with_source(error),
        Ok(Some(_)) => Error::new(ErrorKind::NotFound, GONE)
            .with("table", &target.table)
            .with("folder", folder.address())
            .with_source(error),
        _ => error,
    }
}
