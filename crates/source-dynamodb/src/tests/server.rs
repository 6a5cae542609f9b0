//! A small HTTP/1.1 server on a free port of this machine, that answers what a closure says.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    /// Headers with lower-case names.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Request {
    /// The operation of a JSON protocol request, such as `Scan`.
    pub(super) fn operation(&self) -> &str {
        self.headers.get("x-amz-target").and_then(|t| t.rsplit('.').next()).unwrap_or_default()
    }

    /// The body of a JSON protocol request.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) crc: Crc,
    pub(super) sent: Sent,
}

/// How much of a reply is sent before the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it, and it stays open.
    Whole,
    /// The head and half of the body.
    Half,
    /// Nothing.
    Nothing,
}

/// Which CRC header goes with a reply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Crc {
    Right,
    Wrong,
    Absent,
}

impl Reply {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into(), crc: Crc::Right, sent: Sent::Whole }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::ok(value.to_string())
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"__type": format!("com.amazonaws.dynamodb#{code}"), "message": message});
        Self { status, ..Self::json(&body) }
    }
}

/// The server; it stops when dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let answer = Arc::clone(&answer);
                connections.spawn(async move {
                    // A client that goes away is no failure of the server.
                    drop(serve(socket, &*answer).await);
                });
            }
        });
        Self { url, _tasks: tasks }
    }
}

async fn serve(mut socket: TcpStream, answer: &(dyn Fn(Request) -> Reply + Send + Sync)) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let headers: BTreeMap<String, String> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
        while buffer.len() < head_end + 4 + length {
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let rest = buffer.split_off(head_end + 4 + length);
        let body = String::from_utf8(buffer.split_off(head_end + 4)).unwrap();
        buffer = rest;
        let reply = answer(Request { headers, body });
        let crc = match reply.crc {
            Crc::Right => format!("x-amz-crc32: {}\r\n", crc32fast::hash(reply.body.as_bytes())),
            Crc::Wrong => "x-amz-crc32: 1\r\n".to_owned(),
            Crc::Absent => String::new(),
        };
        let head = format!(
            "HTTP/1.1 {} x\r\ncontent-type: application/x-amz-json-1.0\r\n{crc}content-length: {}\r\n\r\n",
            reply.status,
            reply.body.len()
        );
        // In one piece: two small writes would wait for each other's acknowledgement.
        match reply.sent {
            Sent::Whole => socket.write_all(format!("{head}{}", reply.body).as_bytes()).await?,
            Sent::Half => {
                let half = &reply.body[..reply.body.len() / 2];
                socket.write_all(format!("{head}{half}").as_bytes()).await?;
                return socket.shutdown().await;
            }
            Sent::Nothing => return socket.shutdown().await,
        }
    }
}
