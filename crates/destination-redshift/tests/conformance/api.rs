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

use crate::postgres::{Postgres, Rows};

/// How many rows a page has.
const PAGE: usize = 2;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused as too much.
    Throttled,
    /// It is taken, and the connection ends before the answer.
    AnswerLost,
    /// The service fails before it takes it.
    Failed,
}

#[derive(Debug, Clone)]
enum Statement {
    Running,
    Finished(Option<Rows>),
    Failed(String),
}

#[derive(Debug, Default)]
struct State {
    statements: HashMap<String, Statement>,
    by_token: HashMap<String, String>,
    troubles: HashMap<String, VecDeque<Trouble>>,
    requests: Vec<(String, Value)>,
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
    let signed = header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=");
    let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("a request is JSON");
    assert!(signed, "every request is signed");
    let trouble = {
        let mut state = state.lock().unwrap();
        state.requests.push((operation.clone(), body.clone()));
        state.troubles.get_mut(&operation).and_then(VecDeque::pop_front)
    };
    match trouble {
        // Common errors of the API reference.
        Some(Trouble::Throttled) => return Ok(error(400, "ThrottlingException", "Rate exceeded")),
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
        locked.statements.insert(id.clone(), Statement::Running);
        let (state, postgres, id) = (Arc::clone(state), Arc::clone(postgres), id.clone());
        tokio::spawn(async move {
            let ended = match postgres.transact(&statements).await {
                Ok(rows) => Statement::Finished(rows),
                Err(text) => Statement::Failed(text),
            };
            state.lock().unwrap().statements.insert(id, ended);
        });
    }
    ok(&json!({"Id": id, "CreatedAt": 0, "Database": "dev"}))
}

fn describe(state: &Mutex<State>, id: &str) -> Response<Full<Bytes>> {
    let state = state.lock().unwrap();
    let (status, rows, failed) = match &state.statements[id] {
        Statement::Running => ("STARTED", false, None),
        Statement::Finished(rows) => ("FINISHED", rows.is_some(), None),
        Statement::Failed(text) => ("FAILED", false, Some(text)),
    };
    let mut body = json!({"Id": id, "Status": status, "HasResultSet": rows});
    if let Some(text) = failed {
        body["Error"] = json!(text);
    }
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
    let page: Vec<Vec<_>> = rows.iter().skip(from).take(PAGE).map(|row| row.iter().map(field).collect()).collect();
    let mut body = json!({"Records": page, "TotalNumRows": rows.len()});
    if from + PAGE < rows.len() {
        body["NextToken"] = json!((from + PAGE).to_string());
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
