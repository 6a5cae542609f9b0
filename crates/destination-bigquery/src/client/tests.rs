//! Requests against a server in the test that answers as the reference says, and as servers do that are in trouble.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use commutator_core::{ErrorKind, Retry};
use commutator_warehouse::Warehouse as _;
use http::header::LOCATION;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::session::Service;

/// What the server does with a request.
pub(super) enum Reply {
    Json(u16, Value),
    /// With a `Retry-After`.
    Later(u16, &'static str, Value),
    /// Another body than the API's.
    Text(u16, &'static str),
    /// Names another address.
    Elsewhere(String),
    /// Closes the connection, as if the answer were lost.
    Lost,
}

/// A request as the server got it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) token: Option<String>,
    pub(super) body: Value,
}

/// A server that answers requests in turn, and the last answer's over and over.
pub(super) struct Server {
    pub(super) address: String,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) async fn answering(reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reply, all) = (Arc::new(reply), Arc::clone(&seen));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (reply, all) = (Arc::clone(&reply), Arc::clone(&all));
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let (reply, all) = (Arc::clone(&reply), Arc::clone(&all));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let header = parts.headers.get(AUTHORIZATION);
                        let one = Seen {
                            line: format!("{} {}", parts.method, parts.uri),
                            token: header.map(|value| value.to_str().unwrap().to_owned()),
                            body: serde_json::from_slice(&body)
                                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned())),
                        };
                        let number = {
                            let mut all = all.lock().unwrap();
                            all.push(one.clone());
                            all.len() - 1
                        };
                        let answer = |status: u16, body: String| {
                            http::Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
                        };
                        match (*reply)(number, &one) {
                            Reply::Json(status, body) => Ok(answer(status, body.to_string())),
                            Reply::Text(status, body) => Ok(answer(status, body.to_owned())),
                            Reply::Later(status, pause, body) => {
                                let mut answer = answer(status, body.to_string());
                                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(pause));
                                Ok(answer)
                            }
                            Reply::Elsewhere(address) => {
                                let mut answer = answer(307, String::new());
                                answer.headers_mut().insert(LOCATION, HeaderValue::try_from(address).unwrap());
                                Ok(answer)
                            }
                            Reply::Lost => Err(std::io::Error::other("cut off")),
                        }
                    }
                });
                tokio::spawn(async move {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Self { address, seen }
    }

    fn config(&self) -> Config {
        Config {
            endpoint_url: Some(self.address.clone()),
            anonymous: true,
            labels: [("team".to_owned(), "data".to_owned())].into(),
            ..Config::new("proj", "shop", "gs://bucket/folder")
        }
    }

    /// A client of this server that waits for milliseconds where another one waits for seconds.
    pub(super) fn client(&self) -> Client {
        let config = self.config();
        let mut client = Client::new(&config, Auth::new(&config).unwrap()).unwrap();
        client.patience = Patience {
            first: Duration::from_millis(2),
            longest: Duration::from_millis(10),
            total: Duration::from_millis(300),
        };
        client
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }
}

/// An error in the form of the page "Error messages": `error.errors[].reason`.
pub(super) fn google(code: u16, reason: &str, message: &str) -> Value {
    json!({ "error": {
        "code": code,
        "message": message,
        "errors": [{ "message": message, "domain": "global", "reason": reason }],
        "status": "SOME_STATUS",
    }})
}

async fn get(client: &Client) -> Result<Value, GaveUp> {
    client.send(Request { method: &Method::GET, path: "proj/x", query: &[("location", "EU")], body: None }).await
}

#[tokio::test]
async fn a_request_is_repeated_until_it_succeeds() {
    // "backendError: 500, 502, 503 or 504 … retry your requests using truncated exponential backoffs"; "rateLimitExceeded: 403".
    let server = Server::answering(|number, _| match number {
        0 => Reply::Json(503, google(503, "backendError", "Error encountered during execution.")),
        1 => Reply::Json(403, google(403, "rateLimitExceeded", "Exceeded rate limits")),
        2 => Reply::Lost,
        3 => Reply::Text(502, "<html>a proxy"),
        // Reasons that the page does not know.
        4 => Reply::Json(500, google(500, "unheardOf", "")),
        5 => Reply::Json(429, google(429, "unheardOf", "")),
        _ => Reply::Json(200, json!({ "ok": true })),
    })
    .await;
    assert_eq!(get(&server.client()).await.unwrap(), json!({ "ok": true }));
    let lines = server.lines();
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert_eq!(lines[0], "GET /bigquery/v2/projects/proj/x?location=EU");
}

#[tokio::test]
async fn a_pause_that_the_service_names_is_kept() {
    let server = Server::answering(|number, _| match number {
        0 => Reply::Later(429, "1", google(429, "rateLimitExceeded", "Exceeded rate limits")),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    let mut client = server.client();
    client.patience.total = Duration::from_secs(10);
    let began = std::time::Instant::now();
    get(&client).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    // One that is longer than our patience goes to the caller, who can wait.
    client.patience.total = Duration::from_millis(100);
    let server = Server::answering(|_, _| Reply::Later(503, "30", google(503, "backendError", ""))).await;
    let client = Client { base: format!("{}/", server.address), ..client };
    let error = get(&client).await.unwrap_err().problem.into_error("x");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::After(Duration::from_secs(30))));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn what_cannot_succeed_is_not_repeated() {
    for (code, reason, kind) in [
        (400, "invalidQuery", ErrorKind::Unexpected),
        (401, "authError", ErrorKind::PermissionDenied),
        (403, "accessDenied", ErrorKind::PermissionDenied),
        (403, "billingNotEnabled", ErrorKind::ConfigInvalid),
        (403, "quotaExceeded", ErrorKind::Throttled),
        (404, "notFound", ErrorKind::NotFound),
        (409, "duplicate", ErrorKind::ConfigInvalid),
    ] {
        let server = Server::answering(move |_, _| Reply::Json(code, google(code, reason, ""))).await;
        let gave_up = get(&server.client()).await.unwrap_err();
        assert!(!gave_up.perhaps_taken, "{reason}");
        assert_eq!(gave_up.problem.into_error("x").kind(), kind, "{reason}");
        assert_eq!(server.lines().len(), 1, "{reason}");
    }
}

#[tokio::test]
async fn an_answer_without_a_reason_is_known_by_its_status() {
    for (code, kind) in [
        (401, ErrorKind::PermissionDenied),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
        (429, ErrorKind::Throttled),
        (503, ErrorKind::Unavailable),
    ] {
        let server = Server::answering(move |_, _| Reply::Text(code, "<html>hunter2")).await;
        let error = get(&server.client()).await.unwrap_err().problem.into_error("x");
        assert_eq!(error.kind(), kind, "{code}");
        assert!(!format!("{error:?}{}", error.report()).contains("hunter2"));
    }
}

#[tokio::test]
async fn what_is_known_of_earlier_attempts_is_kept() {
    let server = Server::answering(|number, _| match number {
        0 => Reply::Lost,
        _ => Reply::Json(403, google(403, "accessDenied", "")),
    })
    .await;
    assert!(get(&server.client()).await.unwrap_err().perhaps_taken);

    let server = Server::answering(|_, _| Reply::Text(200, "{ \"cut off\": ")).await;
    let gave_up = get(&server.client()).await.unwrap_err();
    assert!(gave_up.perhaps_taken);
    assert_eq!(gave_up.problem.into_error("x").kind(), ErrorKind::Unavailable);

    // Nobody listens there, so nothing was sent.
    let mut client = server.client();
    client.base = "http://127.0.0.1:1/".to_owned();
    let gave_up = get(&client).await.unwrap_err();
    assert!(!gave_up.perhaps_taken);
    assert_eq!(gave_up.problem.into_error("x").kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn all_pages_of_a_result_are_read() {
    // Reference of `jobs.getQueryResults`, and "Paging through table data": there is a `pageToken` until the last page.
    let page = |text: &str, token: Value| {
        let rows = json!([{ "f": [{ "v": text }, { "v": null }] }]);
        Reply::Json(200, json!({ "jobComplete": true, "totalRows": "2", "rows": rows, "pageToken": token }))
    };
    let server = Server::answering(move |_, seen| match seen.line.as_str() {
        line if line.contains("/datasets/") => Reply::Json(200, json!({ "location": "EU" })),
        line if line.starts_with("POST ") => Reply::Json(200, json!({ "status": { "state": "DONE" } })),
        line if line.ends_with("&pageToken=next%2F2") => page("b", Value::Null),
        _ => page("a", json!("next/2")),
    })
    .await;
    let config = server.config();
    let auth = Auth::new(&config).unwrap();
    let service = Service::new(Arc::new(config), auth).unwrap();
    let rows = service.query("SELECT name, gone FROM t").await.unwrap();
    let expected = ["a", "b"].map(|text| vec![Some(text.to_owned()), None]);
    assert_eq!(rows, expected);
    let lines = server.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], "GET /bigquery/v2/projects/proj/datasets/shop");
    // The region is asked for once, and each statement is a job of its own.
    service.query("SELECT name, gone FROM t").await.unwrap();
    let lines = server.lines();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let seen = server.seen.lock().unwrap().clone();
    assert_ne!(seen[1].body["jobReference"], seen[4].body["jobReference"]);
}

#[tokio::test]
async fn a_result_that_is_not_complete_is_no_result() {
    let server = Server::answering(|_, seen| match seen.line.as_str() {
        line if line.contains("/datasets/") => Reply::Json(200, json!({ "location": "EU" })),
        line if line.starts_with("POST ") => Reply::Json(200, json!({ "status": { "state": "DONE" } })),
        _ => Reply::Json(200, json!({ "jobComplete": false })),
    })
    .await;
    let config = server.config();
    let auth = Auth::new(&config).unwrap();
    let service = Service::new(Arc::new(config), auth).unwrap();
    assert_eq!(service.query("SELECT 1").await.unwrap_err().kind(), ErrorKind::Unexpected);
}

/// The API sends nobody elsewhere, and a token goes to nobody else.
#[tokio::test]
async fn a_redirection_is_not_followed() {
    let other = Server::answering(|_, _| Reply::Json(200, json!({}))).await;
    let address = other.address.clone();
    let server = Server::answering(move |_, _| Reply::Elsewhere(address.clone())).await;
    get(&server.client()).await.unwrap_err();
    assert!(other.lines().is_empty());
}

#[test]
fn pauses_grow_to_a_limit_and_are_never_the_same() {
    let patience = Patience::default();
    for (failed, whole) in [(0, 1), (1, 2), (4, 16), (5, 32), (6, 32), (40, 32)] {
        let pause = patience.pause(failed);
        let whole = Duration::from_secs(whole);
        assert!(pause <= whole && pause >= whole / 2, "{failed}: {pause:?}");
    }
}
