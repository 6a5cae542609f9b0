//! A Data API of the tests' own, in the AWS JSON 1.1 protocol: statements are handed in under a token, run on their own, are described, and
//! their rows are read page by page (API reference, "Amazon Redshift Data API").

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::postgres::{Postgres, Rows};

/// How many rows a page has, unless a test wants fewer.
const PAGE: usize = 500;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused as too much.
    Throttled,
    /// It is taken, and the connection ends before the answer.
    AnswerLost,
    /// The service fails before it takes it.
    Failed,
    /// The service is not there for a moment.
    Unavailable,
}

#[derive(Debug, Clone)]
enum Statement {
    Running,
    Finished(Option<Rows>),
    /// Which of how many failed, and why; none of them if it is their end that did.
    Failed {
        at: usize,
        of: usize,
        why: String,
    },
    Aborted,
}

#[derive(Debug, Default)]
struct State {
    statements: HashMap<String, Statement>,
    by_token: HashMap<String, String>,
    troubles: HashMap<String, VecDeque<Trouble>>,
    requests: Vec<(String, Value)>,
    /// How often statements are looked at before their end is told.
    slow: usize,
    /// How many rows a page has.
    page: Option<usize>,
    /// How many more rows a result says that it has.
    missing: usize,
    /// Troubles that begin once a batch was taken.
    after_batch: Option<(&'static str, Vec<Trouble>)>,
    /// What becomes of the next statements in place of being run.
    ends: VecDeque<Statement>,
}

#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Api {
    pub(crate) async fn start(postgres: Arc<Postgres>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Else answers wait for the acknowledgement of their headers.
                stream.set_nodelay(true).expect("a connection");
                let (state, postgres) = (Arc::clone(&shared), Arc::clone(&postgres));
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        answer(request, Arc::clone(&state), Arc::clone(&postgres))
                    });
                    // A connection that ends early is part of some tests.
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Self { url, state }
    }

    /// Lets the next calls of an operation go wrong.
    pub(crate) fn trouble(&self, operation: &str, troubles: &[Trouble]) {
        let mut state = self.state.lock().unwrap();
        state.troubles.entry(operation.to_owned()).or_default().extend(troubles);
    }

    /// Lets calls of an operation go wrong once the next batch was taken.
    pub(crate) fn trouble_after_batch(&self, operation: &'static str, troubles: &[Trouble]) {
        self.state.lock().unwrap().after_batch = Some((operation, troubles.to_vec()));
    }

    /// Lets statements take so many more looks.
    pub(crate) fn slow(&self, looks: usize) {
        self.state.lock().unwrap().slow = looks;
    }

    /// Gives rows in pages of so many.
    pub(crate) fn page(&self, rows: usize) {
        self.state.lock().unwrap().page = Some(rows);
    }

    /// Lets results say that they have so many more rows than they give.
    pub(crate) fn miss(&self, rows: usize) {
        self.state.lock().unwrap().missing = rows;
    }

    /// Lets the next batch be stopped by somebody.
    pub(crate) fn abort(&self) {
        self.state.lock().unwrap().ends.push_back(Statement::Aborted);
    }

    /// Lets the end of the next batch of so many statements fail with this message, and none of them.
    pub(crate) fn fail(&self, of: usize, why: &str) {
        let failed = Statement::Failed { at: of, of, why: why.to_owned() };
        self.state.lock().unwrap().ends.push_back(failed);
    }

    /// Returns the bodies of all requests for an operation.
    pub(crate) fn requests(&self, operation: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        state.requests.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }
}

/// The connection ends here.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection ends here")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    postgres: Arc<Postgres>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    // "Create a signed AWS API request" (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html): whose key, which
    // region and which service, and what is signed.
    let authorization = header("authorization");
    let signed = authorization.starts_with("AWS4-HMAC-SHA256 Credential=")
        && authorization.contains("/redshift-data/aws4_request, SignedHeaders=")
        && authorization.contains(", Signature=");
    let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("a request is JSON");
    assert!(signed, "every request is signed");
    let trouble = {
        let mut state = state.lock().unwrap();
        state.requests.push((operation.clone(), body.clone()));
        state.troubles.get_mut(&operation).and_then(VecDeque::pop_front)
    };
    match trouble {
        // "Common Error Types" of the API reference
        // (docs.aws.amazon.com/redshift-data/latest/APIReference/CommonErrors.html), and those of the operations.
        Some(Trouble::Unavailable) => {
            return Ok(error(503, "ServiceUnavailable", "The request has failed due to a temporary failure"));
        }
        Some(Trouble::Throttled) => return Ok(error(429, "ThrottlingException", "Rate exceeded")),
        Some(Trouble::Failed) => return Ok(error(500, "InternalServerException", "We encountered an internal error")),
        Some(Trouble::AnswerLost) | None => {}
    }
    let reply = match operation.as_str() {
        "ExecuteStatement" => submit(&state, &postgres, &body, vec![text(&body["Sql"])]),
        "BatchExecuteStatement" => {
            let all: Vec<_> = body["Sqls"].as_array().expect("statements").iter().map(text).collect();
            assert!(all.len() <= 40, "at most 40 statements");
            submit(&state, &postgres, &body, all)
        }
        "DescribeStatement" => describe(&state, &text(&body["Id"])),
        "GetStatementResult" => result(&state, &body),
        other => panic!("{other} is not part of the API that is used"),
    };
    if trouble == Some(Trouble::AnswerLost) { Err(Cut) } else { Ok(reply) }
}

/// Runs statements on their own, once per token.
fn submit(
    state: &Arc<Mutex<State>>,
    postgres: &Arc<Postgres>,
    body: &Value,
    statements: Vec<String>,
) -> Response<Full<Bytes>> {
    assert!(statements.iter().all(|statement| statement.len() <= 100_000), "a statement has at most 100 KB");
    assert_eq!(body["Database"], "dev");
    let token = text(&body["ClientToken"]);
    let mut locked = state.lock().unwrap();
    let known = locked.by_token.get(&token).cloned();
    let id = known.clone().unwrap_or_else(|| format!("id-{}", locked.by_token.len()));
    locked.by_token.insert(token, id.clone());
    if known.is_none() {
        let is_batch = statements.len() > 1;
        if let Some((operation, troubles)) = is_batch.then(|| locked.after_batch.take()).flatten() {
            locked.troubles.entry(operation.to_owned()).or_default().extend(troubles);
        }
        if let Some(end) = is_batch.then(|| locked.ends.pop_front()).flatten() {
            locked.statements.insert(id.clone(), end);
            return ok(&json!({"Id": id, "CreatedAt": 0, "Database": "dev", "Status": "SUBMITTED"}));
        }
        locked.statements.insert(id.clone(), Statement::Running);
        let (state, postgres, id) = (Arc::clone(state), Arc::clone(postgres), id.clone());
        tokio::spawn(async move {
            let ended = match postgres.transact(&statements).await {
                Ok(rows) => Statement::Finished(rows),
                Err((at, why)) => Statement::Failed { at, of: statements.len(), why },
            };
            state.lock().unwrap().statements.insert(id, ended);
        });
    }
    ok(&json!({"Id": id, "CreatedAt": 0, "Database": "dev"}))
}

fn describe(state: &Mutex<State>, id: &str) -> Response<Full<Bytes>> {
    let mut state = state.lock().unwrap();
    // A statement that takes long is looked at often.
    if state.slow > 0 {
        state.slow -= 1;
        return ok(&json!({"Id": id, "Status": if state.slow.is_multiple_of(2) { "PICKED" } else { "STARTED" }}));
    }
    let body = match &state.statements[id] {
        Statement::Running => json!({"Id": id, "Status": "STARTED", "HasResultSet": false}),
        Statement::Finished(rows) => json!({"Id": id, "Status": "FINISHED", "HasResultSet": rows.is_some()}),
        Statement::Aborted => json!({"Id": id, "Status": "ABORTED"}),
        Statement::Failed { at, of: 1, why } if *at == 0 => json!({"Id": id, "Status": "FAILED", "Error": why}),
        Statement::Failed { at, of, why } => {
            let part = |n: usize| {
                let status = match n.cmp(at) {
                    std::cmp::Ordering::Less => "FINISHED",
                    std::cmp::Ordering::Equal => "FAILED",
                    std::cmp::Ordering::Greater => "ABORTED",
                };
                let mut part = json!({"Id": format!("{id}:{}", n + 1), "Status": status});
                if n == *at {
                    part["Error"] = json!(why);
                }
                part
            };
            let parts: Vec<_> = (0..*of).map(part).collect();
            json!({"Id": id, "Status": "FAILED", "Error": why, "SubStatements": parts})
        }
    };
    ok(&body)
}

fn result(state: &Mutex<State>, body: &Value) -> Response<Full<Bytes>> {
    let state = state.lock().unwrap();
    let Statement::Finished(Some(rows)) = &state.statements[&text(&body["Id"])] else {
        return error(
            400,
            "ResourceNotFoundException",
            "Query does not have result. Please check query status with DescribeStatement.",
        );
    };
    let from: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().expect("a token of ours"));
    let field =
        |cell: &Option<String>| cell.as_ref().map_or(json!({"isNull": true}), |text| json!({"stringValue": text}));
    let size = state.page.unwrap_or(PAGE);
    let page: Vec<Vec<_>> = rows.iter().skip(from).take(size).map(|row| row.iter().map(field).collect()).collect();
    let mut body = json!({"Records": page, "TotalNumRows": rows.len() + state.missing});
    if from + size < rows.len() {
        body["NextToken"] = json!((from + size).to_string());
    }
    ok(&body)
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn ok(body: &Value) -> Response<Full<Bytes>> {
    reply(200, body)
}

fn error(status: u16, kind: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, &json!({"__type": kind, "message": message, "Message": message}))
}

fn reply(status: u16, body: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(Full::from(body.to_string()))
        .expect("a response")
}
