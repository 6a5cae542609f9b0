//! The HTTP server: HTTP/1.1 with keep-alive on the loopback interface.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::reply::Payload;

/// What answers requests.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// Answers a request; with an error the connection ends without an answer.
    fn respond(
        &self,
        head: &hyper::http::request::Parts,
        body: &Bytes,
    ) -> impl Future<Output = Result<Response<Payload>, Disconnect>> + Send;
}

/// The connection ends without an answer.
#[derive(Debug)]
pub struct Disconnect;

impl std::fmt::Display for Disconnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("disconnected by plan")
    }
}

impl std::error::Error for Disconnect {}

/// A running server. It stops, and its connections end, when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<Infallible>,
}

impl Server {
    /// Starts on a port of the loopback interface, 0 for any, on the current tokio runtime.
    pub(crate) async fn start(service: impl Service, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, accepting: tokio::spawn(accept(listener, service)) })
    }

    /// Returns the endpoint for `DynamoDB`, its Streams and STS alike, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the port, on which another server can be started after this one was dropped.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops the server and waits until its connections have ended.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // It ends with the error of having been aborted.
        (&mut self.accepting).await.err();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections for ever; they end with this task.
async fn accept(listener: TcpListener, service: impl Service) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, service.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, service: impl Service) {
    // Answers that wait for more to send would only be slow.
    stream.set_nodelay(true).ok();
    let respond = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| Disconnect)?.to_bytes();
            service.respond(&head, &body).await
        }
    });
    let connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), respond);
    // A client that goes away and a cut by plan look alike; both are no concern of the server.
    connection.await.ok();
}
