//! What an answer of the SQL API means; pure.

use std::io::Read as _;

use commutator_core::{Error, ErrorKind, Result, Retry};
use commutator_warehouse::Row;
use commutator_warehouse::patience::retry_after;
use flate2::read::GzDecoder;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{self, Said};

/// No answer that is asked for here is nearly as long.
const MOST_BYTES: u64 = 256 << 20;

/// An answer that says how it stands.
#[derive(Debug)]
pub(super) enum Answer {
    /// The statements have ended well.
    Done(ResultSet),
    /// They run under this handle.
    Running(String),
    /// They have failed, and `unclear` is whether the transaction may have been committed before.
    Failed { error: Error, unclear: bool },
    /// The request was not taken.
    TurnedAway(Error),
}

/// Rows, and where more of them are.
#[derive(Debug)]
pub(super) struct ResultSet {
    pub(super) handle: String,
    /// The rows of all partitions.
    pub(super) rows: u64,
    pub(super) partitions: usize,
    pub(super) data: Vec<Row>,
}

/// `ResultSet`, `QueryStatus` and `QueryFailureStatus` of the reference, as far as they are needed here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    sql_state: Option<String>,
    statement_handle: Option<String>,
    statement_handles: Option<Vec<String>>,
    result_set_meta_data: Option<MetaData>,
    data: Option<Vec<Vec<Value>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MetaData {
    num_rows: u64,
    partition_info: Vec<serde::de::IgnoredAny>,
}

/// Writes statements as one request holds them, each at the beginning of a line.
pub(super) fn join(statements: &[&str]) -> String {
    statements.join(";\n")
}

/// Reads an answer to a request for these statements.
///
/// Returns an error for an answer that says nothing about them: whoever asked may ask again, as its hint says.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], statements: &[&str]) -> Result<Answer> {
    let body = decoded(headers, body)?;
    let parsed: Option<Body> = serde_json::from_slice(&body).ok();
    let said = || {
        let body = parsed.as_ref();
        let part = |part: Option<&String>| part.cloned().unwrap_or_default();
        Said {
            status: status.as_u16(),
            code: part(body.and_then(|body| body.code.as_ref())),
            sql_state: part(body.and_then(|body| body.sql_state.as_ref())),
            message: part(body.and_then(|body| body.message.as_ref())),
            handle: part(body.and_then(|body| body.statement_handle.as_ref())),
        }
    };
    match status.as_u16() {
        200 => match parsed {
            Some(body) => result(body, statements.len()).map(Answer::Done),
            None => Err(illegible(status)),
        },
        202 => match parsed.and_then(|body| body.statement_handle) {
            Some(handle) => Ok(Answer::Running(handle)),
            None => Err(illegible(status)),
        },
        // "An error occurred when executing the statement", and "the execution of the statement exceeded the timeout period"; what is no
        // answer of the API itself has no code.
        422 | 408 if parsed.as_ref().is_some_and(|body| body.code.is_some()) => {
            let said = said();
            // A statement that was cancelled may have been the `COMMIT`, too.
            let unclear = said.status == 408 || error::is_at_the_end(&said, statements);
            Ok(Answer::Failed { error: error::failed(&said, statements), unclear })
        }
        // "Too many requests".
        429 => Err(waiting(Error::new(ErrorKind::Throttled, "Snowflake asks to slow down"), headers, &said())),
        408 | 500.. => {
            Err(waiting(Error::new(ErrorKind::Unavailable, "Snowflake does not answer now"), headers, &said()))
        }
        _ => Ok(Answer::TurnedAway(error::turned_away(&said()))),
    }
}

fn result(body: Body, statements: usize) -> Result<ResultSet> {
    let handles = body.statement_handles.map_or(1, |handles| handles.len());
    if statements > 1 && handles != statements {
        return Err(Error::new(ErrorKind::Unexpected, "Snowflake ran another number of statements than it was given")
            .with("statements", statements)
            .with("ran", handles));
    }
    let data: Vec<Row> = body.data.unwrap_or_default().into_iter().map(row).collect();
    let meta = body.result_set_meta_data.unwrap_or_default();
    Ok(ResultSet {
        handle: body.statement_handle.unwrap_or_default(),
        rows: meta.num_rows,
        partitions: meta.partition_info.len(),
        data,
    })
}

/// "All the data is returned as strings" (reference, `ResultSet`).
fn row(values: Vec<Value>) -> Row {
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    values.into_iter().map(text).collect()
}

/// Later partitions come compressed: "the response has the Content-Encoding: gzip header"
/// (docs.snowflake.com/en/developer-guide/sql-api/handling-responses).
fn decoded(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>> {
    if headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    let read = GzDecoder::new(body).take(MOST_BYTES).read_to_end(&mut plain);
    let broken = || Error::new(ErrorKind::Unavailable, "Snowflake's answer arrived broken");
    read.map_err(|cause| broken().with_source(cause))?;
    Ok(plain)
}

fn illegible(status: StatusCode) -> Error {
    let message = "Snowflake's answer cannot be read: what answers may be a proxy, or the address of another service";
    Error::new(ErrorKind::Unavailable, message).with("status", status.as_u16())
}

/// Adds how long the server wants to be left alone.
fn waiting(error: Error, headers: &HeaderMap, said: &Said) -> Error {
    let error = error.with("status", said.status);
    let error = if said.code.is_empty() { error } else { error.with("code", &said.code) };
    match retry_after(headers.get(RETRY_AFTER).map(HeaderValue::as_bytes)) {
        Some(pause) => error.with_retry(Retry::After(pause)),
        None => error,
    }
}
