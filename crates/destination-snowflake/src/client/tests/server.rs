//! A server that gives the answers it was told, in their order, and keeps what it was asked.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::header::HeaderMap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// An answer.
    Sent { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// The request is read, and the connection ends.
    Drop,
}

impl Reply {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self::Sent { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub(super) fn gzip(status: u16, body: &serde_json::Value) -> Self {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(body.to_string().as_bytes()).unwrap();
        let headers = vec![("content-encoding", "gzip".to_owned())];
        Self::Sent { status, headers, body: packed.finish().unwrap() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Sent { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The method, and the path with its query.
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let replies = Arc::new(Mutex::new(VecDeque::from_iter(replies)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (replies, asked) = (Arc::clone(&replies), Arc::clone(&kept));
                let service = service_fn(move |request| answer(request, Arc::clone(&replies), Arc::clone(&asked)));
                tokio::spawn(async move {
                    // An answer that is left out ends the connection.
                    let served =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    served.await.ok();
                });
            }
        });
        Self { port, asked, task }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}", self.port)).unwrap()
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        self.task.await.ok();
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    asked.lock().unwrap().push(Asked { line, headers, body });
    let reply = replies.lock().unwrap().pop_front();
    match reply {
        Some(Reply::Sent { status, headers, body }) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::new(Bytes::from(body))).unwrap())
        }
        Some(Reply::Drop) | None => Err(std::io::Error::other("dropped")),
    }
}
