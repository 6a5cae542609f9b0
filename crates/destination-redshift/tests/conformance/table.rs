//! An open table that is written to as the pipeline does.

use std::sync::Arc;

use commutator_conformance::{Change, Item, Value, batch};
use commutator_core::schema::{conform, merge, plan};
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Destination, Epoch, LogicalType, Offset, Op, OrderKey, PartitionId, PipelineId,
    Position, Progress, Result, Session, Slice, SyncMode, TableName, Target,
};

use crate::cluster::Cluster;

pub(crate) struct Table {
    session: Box<dyn Session>,
    target: Target,
    checkpoint: Checkpoint,
}

/// Returns a target whose key is one whole number.
pub(crate) fn target(name: &str) -> Target {
    Target {
        pipeline: PipelineId::new("tests").unwrap(),
        table: TableName::new(name),
        name: name.to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode: SyncMode::Mirror,
        filtered: false,
        slice: Slice::whole(),
        expected_bytes: 0,
    }
}

fn at(sequence: u64) -> OrderKey {
    OrderKey::new(Epoch::FIRST, sequence.into())
}

fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A change of the stream.
pub(crate) fn put<const N: usize>(id: i64, sequence: u64, attributes: [(&str, Value); N]) -> Change {
    Change::new(vec![Value::int(id)], at(sequence), Op::Modify, item(attributes))
}

impl Table {
    pub(crate) async fn open(cluster: &Cluster, target: Target) -> Self {
        Self::try_open(&cluster.redshift().await, target).await.unwrap()
    }

    pub(crate) async fn try_open(destination: &dyn Destination, target: Target) -> Result<Self> {
        let session = destination.open(&target).await?;
        Ok(Self { checkpoint: session.checkpoint().clone(), session, target })
    }

    /// Evolves the table for the changes and returns them in its columns.
    async fn prepare(&mut self, changes: &[Change]) -> Result<ChangeBatch> {
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
        let mut next = self.checkpoint.clone();
        let partition = PartitionId::new("p");
        let step = next.position(&partition).map_or(0, |position| match position {
            Position::At(offset) => offset.order.parse::<u32>().unwrap(),
            _ => 0,
        });
        let to = Position::At(Offset { order: format!("{:08}", step + 1), resume: None });
        let progress = Progress::of(partition.clone(), next.position(&partition).cloned(), to);
        next.advance(&progress)?;
        let prepared = self.prepare(changes).await?;
        let mut transaction = self.session.begin().await?;
        transaction.write(&prepared).await?;
        transaction.commit(&next).await?;
        self.checkpoint = next;
        Ok(())
    }

    pub(crate) async fn commit(&mut self, changes: &[Change]) {
        self.try_commit(changes).await.unwrap();
    }

    /// Returns how many commits the checkpoint tells of.
    pub(crate) fn steps(&self) -> u32 {
        match self.checkpoint.position(&PartitionId::new("p")) {
            Some(Position::At(offset)) => offset.order.parse().unwrap(),
            _ => 0,
        }
    }

    /// Returns the names of the columns that there are.
    pub(crate) async fn columns(&mut self) -> Vec<String> {
        let found = self.session.describe().await.unwrap().unwrap();
        found.columns().iter().map(|column| column.name.clone()).collect()
    }
}
