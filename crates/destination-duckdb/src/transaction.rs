//! One atomic unit of rows, columns and checkpoint.
//!
//! Rows wait in a temporary table of a connection of their own, which no other transaction sees or waits for. The commit does everything
//! else in one database transaction, while nobody else writes. Dropping it closes the connection, and the rows are gone.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::rules::TypeJoin;
use commutator_core::{
    ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, Op, OrderKey, Result, TableSchema, Transaction, schema,
};

use crate::client::{Lease, blocking};
use crate::encode;
use crate::error;
use crate::session::DuckSession;
use commit::{Job, Outcome};

mod apply;
mod commit;
pub(crate) mod ddl;

/// A transaction.
#[derive(Debug)]
pub(crate) struct DuckTransaction<'a> {
    session: &'a mut DuckSession,
    line: Line,
    /// The columns that the table has or will have once this is committed.
    columns: Option<Arc<TableSchema>>,
    staged: Staged,
    ended: Option<Epoch>,
}

/// What is staged so far.
#[derive(Debug, Clone, Copy, Default)]
struct Staged {
    rows: bool,
    /// Whether removals are among the rows.
    removals: bool,
    /// Whether some of the rows are most likely there in an older form.
    replaces: bool,
}

/// The connection that a transaction is on. A call takes it and puts it back when all went well, so a call that failed or was given up
/// leaves the transaction closed.
#[derive(Debug)]
enum Line {
    /// Nothing was staged yet.
    Unopened,
    Open(Lease),
    Closed,
}

impl<'a> DuckTransaction<'a> {
    pub(crate) fn new(session: &'a mut DuckSession) -> Result<Self> {
        let columns = match &session.wanted {
            Some(wanted) => {
                let plan = schema::plan_by(session.state.actual.as_deref(), wanted, TypeJoin::decided())?;
                Some(Arc::new(plan.result))
            }
            None => session.state.actual.clone(),
        };
        Ok(Self { session, line: Line::Unopened, columns, staged: Staged::default(), ended: None })
    }

    fn take_line(&mut self) -> Result<Option<Lease>> {
        match std::mem::replace(&mut self.line, Line::Closed) {
            Line::Unopened => Ok(None),
            Line::Open(lease) => Ok(Some(lease)),
            Line::Closed => {
                Err(Error::new(ErrorKind::Unexpected, "A call on this transaction failed before; begin another one"))
            }
        }
    }

    async fn stage(&mut self, batch: &ChangeBatch) -> Result<()> {
        let line = self.take_line()?;
        if batch.is_empty() {
            self.line = line.map_or(Line::Unopened, Line::Open);
            return Ok(());
        }
        let columns = self.columns.clone().ok_or_else(|| {
            Error::new(ErrorKind::SchemaConflict, "There is no table to write to; evolve the session's schema first")
        })?;
        let batch = schema::conform(batch, &columns)?;
        let removals = batch.ops().iter().any(|op| op.is_removal());
        // Of what is new or seen for the first time nothing older is there.
        let is_new = |(op, order): (&Op, &OrderKey)| match op {
            Op::Insert => true,
            Op::Snapshot => order.epoch() == Epoch::FIRST,
            Op::Modify | Op::Remove | Op::Expire => false,
        };
        let replaces = !batch.ops().iter().zip(batch.orders()).all(is_new);
        let rows = encode::staged(&batch)?;
        let (database, layout) = (Arc::clone(&self.session.database), self.session.place.layout());
        let append = move || {
            let failed = |e| error::failed(e, "Rows cannot be staged");
            let is_new = line.is_none();
            let lease = line.map_or_else(|| database.lease(), Ok)?;
            if is_new {
                lease.execute_batch(&layout.create_stage(&columns)).map_err(failed)?;
            }
            {
                let mut appender = lease.appender_to_catalog_and_db("_ct_stage", "temp", "main").map_err(failed)?;
                appender.append_record_batch(rows).map_err(failed)?;
                appender.flush().map_err(failed)?;
            }
            Ok(lease)
        };
        self.line = Line::Open(blocking(append).await?);
        self.staged.rows = true;
        self.staged.removals |= removals;
        self.staged.replaces |= replaces;
        Ok(())
    }

    /// Does everything, and commits it or takes it back.
    async fn finish(&mut self, checkpoint: &Checkpoint, rehearsed: bool) -> Result<()> {
        let job = Job {
            lease: self.take_line()?,
            database: Arc::clone(&self.session.database),
            place: self.session.place.clone(),
            owner: self.session.owner,
            state: self.session.state.clone(),
            wanted: self.session.wanted.clone(),
            columns: self.columns.clone(),
            epoch: self.session.checkpoint.epoch(),
            staged: self.staged,
            ended: self.ended,
            before: self.session.checkpoint.clone(),
            checkpoint: checkpoint.clone(),
            rehearsed,
        };
        // Should this call be given up from here on, nobody knows whether it happened.
        self.session.unclear = true;
        match blocking(move || Ok(commit::run(job))).await? {
            Outcome::Committed(state) => {
                self.session.unclear = false;
                self.session.state = state;
                self.session.wanted = None;
                self.session.checkpoint = checkpoint.clone();
                Ok(())
            }
            Outcome::RolledBack(state, done) => {
                self.session.unclear = false;
                self.session.state = state;
                done
            }
            Outcome::Unclear(error) => Err(error),
        }
    }
}

#[async_trait]
impl Transaction for DuckTransaction<'_> {
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
