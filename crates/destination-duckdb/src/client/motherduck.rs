//! A database of `MotherDuck`, which an extension of `DuckDB`'s attaches. Pages are those of motherduck.com/docs.
//!
//! Nothing of this has met the service: the extension asks it for its version before it does anything else.

use std::path::Path;

use commutator_core::{Error, ErrorKind, Result, Secret};
use commutator_sql::{DUCKDB, Identifier};
use duckdb::Connection;

use crate::error;

/// What paths of theirs begin with ("Connecting to `MotherDuck`").
const PREFIXES: [&str; 2] = ["md:", "motherduck:"];

/// Returns the name of the database that a path means; `None` if it is a file's.
pub(crate) fn name(path: &Path) -> Option<&str> {
    let path = path.to_str()?;
    PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix))
}

/// Loads the extension, which is fetched unless it was installed before, and makes the database the current one.
///
/// Without a token the extension takes that of the environment variable `motherduck_token` ("Authenticating to `MotherDuck`").
pub(crate) fn attach(root: &Connection, name: &str, token: Option<&Secret>) -> Result<()> {
    let named = |error: Error| error.with("database", name);
    if root.execute_batch("LOAD motherduck").is_err() {
        root.execute_batch("INSTALL motherduck; LOAD motherduck").map_err(|e| {
            let sentence = "The extension for MotherDuck cannot be loaded: it and its service have to be reached over the network, and \
                            MotherDuck has to support this version of DuckDB";
            let cause = error::failed(e, "DuckDB does not load it");
            named(Error::new(ErrorKind::Unavailable, sentence).with_source(cause))
        })?;
    }
    if let Some(token) = token {
        // What DuckDB says of it may repeat it.
        root.execute_batch(&set(token)).map_err(|_| {
            named(
                Error::new(ErrorKind::ConfigInvalid, "MotherDuck does not take the token")
                    .with("setting", "motherduck_token"),
            )
        })?;
    }
    root.execute_batch(&enter(name)).map_err(|e| {
        let class = error::failed(e, "MotherDuck does not attach it");
        let sentence = "The database cannot be attached; does it exist, and does the token let you write it?";
        named(Error::new(class.kind(), sentence).with_source(class))
    })
}

fn set(token: &Secret) -> String {
    format!("SET motherduck_token = {}", (DUCKDB.literal)(token.expose()))
}

/// A database that is attached has its own name; another one cannot be given to it.
fn enter(name: &str) -> String {
    let path = (DUCKDB.literal)(&format!("{}{name}", PREFIXES[0]));
    format!("ATTACH IF NOT EXISTS {path}; USE {};", Identifier::new(&DUCKDB, name))
}
