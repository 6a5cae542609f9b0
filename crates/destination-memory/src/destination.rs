//! The destination: what it can do, and how a table is opened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, Destination,
    Error, ErrorKind, IdentifierRules, Limit, Result, Session, Slices, SyncMode, TableSchema, Target,
};

use crate::clock::Clock;
use crate::session::MemorySession;
use crate::table::{State, slot_id};

/// Tables in memory; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    pub(crate) clock: Clock,
}

impl Memory {
    /// Creates a destination without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a destination without tables whose clock is this one, in microseconds since 1970 in UTC.
    pub fn with_clock(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { clock: Clock::new(now), ..Self::default() }
    }

    /// Returns a destination table as its readers see it, with the system columns of its mode and in no particular order; `None` if
    /// there is no such table.
    ///
    /// Only `history` has `_ct_synced_at`.
    pub fn table(&self, name: &str) -> Option<RecordBatch> {
        // An error would be one of arrays that `view` makes, which have the rows' length.
        self.lock().tables.get(name).and_then(|table| table.view().ok())
    }

    /// Returns the changes that make up a destination table, in no particular order; `None` if there is no such table.
    ///
    /// In `mirror` they are the items that exist; in `soft_delete` also the removal of each deleted item beside what it was last;
    /// in `history` every version and in `append` every change, removals included.
    pub fn rows(&self, name: &str) -> Option<ChangeBatch> {
        // The only error is of a selection whose length differs from the batch's, which `visible` cannot make.
        self.lock().tables.get(name).and_then(|table| table.visible().ok())
    }

    /// Returns the columns of a destination table; `None` if there is no such table.
    pub fn schema(&self, name: &str) -> Option<Arc<TableSchema>> {
        self.lock().tables.get(name).map(|table| Arc::clone(table.schema()))
    }

    /// State is replaced as a whole or not at all, so a panic of another holder leaves nothing half-done behind.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Destination for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            modes: &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append],
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: IdentifierRules {
                max_bytes: usize::MAX,
                case_sensitive: true,
                accepts: |_| true,
                reserved: &[],
            },
            max_columns: Limit::Unlimited,
            nul_in_text: true,
            widens: true,
            native_nested: false,
            commit_interval: CommitInterval {
                max_bytes: 64 << 20,
                max_rows: 100_000,
                max_delay: Duration::from_millis(200),
            },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        report.pass("memory", "");
        Ok(report)
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        Ok(self.lock().slots.get(&slot_id(target)).map(|slot| slot.checkpoint.clone()))
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        Ok(self.schema(&target.name).map(|schema| TableSchema::clone(&schema)))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        if !self.capabilities().modes.contains(&target.mode) {
            return Err(Error::new(ErrorKind::Unsupported, "The destination does not offer this sync mode")
                .with("table", &target.table)
                .with("mode", target.mode));
        }
        let mut state = self.lock();
        let slot = state.slots.entry(slot_id(target)).or_default();
        slot.owner += 1;
        Ok(Box::new(MemorySession::new(self.clone(), target.clone(), slot.owner, slot.checkpoint.clone())))
    }
}
