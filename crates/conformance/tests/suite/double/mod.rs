//! A destination that shares nothing with any real one but the contract, and can be told to break it in one place.

mod fault;
mod session;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row};
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, Destination, Error,
    ErrorKind, IdentifierRules, Limit, Result, Session, Slices, SyncMode, Target,
};

pub(crate) use fault::Fault;
use session::DoubleSession;
use table::Table;

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
pub(crate) struct Double {
    state: Arc<Mutex<State>>,
    fault: Option<Fault>,
}

impl Double {
    pub(crate) fn with(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn slot_name(&self, target: &Target) -> String {
        match self.fault {
            Some(Fault::PipelinesShareCheckpoint) => target.table.to_string(),
            Some(Fault::SlotsIgnoreCase) => format!("{} {}", target.pipeline, target.table).to_lowercase(),
            _ => format!("{} {} {}", target.pipeline, target.table, target.slice),
        }
    }

    fn table_name(&self, target: &Target) -> String {
        match self.fault {
            Some(Fault::TablesShareRows) => String::new(),
            Some(Fault::TableNamesIgnoreCase) => target.name.to_lowercase(),
            Some(Fault::TableNamesAreCut) => target.name.chars().take(63).collect(),
            _ => target.name.clone(),
        }
    }
}

#[async_trait]
impl Destination for Double {
    fn capabilities(&self) -> Capabilities {
        const RULES: IdentifierRules =
            IdentifierRules { max_bytes: 63, case_sensitive: true, accepts: |c| c != '\0', reserved: &["xmin"] };
        let max_rows = if self.has(Fault::EmptyInterval) { 0 } else { 1_000 };
        Capabilities {
            name: "double",
            modes: &[SyncMode::Mirror, SyncMode::Append],
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: RULES,
            max_columns: Limit::AtMost(300),
            nul_in_text: true,
            widens: true,
            commit_interval: CommitInterval { max_bytes: 1 << 20, max_rows, max_delay: Duration::from_secs(1) },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        report.pass("lock", "");
        if self.has(Fault::ChecksFail) {
            report.fail("disk", "it is not there", "buy one");
        }
        if self.has(Fault::ChecksFence) {
            self.lock().slots.values_mut().for_each(|slot| slot.owner += 1);
        }
        Ok(report)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let mut state = self.lock();
        if self.has(Fault::PeekFences) {
            state.slots.entry(self.slot_name(target)).or_default().owner += 1;
        }
        Ok(state.slots.get(&self.slot_name(target)).map(|slot| slot.checkpoint.clone()))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        tokio::task::yield_now().await;
        if !self.capabilities().modes.contains(&target.mode) && !self.has(Fault::AnyModeOpens) {
            return Err(Error::new(ErrorKind::Unsupported, "No such mode"));
        }
        let mut state = self.lock();
        if self.has(Fault::OpenFencesAll) {
            state.slots.values_mut().for_each(|slot| slot.owner += 1);
        }
        if self.has(Fault::TombstonesLostAtOpen) {
            state.tables.values_mut().for_each(Table::drop_tombstones);
        }
        let slot = state.slots.entry(self.slot_name(target)).or_default();
        slot.owner += 1;
        let (owner, checkpoint) = (slot.owner, slot.checkpoint.clone());
        Ok(Box::new(DoubleSession { double: self.clone(), target: target.clone(), owner, checkpoint, pending: None }))
    }
}

/// Reads the double's tables.
pub(crate) struct DoubleHarness(pub(crate) Double);

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
