//! Settings.

use std::path::PathBuf;

use commutator_core::{Error, ErrorKind, Result};
use commutator_sql::DUCKDB;
use serde::{Deserialize, Serialize};

use crate::DuckDb;

/// The name of a database in memory.
pub(crate) const MEMORY: &str = ":memory:";

/// Which database, and where in it the tables go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database's file, created if it is missing; `:memory:` for one that is gone with the last clone of its [`DuckDb`].
    pub path: PathBuf,
    /// The schema the tables are in; created if it is missing. `main` by default.
    #[serde(default = "main")]
    pub schema: String,
    /// The most memory that `DuckDB` takes, such as `4GB`, beyond which it writes to a folder beside the file. 2 GB by default, and four
    /// fifths of the machine's for a database in memory, which has nowhere else to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
    /// The most threads that `DuckDB` works with; its own default is one per core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
}

/// The schema that every database has.
fn main() -> String {
    "main".to_owned()
}

impl Config {
    /// Creates the configuration of a database in a file, with the defaults for all else.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), schema: main(), memory_limit: None, threads: None }
    }

    /// Creates the configuration of a database in memory, with the defaults for all else.
    pub fn in_memory() -> Self {
        Self::new(MEMORY)
    }

    /// Checks the settings; the file is first touched when a table is opened or checked.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting that cannot be used.
    #[expect(clippy::unused_async, reason = "every destination connects in this way")]
    pub async fn connect(self) -> Result<DuckDb> {
        let invalid = |setting: &'static str, message: &str| {
            Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting))
        };
        DUCKDB.admit_name("schema", &self.schema)?;
        if self.path.as_os_str().is_empty() {
            return invalid("path", "The database's file has no name");
        }
        if self.path.to_str().is_none_or(|path| path.contains('\0')) {
            return invalid("path", "The path of the database's file has to be UTF-8 without NUL");
        }
        // What follows may be a token.
        let path = self.path.to_string_lossy();
        if path.starts_with("md:") || path.starts_with("motherduck:") {
            return invalid(
                "path",
                "MotherDuck is not offered: it takes an extension of DuckDB's that is not loaded here; name a file",
            );
        }
        if self.threads == Some(0) {
            return invalid("threads", "At least one thread is needed");
        }
        Ok(DuckDb::new(self))
    }

    /// Returns whether the database is in memory, and so gone with the program.
    pub fn is_memory(&self) -> bool {
        self.path.as_os_str() == MEMORY
    }
}
