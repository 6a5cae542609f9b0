//! What Snowflake said went wrong, as an error that says what to do and never repeats a cell's value.

use std::error::Error as StdError;
use std::fmt;

use commutator_core::{Error, ErrorKind, Retry};
use commutator_sql::{BENT, FENCED, REHEARSED};

use crate::statements::ROWS_MISSING;

/// An answer that is no success.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// Snowflake's number of the error, of six digits.
    pub(crate) code: String,
    /// The state that the SQL standard has for it.
    pub(crate) sql_state: String,
    /// What is said in words; it may repeat a cell's value.
    pub(crate) message: String,
    /// The statement's handle, which is its query id.
    pub(crate) handle: String,
}

/// What Snowflake said, as far as it may be shown.
#[derive(Debug)]
struct Reply {
    code: String,
    text: Option<String>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snowflake's error {}", self.code)?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl StdError for Reply {}

/// Returns the error of statements that failed.
pub(crate) fn failed(said: &Said, statements: &[&str]) -> Error {
    let script = InScript::find(&said.message);
    let text = script.as_ref().map_or(said.message.as_str(), |found| found.text);
    let Meaning { kind, retry, advice } = if said.status == 408 { TIMED_OUT } else { meaning(said, text) };
    let mut error = with_codes(Error::new(kind, advice), said, text);
    if let Some(number) = script.and_then(|found| found.statement(statements)) {
        error = error.with("statement", format_args!("{} of {}", number + 1, statements.len()));
    }
    if !said.handle.is_empty() {
        error = error.with("query_id", &said.handle);
    }
    match retry {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

/// Returns whether it is the `COMMIT` of a script that failed, or nobody knows what.
pub(crate) fn is_at_the_end(said: &Said, statements: &[&str]) -> bool {
    if statements.last() != Some(&"COMMIT") {
        return false;
    }
    let number = InScript::find(&said.message).and_then(|found| found.statement(statements));
    number.is_none_or(|number| number + 1 == statements.len())
}

/// Returns the error of a request that was turned away before any statement ran.
pub(crate) fn turned_away(said: &Said) -> Error {
    let (kind, advice) = match said.status {
        401 => (
            ErrorKind::PermissionDenied,
            "Snowflake does not accept the credentials; correct `account`, `user` and the key or token, and see that the clock is right",
        ),
        403 => (
            ErrorKind::PermissionDenied,
            "Snowflake lets this user or this address not in; look at the user's state, its role and the network policy",
        ),
        404 => {
            (ErrorKind::NotFound, "There is no such account, or the statement is not known any more; correct `account`")
        }
        _ => (ErrorKind::Unexpected, "Snowflake does not take the request"),
    };
    with_codes(Error::new(kind, advice), said, &said.message).with("status", said.status)
}

/// Returns whether the service says that the table, or the schema that it would be in, is not there; a role, a warehouse or an account that
/// is not there says nothing about the table.
pub(crate) fn names_no_object(error: &Error) -> bool {
    let code = error.context().iter().find_map(|(key, value)| (*key == "code").then_some(value.as_str()));
    error.kind() == ErrorKind::NotFound
        && match code {
            Some("002003" | "002043") => true,
            Some("390201") => error.report().contains("requested schema"),
            _ => false,
        }
}

fn with_codes(error: Error, said: &Said, text: &str) -> Error {
    if said.code.is_empty() {
        return error;
    }
    let reply = Reply { code: said.code.clone(), text: shown(text) };
    let error = error.with_source(reply).with("code", &said.code);
    if said.sql_state.is_empty() { error } else { error.with("sqlstate", &said.sql_state) }
}

/// Where in a script an error is. The service wraps it, so that code and state are those of the wrapping: "Execution of multiple statements
/// failed on statement … (at line 1, position 75)." (docs.snowflake.com/en/developer-guide/sql-api/submitting-multiple-statements,
/// "Handling errors when specifying multiple statements in a request").
struct InScript<'a> {
    line: usize,
    text: &'a str,
}

impl<'a> InScript<'a> {
    fn find(message: &'a str) -> Option<Self> {
        let (_, rest) = message.split_once("Execution of multiple statements failed on statement")?;
        // The statement is repeated before that, and may hold anything.
        let (before, text) = rest.split_once(").\n").or_else(|| rest.split_once(").")).unwrap_or((rest, ""));
        let (_, place) = before.rsplit_once("(at line ")?;
        let line = place.split_once(',')?.0.trim().parse().ok()?;
        let text = text.split_once(" in SYSTEM$MULTISTMT").map_or(text, |(text, _)| text);
        Some(Self { line, text: text.trim() })
    }

    /// The number of the statement, from 0; statements begin at the beginning of a line.
    fn statement(&self, statements: &[&str]) -> Option<usize> {
        let mut first = 1;
        for (number, statement) in statements.iter().enumerate() {
            let next = first + statement.matches('\n').count() + 1;
            if (first..next).contains(&self.line) {
                return Some(number);
            }
            first = next;
        }
        None
    }
}

/// Sentences that speak of names, rights and the service, and of no value.
const HARMLESS: [&str; 20] = [
    "does not exist or not authorized",
    "does not exist, or operation cannot be performed",
    "Insufficient privileges to operate on",
    "invalid identifier",
    "already exists",
    "No active warehouse selected in the current session",
    "cannot be resumed because",
    "JWT token is invalid",
    "OAuth access token",
    "Programmatic access token",
    "is not granted to this user",
    "is not allowed to access Snowflake",
    "Failure using stage area",
    "Remote file",
    "is not allowed by integration",
    "lock has not yet been released",
    "was aborted because the number of waiters",
    "reached its statement or warehouse timeout",
    "This session does not have a current",
    "Actual statement count",
];

/// The part of a message that may be shown: its first two lines, if they speak of names only.
fn shown(text: &str) -> Option<String> {
    let text: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).collect();
    let text = text.join(" ");
    // The names with which statements of our own fail on purpose.
    let ours = [BENT, FENCED, REHEARSED, ROWS_MISSING]
        .iter()
        .any(|name| text == format!("Numeric value '{name}' is not recognized"));
    let said = unquoted(&text);
    let harmless = ours || HARMLESS.iter().any(|sentence| said.contains(sentence));
    (harmless && text.len() < 500).then_some(text)
}

/// What stands before the first quotation mark and after the last: what is between may be a value, and say anything.
fn unquoted(text: &str) -> String {
    match (text.find('\''), text.rfind('\'')) {
        (Some(first), Some(last)) => [&text[..first], &text[last..]].concat(),
        _ => text.to_owned(),
    }
}

struct Meaning {
    kind: ErrorKind,
    retry: Option<Retry>,
    advice: &'static str,
}

const TIMED_OUT: Meaning = Meaning {
    kind: ErrorKind::Unavailable,
    retry: None,
    advice: "The statements took longer than they may; take a larger warehouse, smaller commits, or raise `statement_timeout_seconds`",
};

/// What a code, a state or a sentence means: what kind of error, when to retry if not by the kind's default, what to do.
///
/// Within a script there is only the sentence.
fn meaning(said: &Said, text: &str) -> Meaning {
    use ErrorKind::{ConfigInvalid, DataInvalid, NotFound, PermissionDenied, SchemaConflict, Unavailable, Unexpected};
    let of = |kind, advice| Meaning { kind, retry: None, advice };
    let said_outside = unquoted(text);
    let says = |part: &str| said_outside.contains(part);
    let is_ours = |name: &str| text.contains(name);
    let (code, state) = (said.code.as_str(), said.sql_state.as_str());
    if is_ours(ROWS_MISSING) {
        of(Unavailable, "Snowflake loaded another number of rows than were staged; nothing was committed")
    } else if is_ours(BENT) {
        of(
            DataInvalid,
            "A column's numbers cannot get the wider type without being rounded; where that is `VARIANT`, `documents = \"text\"` takes them, and the table has to be loaded anew",
        )
    } else if is_ours(REHEARSED) || is_ours(FENCED) {
        of(Unexpected, "A statement of our own failed as it should")
    } else if code == "003001" || state == "42501" || says("Insufficient privileges") {
        of(PermissionDenied, "The role lacks a right; grant it as docs/snowflake.md shows")
    } else if code == "000606" || says("No active warehouse") {
        of(ConfigInvalid, "There is no warehouse to work with; set `warehouse`, and grant USAGE on it to the role")
    } else if says("cannot be resumed because") {
        of(Unavailable, "The warehouse cannot be resumed; look at its resource monitor")
    } else if says("is not granted to this user") {
        of(PermissionDenied, "The user does not have the role; grant it, or correct `role`")
    } else if says("Failure using stage area") || says("is not allowed by integration") {
        of(
            PermissionDenied,
            "Snowflake cannot read the staged files; look at the stage's storage integration, its allowed locations, and the bucket's policy",
        )
    } else if says("Remote file") && says("was not found") {
        of(
            ConfigInvalid,
            "A staged file is not found: the stage is at another address than `staging`, or something deletes what is there",
        )
    } else if says("lock has not yet been released") || says("number of waiters") || says("deadlock") {
        of(Unavailable, "Other statements hold the table for too long")
    } else if code == "000630" || code == "000604" || state == "57014" || says("statement or warehouse timeout") {
        of(Unavailable, "Snowflake ended the statement; it took too long, or somebody cancelled it")
    } else if says("invalid identifier") || code == "000904" {
        of(
            SchemaConflict,
            "Someone changed the table's columns; restore them and fill them with `commutator resync`, or drop the table and its table of checkpoints (_ct_checkpoint_ and its name), and `commutator run` loads it anew",
        )
    } else if says("does not exist") || matches!(state, "02000" | "42S02") {
        of(
            NotFound,
            "Something is gone or the role may not see it; restore it or grant the right. Whoever wants a table loaded anew also drops its table of checkpoints (_ct_checkpoint_ and its name)",
        )
    } else if code == "002002" || says("already exists") {
        of(
            ConfigInvalid,
            "Something of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
        )
    } else if says("is not recognized")
        || says("is too long")
        || says("out of representable range")
        || says("Error parsing JSON")
        || says("Failed to cast")
        || says("too large")
        || state.starts_with("22")
    {
        of(DataInvalid, "A value is not one that the column can hold")
    } else if says("NULL result in a non-nullable column") {
        of(SchemaConflict, "A column that this pipeline leaves empty must not be null; drop that constraint")
    } else {
        of(Unexpected, "Snowflake refuses a statement")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, sql_state: &str, message: &str) -> Said {
        Said {
            status: 422,
            code: code.to_owned(),
            sql_state: sql_state.to_owned(),
            message: message.to_owned(),
            handle: "01a".to_owned(),
        }
    }

    /// The answer that the page on multiple statements shows, with a value in it.
    const IN_SCRIPT: &str = "JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"insert into table1 (i) \
        values ('hunter2')\" (at line 2, position 0).\nNumeric value 'hunter2' is not recognized in SYSTEM$MULTISTMT at '    throw `Execution \
        of multiple statements failed on statement {0} (at line {1}, position {2}).`.replace('{1}', LINES[i])' position 4\nstackstrace: \
        \nSYSTEM$MULTISTMT line: 10";

    #[test]
    fn an_error_within_a_script_says_which_statement_and_no_value() {
        let statements = ["create table t (i int)", "insert into table1 (i) values ('hunter2')", "select 1"];
        let error = failed(&said("100132", "P0000", IN_SCRIPT), &statements);
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        let shown = format!("{} {error:?}", error.report());
        for part in ["code: 100132", "sqlstate: P0000", "statement: 2 of 3", "query_id: 01a"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_value_that_reads_like_a_message_is_none() {
        for value in ["hunter2 already exists", "it does not exist", "a'b lock has not yet been released"] {
            let message = format!("Numeric value '{value}' is not recognized");
            let error = failed(&said("100038", "22018", &message), &["select 1"]);
            assert_eq!(error.kind(), ErrorKind::DataInvalid, "{value}");
            assert!(!format!("{} {error:?}", error.report()).contains(value), "{value}");
        }
    }

    #[test]
    fn only_an_object_that_is_gone_means_that_there_is_no_table() {
        let error = |code, state, message: &str| failed(&said(code, state, message), &["describe table t"]);
        assert!(names_no_object(&error(
            "002003",
            "42S02",
            "SQL compilation error:\nTable 'T' does not exist or not authorized."
        )));
        assert!(names_no_object(&error("390201", "08004", "The requested schema does not exist or not authorized.")));
        assert!(!names_no_object(&error(
            "390201",
            "08004",
            "The requested warehouse does not exist or not authorized."
        )));
        let said = Said { status: 404, ..said("", "", "") };
        assert!(!names_no_object(&turned_away(&said)));
    }

    #[test]
    fn lines_of_statements_are_counted() {
        let statements = ["a", "b\nb", "c"];
        let at = |line| InScript { line, text: "" }.statement(&statements);
        assert_eq!([at(1), at(2), at(3), at(4), at(5)], [Some(0), Some(1), Some(1), Some(2), None]);
    }

    #[test]
    fn codes_states_and_sentences_have_their_kinds() {
        for (code, state, message, kind) in [
            (
                "002003",
                "42S02",
                "SQL compilation error:\nObject 'SHOP.PUBLIC.\"t\"' does not exist or not authorized.",
                ErrorKind::NotFound,
            ),
            (
                "003001",
                "42501",
                "SQL access control error:\nInsufficient privileges to operate on schema 'PUBLIC'",
                ErrorKind::PermissionDenied,
            ),
            (
                "000606",
                "57P03",
                "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.\n",
                ErrorKind::ConfigInvalid,
            ),
            (
                "000904",
                "42000",
                "SQL compilation error: error line 1 at position 7\ninvalid identifier 'X'",
                ErrorKind::SchemaConflict,
            ),
            ("002002", "42710", "SQL compilation error:\nObject 'T' already exists.", ErrorKind::ConfigInvalid),
            ("100038", "22018", "Numeric value 'hunter2' is not recognized", ErrorKind::DataInvalid),
            ("100069", "22P02", "Error parsing JSON: unfinished string, pos 7", ErrorKind::DataInvalid),
            (
                "000630",
                "57014",
                "Statement reached its statement or warehouse timeout of 10 second(s) and was canceled.",
                ErrorKind::Unavailable,
            ),
            ("999999", "XX000", "hunter2", ErrorKind::Unexpected),
        ] {
            let error = failed(&said(code, state, message), &["select 1"]);
            assert_eq!(error.kind(), kind, "{message}");
            let shown = error.report();
            assert!(shown.contains(code) && shown.contains(state) && !shown.contains("hunter2"), "{shown}");
        }
        let named = failed(&said("003001", "42501", "Insufficient privileges to operate on schema 'PUBLIC'"), &[]);
        assert!(named.report().contains("schema 'PUBLIC'"), "{}", named.report());
    }

    #[test]
    fn what_was_turned_away_says_what_to_do() {
        let said = Said {
            status: 401,
            code: "390144".to_owned(),
            message: "JWT token is invalid. [4f]".to_owned(),
            ..Said::default()
        };
        let error = turned_away(&said);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::PermissionDenied, Retry::Never));
        assert!(error.report().contains("390144: JWT token is invalid"), "{}", error.report());
    }
}
