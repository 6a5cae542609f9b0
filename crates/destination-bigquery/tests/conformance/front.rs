//! What stands between the destination and the emulator.
//!
//! - The emulator answers a conflict of two transactions in the words of its database.
//! - It keeps every job's result, and is the slower the more there are: those that nobody reads any more are removed.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::emulator::Emulator;

/// Starts it, and returns its address.
pub(crate) async fn start(emulator: Emulator) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let front = Arc::new(Front { emulator });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let front = Arc::clone(&front);
            let service = service_fn(move |request| {
                let front = Arc::clone(&front);
                async move { Ok::<_, std::convert::Infallible>(front.answer(request).await) }
            });
            tokio::spawn(async move {
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    address
}

struct Front {
    emulator: Emulator,
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let path = parts.uri.path_and_query().expect("a path").as_str().to_owned();
        let body = (!body.is_empty()).then(|| serde_json::from_slice::<Value>(&body).expect("JSON"));
        if let Some(files) =
            body.as_ref().and_then(|job| job.pointer("/configuration/query/tableDefinitions/_ct_files"))
        {
            assert_eq!(files["sourceFormat"], "PARQUET");
            assert_eq!(files["decimalTargetTypes"], json!(["NUMERIC", "BIGNUMERIC"]));
        }
        let (status, mut answer) = self.emulator.send(parts.method, &path, body).await;
        in_the_words_of_the_service(&mut answer);
        self.tidy(&path, &answer).await;
        json_answer(status, &answer)
    }

    /// Removes a result that was read to its end, and that of a script, which nobody reads.
    async fn tidy(&self, path: &str, answer: &Value) {
        let project = format!("/bigquery/v2/projects/{}", self.emulator.project);
        let whole = answer["jobComplete"] == true && answer["pageToken"].is_null() && !path.contains("maxResults=0");
        if whole && let Some(id) = answer["jobReference"]["jobId"].as_str() {
            self.emulator.remove(&format!("{project}/jobs/{id}/delete")).await;
        }
        let is_done =
            answer["status"]["state"] == "DONE" && answer["configuration"]["labels"]["commutator"] != "statement";
        if is_done && let Some(id) = answer["jobReference"]["jobId"].as_str() {
            self.emulator.remove(&format!("{project}/datasets/_results/tables/{id}")).await;
        }
    }
}

/// Two transactions that change one table: the service's message is from "Troubleshoot query errors".
#[expect(
    clippy::print_stderr,
    reason = "the destination shows of a message only what repeats no value, and whoever mends a test wants it all"
)]
fn in_the_words_of_the_service(answer: &mut Value) {
    for place in ["/status/errorResult/message", "/error/message"] {
        let Some(message) = answer.pointer_mut(place) else { continue };
        eprintln!("The emulator says: {message}");
        let text = message.as_str().unwrap_or_default().to_lowercase();
        if text.contains("transaction conflict") || text.contains("conflict on") || text.contains("failed to commit") {
            *message = json!("Transaction is aborted due to concurrent update against table x");
        }
    }
}

fn json_answer(status: u16, body: &Value) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.to_string().into())).expect("an answer")
}
