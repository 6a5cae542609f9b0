//! The SQL API, version 2: statements over HTTPS, of which each request can be repeated without being done twice.
//!
//! Snowflake's page "Snowflake SQL API reference" (docs.snowflake.com/en/developer-guide/sql-api/reference).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use commutator_core::{Error, ErrorKind, Result};
use commutator_warehouse::{Failure, Patience, Row};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::auth::{Identity, Token};
use answer::{Answer, ResultSet};

mod answer;

/// The server holds an answer back for 45 seconds at most: "a statement is executed and the results are returned if the execution is
/// completed in 45 seconds" (reference, `async`).
const READ_TIMEOUT: Duration = Duration::from_secs(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const PATIENCE: Patience = Patience {
    repeats: 6,
    pause: Duration::from_millis(500),
    longest: Duration::from_secs(30),
    poll: Duration::from_millis(50),
    longest_poll: Duration::from_secs(5),
};

/// What the client says it is; the API asks for a name and a version (reference, "Request headers for all operations").
const USER_AGENT: &str = concat!("commutator/", env!("CARGO_PKG_VERSION"));

/// Where statements run, and how long they may.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) database: String,
    pub(crate) schema: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) role: Option<String>,
    /// After so many seconds the server ends a statement.
    pub(crate) timeout_seconds: u64,
}

/// A client of one account.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    session: Session,
    identity: Arc<Identity>,
    clock: fn() -> SystemTime,
    patience: Patience,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, session, identity, .. } = self;
        f.debug_struct("Client")
            .field("base", &base.as_str())
            .field("session", session)
            .field("identity", identity)
            .finish_non_exhaustive()
    }
}

/// An answer that no later one changes, or why there is none.
struct Lost {
    error: Error,
    /// Whether the statements may have run, or may still.
    unclear: bool,
}

impl From<Lost> for Failure {
    fn from(Lost { error, unclear }: Lost) -> Self {
        if unclear { Self::Unclear(error) } else { Self::Refused(error) }
    }
}

impl Client {
    /// Creates a client of the account at `base`, which asks for the end of statements that run after `first_look`; nothing is asked yet.
    pub(crate) fn new(base: Url, session: Session, identity: Identity, first_look: Option<Duration>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // They take a while to read, and a server on this machine needs none.
            .tls_built_in_root_certs(base.scheme() == "https")
            .build()
            .map_err(|e| {
                Error::new(ErrorKind::ConfigInvalid, "The HTTPS client cannot be set up").with_source(e.without_url())
            })?;
        let identity = Arc::new(identity);
        let patience = Patience { poll: first_look.unwrap_or(PATIENCE.poll), ..PATIENCE };
        Ok(Self { http, base, session, identity, clock: SystemTime::now, patience })
    }

    /// Returns the client of sessions that are in no schema.
    pub(crate) fn without_schema(&self) -> Self {
        Self { session: Session { schema: None, ..self.session.clone() }, ..self.clone() }
    }

    /// Returns the host that is asked.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Runs one statement and returns all of its rows.
    pub(crate) async fn query(&self, statement: &str, id: &str) -> Result<Vec<Row>, Failure> {
        let result = self.statement(&[statement], id, false).await?;
        let mut rows = result.data;
        for partition in 1..result.partitions {
            // Nothing is changed by reading.
            let more = self.partition(&result.handle, partition).await.map_err(Failure::Refused)?;
            rows.extend(more);
        }
        if rows.len() as u64 != result.rows {
            let message = "Snowflake's answer has another number of rows than it says";
            let error = Error::new(ErrorKind::Unexpected, message).with("rows", result.rows).with("read", rows.len());
            return Err(Failure::Refused(error));
        }
        Ok(rows)
    }

    /// Runs statements one after the other in one session; the first that fails is the last that runs.
    ///
    /// `id` names the attempt: the same requests under the same `id` run once, as far as the server remembers them. The answer is not waited
    /// for on one connection, so that a broken one leaves nothing unclear in most cases.
    pub(crate) async fn script(&self, statements: &[&str], id: &str) -> Result<(), Failure> {
        self.statement(statements, id, true).await?;
        Ok(())
    }

    async fn statement(&self, statements: &[&str], id: &str, detached: bool) -> Result<ResultSet, Lost> {
        let (uuid, body) = (uuid_of(id), self.body(statements));
        let mut unclear = false;
        let mut attempt = 0;
        loop {
            // "If Snowflake fails to process a request, you can submit the same request again with the same request ID": it then runs no
            // statement that has already run (docs.snowflake.com/en/developer-guide/sql-api/submitting-requests, "Assigning a unique
            // request ID for resubmitting requests").
            let mut url = self.base.clone();
            url.set_path("/api/v2/statements");
            url.query_pairs_mut().append_pair("requestId", &uuid);
            if detached {
                url.query_pairs_mut().append_pair("async", "true");
            }
            if attempt > 0 {
                url.query_pairs_mut().append_pair("retry", "true");
            }
            let answered =
                self.send(|| self.http.request(Method::POST, url.clone()).body(body.clone()), statements).await;
            let lost = match answered {
                Ok(Answer::Done(result)) => return Ok(result),
                Ok(Answer::Running(handle)) => {
                    let ended = self.wait(&handle, statements).await;
                    return ended.map_err(|lost| Lost { unclear: unclear || lost.unclear, ..lost });
                }
                Ok(Answer::Failed { error, unclear: now }) => return Err(Lost { error, unclear: unclear || now }),
                Ok(Answer::TurnedAway(error)) => return Err(Lost { error, unclear }),
                Err(lost) => lost,
            };
            unclear |= lost.unclear;
            match self.patience.next(attempt, &lost.error, &uuid) {
                Some(pause) => {
                    tracing::debug!(error = %lost.error, ?pause, "a request to Snowflake is repeated under its id");
                    tokio::time::sleep(pause).await;
                }
                None => return Err(Lost { error: lost.error, unclear }),
            }
            attempt += 1;
        }
    }

    /// Asks for the end of statements that run.
    async fn wait(&self, handle: &str, statements: &[&str]) -> Result<ResultSet, Lost> {
        let url = self.url_of(handle, None);
        let (mut polls, mut failures) = (0, 0);
        loop {
            tokio::time::sleep(self.patience.poll(polls)).await;
            polls += 1;
            match self.send(|| self.http.request(Method::GET, url.clone()), statements).await {
                Ok(Answer::Done(result)) => return Ok(result),
                Ok(Answer::Running(_)) => failures = 0,
                Ok(Answer::Failed { error, unclear }) => return Err(Lost { error, unclear }),
                // The question is turned away, and what it was about runs on.
                Ok(Answer::TurnedAway(error)) => return Err(Lost { error, unclear: true }),
                Err(lost) => match self.patience.next(failures, &lost.error, handle) {
                    Some(pause) => {
                        failures += 1;
                        tokio::time::sleep(pause).await;
                    }
                    // It runs on, whatever becomes of it.
                    None => return Err(Lost { error: lost.error, unclear: true }),
                },
            }
        }
    }

    async fn partition(&self, handle: &str, number: usize) -> Result<Vec<Row>> {
        let url = self.url_of(handle, Some(number));
        let mut attempt = 0;
        loop {
            match self.send(|| self.http.request(Method::GET, url.clone()), &[]).await {
                Ok(Answer::Done(result)) => return Ok(result.data),
                Ok(Answer::Running(_)) => {
                    return Err(Error::new(ErrorKind::Unexpected, "Snowflake's result is not there any more"));
                }
                Ok(Answer::Failed { error, .. } | Answer::TurnedAway(error)) => return Err(error),
                Err(lost) => match self.patience.next(attempt, &lost.error, handle) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(lost.error),
                },
            }
            attempt += 1;
        }
    }

    /// Sends a request, once more with another token if the server does not take the first.
    async fn send(&self, request: impl Fn() -> RequestBuilder, statements: &[&str]) -> Result<Answer, Lost> {
        let mut renewed = false;
        loop {
            let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let token = self.identity.token(now).map_err(|error| Lost { error, unclear: false })?;
            let response = signed(request(), &token).send().await.map_err(|e| lost(&self.base, e))?;
            let (status, headers) = (response.status(), response.headers().clone());
            if status == StatusCode::UNAUTHORIZED && self.identity.refused(&token) && !renewed {
                renewed = true;
                continue;
            }
            let body = response.bytes().await.map_err(|e| lost(&self.base, e))?;
            return answer::read(status, &headers, &body, statements).map_err(|error| Lost {
                error,
                // Nothing was done of a request that was turned away; of a failure on the way there or back nobody knows, nor of one that
                // something in between gave up.
                unclear: !status.is_client_error() || status == StatusCode::REQUEST_TIMEOUT,
            });
        }
    }

    fn url_of(&self, handle: &str, partition: Option<usize>) -> Url {
        let mut url = self.base.clone();
        url.set_path("/api/v2/statements");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(handle);
        }
        if let Some(number) = partition {
            url.query_pairs_mut().append_pair("partition", &number.to_string());
        }
        url
    }

    fn body(&self, statements: &[&str]) -> Bytes {
        let Session { database, schema, warehouse, role, timeout_seconds } = &self.session;
        let mut body = json!({
            "statement": answer::join(statements),
            "timeout": timeout_seconds,
            "database": database,
            "parameters": {
                "MULTI_STATEMENT_COUNT": statements.len().to_string(),
                "TIMEZONE": "UTC",
                "QUERY_TAG": "commutator",
            },
        });
        for (key, value) in [("schema", schema), ("warehouse", warehouse), ("role", role)] {
            if let (Some(body), Some(value)) = (body.as_object_mut(), value) {
                body.insert(key.to_owned(), Value::from(value.as_str()));
            }
        }
        Bytes::from(body.to_string())
    }
}

/// Adds who is asking, and what is sent and expected.
fn signed(request: RequestBuilder, token: &Token) -> RequestBuilder {
    request
        .bearer_auth(token.value.expose())
        .header("X-Snowflake-Authorization-Token-Type", token.kind)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "gzip")
}

/// What a request or an answer that did not arrive means.
fn lost(base: &Url, cause: reqwest::Error) -> Lost {
    let unclear = !cause.is_connect() && !cause.is_builder();
    let message = if unclear { "Snowflake's answer was lost" } else { "Snowflake is not reached" };
    let error = Error::new(ErrorKind::Unavailable, message).with("host", base.host_str().unwrap_or_default());
    Lost { error: error.with_source(cause.without_url()), unclear }
}

/// The API wants a UUID, and callers have names of their own for an attempt.
fn uuid_of(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let number = digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte));
    let mut hex = format!("{number:032x}");
    // Version 8, of the variant of RFC 9562: a UUID whose bits have a meaning of our own.
    hex.replace_range(12..13, "8");
    hex.replace_range(16..17, "a");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests;
