//! The destination: what it can do, and how a table is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, CommitOutline, Destination,
    Error, ErrorKind, Limit, Result, SchemaAction, SchemaPlan, Session, Slice, Slices, SyncMode, TableSchema, Target,
};
use commutator_sql::{Dialect, first_owner};

use crate::session::{self, Place};
use crate::{Staging, Warehouse};
use outline::Shown;

mod check;
mod outline;

/// Where the tokens of owners come from: 128 bits that nobody else draws.
#[derive(Clone)]
pub struct Randomness(Arc<dyn Fn() -> u128 + Send + Sync>);

impl Randomness {
    /// Takes them from a function, for tests that want to know them.
    pub fn from_fn(draw: impl Fn() -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// Draws a token of 32 letters and digits.
    pub(crate) fn token(&self) -> String {
        format!("{:032x}", (self.0)())
    }
}

impl Default for Randomness {
    /// The operating system's.
    fn default() -> Self {
        Self::from_fn(|| uuid::Uuid::new_v4().as_u128())
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness")
    }
}

/// Returns what all warehouses can do, for each to say what it cannot, and how long it is worth waiting before it commits.
pub fn capabilities(name: &'static str, dialect: &Dialect) -> Capabilities {
    Capabilities {
        name,
        modes: &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append],
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: dialect.identifiers,
        max_columns: Limit::Unlimited,
        nul_in_text: true,
        widens: true,
        native_nested: false,
        // Each commit is a handful of statements, and few large files are loaded faster than many small ones.
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(1),
        },
    }
}

/// A schema of a warehouse as a destination.
///
/// Rows and checkpoint of a table commit in one transaction, so a reader sees both or neither ([`CommitGuarantee::Atomic`]).
#[derive(Debug, Clone)]
pub struct Loader {
    warehouse: Arc<dyn Warehouse>,
    staging: Staging,
    capabilities: Capabilities,
    random: Randomness,
    clock: fn() -> SystemTime,
}

impl Loader {
    /// Makes a destination of a warehouse and an area that it reads staged files from.
    pub fn new(warehouse: Arc<dyn Warehouse>, staging: Staging, capabilities: Capabilities) -> Self {
        Self { warehouse, staging, capabilities, random: Randomness::default(), clock: SystemTime::now }
    }

    /// The same with another source of tokens.
    #[must_use]
    pub fn with_randomness(self, random: Randomness) -> Self {
        Self { random, ..self }
    }

    /// The same with another clock, of which a target's first owner has its number.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> SystemTime) -> Self {
        Self { clock, ..self }
    }

    fn place(&self, target: &Target) -> Place {
        Place {
            warehouse: Arc::clone(&self.warehouse),
            staging: self.staging.clone(),
            target: target.clone(),
            random: self.random.clone(),
        }
    }

    /// Refuses what no session could be opened for.
    fn admit(&self, target: &Target) -> Result<()> {
        let product = self.warehouse.dialect().name;
        if !self.capabilities.modes.contains(&target.mode) {
            return Err(Error::new(ErrorKind::Unsupported, format!("{product} does not offer this sync mode"))
                .with("mode", target.mode));
        }
        if target.slice != Slice::whole() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{product} takes a table as a whole, not in slices"),
            )
            .with("slice", &target.slice));
        }
        self.warehouse.dialect().admit_name("name", &target.name)?;
        self.warehouse.admit_target(target)
    }
}

#[async_trait]
impl Destination for Loader {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(check::run(self).await)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let place = self.place(target);
        self.admit(target).map_err(|e| place.name(e))?;
        session::peek(&place).await.map_err(|e| place.name(e))
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        let place = self.place(target);
        self.admit(target).map_err(|e| place.name(e))?;
        session::peek_schema(&place).await.map_err(|e| place.name(e))
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        let layout = self.place(target).layout();
        let created = plan.actions.iter().filter_map(|action| match action {
            SchemaAction::CreateTable { schema } => Some(layout.create(schema)),
            SchemaAction::AddColumn { .. } | SchemaAction::WidenColumn { .. } => None,
        });
        created.chain(layout.alter(&plan.actions)).collect()
    }

    fn explain(&self, target: &Target, columns: &TableSchema) -> Vec<String> {
        Shown::new(&self.place(target), columns).commit(columns)
    }

    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        let outline = Shown::new(&self.place(target), &plan.result).all(plan);
        CommitOutline { file_bytes: u64::try_from(self.staging.file_bytes()).ok(), ..outline }
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        let place = self.place(target);
        self.admit(target).map_err(|e| place.name(e))?;
        session::preview_mode(&place, &outline::owner()).await.map_err(|e| place.name(e))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let place = self.place(target);
        self.admit(target).map_err(|e| place.name(e))?;
        let first = first_owner((self.clock)());
        let session = session::open(place.clone(), first).await.map_err(|e| place.name(e))?;
        Ok(Box::new(session))
    }
}
