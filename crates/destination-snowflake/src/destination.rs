//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, Destination, Limit, Result,
    SchemaPlan, Session, Slices, SyncMode, TableSchema, Target,
};
use commutator_sql::SNOWFLAKE;
use commutator_warehouse::{Loader, Staging};

use crate::session::Account;

const MODES: &[SyncMode] = &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

/// A schema of a Snowflake account.
#[derive(Debug, Clone)]
pub struct Snowflake(Loader);

impl Snowflake {
    pub(crate) fn new(account: Account, staging: Staging) -> Self {
        Self(Loader::new(Arc::new(account), staging, capabilities()))
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        name: "snowflake",
        modes: MODES,
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: SNOWFLAKE.identifiers,
        // The page names none but the size of a row.
        max_columns: Limit::Unlimited,
        nul_in_text: true,
        native_nested: false,
        widens: true,
        // A resumed warehouse is billed for a minute at least, and each commit is a handful of statements; files of 100 to 250 MB are what it
        // loads best (docs.snowflake.com/en/user-guide/data-load-considerations-prepare).
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(1),
        },
    }
}

#[async_trait]
impl Destination for Snowflake {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        self.0.peek_schema(target).await
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        self.0.preview(target, plan)
    }

    fn explain(&self, target: &Target, columns: &TableSchema) -> Vec<String> {
        self.0.explain(target, columns)
    }

    fn drops_idle_removals(&self) -> bool {
        self.0.drops_idle_removals()
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        self.0.preview_mode(target).await
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        self.0.open(target).await
    }
}
