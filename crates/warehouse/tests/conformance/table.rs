//! An open table that is written to as the pipeline does.

use std::sync::Arc;

use commutator_conformance::{Change, Item, Value, batch};
use commutator_core::schema::{conform, merge, plan};
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Destination, Epoch, LogicalType, Offset, Op, OrderKey, PartitionId, PipelineId,
    Position, Progress, Result, Session, Slice, SyncMode, TableName, Target,
};

use crate::place::Place;

pub(crate) struct Table {
    pub(crate) session: Box<dyn Session>,
    pub(crate) target: Target,
    pub(crate) checkpoint: Checkpoint,
}

/// Returns a target whose key is one whole number.
pub(crate) fn target(name: &str) -> Target {
    Target {
        pipeline: PipelineId::new("tests").unwrap(),
        table: TableName::new(name),
        name: name.to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        expected_bytes: 0,
        filtered: false,
    }
}

pub(crate) fn at(sequence: u64) -> OrderKey {
    OrderKey::new(Epoch::FIRST, sequence.into())
}

pub(crate) fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A change of the stream.
pub(crate) fn put<const N: usize>(id: i64, sequence: u64, attributes: [(&str, Value); N]) -> Change {
    Change::new(vec![Value::int(id)], at(sequence), Op::Modify, item(attributes))
}

/// A row of the first snapshot.
pub(crate) fn seen<const N: usize>(id: i64, attributes: [(&str, Value); N]) -> Change {
    Change::new(vec![Value::int(id)], OrderKey::snapshot(Epoch::FIRST), Op::Snapshot, item(attributes))
}

pub(crate) fn remove(id: i64, sequence: u64) -> Change {
    Change::new(vec![Value::int(id)], at(sequence), Op::Remove, Item::new())
}

impl Table {
    pub(crate) async fn open(place: &Place, target: Target) -> Self {
        Self::try_open(&place.loader(), target).await.unwrap()
    }

    pub(crate) async fn try_open(destination: &dyn Destination, target: Target) -> Result<Self> {
        let session = destination.open(&target).await?;
        Ok(Self { checkpoint: session.checkpoint().clone(), session, target })
    }

    /// Evolves the table for the changes and returns them in its columns.
    pub(crate) async fn prepare(&mut self, changes: &[Change]) -> Result<ChangeBatch> {
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

    pub(crate) async fn try_commit(&mut self, changes: &[Change]) -> Result<()> {
        self.try_commit_all(&[changes], false).await
    }

    /// Returns how many commits the checkpoint has seen.
    pub(crate) fn steps(&self) -> usize {
        match self.checkpoint.position(&PartitionId::new("p")) {
            Some(Position::At(offset)) => offset.order.parse().unwrap(),
            _ => 0,
        }
    }

    /// Stages changes, and gives the transaction up.
    pub(crate) async fn stage_only(&mut self, changes: &[Change]) {
        let prepared = self.prepare(changes).await.unwrap();
        self.session.begin().await.unwrap().write(&prepared).await.unwrap();
    }

    /// Commits batches in one transaction, and the end of the snapshot if wanted.
    pub(crate) async fn try_commit_all(&mut self, batches: &[&[Change]], ended: bool) -> Result<()> {
        let mut next = self.checkpoint.clone();
        let partition = PartitionId::new("p");
        let step = next.position(&partition).map_or(0, |position| match position {
            Position::At(offset) => offset.order.parse::<u32>().unwrap(),
            _ => 0,
        });
        let to = Position::At(Offset { order: format!("{:08}", step + 1), resume: None });
        let progress = Progress::of(partition.clone(), next.position(&partition).cloned(), to);
        next.advance(&Progress { snapshot_ended: ended, ..progress })?;
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

    pub(crate) async fn commit(&mut self, changes: &[Change]) {
        self.try_commit(changes).await.unwrap();
    }

    pub(crate) async fn end_snapshot(&mut self) {
        self.try_commit_all(&[], true).await.unwrap();
    }
}
