//! An open table that is written to as the pipeline does, and the few changes that trials of SQL destinations need.

use std::sync::Arc;

use commutator_core::schema::{conform, merge, plan};
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Destination, Epoch, Error, LogicalType, Op, OrderKey, PipelineId, Result, Session,
    Slice, SyncMode, TableName, Target,
};

use crate::bench::{next_checkpoint, steps};
use crate::{Change, Item, Value, batch};

/// An open table. It looks at its columns before each commit, as the pipeline does when it opens one.
#[derive(Debug)]
pub struct Table {
    /// The open session.
    pub session: Box<dyn Session>,
    /// What was opened.
    pub target: Target,
    /// The last checkpoint that was committed.
    pub checkpoint: Checkpoint,
}

/// Returns a target whose key is one whole number, `id`.
#[expect(clippy::missing_panics_doc, reason = "the id is valid")]
pub fn target(name: &str) -> Target {
    Target {
        pipeline: PipelineId::new("tests").expect("a valid id"),
        table: TableName::new(name),
        name: name.to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    }
}

/// Returns such a target in a mode.
pub fn target_in(mode: SyncMode, name: &str) -> Target {
    Target { mode, ..target(name) }
}

/// Returns an order key of the first epoch.
pub fn at(sequence: u64) -> OrderKey {
    OrderKey::new(Epoch::FIRST, sequence.into())
}

/// Returns an item with these attributes.
pub fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns a change of the stream.
pub fn put<const N: usize>(id: i64, sequence: u64, attributes: [(&str, Value); N]) -> Change {
    Change::new(vec![Value::int(id)], at(sequence), Op::Modify, item(attributes))
}

/// Returns a row of the first snapshot.
pub fn seen<const N: usize>(id: i64, attributes: [(&str, Value); N]) -> Change {
    Change::new(vec![Value::int(id)], OrderKey::snapshot(Epoch::FIRST), Op::Snapshot, item(attributes))
}

/// Returns a removal of the stream.
pub fn remove(id: i64, sequence: u64) -> Change {
    Change::new(vec![Value::int(id)], at(sequence), Op::Remove, Item::new())
}

impl Table {
    /// Opens a table.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be opened.
    pub async fn open(destination: &dyn Destination, target: Target) -> Self {
        Self::try_open(destination, target).await.expect("the table opens")
    }

    /// Opens a table.
    pub async fn try_open(destination: &dyn Destination, target: Target) -> Result<Self> {
        let session = destination.open(&target).await?;
        Ok(Self { checkpoint: session.checkpoint().clone(), session, target })
    }

    /// Returns why a table does not open.
    ///
    /// # Panics
    ///
    /// Panics if it does.
    pub async fn refused(destination: &dyn Destination, target: Target) -> Error {
        Self::try_open(destination, target).await.map(|_| ()).expect_err("the table does not open")
    }

    /// Evolves the table for the changes and returns them in its columns.
    pub async fn prepare(&mut self, changes: &[Change]) -> Result<ChangeBatch> {
        let batch = batch(&self.target.keys, changes)?;
        let actual = self.session.describe().await?;
        let wanted = match &actual {
            Some(actual) => merge(actual, batch.schema())?,
            None => batch.schema().as_ref().clone(),
        };
        let plan = plan(actual.as_ref(), &wanted)?;
        self.session.evolve(&plan).await?;
        conform(&batch, &Arc::new(plan.result))
    }

    /// Commits one batch.
    pub async fn try_commit(&mut self, changes: &[Change]) -> Result<()> {
        self.try_commit_all(&[changes], false).await
    }

    /// Commits batches in one transaction, and the end of the snapshot if wanted.
    pub async fn try_commit_all(&mut self, batches: &[&[Change]], ended: bool) -> Result<()> {
        let next = next_checkpoint(&self.checkpoint, ended);
        let mut prepared = Vec::new();
        for changes in batches {
            prepared.push(self.prepare(changes).await?);
        }
        let mut transaction = self.session.begin().await?;
        for batch in &prepared {
            transaction.write(batch).await?;
        }
        if ended {
            transaction.end_snapshot(next.epoch()).await?;
        }
        transaction.commit(&next).await?;
        self.checkpoint = next;
        Ok(())
    }

    /// Commits one batch.
    ///
    /// # Panics
    ///
    /// Panics if it is refused.
    pub async fn commit(&mut self, changes: &[Change]) {
        self.try_commit(changes).await.expect("the changes are committed");
    }

    /// Returns why one batch is not committed.
    ///
    /// # Panics
    ///
    /// Panics if it is.
    pub async fn refusal(&mut self, changes: &[Change]) -> Error {
        self.try_commit(changes).await.expect_err("the changes are refused")
    }

    /// Commits the end of the snapshot.
    ///
    /// # Panics
    ///
    /// Panics if it is refused.
    pub async fn end_snapshot(&mut self) {
        self.try_commit_all(&[], true).await.expect("the end of the snapshot is committed");
    }

    /// Returns how many commits the checkpoint has seen.
    pub fn steps(&self) -> usize {
        steps(&self.checkpoint)
    }

    /// Returns the names of the columns that there are.
    ///
    /// # Panics
    ///
    /// Panics if there is no table.
    pub async fn columns(&mut self) -> Vec<String> {
        let found = self.session.describe().await.expect("the columns are read").expect("there is a table");
        found.columns().iter().map(|column| column.name.clone()).collect()
    }
}
