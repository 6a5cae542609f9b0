//! What went wrong in the database, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;

use commutator_core::{Error, ErrorKind, Retry};

/// Returns an error for a failed call; `doing` is the sentence's beginning, such as `Rows cannot be applied`.
///
/// `DuckDB`'s class of the error is kept, and its message only where that never repeats a value.
pub(crate) fn failed(error: duckdb::Error, doing: &str) -> Error {
    let message = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message,
        other => return Error::new(ErrorKind::Unexpected, doing).with_source(Reply::of_client(&other)),
    };
    let (class, text) = split(&message);
    let Meaning { kind, retry, advice } = meaning(class, text);
    let sentence = if advice.is_empty() { doing.to_owned() } else { format!("{doing}: {advice}") };
    let reply = Reply { class: class.to_owned(), text: speaks_of_names(class).then(|| first_line(text)) };
    let error = Error::new(kind, sentence).with_source(reply).with("class", class);
    match retry {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

/// What `DuckDB` said, without what may hold a cell's value.
#[derive(Debug)]
struct Reply {
    class: String,
    text: Option<String>,
}

impl Reply {
    /// The client's own errors name columns and types, but some of them numbers, too.
    fn of_client(error: &duckdb::Error) -> Self {
        let text = match error {
            duckdb::Error::ArrowTypeToDuckdbType(what, _) => Some(what.clone()),
            duckdb::Error::InvalidParameterCount(..) | duckdb::Error::QueryReturnedNoRows => Some(error.to_string()),
            _ => None,
        };
        Self { class: "Client Error".to_owned(), text }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{}: {text}", self.class),
            None => f.write_str(&self.class),
        }
    }
}

impl StdError for Reply {}

/// Splits `Catalog Error: …` into its class and its text.
fn split(message: &str) -> (&str, &str) {
    let class = message.split_once(": ").filter(|(class, _)| {
        (class.ends_with(" Error") || class.ends_with("Error") || *class == "INTERRUPT") && class.len() < 40
    });
    class.unwrap_or(("Error", message))
}

/// The statement, which follows in further lines, holds names only; but it is long.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Whether messages of a class speak of names and numbers of the database, and never of values.
fn speaks_of_names(class: &str) -> bool {
    matches!(
        class,
        "IO Error"
            | "Catalog Error"
            | "Binder Error"
            | "Dependency Error"
            | "Permission Error"
            | "TransactionContext Error"
            | "Out of Memory Error"
            | "Not implemented Error"
            | "Parser Error"
    )
}

struct Meaning {
    kind: ErrorKind,
    retry: Option<Retry>,
    advice: &'static str,
}

/// What a class and its message mean: what kind of error, when to retry if not by the kind's default, what to do.
fn meaning(class: &str, text: &str) -> Meaning {
    use ErrorKind::{
        ConfigInvalid, DataInvalid, NotFound, PermissionDenied, SchemaConflict, Unavailable, Unexpected, Unsupported,
    };
    let of = |kind, advice| Meaning { kind, retry: None, advice };
    let once = |kind, advice| Meaning { kind, retry: Some(Retry::Never), advice };
    let says = |part: &str| text.contains(part);
    match class {
        "IO Error" if says("Could not set lock") => once(
            Unavailable,
            "another process has the file open, and DuckDB lets only one in; end that process, or wait for its end",
        ),
        "IO Error" if says("Permission denied") || says("Read-only file system") => {
            of(PermissionDenied, "the file or its folder cannot be written; correct its rights, or `path`")
        }
        "IO Error" if says("No such file or directory") => {
            of(NotFound, "the file's folder does not exist; create it, or correct `path`")
        }
        "IO Error" if says("not a valid DuckDB database file") || says("is a directory") || says("Is a directory") => {
            of(ConfigInvalid, "something else is at this path; correct `path`")
        }
        "IO Error" if says("No space left") => of(Unavailable, "the disk is full"),
        "IO Error" | "Serialization Error" if says("version number") || says("storage version") => {
            of(ConfigInvalid, "a newer DuckDB wrote the file; link a newer library, or use another file")
        }
        "IO Error" => of(Unavailable, "the file cannot be read or written"),
        "FATAL Error" => {
            once(Unavailable, "the database closed itself after an earlier error; start the program again")
        }
        "Out of Memory Error" => of(
            Unavailable,
            "DuckDB's memory is used up; raise `memory_limit`, or lower `threads` or the size of a commit",
        ),
        "TransactionContext Error" => of(Unavailable, "another transaction was in the way"),
        "Parser Error" | "Invalid Input Error" if says("Memory") || says("memory") => {
            of(ConfigInvalid, "`memory_limit` takes a number and a unit, such as 2GB")
        }
        "Permission Error" => of(PermissionDenied, ""),
        "Invalid Input Error" if says("Cannot execute statement of type") && says("read-only") => {
            of(PermissionDenied, "the database is open for reading only")
        }
        "Catalog Error" if says("already exists") => of(
            ConfigInvalid,
            "something of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
        ),
        "Catalog Error" if says("json") || says("JSON") => {
            of(Unsupported, "the DuckDB library has no JSON; link one that has the extension within")
        }
        "Catalog Error" => of(
            NotFound,
            "a table is gone that this pipeline had made; restore it, or delete its row in _ct_checkpoints, and `commutator run` loads it anew",
        ),
        "Binder Error" => of(
            SchemaConflict,
            "someone changed the table's columns; restore them and fill them with `commutator resync`, or drop the table, delete its row in _ct_checkpoints, and `commutator run` loads it anew",
        ),
        "Dependency Error" => of(
            SchemaConflict,
            "something depends on the table whose column must be widened, such as an index; drop it, let the pipeline run, and create it again",
        ),
        "Constraint Error" => of(SchemaConflict, "a constraint that this pipeline did not make refuses a row; drop it"),
        "Conversion Error" | "Out of Range Error" | "Invalid Input Error" | "Decimal Error" => {
            of(DataInvalid, "a value is not one that the column can hold")
        }
        "Not implemented Error" => of(Unsupported, ""),
        _ => of(Unexpected, ""),
    }
}
