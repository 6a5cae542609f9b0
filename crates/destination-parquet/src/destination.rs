//! The destination: what it can do, and how a table is opened.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, Destination, Error,
    ErrorKind, IdentifierRules, Limit, Result, Session, Slices, SyncMode, TableSchema, Target,
};
use uuid::Uuid;

use crate::chain::Appended;
use crate::client::Store;
use crate::config::Settings;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::session::ParquetSession;
use crate::sizes::Sizes;
use crate::{chain, probe, sweep};

/// How often the table is taken over anew because another writer was faster.
const TRIES: u32 = 16;

/// Tables as Parquet files with a manifest, on a local disk or in an object store.
#[derive(Debug, Clone)]
pub struct Parquet {
    store: Store,
    settings: Settings,
    sizes: Sizes,
    memory: Arc<Memory>,
}

impl Parquet {
    pub(crate) fn new(store: Store, settings: Settings, sizes: Sizes) -> Self {
        Self { store, settings, sizes, memory: Arc::new(Memory::new(sizes)) }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    pub(crate) fn folder(&self, target: &Target) -> Result<Folder> {
        if target.name.is_empty() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "A table's name in the destination is empty")
                .with("table", &target.table));
        }
        Ok(Folder::new(&self.store, &target.name))
    }

    /// Adds the manifest by which a new session owns the table.
    async fn take_over(&self, folder: &Folder, target: &Target) -> Result<Manifest> {
        let session = Uuid::new_v4().simple().to_string();
        for _ in 0..TRIES {
            let newest = chain::newest(folder).await?;
            newest.iter().try_for_each(|newest| newest.check(target))?;
            // Before the table is taken over, so that what was refused is still as it was when the user looks at it.
            if !sweep::admit(folder, target, newest.as_ref()).await? {
                continue;
            }
            let manifest = match newest {
                Some(newest) => newest.taken_over(session.clone()).in_mode(target.mode),
                None => Manifest::first(target, session.clone()),
            };
            if chain::append(folder, &manifest).await? == Appended::Newest {
                return Ok(manifest);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "Other writers open the table all the time")
            .with("table", &target.table))
    }
}

#[async_trait]
impl Destination for Parquet {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "parquet",
            modes: &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append],
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: IdentifierRules {
                // DynamoDB's own limit is 64 KB, but for nested values; engines that read Parquet take a few hundred characters.
                max_bytes: 255,
                // DuckDB, Athena and others find columns whatever their case.
                case_sensitive: false,
                accepts: |c| !c.is_control(),
                reserved: &[],
            },
            max_columns: Limit::Unlimited,
            nul_in_text: true,
            widens: true,
            native_nested: true,
            commit_interval: CommitInterval {
                max_bytes: 128 << 20,
                max_rows: u64::MAX,
                max_delay: Duration::from_mins(1),
            },
        }
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(probe::run(&self.store).await)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let Some(manifest) = chain::newest(&self.folder(target)?).await? else { return Ok(None) };
        manifest.check(target)?;
        Ok(Some(manifest.checkpoint))
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        let Some(manifest) = chain::newest(&self.folder(target)?).await? else { return Ok(None) };
        manifest.check(target)?;
        Ok(manifest.schema().map(|(_, schema)| TableSchema::clone(schema)))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let folder = self.folder(target)?;
        let manifest = self.take_over(&folder, target).await?;
        sweep::sweep(&folder, &manifest).await?;
        let mut session = ParquetSession::new(folder, target.clone(), self, manifest);
        session.keep_evolution().await?;
        Ok(Box::new(session))
    }
}
