//! A destination that shares nothing with any real one but the contract, and can be told to break it in one place.

mod mistake;
mod modes;
mod session;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, Destination, Error,
    ErrorKind, IdentifierRules, Limit, Result, Session, Slices, SyncMode, TableSchema, Target,
};

pub use mistake::Mistake;
use session::DoubleSession;
use table::Table;

use crate::{Harness, Row};

#[derive(Debug, Default)]
struct State {
    slots: HashMap<String, Slot>,
    tables: HashMap<String, Table>,
}

#[derive(Debug, Default)]
struct Slot {
    owner: u64,
    checkpoint: Checkpoint,
}

/// The destination; clones share their tables.
#[derive(Debug, Clone, Default)]
pub struct Double {
    state: Arc<Mutex<State>>,
    mistake: Option<Mistake>,
}

impl Double {
    /// Creates an empty destination that makes this mistake.
    pub fn with(mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..Self::default() }
    }

    fn modes(&self) -> &'static [SyncMode] {
        const ALL: &[SyncMode] = &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
        // With this mistake there is something that is not offered.
        if self.has(Mistake::AnyModeOpens) { &[SyncMode::Mirror] } else { ALL }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn slot_name(&self, target: &Target) -> String {
        match self.mistake {
            Some(Mistake::PipelinesShareCheckpoint) => target.table.to_string(),
            Some(Mistake::SlotsIgnoreCase) => format!("{} {}", target.pipeline, target.table).to_lowercase(),
            _ => format!("{} {} {}", target.pipeline, target.table, target.slice),
        }
    }

    fn table_name(&self, target: &Target) -> String {
        match self.mistake {
            Some(Mistake::TablesShareRows) => String::new(),
            Some(Mistake::TableNamesIgnoreCase) => target.name.to_lowercase(),
            Some(Mistake::TableNamesAreCut) => target.name.chars().take(63).collect(),
            _ => target.name.clone(),
        }
    }
}

#[async_trait]
impl Destination for Double {
    fn capabilities(&self) -> Capabilities {
        const RULES: IdentifierRules =
            IdentifierRules { max_bytes: 63, case_sensitive: true, accepts: |c| c != '\0', reserved: &["xmin"] };
        let max_rows = if self.has(Mistake::EmptyInterval) { 0 } else { 1_000 };
        Capabilities {
            name: "double",
            modes: self.modes(),
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: RULES,
            max_columns: Limit::AtMost(300),
            nul_in_text: true,
            widens: true,
            native_nested: false,
            commit_interval: CommitInterval { max_bytes: 1 << 20, max_rows, max_delay: Duration::from_secs(1) },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        report.pass("lock", "");
        if self.has(Mistake::ChecksFail) {
            report.fail("disk", "it is not there", "buy one");
        }
        if self.has(Mistake::ChecksFence) {
            self.lock().slots.values_mut().for_each(|slot| slot.owner += 1);
        }
        Ok(report)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let mut state = self.lock();
        if self.has(Mistake::PeekFences) {
            state.slots.entry(self.slot_name(target)).or_default().owner += 1;
        }
        Ok(state.slots.get(&self.slot_name(target)).map(|slot| slot.checkpoint.clone()))
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        let schema = self.lock().tables.get(&self.table_name(target)).and_then(|table| table.schema.clone());
        Ok(schema.filter(|_| !self.has(Mistake::PeekShowsNoColumns)))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        tokio::task::yield_now().await;
        if !self.capabilities().modes.contains(&target.mode) && !self.has(Mistake::AnyModeOpens) {
            return Err(Error::new(ErrorKind::Unsupported, "No such mode"));
        }
        let mut state = self.lock();
        if self.has(Mistake::OpenFencesAll) {
            state.slots.values_mut().for_each(|slot| slot.owner += 1);
        }
        if self.has(Mistake::TombstonesLostAtOpen) && target.mode == SyncMode::Mirror {
            state.tables.values_mut().for_each(Table::drop_tombstones);
        }
        let slot = state.slots.entry(self.slot_name(target)).or_default();
        slot.owner += 1;
        let (owner, checkpoint) = (slot.owner, slot.checkpoint.clone());
        Ok(Box::new(DoubleSession { double: self.clone(), target: target.clone(), owner, checkpoint, pending: None }))
    }
}

/// Reads the double's tables.
#[derive(Debug, Default)]
pub struct DoubleHarness(pub Double);

#[async_trait]
impl Harness for DoubleHarness {
    async fn fresh() -> Option<Self> {
        Some(Self(Double::default()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.clone())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let name = self.0.table_name(target);
        self.0.lock().tables.get(&name).map(|table| table.visible(target.mode)).unwrap_or_default()
    }
}
