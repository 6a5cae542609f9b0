//! What the shared path asks of a warehouse.

use std::fmt::Debug;

use async_trait::async_trait;
use commutator_core::{Error, Result, TableSchema};
use commutator_sql::{Dialect, SchemaRef};

/// A row of an answer, every value as text; what was null is `None`.
pub type Row = Vec<Option<String>>;

/// A column as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name, in the catalog's own case.
    pub name: String,
    /// The type, written as the dialect writes it.
    pub native: String,
}

/// In which form rows are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Parquet with zstd; documents are text.
    Parquet,
    /// A JSON object in each line, with gzip: for warehouses that read no large document out of Parquet.
    JsonLines,
}

/// A file of staged rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// Its path below the staging area.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many rows it has.
    pub rows: u64,
}

/// Statements that run in one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// What fills the staging table: on its own before the transaction where temporary tables end one, else the first part of it. It leaves
    /// nothing behind that others see.
    pub stage: Vec<String>,
    /// What happens as a whole or not at all.
    pub apply: Vec<String>,
    /// The files that [`stage`](Self::stage) loads, for a warehouse that is told them beside its statements.
    pub files: Vec<StagedFile>,
}

/// Why a script did not end well.
#[derive(Debug)]
pub enum Failure {
    /// Nothing happened.
    Refused(Error),
    /// The last answer was lost, so nobody knows; whoever wants to looks at the checkpoint.
    Unclear(Error),
}

/// A warehouse: a client that runs statements, and what is its own about them.
///
/// Statements hold names, literals of our own making and no cell's value.
#[async_trait]
pub trait Warehouse: Debug + Send + Sync + 'static {
    /// The SQL that it speaks.
    fn dialect(&self) -> &'static Dialect;

    /// The schema of all tables, whole, as statements name it.
    fn schema(&self) -> &SchemaRef;

    /// Runs one statement, which commits by itself, and returns all of its rows.
    ///
    /// What the warehouse did not take (throttled, not reachable) is tried again by this call for as long as is reasonable; what it may have
    /// taken is not, unless the protocol makes a repetition harmless. Callers pass only what may run twice.
    async fn query(&self, statement: &str) -> Result<Vec<Row>>;

    /// Runs a script in one session, and what it applies in one transaction.
    ///
    /// `id` names this attempt, of letters, digits and `-`, at most 64 of them: a warehouse that remembers ids runs it once, however
    /// often its request is repeated. Another attempt has another id.
    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure>;

    /// Returns the columns of a table of the schema as the catalog has them, in its order; `None` if there is no such table.
    ///
    /// `table` is the plain name. It reads what is true now, not what a cache knows.
    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>>;

    /// In which form rows with these columns are staged.
    fn format(&self, columns: &TableSchema) -> Format;

    /// The statements that load staged files into the staging table, which exists and has the columns that
    /// [`Layout::create_stage`](commutator_sql::Layout::create_stage) gives it.
    fn load(&self, columns: &TableSchema, files: &[StagedFile]) -> Vec<String>;
}
