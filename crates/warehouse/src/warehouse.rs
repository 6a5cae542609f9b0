//! What the shared path asks of a warehouse.

use std::fmt::Debug;

use async_trait::async_trait;
use commutator_core::{ChangeBatch, Error, ErrorKind, Result, TableSchema, Target};
use commutator_sql::{Dialect, REHEARSED, SchemaRef};

use crate::Form;

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

/// A file of staged rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// Its path below the address of the [`Staging`](crate::Staging) area, without a slash at the beginning.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many rows it has.
    pub rows: u64,
}

/// The files of one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// The folder that they are in and that nothing else ever is in, as a path below the staging area's address, without slashes at both
    /// ends.
    pub folder: String,
    /// The files, at least one.
    pub files: Vec<StagedFile>,
}

impl Staged {
    /// Returns the path of what [`Warehouse::manifest`] gives.
    pub fn manifest(&self) -> String {
        format!("{}/manifest.json", self.folder)
    }
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

/// What a warehouse sends of its own accord beside the statements that it is given, to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// What [`prepare`](Warehouse::prepare) sends, each with what it depends on, such as `if it is missing`; a line that begins with `--` stands
    /// for a request that is no statement.
    pub prepare: Vec<(Option<&'static str>, String)>,
    /// What begins the transaction of what a script applies.
    pub begin: Option<&'static str>,
    /// What follows the last statement of a script that has staged rows.
    pub unstage: Option<String>,
    /// What ends the transaction.
    pub commit: Option<&'static str>,
}

/// Why a script did not end well.
#[derive(Debug)]
pub enum Failure {
    /// Nothing happened.
    Refused(Error),
    /// The last answer was lost, so nobody knows; whoever wants to looks at the checkpoint.
    Unclear(Error),
}

impl Failure {
    /// Returns the error, whichever it is.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Unclear(error) => error,
        }
    }
}

/// A warehouse: a client that runs statements, and what is its own about them.
///
/// Statements hold names, literals of our own making and no cell's value. Errors of all methods keep the warehouse's own message in their
/// [`report`](Error::report), if it is about a statement of ours: [`FENCED`](commutator_sql::FENCED) and [`REHEARSED`] are looked for there.
#[async_trait]
pub trait Warehouse: Debug + Send + Sync + 'static {
    /// The SQL that it speaks.
    fn dialect(&self) -> &'static Dialect;

    /// The schema of all tables, whole, as statements name it.
    fn schema(&self) -> &SchemaRef;

    /// Returns what tells this warehouse and schema from all others that may share a staging area, such as account, database and schema.
    fn address(&self) -> String;

    /// Returns what it is and who is asking, for the first check; it must ask the warehouse.
    async fn greet(&self) -> Result<String>;

    /// Makes sure that the schema exists, where it is ours to create.
    async fn prepare(&self) -> Result<()> {
        self.query(&create_schema(self.schema())).await.map(drop)
    }

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

    /// Runs statements of which some change tables, in one request, so that nobody's pause comes between them, and stops at the first that
    /// fails: in one transaction where those can hold `ALTER TABLE`, else each by itself.
    ///
    /// The first one fails unless the target is still ours. Whatever the outcome, the caller looks at the catalog afterwards.
    async fn alter(&self, statements: &[String], id: &str) -> Result<(), Failure>;

    /// Runs a script and takes it back: what it refuses is an error, as it would be for [`run`](Self::run).
    ///
    /// `fail` is a statement that fails with [`REHEARSED`] in its message. By itself this runs the script with it as the last one.
    async fn rehearse(&self, script: &Script, fail: &str, id: &str) -> Result<()> {
        let mut script = script.clone();
        script.apply.push(fail.to_owned());
        match self.run(&script, id).await {
            Err(Failure::Refused(error)) if error.report().contains(REHEARSED) => Ok(()),
            Err(failure) => Err(failure.into_error()),
            Ok(()) => Err(Error::new(ErrorKind::Unexpected, "A rehearsal was not taken back")),
        }
    }

    /// Returns the columns of a table of the schema as the catalog has them, in its order; `None` if there is no such table.
    ///
    /// `table` is the plain name. It reads what is true now, not what a cache knows.
    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>>;

    /// Refuses a target that the warehouse cannot hold, beside what its dialect says of all names.
    fn admit_target(&self, _target: &Target) -> Result<()> {
        Ok(())
    }

    /// Returns what is sent beside the statements that are given, to show it.
    fn own(&self) -> Own {
        Own { prepare: vec![(None, create_schema(self.schema()))], ..Own::default() }
    }

    /// Returns what [`columns`](Self::columns) sends for a table, to show it; a line that begins with `--` stands for a request that is no
    /// statement, and `None` for nothing.
    fn asks_columns(&self, _table: &str) -> Option<String> {
        None
    }

    /// Returns rows as they are staged, in the table's columns: what the warehouse would read as another value is written in another way.
    ///
    /// Returns [`DataInvalid`](ErrorKind::DataInvalid) for a value that it cannot hold as it is.
    fn admit(&self, rows: ChangeBatch) -> Result<ChangeBatch> {
        Ok(rows)
    }

    /// In which form rows with these columns are staged.
    fn form(&self, columns: &TableSchema) -> Form;

    /// The statements that load staged files into the staging table, which exists and has the columns that
    /// [`Layout::create_stage`](commutator_sql::Layout::create_stage) gives it.
    fn load(&self, columns: &TableSchema, staged: &Staged) -> Vec<String>;

    /// What is written to [`Staged::manifest`] before the files are loaded; `None` if they need no manifest.
    fn manifest(&self, _staged: &Staged) -> Option<String> {
        None
    }
}

/// Makes sure that a schema exists.
fn create_schema(schema: &SchemaRef) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {schema}")
}
