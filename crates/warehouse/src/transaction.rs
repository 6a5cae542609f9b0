//! One atomic unit of rows, columns and checkpoint.
//!
//! Rows wait as files in the staging area. The commit first gives the table its columns, and then sends one script that loads the files,
//! applies them and writes the checkpoint. Dropping it leaves files that nobody loads, and that the session or its successor removes.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::rules::TypeJoin;
use commutator_core::{ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, Result, TableSchema, Transaction, schema};
use commutator_sql::Part;

use crate::session::{LoaderSession, by_name, keeps_removals};
use crate::staging::Upload;
use crate::{Failure, Staged};
use script::{Commit, Contents};

pub(crate) mod script;

/// A transaction.
#[derive(Debug)]
pub(crate) struct LoaderTransaction<'a> {
    session: &'a mut LoaderSession,
    upload: Stage,
    /// The columns that the table has or will have once this is committed.
    columns: Option<Arc<TableSchema>>,
    removals: bool,
    ended: Option<Epoch>,
}

/// Where a transaction's rows go. A call takes it and puts it back when all went well, so a call that failed or was given up leaves the
/// transaction closed.
#[derive(Debug)]
enum Stage {
    /// Nothing was staged yet.
    Unopened,
    Open(Upload),
    Closed,
}

impl<'a> LoaderTransaction<'a> {
    pub(crate) fn new(session: &'a mut LoaderSession) -> Result<Self> {
        let columns = match &session.wanted {
            Some(wanted) => {
                let plan = schema::plan_by(session.state.actual.as_deref(), wanted, TypeJoin::decided())?;
                Some(Arc::new(plan.result))
            }
            None => session.state.actual.clone(),
        };
        Ok(Self { session, upload: Stage::Unopened, columns, removals: false, ended: None })
    }

    fn take(&mut self) -> Result<Option<Upload>> {
        match std::mem::replace(&mut self.upload, Stage::Closed) {
            Stage::Unopened => Ok(None),
            Stage::Open(upload) => Ok(Some(upload)),
            Stage::Closed => {
                Err(Error::new(ErrorKind::Unexpected, "A call on this transaction failed before; begin another one"))
            }
        }
    }

    async fn stage(&mut self, batch: &ChangeBatch) -> Result<()> {
        let upload = self.take()?;
        if batch.is_empty() {
            self.upload = upload.map_or(Stage::Unopened, Stage::Open);
            return Ok(());
        }
        let columns = self.columns.clone().ok_or_else(|| {
            Error::new(ErrorKind::SchemaConflict, "There is no table to write to; evolve the session's schema first")
        })?;
        let batch = self.session.place.warehouse.admit(schema::conform(batch, &columns)?)?;
        let removals = batch.ops().iter().any(|op| op.is_removal());
        let mut upload = upload.unwrap_or_else(|| self.open(&columns));
        upload.add(batch).await?;
        self.upload = Stage::Open(upload);
        self.removals |= removals;
        Ok(())
    }

    fn open(&mut self, columns: &TableSchema) -> Upload {
        let id = self.session.next_id();
        let place = &self.session.place;
        // The owner's number comes first, so that whoever sweeps knows whose it is.
        let folder = format!("{}/{}-{id}", place.folder(), self.session.owner.number);
        self.session.litter.push(folder.clone());
        Upload::new(&place.staging, folder, place.warehouse.form(columns))
    }

    /// Does everything, and commits it or takes it back.
    async fn finish(&mut self, checkpoint: &Checkpoint, rehearsed: bool) -> Result<()> {
        let staged = match self.take()? {
            Some(upload) => Some(upload.finish().await?),
            None => None,
        };
        // Should this call be given up from here on, nobody knows what happened.
        self.session.committing = true;
        let ended = self.send(staged, checkpoint, rehearsed).await;
        match ended {
            Ok(()) => {
                self.session.committing = false;
                self.session.tidy().await;
                Ok(())
            }
            Err(Failure::Refused(error)) => {
                self.session.committing = false;
                self.session.tidy().await;
                Err(error)
            }
            // Whoever opens the table next removes the files; until then they may still be read.
            Err(Failure::Unclear(error)) => {
                self.session.unclear = true;
                Err(error)
            }
        }
    }

    /// Returns with [`Failure::Refused`] where it is certain that nothing was committed.
    async fn send(&mut self, staged: Option<Staged>, checkpoint: &Checkpoint, rehearsed: bool) -> Result<(), Failure> {
        let has_rows = staged.is_some();
        self.prepare(has_rows).await?;
        let runs = self.ended.is_none() && !checkpoint.snapshot_ended();
        let keeps_removals = keeps_removals(&self.session.place.target) && has_rows && self.removals && runs;
        if let (true, Some(columns)) = (keeps_removals, &self.columns) {
            let created = self.session.create_tombstones(columns).await;
            created.map_err(|e| self.session.failure(e))?;
        }
        let session = &mut *self.session;
        if let Some(staged) = &staged
            && let Some(manifest) = session.place.warehouse.manifest(staged)
        {
            let put = session.place.staging.put(&staged.manifest(), manifest.into_bytes()).await;
            put.map_err(Failure::Refused)?;
        }
        let id = session.next_id();
        let text = crate::session::text_of(checkpoint).map_err(Failure::Refused)?;
        let written = session.written(Part::Checkpoint, Some(&text));
        let (place, kept) = (&session.place, written.leaves_rows(session.place.dialect()));
        let commit = Commit {
            warehouse: place.warehouse.as_ref(),
            layout: place.layout(),
            checkpoint: place.checkpoint(),
            mode: place.target.mode,
            owner: &session.owner,
            contents: self.columns.as_deref().map(|columns| Contents {
                columns,
                staged: staged.as_ref(),
                removals: self.removals,
                tombstones: session.state.tombstones,
                keeps_removals,
                filtered: place.target.filtered,
                runs,
                ended: self.ended,
            }),
        };
        if rehearsed {
            let script = commit.rows();
            let fail = commit.checkpoint.fail_rehearsed();
            return match place.warehouse.rehearse(&script, &fail, &id).await {
                Ok(()) => Ok(()),
                Err(error) => Err(Failure::Refused(session.meaning(error).await)),
            };
        }
        match place.warehouse.run(&commit.script(&[written]), &id).await {
            Ok(()) => {}
            Err(Failure::Refused(error)) => return Err(Failure::Refused(session.meaning(error).await)),
            Err(unclear) => return Err(unclear),
        }
        session.has(&[(Part::Checkpoint, kept)]);
        session.checkpoint = checkpoint.clone();
        if self.ended.is_some() && session.state.tombstones {
            session.drop_tombstones().await;
        }
        Ok(())
    }

    /// Makes sure that the table is as it was when rows were staged, and gives it its new columns.
    ///
    /// Rows that would go into other columns than they were staged for would be cast to what is there now.
    async fn prepare(&mut self, has_rows: bool) -> Result<(), Failure> {
        let session = &mut *self.session;
        if !has_rows && self.ended.is_none() && session.wanted.is_none() {
            return Ok(());
        }
        let prepared = async {
            if session.state.planned.is_none() {
                let actual = session.place.actual(session.state.recorded.as_ref()).await?;
                if actual.as_deref().map(by_name) != session.state.actual.as_deref().map(by_name) {
                    return Err(changed_meanwhile());
                }
            }
            session.make_wanted().await?;
            if session.state.actual.as_deref().map(by_name) != self.columns.as_deref().map(by_name) {
                return Err(changed_meanwhile());
            }
            Ok(())
        };
        match prepared.await {
            Ok(()) => Ok(()),
            Err(error) if session.unclear => Err(Failure::Unclear(error)),
            // Whoever took the table over may have changed it since.
            Err(error) => Err(Failure::Refused(session.meaning(error).await)),
        }
    }
}

impl LoaderSession {
    /// Returns an error of this session as that of a commit which had not begun to write rows.
    fn failure(&self, error: Error) -> Failure {
        if self.unclear { Failure::Unclear(error) } else { Failure::Refused(error) }
    }

    /// Removes the files of transactions that have ended.
    async fn tidy(&mut self) {
        for folder in std::mem::take(&mut self.litter) {
            if let Err(error) = self.place.staging.remove(&folder, |_| true).await {
                tracing::warn!(table = %self.place.target.table, error = %error.report(), "staged files could not be removed");
                self.litter.push(folder);
                break;
            }
        }
    }
}

#[async_trait]
impl Transaction for LoaderTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.stage(batch).await.map_err(|e| self.session.place.name(e))
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.ended = Some(epoch);
        Ok(())
    }

    async fn rehearse(mut self: Box<Self>) -> Result<()> {
        let checkpoint = self.session.checkpoint.clone();
        self.finish(&checkpoint, true).await.map_err(|e| self.session.place.name(e))
    }

    async fn commit(mut self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        self.finish(checkpoint, false).await.map_err(|e| self.session.place.name(e))
    }
}

fn changed_meanwhile() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "Someone changed the table's columns while rows were written; the table is opened again",
    )
}
