//! What is kept in memory, and how changes become rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::schema::conform;
use commutator_core::{
    ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, PipelineId, Result, Slice, SyncMode, TableName, TableSchema,
    Target,
};

/// Everything that all clones of one destination share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) slots: HashMap<SlotId, Slot>,
    pub(crate) tables: HashMap<String, Table>,
}

/// What fence and checkpoint are kept under: never the table alone, for a slice of it has its own.
pub(crate) type SlotId = (PipelineId, TableName, Slice);

pub(crate) fn slot_id(target: &Target) -> SlotId {
    (target.pipeline.clone(), target.table.clone(), target.slice.clone())
}

/// Who owns a target, and how far it has been read.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Grows with every `open`; only the session that has this number may commit.
    pub(crate) owner: u64,
    pub(crate) checkpoint: Checkpoint,
}

impl State {
    /// Returns the slot of a target if `owner` still owns it.
    pub(crate) fn owned(&mut self, target: &Target, owner: u64) -> Result<&mut Slot> {
        match self.slots.get_mut(&slot_id(target)) {
            Some(slot) if slot.owner == owner => Ok(slot),
            _ => Err(Error::new(ErrorKind::Fenced, "Another writer took the table over").with("table", &target.table)),
        }
    }
}

/// One table. In `mirror` it holds one row per key: the newest version, which until the snapshot has ended may be a tombstone,
/// that is, the row of a removal.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    mode: SyncMode,
    rows: ChangeBatch,
}

impl Table {
    pub(crate) fn new(mode: SyncMode, schema: &Arc<TableSchema>) -> Result<Self> {
        let empty = RecordBatch::new_empty(schema.to_arrow());
        let rows = ChangeBatch::new(Arc::clone(schema), empty, Vec::new(), Vec::new(), Vec::new())?;
        Ok(Self { mode, rows })
    }

    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        self.rows.schema()
    }

    /// Returns the rows that a reader sees.
    pub(crate) fn visible(&self) -> Result<ChangeBatch> {
        match self.mode {
            SyncMode::Append => Ok(self.rows.clone()),
            _ => self.without_tombstones(),
        }
    }

    /// Adds columns and widens values; doing it again changes nothing.
    pub(crate) fn evolve(&mut self, schema: &Arc<TableSchema>) -> Result<()> {
        self.rows = conform(&self.rows, schema)?;
        Ok(())
    }

    /// Returns the table after a transaction: its changes, then the end of a snapshot.
    ///
    /// `keeps_tombstones` is false once the snapshot has ended: from then on nothing older than a removal can come.
    pub(crate) fn apply(&self, staged: &[ChangeBatch], ended: Option<Epoch>, keeps_tombstones: bool) -> Result<Self> {
        let mut versions = vec![self.rows.clone()];
        for batch in staged {
            versions.push(conform(batch, self.schema())?);
        }
        let mut table = Self { mode: self.mode, rows: ChangeBatch::concat(&versions)? };
        if self.mode == SyncMode::Append {
            return Ok(table);
        }
        // The order rule: of all versions of a key the newest stays, and a removal is a version like any other.
        table.rows = table.rows.compact()?;
        if let Some(epoch) = ended {
            let current: Vec<_> = table.rows.orders().iter().map(|order| order.epoch() >= epoch).collect();
            table.rows = table.rows.filter(&current)?;
        }
        if ended.is_some() || !keeps_tombstones {
            table.rows = table.without_tombstones()?;
        }
        Ok(table)
    }

    fn without_tombstones(&self) -> Result<ChangeBatch> {
        let live: Vec<_> = self.rows.ops().iter().map(|op| !op.is_removal()).collect();
        self.rows.filter(&live)
    }
}
