//! One atomic unit of rows, columns and checkpoint: a database transaction on a connection of its own.
//!
//! Dropping it closes the connection, upon which the server rolls everything back.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{
    ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, OrderKey, Result, SyncMode, TableSchema, Transaction, schema,
};

use crate::client::Lease;
use crate::encode::{Shape, longest_key};
use crate::error;
use crate::session::{PgSession, State, Straight, fenced};
use crate::statements::Layout;
use copy::Copy;

mod apply;
mod changes;
mod copy;
pub(crate) mod ddl;
pub(crate) mod impact;
mod record;

/// Rows that are copied straight into the table are kept until the server took them, at most about so many bytes of them.
const HELD_BYTES: usize = 8 << 20;

/// The longest key that surely fits into one index entry, of which the server allows 2,704 bytes.
const LONGEST_KEY: usize = 2600;

/// What stands around rows that are copied straight into the table: before them, after them, and if a key is there already.
pub(crate) const SAVE: &str = "SAVEPOINT straight";
pub(crate) const KEEP: &str = "RELEASE SAVEPOINT straight";
pub(crate) const BACK: &str = "ROLLBACK TO SAVEPOINT straight; RELEASE SAVEPOINT straight";

/// A transaction.
#[derive(Debug)]
pub(crate) struct PgTransaction<'a> {
    session: &'a mut PgSession,
    line: Line,
    state: State,
    /// Rows on their way into the temporary table or, in `append`, into the table.
    copy: Option<Copy>,
    /// Whether the temporary table exists.
    staged: bool,
    removals: bool,
    /// Snapshot rows that go straight into the table.
    held: Vec<ChangeBatch>,
    held_bytes: usize,
    long_keys: bool,
    ended: Option<Epoch>,
    /// Values in which a NUL was replaced.
    replaced: u64,
}

/// The connection that a transaction is on.
#[derive(Debug)]
pub(crate) enum Line {
    Open(Lease),
    /// Something failed: the connection is closed, and everything rolled back.
    Closed,
    /// Another writer had the table before the transaction began.
    Fenced,
}

impl<'a> PgTransaction<'a> {
    /// Goes on in a transaction that was begun; `state` is what it has made of the table so far.
    pub(crate) fn new(session: &'a mut PgSession, line: Line, state: State) -> Self {
        Self {
            session,
            line,
            state,
            copy: None,
            staged: false,
            removals: false,
            held: Vec::new(),
            held_bytes: 0,
            long_keys: false,
            ended: None,
            replaced: 0,
        }
    }

    fn layout(&self) -> Layout {
        self.session.place.layout(self.state.hashed)
    }

    fn is_history(&self) -> bool {
        self.session.place.target.mode == SyncMode::History
    }

    fn client(&self) -> Result<&Lease> {
        match &self.line {
            Line::Open(lease) => Ok(lease),
            Line::Fenced => Err(fenced()),
            Line::Closed => {
                Err(Error::new(ErrorKind::Unexpected, "A call on this transaction failed before; begin another one"))
            }
        }
    }

    /// Rolls back and says what went wrong; a lost connection may mean that another writer took the table over.
    async fn fail(&mut self, error: Error) -> Error {
        self.copy = None;
        self.line = Line::Closed;
        self.session.explain(error).await
    }

    fn columns(&self) -> Result<Arc<TableSchema>> {
        self.state.actual.clone().ok_or_else(|| {
            Error::new(ErrorKind::SchemaConflict, "There is no table to write to; evolve the session's schema first")
        })
    }

    async fn add(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.client()?;
        if batch.is_empty() {
            return Ok(());
        }
        let columns = self.columns()?;
        let batch = schema::conform(batch, &columns)?;
        if self.session.place.target.mode == SyncMode::Append {
            return self.copy_rows(&columns, &batch, Shape::Changes).await;
        }
        self.long_keys |= longest_key(&batch) > LONGEST_KEY;
        if self.hold(&batch) {
            if self.held_bytes >= HELD_BYTES {
                self.release(&columns).await?;
            }
            return Ok(());
        }
        self.release(&columns).await?;
        self.state.straight = Straight::Never;
        self.stage(&columns, &batch).await
    }

    /// Keeps a batch that may go straight into the table; returns whether it may.
    fn hold(&mut self, batch: &ChangeBatch) -> bool {
        let Some(first) = batch.orders().first() else { return true };
        let epoch = first.epoch();
        let fits = match self.state.straight {
            Straight::Empty => true,
            Straight::Snapshot(all) => all == epoch,
            Straight::Never => false,
        };
        let snapshot = OrderKey::snapshot(epoch);
        let alone = batch.is_snapshot() && batch.orders().iter().all(|order| *order == snapshot);
        if !fits || !alone || self.long_keys || self.state.hashed || self.state.tombstones {
            return false;
        }
        self.state.straight = Straight::Snapshot(epoch);
        self.held_bytes += batch.memory_size();
        self.held.push(batch.clone());
        true
    }

    /// Copies the held rows into the table; if a key is there already, they take the way that can tell which row is newer.
    async fn release(&mut self, columns: &TableSchema) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let failed = |e| error::failed(e, "Rows cannot be copied into the table");
        self.client()?.batch_execute(SAVE).await.map_err(failed)?;
        let shape = if self.is_history() { Shape::Changes } else { Shape::Items };
        let statement = self.layout().copy(columns, shape);
        let mut copy = Copy::begin(self.client()?, &statement, shape, self.session.place.nul).await?;
        for batch in &held {
            copy.write(batch).await?;
        }
        let replaced = copy.replaced();
        match copy.finish().await {
            Ok(()) => {
                self.replaced += replaced;
                self.client()?.batch_execute(KEEP).await.map_err(failed)
            }
            Err(e) if error::is_unique_violation(&e) => {
                self.client()?.batch_execute(BACK).await.map_err(failed)?;
                self.state.straight = Straight::Never;
                for batch in &held {
                    self.stage(columns, batch).await?;
                }
                Ok(())
            }
            Err(e) => Err(failed(e)),
        }
    }

    async fn stage(&mut self, columns: &TableSchema, batch: &ChangeBatch) -> Result<()> {
        if !self.staged {
            self.create_stage(columns).await?;
        }
        self.removals |= batch.ops().iter().any(|op| op.is_removal());
        let shape = if self.is_history() { Shape::StagedChanges } else { Shape::Stage };
        self.copy_rows(columns, batch, shape).await
    }

    async fn create_stage(&mut self, columns: &TableSchema) -> Result<()> {
        let create = self.layout().create_stage(columns);
        let created = self.client()?.batch_execute(&create).await;
        created.map_err(|e| error::failed(e, "The temporary table cannot be created"))?;
        self.staged = true;
        Ok(())
    }

    async fn copy_rows(&mut self, columns: &TableSchema, batch: &ChangeBatch, shape: Shape) -> Result<()> {
        if self.copy.is_none() {
            let statement = self.layout().copy(columns, shape);
            self.copy = Some(Copy::begin(self.client()?, &statement, shape, self.session.place.nul).await?);
        }
        match &mut self.copy {
            Some(copy) => copy.write(batch).await,
            None => Ok(()),
        }
    }

    /// Applies everything and writes the checkpoint; what is left is to commit.
    async fn finish(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if let Some(columns) = self.state.actual.clone() {
            self.release(&columns).await?;
            if let Some(copy) = self.copy.take() {
                self.replaced += copy.replaced();
                copy.finish().await.map_err(|e| error::failed(e, "Rows cannot be copied"))?;
            }
            if self.long_keys && !self.state.hashed {
                let mut state = self.state.clone();
                ddl::rekey(self.client()?, &self.session.place, &mut state, &columns).await?;
                self.state = state;
            }
            if self.staged {
                self.apply(&columns, checkpoint).await?;
            }
            if let Some(epoch) = self.ended {
                self.end(epoch, &columns).await?;
            }
        }
        // On one connection they go out together and cost one round trip.
        tokio::try_join!(self.record(checkpoint), self.compare()).map(drop)
    }

    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.finish(checkpoint).await?;
        // Should this call be given up from here on, nobody knows whether it happened.
        self.session.unclear = true;
        self.client()?.batch_execute("COMMIT").await.map_err(|e| error::failed(e, "The commit was not answered"))?;
        self.session.unclear = false;
        self.session.state = self.state.clone();
        self.session.wanted = None;
        self.session.checkpoint = checkpoint.clone();
        if let Line::Open(lease) = std::mem::replace(&mut self.line, Line::Closed) {
            lease.give_back();
        }
        if self.replaced > 0 {
            let (table, values) = (&self.session.place.target.table, self.replaced);
            tracing::warn!(%table, values, "replaced the character NUL, which postgres cannot hold");
        }
        Ok(())
    }

    /// Applies everything, and takes it back.
    async fn roll_back(&mut self) -> Result<()> {
        let checkpoint = self.session.checkpoint.clone();
        self.finish(&checkpoint).await?;
        // Constraints that wait for the commit have their say, too.
        let undo = "SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK";
        self.client()?.batch_execute(undo).await.map_err(|e| error::failed(e, "Rows cannot be applied"))?;
        if let Line::Open(lease) = std::mem::replace(&mut self.line, Line::Closed) {
            lease.give_back();
        }
        Ok(())
    }
}

#[async_trait]
impl Transaction for PgTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        match self.add(batch).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(error).await),
        }
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.ended = Some(epoch);
        Ok(())
    }

    async fn rehearse(mut self: Box<Self>) -> Result<()> {
        match self.roll_back().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(error).await),
        }
    }

    async fn commit(mut self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        match PgTransaction::commit(&mut self, checkpoint).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(error).await),
        }
    }
}
