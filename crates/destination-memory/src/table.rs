//! What is kept in memory, and how changes become rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::schema::conform;
use commutator_core::{
    ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, OrderKey, PipelineId, Result, Slice, SyncMode, TableName,
    TableSchema, Target,
};

use crate::view::view;

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

/// One table, as the changes that make it up: in `mirror` the newest of each key, which until the snapshot has ended may be a
/// tombstone, that is, a removal; in `soft_delete` also what a deleted item was last; in `history` every version; in `append`
/// every change.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    mode: SyncMode,
    /// Whether removals may be idle, as the last session says that committed.
    pub(crate) filtered: bool,
    rows: ChangeBatch,
    /// In `history`, when each row was written first.
    synced_at: Vec<i64>,
}

impl Table {
    pub(crate) fn new(target: &Target, schema: &Arc<TableSchema>) -> Result<Self> {
        let empty = RecordBatch::new_empty(schema.to_arrow());
        let rows = ChangeBatch::new(Arc::clone(schema), empty, Vec::new(), Vec::new(), Vec::new())?;
        Ok(Self { mode: target.mode, filtered: target.filtered, rows, synced_at: Vec::new() })
    }

    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        self.rows.schema()
    }

    /// Returns the rows without tombstones.
    pub(crate) fn visible(&self) -> Result<ChangeBatch> {
        match self.mode {
            SyncMode::Mirror => without_removals(&self.rows),
            SyncMode::SoftDelete if self.filtered => self.rows.filter(&self.rows.not_idle()?),
            SyncMode::SoftDelete | SyncMode::History | SyncMode::Append => Ok(self.rows.clone()),
        }
    }

    /// Returns the rows as a reader sees them.
    pub(crate) fn view(&self) -> Result<RecordBatch> {
        view(self.mode, &self.visible()?, &self.synced_at)
    }

    /// Adds columns and widens values; doing it again changes nothing.
    pub(crate) fn evolve(&mut self, schema: &Arc<TableSchema>) -> Result<()> {
        self.rows = conform(&self.rows, schema)?;
        Ok(())
    }

    /// Returns the table after a transaction that was made at `now`: its changes, then the end of a snapshot.
    ///
    /// `keeps_tombstones` is false once the snapshot has ended: from then on nothing older than a removal can come.
    pub(crate) fn apply(
        &self,
        staged: &[ChangeBatch],
        ended: Option<Epoch>,
        keeps_tombstones: bool,
        now: i64,
    ) -> Result<Self> {
        let mut versions = vec![self.rows.clone()];
        for batch in staged {
            versions.push(conform(batch, self.schema())?);
        }
        let mut rows = ChangeBatch::concat(&versions)?;
        if let (Some(epoch), SyncMode::SoftDelete | SyncMode::History) = (ended, self.mode) {
            rows = ChangeBatch::concat(&[rows.clone(), rows.unseen(epoch)?])?;
        }
        // The order rule: of all versions of a key the newest counts, and a removal is a version like any other.
        let rows = match self.mode {
            SyncMode::Append => rows,
            SyncMode::History => rows.distinct()?,
            SyncMode::SoftDelete => rows.compact_keeping_images()?,
            SyncMode::Mirror => mirrored(&rows.compact()?, ended, keeps_tombstones)?,
        };
        let mut synced_at = self.synced_at.clone();
        if self.mode == SyncMode::History {
            // Rows that were there stay in front, as they are.
            synced_at.resize(rows.len(), now);
        }
        let mut table = Self { mode: self.mode, filtered: self.filtered, rows, synced_at };
        if self.filtered && (ended.is_some() || !keeps_tombstones) {
            table.drop_idle_removals()?;
        }
        Ok(table)
    }

    /// Nothing older than a removal can come any more.
    fn drop_idle_removals(&mut self) -> Result<()> {
        if matches!(self.mode, SyncMode::SoftDelete | SyncMode::History) {
            let keep = self.rows.not_idle()?;
            self.rows = self.rows.filter(&keep)?;
            let mut kept = keep.into_iter();
            self.synced_at.retain(|_| kept.next().unwrap_or(true));
        }
        Ok(())
    }
}

fn mirrored(newest: &ChangeBatch, ended: Option<Epoch>, keeps_tombstones: bool) -> Result<ChangeBatch> {
    let seen = |order: &OrderKey| ended.is_none_or(|epoch| order.epoch() >= epoch);
    let rows = newest.filter(&newest.orders().iter().map(seen).collect::<Vec<_>>())?;
    if ended.is_some() || !keeps_tombstones { without_removals(&rows) } else { Ok(rows) }
}

fn without_removals(rows: &ChangeBatch) -> Result<ChangeBatch> {
    let live: Vec<_> = rows.ops().iter().map(|op| !op.is_removal()).collect();
    rows.filter(&live)
}
