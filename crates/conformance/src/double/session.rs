//! The double's session and transaction.

use async_trait::async_trait;
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Epoch, Error, ErrorKind, LogicalType, NameMap, Result, SchemaPlan, Session,
    TableSchema, Target, Transaction,
};

use super::{Double, Mistake};
use crate::{Row, rows_of};

#[derive(Debug)]
pub(super) struct DoubleSession {
    pub(super) double: Double,
    pub(super) target: Target,
    pub(super) owner: u64,
    pub(super) checkpoint: Checkpoint,
    /// A plan that waits for a commit, under the mistakes that are about that.
    pub(super) pending: Option<TableSchema>,
}

impl DoubleSession {
    fn owns(&self) -> Result<()> {
        let state = self.double.lock();
        let owner = state.slots.get(&self.double.slot_name(&self.target)).map(|slot| slot.owner);
        if owner == Some(self.owner) || self.double.has(Mistake::FenceIsOff) {
            return Ok(());
        }
        let kind =
            if self.double.has(Mistake::FencedFailsAsUnexpected) { ErrorKind::Unexpected } else { ErrorKind::Fenced };
        Err(Error::new(kind, "Another writer came"))
    }

    fn evolve_table(&self, schema: &TableSchema) -> Result<()> {
        let name = self.double.table_name(&self.target);
        self.double.lock().tables.entry(name).or_default().evolve(schema, self.double.mistake)
    }
}

#[async_trait]
impl Session for DoubleSession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        let name = self.double.table_name(&self.target);
        let schema = self.double.lock().tables.get(&name).and_then(|table| table.schema.clone());
        let Some(schema) = schema else {
            let invented = self.double.has(Mistake::DescribesWhatIsNotThere);
            return invented.then(|| TableSchema::new(self.target.keys.clone())).transpose();
        };
        if self.double.has(Mistake::FencedTakesTheTableForForeign) && self.owns().is_err() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "Someone else made the table"));
        }
        let mut columns = schema.columns().to_vec();
        match self.double.mistake {
            Some(Mistake::DescribesSystemColumns) => columns.push(Column::new("_ct_order", LogicalType::Text)),
            Some(Mistake::DescribesTooFewColumns) => drop(columns.pop()),
            Some(Mistake::DescribesKeysLast) => columns.reverse(),
            Some(Mistake::DescribesNumbersAsFloats) => {
                let numbers =
                    columns.iter_mut().filter(|c| !c.key && c.ty.join(LogicalType::Number) == LogicalType::Number);
                numbers.for_each(|column| column.ty = LogicalType::Float64);
            }
            _ => {}
        }
        TableSchema::new(columns).map(Some)
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        tokio::task::yield_now().await;
        self.owns()?;
        if matches!(
            self.double.mistake,
            Some(Mistake::EvolutionComesWithCommit | Mistake::EvolutionIsLostWithItsTransaction)
        ) {
            self.pending = Some(plan.result.clone());
            return Ok(());
        }
        self.evolve_table(&plan.result)
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        if self.double.has(Mistake::FenceIsCheckedAtBegin) {
            self.owns()?;
        }
        let pending = self.pending.take();
        if self.double.has(Mistake::EvolutionComesWithCommit) {
            self.pending.clone_from(&pending);
        }
        let locks = if self.double.has(Mistake::TransactionsLock) { Lock::take(&self.double) } else { None };
        Ok(Box::new(DoubleTransaction { session: self, staged: Vec::new(), ended: None, pending, _lock: locks }))
    }
}

/// Held by the oldest open transaction.
#[derive(Debug)]
struct Lock(Double);

impl Lock {
    const NAME: &str = "the lock of TransactionsLock";

    fn take(double: &Double) -> Option<Self> {
        let taken = double.lock().slots.contains_key(Self::NAME);
        (!taken).then(|| {
            double.lock().slots.insert(Self::NAME.to_owned(), super::Slot::default());
            Self(double.clone())
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.lock().slots.remove(Self::NAME);
    }
}

#[derive(Debug)]
struct DoubleTransaction<'a> {
    session: &'a mut DoubleSession,
    staged: Vec<(ChangeBatch, Vec<Row>)>,
    ended: Option<Epoch>,
    pending: Option<TableSchema>,
    _lock: Option<Lock>,
}

impl DoubleTransaction<'_> {
    fn apply(&self, staged: &[(ChangeBatch, Vec<Row>)], ended: Option<Epoch>, keeps_tombstones: bool) {
        let double = &self.session.double;
        let target = &self.session.target;
        let mut state = double.lock();
        let table = state.tables.entry(double.table_name(target)).or_default();
        table.apply(target, staged, ended, keeps_tombstones, double.mistake);
    }

    fn keep(&self, checkpoint: &Checkpoint) {
        let double = &self.session.double;
        let mut checkpoint = checkpoint.clone();
        if double.has(Mistake::CheckpointLosesNames) {
            checkpoint.set_names(NameMap::new());
        }
        if double.has(Mistake::SmallCheckpoints) && checkpoint.partitions().len() > 1_000 {
            checkpoint = Checkpoint::default();
        }
        let mut state = double.lock();
        state.slots.entry(double.slot_name(&self.session.target)).or_default().checkpoint = checkpoint;
    }
}

#[async_trait]
impl Transaction for DoubleTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let staged = (batch.clone(), rows_of(batch));
        match self.session.double.mistake {
            Some(Mistake::WritesAtOnce) => {
                self.apply(&[staged], None, true);
                return Ok(());
            }
            Some(Mistake::OnlyTheLastBatch) => self.staged.clear(),
            _ => {}
        }
        self.staged.push(staged);
        Ok(())
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        match self.session.double.mistake {
            Some(Mistake::EndsSnapshotAtOnce) => {
                self.apply(&[], Some(epoch), false);
                return Ok(());
            }
            Some(Mistake::SnapshotEndComesFirst) => self.apply(&[], Some(epoch), false),
            Some(Mistake::FencedStillEndsSnapshot) if self.session.owns().is_err() => {
                self.apply(&[], Some(epoch), false);
                return Ok(());
            }
            Some(Mistake::SnapshotEndNeedsTable) => {
                let table = self.session.describe().await?;
                table.ok_or_else(|| Error::new(ErrorKind::Unexpected, "There is no table"))?;
            }
            _ => {}
        }
        self.ended = (!self.session.double.has(Mistake::SnapshotEndComesFirst)).then_some(epoch);
        Ok(())
    }

    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let double = self.session.double.clone();
        tokio::task::yield_now().await;
        if !double.has(Mistake::FenceIsCheckedAtBegin) {
            self.session.owns()?;
        }
        if double.has(Mistake::FenceIsCheckedTooEarly) {
            tokio::task::yield_now().await;
        }
        if double.has(Mistake::TransactionsLock) && self._lock.is_none() {
            return Err(Error::new(ErrorKind::Unavailable, "Another transaction is open"));
        }
        if let Some(schema) = &self.pending {
            self.session.evolve_table(schema)?;
        }
        let empty = self.staged.iter().all(|(batch, _)| batch.is_empty());
        let keeps_tombstones = !checkpoint.snapshot_ended();
        if double.has(Mistake::CheckpointBeforeRows) {
            self.keep(checkpoint);
            tokio::task::yield_now().await;
        }
        self.apply(&self.staged, self.ended, keeps_tombstones);
        if double.has(Mistake::RowsBeforeCheckpoint) {
            tokio::task::yield_now().await;
        }
        if !(double.has(Mistake::CheckpointNeedsRows) && empty) {
            self.keep(checkpoint);
        }
        self.session.pending = None;
        if !double.has(Mistake::SessionKeepsOldCheckpoint) {
            self.session.checkpoint = checkpoint.clone();
        }
        Ok(())
    }
}
