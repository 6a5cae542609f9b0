//! What went wrong in Redshift, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use commutator_core::{Error, ErrorKind, Result};
use commutator_sql::{FENCED, REHEARSED};
use commutator_warehouse::Failure;

/// What Redshift said of a statement, without what may hold a cell's value.
#[derive(Debug)]
struct Reply(String);

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reply {}

/// Returns the error for statements that Redshift did not run to their end; `text` is its message.
pub(crate) fn refused(text: &str) -> Error {
    use ErrorKind::{DataInvalid, NotFound, PermissionDenied, SchemaConflict, Throttled, Unavailable, Unexpected};
    let says = |parts: &[&str]| parts.iter().any(|part| text.to_ascii_lowercase().contains(part));
    let (kind, advice, shown) = if says(&[FENCED, REHEARSED]) {
        (Unexpected, "a statement was made to fail", true)
    } else if says(&["1023", "serializable isolation violation", "deadlock", "could not complete because of conflict"])
    {
        (Unavailable, "another transaction was in the way", true)
    } else if says(&["permission denied", "not authorized", "must be owner", "access denied", "s3serviceexception"]) {
        (PermissionDenied, "grant the database user, or the role of `copy_role`, what it lacks", true)
    } else if says(&["stl_load_errors", "sys_load_error_detail", "load into table"]) {
        (DataInvalid, "COPY refused a staged row; sys_load_error_detail says which", true)
    } else if says(&[
        "value too long",
        "numeric data overflow",
        "invalid input syntax",
        "exceeds the max size",
        "invalid json",
    ]) {
        // These repeat the value.
        (DataInvalid, "a value is not one that the column can hold", false)
    } else if says(&["already exists"]) {
        (Unavailable, "something of this name was made meanwhile", true)
    } else if says(&["does not exist", "relation"]) && says(&["does not exist"]) {
        (NotFound, "a table or column that this pipeline had made is gone", true)
    } else if says(&["cannot drop", "depends on"]) {
        (
            SchemaConflict,
            "something depends on the column, such as a view; drop it and create it again afterwards",
            true,
        )
    } else if says(&["disk full", "queue is full", "too many"]) {
        (Throttled, "the cluster is busy or full", true)
    } else {
        (Unexpected, "it refused a statement", true)
    };
    let error = Error::new(kind, format!("Redshift: {advice}"));
    if shown { error.with_source(Reply(first_line(text))) } else { error }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(400)].to_owned()
}

/// What a request to the Data API became that got no answer, or an error.
///
/// A request that the service refused did nothing. Of one whose answer did not come nobody knows, although its repetitions had the same token.
pub(crate) fn of_request<E, R>(error: SdkError<E, R>, call: &'static str) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Throttled, Unavailable};
    let refused = |kind, sentence: &str, error: SdkError<E, R>| {
        let said = error.message().map(first_line).unwrap_or_default();
        let code = error.code().unwrap_or("none").to_owned();
        Failure::Refused(Error::new(kind, sentence).with("call", call).with("code", code).with_source(Reply(said)))
    };
    match &error {
        SdkError::ConstructionFailure(_) => {
            refused(PermissionDenied, "No AWS credentials can be had for Redshift", error)
        }
        SdkError::ServiceError(_) => match error.code().unwrap_or_default() {
            "ThrottlingException"
            | "ActiveStatementsExceededException"
            | "ActiveSessionsExceededException"
            | "QueryTimeoutException" => refused(Throttled, "The Redshift Data API asks to slow down", error),
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken" => refused(
                PermissionDenied,
                "The AWS identity may not use the Redshift Data API; grant it the rights of docs/redshift.md",
                error,
            ),
            "ResourceNotFoundException" => {
                refused(NotFound, "The Redshift Data API does not know what was asked for", error)
            }
            "ValidationException" => refused(
                ConfigInvalid,
                "Redshift does not take the request; check cluster, workgroup, database and user",
                error,
            ),
            "BatchExecuteStatementException" | "ExecuteStatementException" | "DatabaseConnectionException" => {
                refused(Unavailable, "Redshift cannot be reached by the Data API", error)
            }
            _ => unclear(error, call),
        },
        _ => unclear(error, call),
    }
}

fn unclear<E, R>(error: SdkError<E, R>, call: &'static str) -> Failure
where
    E: StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let sentence = "The Redshift Data API does not answer, or its answer was lost";
    Failure::Unclear(Error::new(ErrorKind::Unavailable, sentence).with("call", call).with_source(error))
}

/// Refuses a setting that becomes part of a literal and could end it.
pub(crate) fn plain(setting: &'static str, value: &str) -> Result<()> {
    if value.contains(['\'', '\\']) || value.contains(char::is_control) || value.contains(char::is_whitespace) {
        return Err(Error::new(ErrorKind::ConfigInvalid, "The setting has a character that it cannot have")
            .with("setting", setting));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as AWS documents them or as users report them.
    #[test]
    fn messages_have_kinds_and_never_values() {
        for (text, kind) in [
            (
                "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2",
                ErrorKind::Unavailable,
            ),
            ("ERROR: permission denied for schema shop", ErrorKind::PermissionDenied),
            (
                "ERROR: Load into table '_ct_stage' failed.  Check 'stl_load_errors' system table for details.",
                ErrorKind::DataInvalid,
            ),
            ("ERROR: value too long for type character varying(65535): hunter2", ErrorKind::DataInvalid),
            ("ERROR: invalid input syntax for integer: \"_ct_fenced\"", ErrorKind::Unexpected),
            ("ERROR: relation \"shop.t\" does not exist", ErrorKind::NotFound),
            ("ERROR: something new", ErrorKind::Unexpected),
        ] {
            let error = refused(text);
            assert_eq!(error.kind(), kind, "{text}");
            assert!(!error.report().contains("hunter2"));
            assert_eq!(error.report().contains(FENCED), text.contains(FENCED));
        }
    }

    #[test]
    fn settings_cannot_end_a_literal() {
        assert!(plain("x", "arn:aws:iam::1:role/a-b_c").is_ok());
        for bad in ["a'b", "a\\", "a b", "a\n"] {
            assert_eq!(plain("x", bad).unwrap_err().kind(), ErrorKind::ConfigInvalid);
        }
    }
}
