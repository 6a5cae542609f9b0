//! The destination: what it can do, and how a table is opened.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, CommitOutline, Destination,
    Error, ErrorKind, Limit, Result, SchemaPlan, Session, Slice, Slices, TableSchema, Target,
};
use commutator_sql::{DUCKDB, first_owner};
use tokio::sync::Mutex;

use crate::client::{Database, Lease, blocking, name_of};
use crate::config::Config;
use crate::session::{self, MODES, Place};
use crate::transaction::ddl;

mod check;
mod outline;

/// A schema of a `DuckDB` database.
///
/// Rows and checkpoint of a table commit in one transaction, so a reader sees both or neither ([`CommitGuarantee::Atomic`]).
/// Clones share the database, which is opened when it is first needed and closed with the last of them and of their sessions.
#[derive(Debug, Clone)]
pub struct DuckDb {
    config: Arc<Config>,
    database: Arc<Mutex<Option<Arc<Database>>>>,
    clock: fn() -> SystemTime,
}

impl DuckDb {
    pub(crate) fn new(config: Config) -> Self {
        Self { config: Arc::new(config), database: Arc::default(), clock: SystemTime::now }
    }

    /// Returns a connection to the database, for a program that reads what it replicates: no other process can, while this one has the
    /// file open.
    ///
    /// It sees what is committed. Returns the errors of opening the file: [`Unavailable`](ErrorKind::Unavailable) if another process
    /// has it open, [`PermissionDenied`](ErrorKind::PermissionDenied) and [`NotFound`](ErrorKind::NotFound) as the system says.
    pub async fn connection(&self) -> Result<Lease> {
        let database = self.open_database().await?;
        blocking(move || database.lease()).await
    }

    /// Opens the database, or returns it if it is open.
    async fn open_database(&self) -> Result<Arc<Database>> {
        let mut database = self.database.lock().await;
        if let Some(open) = &*database {
            return Ok(Arc::clone(open));
        }
        let config = Arc::clone(&self.config);
        let opened = blocking(move || Database::open(&config)).await?;
        *database = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Opens the database for looking only; `None` if there is none yet, and looking must not make one.
    async fn existing(&self) -> Result<Option<Arc<Database>>> {
        let is_there = !self.config.is_file() || self.config.path.exists();
        if is_there { self.open_database().await.map(Some) } else { Ok(None) }
    }

    /// The database's name in statements, also before it is open.
    fn catalog(&self) -> String {
        let open = self.database.try_lock().ok().and_then(|open| open.as_ref().map(|open| open.catalog.clone()));
        open.unwrap_or_else(|| if self.config.is_memory() { "memory".to_owned() } else { name_of(&self.config.path) })
    }

    fn place(&self, target: &Target, catalog: &str) -> Result<Place> {
        admit(target).map_err(|e| e.with("table", &target.table).with("target", &target.name))?;
        Ok(Place::new(catalog, &self.config.schema, target))
    }
}

/// Refuses what no session could be opened for.
fn admit(target: &Target) -> Result<()> {
    if !MODES.contains(&target.mode) {
        return Err(
            Error::new(ErrorKind::Unsupported, "DuckDB does not offer this sync mode").with("mode", target.mode)
        );
    }
    if target.slice != Slice::whole() {
        return Err(Error::new(ErrorKind::Unsupported, "DuckDB takes a table as a whole, not in slices")
            .with("slice", &target.slice));
    }
    DUCKDB.admit_name("name", &target.name)
}

#[async_trait]
impl Destination for DuckDb {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "duckdb",
            modes: MODES,
            guarantee: CommitGuarantee::Atomic,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: DUCKDB.identifiers,
            max_columns: Limit::Unlimited,
            nul_in_text: true,
            native_nested: false,
            widens: true,
            commit_interval: CommitInterval {
                max_bytes: 128 << 20,
                max_rows: 500_000,
                max_delay: Duration::from_secs(1),
            },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(check::run(self).await)
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let Some(database) = self.existing().await? else { return Ok(None) };
        let place = self.place(target, &database.catalog)?;
        let work = place.clone();
        blocking(move || session::peek(&database, &work)).await.map_err(|e| place.name(e))
    }

    fn drops_idle_removals(&self) -> bool {
        true
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        let Some(database) = self.existing().await? else { return Ok(None) };
        let place = self.place(target, &database.catalog)?;
        let work = place.clone();
        blocking(move || session::peek_schema(&database, &work)).await.map_err(|e| place.name(e))
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        ddl::statements(&Place::new(&self.catalog(), &self.config.schema, target).layout(), &plan.actions)
    }

    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        let catalog = self.catalog();
        outline::of(&Place::new(&catalog, &self.config.schema, target), &catalog, plan)
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        let Some(database) = self.existing().await? else { return Ok(Vec::new()) };
        let place = self.place(target, &database.catalog)?;
        let work = place.clone();
        blocking(move || session::preview_mode(&database, &work)).await.map_err(|e| place.name(e))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        admit(target).map_err(|e| e.with("table", &target.table).with("target", &target.name))?;
        let database = self.open_database().await.map_err(|e| e.with("table", &target.table))?;
        let place = self.place(target, &database.catalog)?;
        let (work, first) = (place.clone(), first_owner((self.clock)()));
        // Gone with this call, however it ends.
        let caller = Arc::new(());
        let waits = Arc::downgrade(&caller);
        let session = blocking(move || session::open(&database, work, first, &waits)).await;
        drop(caller);
        let session = session.map_err(|e| place.name(e))?;
        Ok(Box::new(session))
    }
}
