//! The destination: what it can do, and how a table is opened.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, CommitOutline, Destination,
    Error, ErrorKind, IdentifierRules, Limit, Result, SchemaPlan, Session, Slice, Slices, TableSchema, Target,
};
use commutator_sql::first_owner;

use crate::client::Pool;
use crate::config::NulPolicy;
use crate::session::{self, MODES, Place};
use crate::statements::{Layout, MAX_COLUMNS, MAX_NAME, rewritten};
use crate::transaction::ddl;

mod check;
mod outline;

/// A schema of a `PostgreSQL` database.
///
/// Rows and checkpoint of a table commit in one transaction, so a reader sees both or neither ([`CommitGuarantee::Atomic`]).
/// Clones share their connections.
#[derive(Debug, Clone)]
pub struct Postgres {
    pool: Arc<Pool>,
    schema: Arc<str>,
    nul: NulPolicy,
    clock: fn() -> SystemTime,
}

impl Postgres {
    pub(crate) fn new(pool: Arc<Pool>, schema: String, nul: NulPolicy) -> Self {
        Self { pool, schema: schema.into(), nul, clock: SystemTime::now }
    }

    fn place(&self, target: &Target) -> Result<Place> {
        admit(target).map_err(|e| e.with("table", &target.table).with("target", &target.name))?;
        Ok(Place { schema: Arc::clone(&self.schema), target: target.clone(), nul: self.nul })
    }
}

/// Refuses what no session could be opened for.
fn admit(target: &Target) -> Result<()> {
    if !MODES.contains(&target.mode) {
        let offered: Vec<_> = MODES.iter().map(|mode| mode.as_str()).collect();
        return Err(Error::new(ErrorKind::Unsupported, "Postgres does not offer this sync mode")
            .with("mode", target.mode)
            .with("offered", offered.join(", ")));
    }
    if target.slice != Slice::whole() {
        return Err(Error::new(ErrorKind::Unsupported, "Postgres takes a table as a whole, not in slices")
            .with("slice", &target.slice));
    }
    let name = &target.name;
    if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') || name.starts_with("_ct_") {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "A table's name in Postgres has 1 to 63 bytes, no NUL, and does not begin with _ct_; give it another `name`",
        ));
    }
    Ok(())
}

#[async_trait]
impl Destination for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "postgres",
            modes: MODES,
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: IdentifierRules {
                max_bytes: MAX_NAME,
                case_sensitive: true,
                accepts: |c| c != '\0',
                // Every table has these (documentation, "System Columns").
                reserved: &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
            },
            max_columns: Limit::AtMost(MAX_COLUMNS),
            nul_in_text: false,
            widens: true,
            native_nested: false,
            commit_interval: CommitInterval {
                max_bytes: 64 << 20,
                max_rows: 100_000,
                max_delay: Duration::from_secs(1),
            },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(check::run(&self.pool, &self.schema).await)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let place = self.place(target)?;
        session::peek(&self.pool, &place).await.map_err(|e| place.name(e))
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        let place = self.place(target)?;
        session::peek_schema(&self.pool, &place).await.map_err(|e| place.name(e))
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        let layout = Layout::new(&self.schema, &target.name, target.mode, false);
        let created = ddl::created(&layout, &plan.actions).into_iter();
        let rewritten = rewritten(&plan.actions);
        let altered = layout.alter(&plan.actions).map(|alter| match rewritten[..] {
            [] => alter,
            _ => format!("-- Every row is written anew, for {}.\n{alter}", rewritten.join(", ")),
        });
        created.chain(altered).collect()
    }

    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        let place = Place { schema: Arc::clone(&self.schema), target: target.clone(), nul: self.nul };
        outline::of(&place, plan)
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        let place = self.place(target)?;
        session::preview_mode(&self.pool, &place).await.map_err(|e| place.name(e))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let place = self.place(target)?;
        let session =
            session::open(&self.pool, place.clone(), first_owner((self.clock)())).await.map_err(|e| place.name(e))?;
        Ok(Box::new(session))
    }
}
