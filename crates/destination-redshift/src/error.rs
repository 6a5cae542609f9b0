//! What went wrong in Redshift, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use commutator_core::{Error, ErrorKind, Result};
use commutator_sql::{BENT, FENCED, REHEARSED};
use commutator_warehouse::Failure;

/// The longest message that is shown.
const SHOWN_BYTES: usize = 500;

/// What Redshift or its Data API said, as far as it may be shown.
#[derive(Debug)]
struct Reply(String);

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Reply {}

/// Returns the error for statements that Redshift did not run to their end; `said` is what `DescribeStatement` gives as `Error`.
pub(crate) fn refused(said: &str) -> Error {
    let (kind, advice) = meaning(said);
    let mut error = Error::new(kind, advice);
    if let Some(code) = code_of(said) {
        error = error.with("code", code);
    }
    match shown(said) {
        Some(text) => error.with_source(Reply(text)),
        None => error,
    }
}

/// Returns whether it is the database that speaks, and not what is between it and the Data API.
pub(crate) fn is_of_sql(said: &str) -> bool {
    said.starts_with("ERROR:")
}

/// Returns whether a text was none of a number: "Invalid digit" (`docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html`, 1207) where
/// compute nodes say it, and PostgreSQL's sentence where the leader does.
pub(crate) fn is_of_cast(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("invalid digit") || said.contains("invalid input syntax")
}

/// The number that Redshift has for the error: `ERROR: 1023 DETAIL: …`, or `code: 8001` in its details.
fn code_of(said: &str) -> Option<&str> {
    ["ERROR:", "code:"].iter().find_map(|start| {
        let (_, rest) = said.split_once(start)?;
        let rest = rest.trim_start();
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        (3..=5).contains(&digits.len()).then_some(digits)
    })
}

/// Sentences that speak of names, rights and the service, and of no value.
const HARMLESS: [&str; 23] = [
    "serializable isolation violation",
    "conflict with concurrent transaction",
    "deadlock detected",
    "permission denied for",
    "must be owner of",
    "is not authorized to assume iam role",
    "not authorized to get credentials of role",
    "s3serviceexception",
    "mandatory url is not present",
    "already exists",
    "does not exist",
    "because other objects depend on it",
    "disk full",
    "cancelled on user",
    "statement timeout",
    "exceeded the wlm",
    "exceeds the maximum",
    "syntax error at or near",
    "password authentication failed",
    "could not connect",
    "connection refused",
    "is paused",
    "cannot alter",
];

/// The part of a message that may be shown: its first line, if it speaks of names only. What follows it are details, with values in them.
fn shown(said: &str) -> Option<String> {
    let line = said.lines().next().unwrap_or_default().trim();
    let ours = [BENT, FENCED, REHEARSED].iter().find(|name| said.contains(**name));
    if is_of_cast(said) {
        return ours.map(|name| (*name).to_owned());
    }
    let outside = unquoted(line).to_ascii_lowercase();
    // The name of the table of errors stands in quotes.
    let harmless = HARMLESS.iter().any(|sentence| outside.contains(sentence))
        || (outside.contains("load into table") && outside.ends_with("system table for details."));
    harmless.then(|| line[..line.floor_char_boundary(SHOWN_BYTES)].to_owned())
}

/// What stands before the first quotation mark and after the last: what is between may be a value, and say anything.
fn unquoted(text: &str) -> String {
    match (text.find(['\'', '"']), text.rfind(['\'', '"'])) {
        (Some(first), Some(last)) => [&text[..first], &text[last..]].concat(),
        _ => text.to_owned(),
    }
}

/// What kind of error it is, and what to do.
fn meaning(said: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{
        ConfigInvalid, DataInvalid, NotFound, PermissionDenied, SchemaConflict, Throttled, Unavailable, Unexpected,
    };
    let outside = unquoted(said.lines().next().unwrap_or_default()).to_ascii_lowercase();
    let says = |part: &str| outside.contains(part);
    let code = code_of(said).unwrap_or_default();
    if is_of_cast(said) {
        return if said.contains(BENT) {
            (
                DataInvalid,
                "A column's numbers cannot become documents in SUPER without being rounded; set `documents` to \"text\", and load the table anew",
            )
        } else if said.contains(FENCED) || said.contains(REHEARSED) {
            (Unexpected, "A statement of our own failed as it should")
        } else {
            (DataInvalid, "A value is not one that the column can hold")
        };
    }
    if matches!(code, "1018" | "1023")
        || says("serializable isolation")
        || says("concurrent transaction")
        || says("deadlock")
    {
        (Unavailable, "Another transaction was in the way of this one in Redshift")
    } else if says("password authentication failed") {
        (PermissionDenied, "Redshift does not accept user and password of the secret; correct it")
    } else if says("not authorized") || says("s3serviceexception:access denied") {
        (
            PermissionDenied,
            "Redshift may not read the staged files; let cluster or workgroup use the role of `copy_role`, and let that role read the bucket, as docs/redshift.md shows",
        )
    } else if says("permission denied") || says("must be owner") {
        (PermissionDenied, "The database user lacks a right; grant it as docs/redshift.md shows")
    } else if says("nosuchbucket") || says("permanentredirect") || says("please use the specified endpoint") {
        (ConfigInvalid, "Redshift does not find the bucket in its own region; set `staging.region` to the bucket's")
    } else if says("nosuchkey") || says("mandatory url") || says("specified key does not exist") {
        (Unavailable, "A staged file is gone; does a lifecycle rule or somebody else delete what is there?")
    } else if says("s3serviceexception") || says("s3curlexception") {
        (Unavailable, "Redshift could not read the staged files from S3")
    } else if says("load into table") {
        (
            DataInvalid,
            "COPY refused a staged row; `SELECT * FROM sys_load_error_detail ORDER BY start_time DESC` says which column, and shows its value",
        )
    } else if says("value too long")
        || says("exceeds ddl length")
        || says("overflow")
        || says("out of range")
        || says("exceeds the max size")
        || says("invalid json")
        || says("json parsing error")
    {
        (DataInvalid, "A value is not one that the column can hold")
    } else if says("depend on it") || says("cannot alter") {
        (
            SchemaConflict,
            "Something depends on a column that gets another type, such as a view; drop it and create it again afterwards",
        )
    } else if says("already exists") {
        (
            ConfigInvalid,
            "Something of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
        )
    } else if says("column") && says("does not exist") {
        (
            SchemaConflict,
            "Someone changed the table's columns; restore them and fill them with `commutator resync`, or drop the table and its table of checkpoints (_ct_checkpoint_ and its name), and `commutator run` loads it anew",
        )
    } else if says("does not exist") {
        (
            NotFound,
            "Something is gone; restore it. Whoever wants a table loaded anew also drops its table of checkpoints (_ct_checkpoint_ and its name)",
        )
    } else if says("disk full") || says("exceeded the wlm") || says("queue is full") {
        (Throttled, "The cluster or workgroup is busy or full")
    } else if says("cancelled on user") || says("statement timeout") {
        (Unavailable, "Redshift ended the statement; it took too long, or somebody cancelled it")
    } else if says("exceeds the maximum") {
        (ErrorKind::Unsupported, "Redshift has a limit that the table goes beyond")
    } else if is_of_sql(said) {
        (Unexpected, "Redshift refuses a statement; DescribeStatement says why")
    } else {
        (Unavailable, "The Data API lost its connection to Redshift, or could not make one; DescribeStatement says why")
    }
}

/// What a request to the Data API became that got no answer, or an error.
///
/// A request that the service refused did nothing. Of one whose answer did not come, or that ended in an error of the service's own, nobody
/// knows.
pub(crate) fn of_request<E, R>(error: SdkError<E, R>, call: &'static str) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    use ErrorKind::{ConfigInvalid, NotFound, PermissionDenied, Throttled, Unavailable};
    let refused = |kind, sentence: &str, error: SdkError<E, R>| {
        let said = error.message().map(|text| text[..text.floor_char_boundary(SHOWN_BYTES)].to_owned());
        let code = error.code().unwrap_or("none").to_owned();
        let error = Error::new(kind, sentence).with("call", call).with("code", code);
        Failure::Refused(match said {
            Some(said) => error.with_source(Reply(said)),
            None => error,
        })
    };
    match &error {
        SdkError::ConstructionFailure(_) => {
            let sentence = "The request to Redshift cannot be made; are there AWS credentials?";
            Failure::Refused(Error::new(PermissionDenied, sentence).with("call", call).with_source(error))
        }
        SdkError::ServiceError(answer) => match answer.err().code().unwrap_or_default() {
            "ThrottlingException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "ActiveStatementsExceededException"
            | "ActiveSessionsExceededException"
            | "ActiveWaitingRequestsExceededException" => {
                refused(Throttled, "The Redshift Data API asks to slow down", error)
            }
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => refused(
                PermissionDenied,
                "The AWS identity may not use the Redshift Data API; grant it the rights of docs/redshift.md",
                error,
            ),
            "ResourceNotFoundException" => {
                refused(NotFound, "The Redshift Data API does not know what was asked for", error)
            }
            "ValidationException" => refused(
                ConfigInvalid,
                "Redshift does not take the request; correct `cluster` or `workgroup`, `database`, `db_user` or `secret_arn`",
                error,
            ),
            // "Connection to a database failed" (API reference, "ExecuteStatement", errors).
            "DatabaseConnectionException" => refused(Unavailable, "The Data API cannot reach the database", error),
            _ => unclear(error, call),
        },
        _ => unclear(error, call),
    }
}

fn unclear<E, R>(error: SdkError<E, R>, call: &'static str) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let sentence = "The Redshift Data API does not answer, or its answer was lost";
    let mut unclear = Error::new(ErrorKind::Unavailable, sentence).with("call", call);
    if let Some(code) = error.code() {
        unclear = unclear.with("code", code);
    }
    Failure::Unclear(unclear.with_source(error))
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
mod tests;
