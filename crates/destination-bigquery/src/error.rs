//! What went wrong at Google, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Retry};
use commutator_sql::{BENT, FENCED, REHEARSED};
use serde::Deserialize;

/// What an error says of itself: `ErrorProto` in the REST reference, and the items of an answer's `error.errors`.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Reason {
    /// A short code, from the table of the page "Error messages".
    pub(crate) reason: String,
    /// For people; it may repeat a value.
    pub(crate) message: String,
}

/// A message may repeat a cell's value, so it is shown by [`failed`] only.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reason").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl Reason {
    /// Returns whether the request, or the job under another id, can be tried again as it is.
    ///
    /// The page "Error messages" says so of each of them; the texts are those of "Troubleshoot query errors".
    pub(crate) fn is_transient(&self) -> bool {
        let passes = matches!(self.reason.as_str(), "jobRateLimitExceeded" | "rateLimitExceeded" | "tableUnavailable");
        passes || self.is_internal() || self.is_conflict()
    }

    /// Returns whether something broke within the service.
    pub(crate) fn is_internal(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "backendError" | "badGateway" | "internalError" | "jobBackendError" | "jobInternalError" | "timeout"
        )
    }

    /// Returns whether another transaction or statement was in the way.
    fn is_conflict(&self) -> bool {
        const CONFLICTS: [&str; 4] = [
            "Transaction is aborted due to concurrent update against table",
            "Could not serialize access to table",
            "Too many DML statements outstanding against",
            "Retrying the job may solve the problem",
        ];
        CONFLICTS.iter().any(|text| self.message.contains(text))
    }
}

/// Returns an error for what Google answered; `doing` is the sentence's beginning, such as `Rows cannot be applied`.
pub(crate) fn failed(reason: &Reason, retry_after: Option<Duration>, doing: &str) -> Error {
    let Meaning { kind, retry, advice } = meaning(reason);
    let sentence = if advice.is_empty() { doing.to_owned() } else { format!("{doing}: {advice}") };
    let error = Error::new(kind, sentence).with_source(Reply::of(reason)).with("reason", &reason.reason);
    let named = retry_after.map(Retry::After).filter(|_| error.retry() == Retry::Backoff);
    match retry.or(named) {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

/// Returns an error for a request that got no answer, or one that is none of Google's.
pub(crate) fn unreachable(cause: impl Into<Box<dyn StdError + Send + Sync>>, doing: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{doing}: Google's service does not answer")).with_source(cause)
}

/// What Google said, without what may hold a cell's value.
#[derive(Debug)]
struct Reply {
    reason: String,
    message: Option<String>,
}

impl Reply {
    fn of(reason: &Reason) -> Self {
        let line = reason.message.lines().next().unwrap_or_default();
        let line = &line[..line.floor_char_boundary(MESSAGE_BYTES)];
        let is_shown = OF_THE_SERVICE.contains(&reason.reason.as_str()) || speaks_of_names(line);
        let message = is_shown.then(|| line.to_owned());
        Self { reason: reason.reason.clone(), message }
    }
}

/// Reasons that are of the service, of rights and of names, so that no message of theirs repeats a value (page "Error messages").
const OF_THE_SERVICE: [&str; 24] = [
    "accessDenied",
    "authError",
    "backendError",
    "badGateway",
    "billingNotEnabled",
    "billingTierLimitExceeded",
    "blocked",
    "duplicate",
    "internalError",
    "invalidUser",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "notFound",
    "notImplemented",
    "quotaExceeded",
    "rateLimitExceeded",
    "required",
    "resourceInUse",
    "resourcesExceeded",
    "responseTooLarge",
    "stopped",
    "timeout",
    "unauthorized",
];

/// A message on a table of a thousand columns would flood the log.
const MESSAGE_BYTES: usize = 600;

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(f, "BigQuery says {}", self.reason),
        }
    }
}

impl StdError for Reply {}

/// Whether a query's message speaks of names and statements, and never of values. Those are known by how they begin; all others may.
fn speaks_of_names(message: &str) -> bool {
    const STARTS: [&str; 21] = [
        "ALTER TABLE",
        "Access Denied:",
        "Already Exists:",
        "Cannot drop column",
        "Cannot query over table",
        "Could not serialize access to table",
        "Exceeded rate limits",
        "Function not found",
        "Invalid dataset ID",
        "Invalid project ID",
        "Invalid table ID",
        "Name ",
        "No matching signature",
        "Not found:",
        "Provided Schema does not match",
        "Quota exceeded",
        "Resources exceeded",
        "Syntax error:",
        "Too many DML statements",
        "Transaction is aborted",
        "Unrecognized name:",
    ];
    let message = message.strip_prefix("Query error: ").unwrap_or(message);
    // What our statements fail by on purpose is a word of ours.
    let ours = [BENT, FENCED, REHEARSED].iter().any(|word| message.contains(word));
    ours || STARTS.iter().any(|start| message.starts_with(start))
}

struct Meaning {
    kind: ErrorKind,
    retry: Option<Retry>,
    advice: &'static str,
}

/// The meaning of a reason (page "Error messages"): what kind of error, when to retry if not by the kind's default, what to do.
fn meaning(reason: &Reason) -> Meaning {
    use ErrorKind::{
        ConfigInvalid, DataInvalid, NotFound, PermissionDenied, SchemaConflict, Throttled, Unavailable, Unexpected,
        Unsupported,
    };
    let says = |part: &str| reason.message.contains(part);
    let never = |kind, advice| Meaning { kind, retry: Some(Retry::Never), advice };
    let (kind, advice) = match reason.reason.as_str() {
        _ if reason.is_conflict() => (Unavailable, "another transaction or statement was in the way"),
        "rateLimitExceeded" | "jobRateLimitExceeded" => {
            (Throttled, "BigQuery asks to slow down; commit less often, or put fewer tables in a dataset")
        }
        "quotaExceeded" => (
            Throttled,
            "a quota of the project is used up, which its message names; ask Google to raise it, or commit less often",
        ),
        "accessDenied" | "invalidUser" => (
            PermissionDenied,
            "the identity lacks a right; `commutator check` says which, docs/bigquery.md lists them all",
        ),
        "authError" | "unauthorized" | "required" => (
            PermissionDenied,
            "Google does not take the credentials; renew them, or correct `credentials_file` or GOOGLE_APPLICATION_CREDENTIALS",
        ),
        "billingNotEnabled" => (ConfigInvalid, "turn billing on for the project; statements that write need it"),
        "responseTooLarge" | "resourcesExceeded" | "billingTierLimitExceeded" => {
            return never(Unavailable, "BigQuery has not enough room for the statement; make commits smaller");
        }
        "stopped" => (Unavailable, "someone cancelled the job"),
        "blocked" => (Unavailable, "Google has blocked this operation for now; ask its support"),
        "resourceInUse" => (Unavailable, "the dataset is in use"),
        _ if reason.is_transient() => (Unavailable, ""),
        "notImplemented" => (Unsupported, ""),
        "duplicate" => (
            ConfigInvalid,
            "something of this name exists that this pipeline did not make; drop or rename it, or set another name or dataset",
        ),
        "notFound" if says("Dataset") => (NotFound, "create the dataset, or correct `project` and `dataset`"),
        "notFound" if says("Uris") || says("gs://") => {
            (NotFound, "a staged file is gone; is there a lifecycle rule on the bucket?")
        }
        "notFound" => (
            NotFound,
            "a table is gone that this pipeline had made; restore it, or drop its table of checkpoints, too, and `commutator run` loads it anew",
        ),
        "badRequest" | "invalidQuery" if says("streaming buffer") => (
            Unavailable,
            "another program streams rows into the table, and BigQuery lets nobody change those for a while",
        ),
        "invalidQuery" if says("Clustered") || says("clustering") => (
            SchemaConflict,
            "the column is one that the table is clustered by, and BigQuery does not let it go; drop the table and \
             its table of checkpoints, and `commutator run` loads it anew",
        ),
        "invalidQuery"
            if says("Unrecognized name") || says("Name ") || says("is not present in table") || says("has type") =>
        {
            (
                SchemaConflict,
                "someone changed the table's columns; restore them and fill them with `commutator resync`, or drop the table and its table \
             of checkpoints, and `commutator run` loads it anew",
            )
        }
        "invalidQuery" | "invalid"
            if ["project", "dataset", "table"].iter().any(|what| says(&format!("Invalid {what} ID"))) =>
        {
            (ConfigInvalid, "correct `project` and `dataset`, or give the table another `name`")
        }
        "invalidQuery" if says(BENT) => (
            DataInvalid,
            "a column's numbers cannot become JSON without being rounded; set json = \"string\", and load the table anew",
        ),
        "invalidQuery" if says("PARSE_JSON") => (
            DataInvalid,
            "a document holds a number that BigQuery's JSON cannot keep exactly, or is nested too deeply; set json = \"string\"",
        ),
        "invalidQuery" | "invalid" if VALUES.iter().any(|part| says(part)) => {
            (DataInvalid, "a value is not one that the column can hold")
        }
        _ => (Unexpected, ""),
    };
    Meaning { kind, retry: None, advice }
}

/// Parts of the messages that refuse a value.
const VALUES: [&str; 7] =
    ["Bad ", "Could not cast", "Error while reading data", "Invalid value", "out of range", "overflow", "exceeds"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: &str, message: &str) -> Reason {
        Reason { reason: reason.to_owned(), message: message.to_owned() }
    }

    /// Reasons and messages as the pages "Error messages", "Troubleshoot query errors" and "Troubleshoot quota errors" have them.
    #[test]
    fn reasons_say_what_to_do() {
        for (reason, message, kind) in [
            ("accessDenied", "Access Denied: Dataset p:d: User does not have permission", ErrorKind::PermissionDenied),
            ("backendError", "", ErrorKind::Unavailable),
            ("internalError", "", ErrorKind::Unavailable),
            ("jobInternalError", "", ErrorKind::Unavailable),
            ("rateLimitExceeded", "Exceeded rate limits: too many table update operations", ErrorKind::Throttled),
            ("jobRateLimitExceeded", "", ErrorKind::Throttled),
            ("quotaExceeded", "Quota exceeded: Your table exceeded quota for imports", ErrorKind::Throttled),
            ("billingNotEnabled", "", ErrorKind::ConfigInvalid),
            ("notFound", "Not found: Dataset p:d", ErrorKind::NotFound),
            ("duplicate", "Already Exists: Table p:d.t", ErrorKind::ConfigInvalid),
            ("stopped", "", ErrorKind::Unavailable),
            ("resourcesExceeded", "", ErrorKind::Unavailable),
            ("notImplemented", "", ErrorKind::Unsupported),
            (
                "invalidQuery",
                "Transaction is aborted due to concurrent update against table p:d.t",
                ErrorKind::Unavailable,
            ),
            ("invalidQuery", "Could not serialize access to table p:d.t", ErrorKind::Unavailable),
            ("invalidQuery", "Unrecognized name: c9 at [1:8]", ErrorKind::SchemaConflict),
            ("invalidQuery", "Bad int64 value: hunter2", ErrorKind::DataInvalid),
            ("invalidQuery", BENT, ErrorKind::DataInvalid),
            ("invalidQuery", "something else", ErrorKind::Unexpected),
        ] {
            let error = failed(&of(reason, message), None, "Rows cannot be applied");
            assert_eq!(error.kind(), kind, "{reason} {message}");
            assert!(error.to_string().contains(&format!("reason: {reason}")), "{error}");
        }
    }

    #[test]
    fn a_value_is_never_repeated() {
        for message in [
            "Bad int64 value: hunter2",
            "Query error: Bad int64 value: hunter2 at [1:1]",
            "Invalid input to PARSE_JSON: hunter2",
            "Error while reading data, error message: hunter2",
            "hunter2",
        ] {
            // Of reasons that the page does not know nobody knows what their messages say.
            for reason in ["invalid", "invalidQuery", "badRequest", "", "INVALID_ARGUMENT", "unheardOf"] {
                let reason = of(reason, message);
                let error = failed(&reason, None, "Rows cannot be applied");
                let shown = format!("{reason:?} {error:?} {}", error.report());
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
        let named = failed(&of("invalidQuery", "Query error: Not found: Table p:d.t at [1:1]"), None, "x");
        assert!(named.report().contains("p:d.t"), "{named:?}");
    }

    #[test]
    fn the_named_pause_is_kept_where_trying_again_helps() {
        let pause = Some(Duration::from_secs(7));
        let throttled = failed(&of("rateLimitExceeded", ""), pause, "x");
        assert_eq!(throttled.retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(failed(&of("accessDenied", ""), pause, "x").retry(), Retry::Never);
        assert_eq!(failed(&of("resourcesExceeded", ""), pause, "x").retry(), Retry::Never);
    }
}
