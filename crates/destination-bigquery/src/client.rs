//! The service's REST API: single requests, repeated for as long as that can help.

use std::fmt;
use std::time::Duration;

use commutator_core::{Error, Result};
use commutator_warehouse::patience::{doubled, retry_after};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use reqwest::redirect;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::error::{self, Reason};
use auth::Auth;

pub(crate) mod auth;
pub(crate) mod bucket;
pub(crate) mod job;
pub(crate) mod wire;

/// Longer than the service takes for an answer, also when it is asked to wait for a job (`job::LONG_POLL`).
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long is waited between attempts and in all.
///
/// Google's Service Level Agreement for `BigQuery` defines the back-off: at least a second, doubled after each error up to 32 seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
    pub(crate) total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(32), total: Duration::from_mins(3) }
    }
}

impl Patience {
    /// Returns the pause after so many failed attempts, between half of it and the whole, so that clients do not come back all at once.
    fn pause(self, failed: u32) -> Duration {
        let whole = doubled(self.first, failed, self.longest);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The service answered with an error, and did nothing.
    Answered { status: StatusCode, reason: Reason, retry_after: Option<Duration> },
    /// It was not sent.
    NotSent(Error),
    /// It was sent, and no answer came or one that leaves open whether anything was done.
    Lost(Error),
}

impl Problem {
    /// Returns it as an error; `doing` is the sentence's beginning.
    pub(crate) fn into_error(self, doing: &str) -> Error {
        match self {
            Self::Answered { reason, retry_after, .. } => error::failed(&reason, retry_after, doing),
            Self::NotSent(error) | Self::Lost(error) => error,
        }
    }

    /// Returns whether the service answered with this status.
    pub(crate) fn is(&self, expected: StatusCode) -> bool {
        matches!(self, Self::Answered { status, .. } if *status == expected)
    }

    /// Returns whether the same request may succeed a little later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Answered { status, reason, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS || reason.is_transient()
            }
            Self::NotSent(error) => error.retry() != commutator_core::Retry::Never,
            Self::Lost(_) => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A failed request with what is known of the attempts before the last one.
#[derive(Debug)]
pub(crate) struct GaveUp {
    pub(crate) problem: Problem,
    /// Whether one of the attempts may have been taken.
    pub(crate) perhaps_taken: bool,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    /// Below `/bigquery/v2/projects/`.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a Value>,
}

/// A client of one project.
pub(crate) struct Client {
    http: reqwest::Client,
    auth: Auth,
    base: String,
    pub(crate) payer: String,
    pub(crate) labels: serde_json::Map<String, Value>,
    pub(crate) patience: Patience,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("payer", &self.payer).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client; nothing is asked over the network yet.
    pub(crate) fn new(config: &Config, auth: Auth) -> Result<Self> {
        // The API redirects nobody, and a token is not sent on.
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("commutator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| error::unreachable(e, "No client can be made"))?;
        Ok(Self {
            http,
            auth,
            base: format!("{}/bigquery/v2/projects/", config.endpoint()),
            payer: config.payer().to_owned(),
            labels: config.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect(),
            patience: Patience::default(),
        })
    }

    /// Sends a request that may be repeated, until an answer says that this cannot help, or patience ends.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, GaveUp> {
        let (began, mut failed, mut perhaps_taken) = (Instant::now(), 0, false);
        loop {
            let problem = match self.once(request).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => problem,
            };
            perhaps_taken |= match &problem {
                Problem::Lost(_) => true,
                // Page "Error messages": after such an answer to `jobs.insert` it is unclear whether the job was made.
                Problem::Answered { status, .. } => status.is_server_error(),
                Problem::NotSent(_) => false,
            };
            let pause = self.patience.pause(failed).max(problem.retry_after().unwrap_or_default());
            if !problem.is_transient() || began.elapsed() + pause > self.patience.total {
                return Err(GaveUp { problem, perhaps_taken });
            }
            failed += 1;
            tracing::debug!(path = request.path, ?problem, ?pause, "a request to BigQuery is repeated");
            sleep(pause).await;
        }
    }

    async fn once<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, Problem> {
        let doing = "A request to BigQuery failed";
        let mut builder =
            self.http.request(request.method.clone(), format!("{}{}", self.base, request.path)).query(request.query);
        if let Some(token) = self.auth.token().await.map_err(Problem::NotSent)? {
            let unusable = |e| Problem::NotSent(error::unreachable(e, "Google's token is none"));
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(unusable)?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some(body) = request.body {
            builder = builder.json(body);
        }
        let answer = builder.send().await.map_err(|e| {
            // The address is ours and no secret, but long.
            let (was_sent, e) = (!e.is_connect() && !e.is_builder(), e.without_url());
            let error = error::unreachable(e, doing);
            if was_sent { Problem::Lost(error) } else { Problem::NotSent(error) }
        })?;
        let (status, retry_after) =
            (answer.status(), retry_after(answer.headers().get(RETRY_AFTER).map(HeaderValue::as_bytes)));
        let body = answer.bytes().await.map_err(|e| Problem::Lost(error::unreachable(e.without_url(), doing)))?;
        if status.is_success() {
            // The parser's own error may repeat what it cannot read.
            return serde_json::from_slice(&body).map_err(|e| {
                let place = format!("the answer is no JSON of the API, line {}, column {}", e.line(), e.column());
                Problem::Lost(error::unreachable(place, doing))
            });
        }
        Err(Problem::Answered { status, reason: reason(status, &body), retry_after })
    }
}

/// What an error says of itself; a proxy in between answers in its own words, which are left out.
fn reason(status: StatusCode, body: &[u8]) -> Reason {
    let failed: wire::Failed = serde_json::from_slice(body).unwrap_or_default();
    let told = failed.error.errors.into_iter().find(|told| !told.reason.is_empty());
    told.unwrap_or_else(|| {
        let reason = match status {
            StatusCode::UNAUTHORIZED => "authError",
            StatusCode::FORBIDDEN => "accessDenied",
            StatusCode::NOT_FOUND => "notFound",
            StatusCode::CONFLICT => "duplicate",
            StatusCode::TOO_MANY_REQUESTS => "rateLimitExceeded",
            status if status.is_server_error() => "backendError",
            _ => failed.error.status.as_str(),
        };
        Reason { reason: reason.to_owned(), message: failed.error.message }
    })
}

#[cfg(test)]
mod tests;
