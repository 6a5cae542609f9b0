//! What went wrong in the object store or in a file, as this product's errors.

use std::error::Error as StdError;
use std::io;

use commutator_core::{Error, ErrorKind};

/// Turns an error of the object store into one that says what was tried, where, and what to do.
///
/// Anything that is not clearly the user's to mend counts as [`Unavailable`](ErrorKind::Unavailable): trying again after
/// opening the table anew is safe, since nothing is committed but by a manifest that did not exist before.
pub(crate) fn storage(error: object_store::Error, tried: &'static str, place: &str) -> Error {
    let (kind, message) = describe(&error);
    Error::new(kind, message).with("tried", tried).with("at", place).with_source(error)
}

type Description = (ErrorKind, &'static str);

const MISSING: Description = (ErrorKind::NotFound, "The bucket, folder or file does not exist");
const DENIED: Description = (
    ErrorKind::PermissionDenied,
    "The object store refused the request; check the keys and grant the rights to list, read, write and delete",
);
const UNAUTHENTICATED: Description = (
    ErrorKind::PermissionDenied,
    "The object store did not accept the credentials; check the keys, the profile and the clock",
);

fn describe(error: &object_store::Error) -> Description {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => MISSING,
        E::PermissionDenied { .. } => DENIED,
        E::Unauthenticated { .. } => UNAUTHENTICATED,
        E::NotSupported { .. } | E::NotImplemented { .. } => (
            ErrorKind::Unsupported,
            "The object store cannot do this; conditional writes (If-None-Match) are needed for commits",
        ),
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => {
            (ErrorKind::ConfigInvalid, "The destination's address or an option of it is not valid")
        }
        _ => match io_kind(error) {
            Some(io::ErrorKind::NotFound) => MISSING,
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                (ErrorKind::PermissionDenied, "The folder cannot be written or read; grant the rights to it")
            }
            Some(io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory) => {
                (ErrorKind::ConfigInvalid, "A file stands where a folder is needed, or the other way round")
            }
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                (ErrorKind::Unavailable, "The disk is full; free some space")
            }
            Some(io::ErrorKind::FileTooLarge) => {
                (ErrorKind::ConfigInvalid, "A file is larger than this process may write; raise the limit (ulimit -f)")
            }
            _ => remote(&chain_text(error)),
        },
    }
}

/// Where the client does not say what an answer meant, as in listings, its status stands in the text alone.
fn remote(text: &str) -> Description {
    let status = |code: &str| text.contains(&format!("status code: {code}"));
    if status("429") || text.contains("SlowDown") {
        (ErrorKind::Throttled, "The object store asks to slow down")
    } else if status("401") {
        UNAUTHENTICATED
    } else if status("403") {
        DENIED
    } else if status("404") {
        MISSING
    } else if text.contains("redirect without LOCATION") || text.contains("PermanentRedirect") {
        (ErrorKind::ConfigInvalid, "The bucket is in another region; set `region`")
    } else if status("400") || status("405") || status("411") || status("501") {
        (
            ErrorKind::ConfigInvalid,
            "The object store does not understand the request; check `region` and `endpoint_url`",
        )
    } else {
        (ErrorKind::Unavailable, "The object store does not answer, or the answer was lost")
    }
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

fn chain_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An error of the Parquet library while it wrote a file.
pub(crate) fn encode(error: parquet::errors::ParquetError) -> Error {
    Error::new(ErrorKind::Unexpected, "Rows cannot be written as Parquet").with_source(error)
}

/// An error while a file of the table was read back.
pub(crate) fn decode(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "A file of the table cannot be read; if it was changed by somebody else, remove the table's folder, and `commutator run` loads it anew",
    )
    .with_source(error)
}

/// An error of Arrow while rows were selected or put together.
pub(crate) fn arrow(error: arrow_schema::ArrowError) -> Error {
    Error::new(ErrorKind::Unexpected, "Rows cannot be put together").with_source(error)
}

/// A task that panicked or was cancelled by the runtime's shutdown.
pub(crate) fn task(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "A task that encodes rows did not end").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn the_kind_says_what_a_caller_can_do() {
        let missing = object_store::Error::NotFound { path: "x".into(), source: "gone".into() };
        let denied = object_store::Error::PermissionDenied { path: "x".into(), source: "403".into() };
        for (error, kind) in [
            (missing, ErrorKind::NotFound),
            (denied, ErrorKind::PermissionDenied),
            (generic("Server returned non-2xx status code: 429 Too Many Requests"), ErrorKind::Throttled),
            (generic("Server returned non-2xx status code: 403 Forbidden"), ErrorKind::PermissionDenied),
            (generic("Server returned non-2xx status code: 404 Not Found"), ErrorKind::NotFound),
            (generic("Server returned non-2xx status code: 400 Bad Request"), ErrorKind::ConfigInvalid),
            (generic("Received redirect without LOCATION"), ErrorKind::ConfigInvalid),
            (generic("operation timed out"), ErrorKind::Unavailable),
        ] {
            assert_eq!(storage(error, "write", "s3://b/x").kind(), kind);
        }
        let full = io::Error::from(io::ErrorKind::PermissionDenied);
        let local = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(full) };
        assert_eq!(storage(local, "write", "/x").kind(), ErrorKind::PermissionDenied);
    }
}
