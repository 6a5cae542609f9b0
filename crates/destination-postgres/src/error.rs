//! What went wrong at the server, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use commutator_core::{Error, ErrorKind, Retry};
use rustls::CertificateError;
use tokio_postgres::error::DbError;

/// Returns an error for a failed statement; `doing` is the sentence's beginning, such as `Rows cannot be applied`.
pub(crate) fn failed(error: tokio_postgres::Error, doing: &str) -> Error {
    match error.as_db_error() {
        Some(reply) => refused(reply, doing),
        None => broken(error, doing),
    }
}

/// Returns whether the server refused a row because its key is there already.
pub(crate) fn is_unique_violation(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == "23505")
}

/// What the server replied, without what may hold a cell's value: its DETAIL, and the messages of data exceptions.
#[derive(Debug)]
struct Reply {
    code: String,
    message: Option<String>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{message} (SQLSTATE {})", self.code),
            None => write!(f, "SQLSTATE {}", self.code),
        }
    }
}

impl StdError for Reply {}

fn refused(reply: &DbError, doing: &str) -> Error {
    let code = reply.code().code();
    let (kind, retry, advice) = classify(code);
    let sentence = match advice {
        _ if code == "54000" && reply.message().starts_with("index row") => {
            format!(
                "{doing}: an index that this pipeline did not make cannot hold a value as long as this; drop the index"
            )
        }
        "" => doing.to_owned(),
        advice => format!("{doing}: {advice}"),
    };
    // Class 22 quotes the value it refuses, and P0 is what a trigger's author wrote.
    let quotes_values = code.starts_with("22") || code.starts_with("P0");
    let source = Reply { code: code.to_owned(), message: (!quotes_values).then(|| reply.message().to_owned()) };
    let mut error = Error::new(kind, sentence).with_source(source).with("sqlstate", code);
    if let Some(retry) = retry {
        error = error.with_retry(retry);
    }
    for (name, value) in [
        ("schema", reply.schema()),
        ("relation", reply.table()),
        ("column", reply.column()),
        ("constraint", reply.constraint()),
    ] {
        if let Some(value) = value {
            error = error.with(name, value);
        }
    }
    // In the binary format it is the line and the column, never the value.
    if let Some(place) = reply.where_().and_then(|context| context.strip_prefix("COPY ")) {
        error = error.with("at", place.split([':', '\n']).next().unwrap_or_default());
    }
    // Here the detail lists what depends on the column, which are names and nothing else.
    if let ("0A000" | "2BP01", Some(detail)) = (code, reply.detail()) {
        error = error.with("depends", detail);
    }
    error
}

/// The meaning of a SQLSTATE (documentation, appendix A): what kind of error, when to retry if not by the kind's default, what to do.
fn classify(code: &str) -> (ErrorKind, Option<Retry>, &'static str) {
    use ErrorKind::{
        ConfigInvalid, DataInvalid, NotFound, PermissionDenied, SchemaConflict, Unavailable, Unexpected, Unsupported,
    };
    let (kind, advice) = match code {
        "28P01" => (ConfigInvalid, "the password is wrong; correct `password`, `url` or PGPASSWORD"),
        "28000" => (
            PermissionDenied,
            "the server does not let this user in from here; check `user`, `sslmode`, and the server's pg_hba.conf",
        ),
        "3D000" => (NotFound, "the database does not exist; create it, or correct `dbname` or `url`"),
        "3F000" => (NotFound, "the schema does not exist"),
        "42501" => {
            (PermissionDenied, "the user lacks a right; `commutator check` says which, docs/postgres.md lists them all")
        }
        "25006" => {
            return (
                ConfigInvalid,
                Some(Retry::Backoff),
                "the server takes no writes, as a standby does; connect to the primary or set target_session_attrs=read-write",
            );
        }
        "42P01" => (
            NotFound,
            "a table is gone that this pipeline had made; restore it, or delete its row in _ct_checkpoints, and `commutator run` loads it anew",
        ),
        "42P10" => (SchemaConflict, "the table's primary key is gone that this pipeline had made; restore it"),
        "42701" => (
            SchemaConflict,
            "the table has a column of this name that this pipeline did not make; rename one of the two",
        ),
        "42703" | "42804" => (
            SchemaConflict,
            "someone changed the table's columns; restore them and fill them with `commutator resync`, or drop the table, delete its row in _ct_checkpoints, and `commutator run` loads it anew",
        ),
        "23502" => {
            (SchemaConflict, "someone added a NOT NULL column without a default; drop NOT NULL or give it a default")
        }
        "54000" | "54011" => (
            SchemaConflict,
            "the row has more columns with values than a page of Postgres can hold (about 1,000 numbers); replicate this table into Parquet",
        ),
        "0A000" | "2BP01" => (
            SchemaConflict,
            "something depends on the column that must be widened; drop it, let the pipeline run, and create it again",
        ),
        "40001" | "40P01" => (Unavailable, "another transaction was in the way"),
        "55P03" => (Unavailable, "another transaction holds a lock for too long; pg_stat_activity shows it"),
        "57014" => (Unavailable, "the statement was cancelled"),
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => (Unavailable, "the server is shutting down or starting up"),
        "53100" => (Unavailable, "the server's disk is full"),
        "53300" => (Unavailable, "the server has no connection left; raise its max_connections or lower ours"),
        "25P02" => (Unexpected, "an earlier statement of the transaction had failed"),
        _ => match code.get(..2) {
            Some("08" | "53" | "57") => (Unavailable, ""),
            Some("22") => (DataInvalid, "a value is not one that the column can hold"),
            Some("23") => (SchemaConflict, "a constraint that this pipeline did not make refuses a row; drop it"),
            Some("28") => (PermissionDenied, "the server does not let this user in"),
            Some("54") => (SchemaConflict, "a limit of Postgres is exceeded"),
            Some("0A") => (Unsupported, ""),
            _ => (Unexpected, ""),
        },
    };
    (kind, None, advice)
}

fn broken(error: tokio_postgres::Error, doing: &str) -> Error {
    let tls = find::<rustls::Error>(&error).map(|tls| match tls {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another host; correct `host`, or use sslmode = \"verify-ca\"",
        rustls::Error::InvalidCertificate(_) => {
            "the server's certificate is not trusted; set `sslrootcert` to the certificate of who issued it"
        }
        _ => "the TLS handshake failed",
    });
    // tokio-postgres does not show the kind of such an error but by its text.
    let text = error.to_string();
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let (kind, advice) = match (tls, text.as_str()) {
        (Some(advice), _) => (ErrorKind::ConfigInvalid, advice),
        (_, "error performing TLS handshake") if cause.contains("does not support TLS") => {
            (ErrorKind::ConfigInvalid, "the server does not offer TLS; turn it on there, or set sslmode = \"disable\"")
        }
        (_, "error performing TLS handshake") => (ErrorKind::Unavailable, "the TLS handshake was cut off"),
        (_, "invalid configuration") if cause.contains("password") => {
            (ErrorKind::ConfigInvalid, "the server asks for a password; set `password`, `url` or PGPASSWORD")
        }
        (_, "invalid configuration" | "authentication error") => (ErrorKind::ConfigInvalid, ""),
        _ if error.is_closed() || find::<io::Error>(&error).is_some() => {
            (ErrorKind::Unavailable, "the server cannot be reached or closed the connection")
        }
        _ => (ErrorKind::Unexpected, ""),
    };
    let sentence = if advice.is_empty() { doing.to_owned() } else { format!("{doing}: {advice}") };
    Error::new(kind, sentence).with_source(error)
}

/// Looks for an error of this type among the sources, also inside an `io::Error`, whose `source` skips what it wraps.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => current.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_say_what_to_do() {
        for (code, kind) in [
            ("28P01", ErrorKind::ConfigInvalid),
            ("28000", ErrorKind::PermissionDenied),
            ("3D000", ErrorKind::NotFound),
            ("42501", ErrorKind::PermissionDenied),
            ("40001", ErrorKind::Unavailable),
            ("40P01", ErrorKind::Unavailable),
            ("53100", ErrorKind::Unavailable),
            ("53200", ErrorKind::Unavailable),
            ("57P01", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("22003", ErrorKind::DataInvalid),
            ("22P05", ErrorKind::DataInvalid),
            ("42P01", ErrorKind::NotFound),
            ("54000", ErrorKind::SchemaConflict),
            ("XX000", ErrorKind::Unexpected),
        ] {
            assert_eq!(classify(code).0, kind, "{code}");
        }
        assert_eq!(classify("25006").1, Some(Retry::Backoff));
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = rustls::Error::General("x".to_owned());
        let outer = io::Error::other(inner);
        assert!(find::<rustls::Error>(&outer).is_some());
        assert!(find::<fmt::Error>(&outer).is_none());
    }
}
