//! The way of requests from the SDK to the simulator without a network, and what a defective reader would make of the answers.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use commutator_simulator::{Payload, Simulator};
use http_body_util::BodyExt as _;
use serde_json::Value as Json;

/// Something that a reader of streams may get wrong. What it does to requests and answers makes the real reader behave so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReaderDefect {
    /// Children are read before their parents have ended: nobody is told who the parents are.
    ChildrenFirst,
    /// A shard that descends from another is read from `LATEST`.
    LatestForChildren,
    /// What is on a shard's last page is dropped.
    LastPageDropped,
    /// A change is taken for the first of its item, so a rule that asks whether there was one before is told that there was none.
    ModifiesAreInserts,
}

/// Hands requests to a simulator.
#[derive(Debug, Clone)]
pub(crate) struct InProcess {
    simulator: Simulator,
    defect: Option<ReaderDefect>,
    /// Shards that have a parent, as far as listings showed.
    children: Arc<Mutex<Vec<String>>>,
}

impl InProcess {
    pub(crate) fn client(simulator: &Simulator, defect: Option<ReaderDefect>) -> SharedHttpClient {
        SharedHttpClient::new(Self { simulator: simulator.clone(), defect, children: Arc::default() })
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (mut head, body) = request.into_parts();
        // What an HTTP client adds, and the signature covers.
        if let Some(host) = head.uri.authority().and_then(|authority| authority.as_str().parse().ok()) {
            head.headers.entry("host").or_insert(host);
        }
        // Only the simulator looks at it, and it wants no more than the path.
        head.uri = head.uri.path().parse().unwrap_or_default();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
        if self.defect == Some(ReaderDefect::LatestForChildren) && operation == "GetShardIterator" {
            body = self.at_latest(&body);
        }
        let response = self.simulator.call(http::Request::from_parts(head, body)).await;
        let response = response.map_err(|error| ConnectorError::io(error.into()))?;
        let (mut head, payload) = response.into_parts();
        let body = match self.defect {
            Some(defect) if head.status.is_success() => {
                head.headers.remove("x-amz-crc32");
                SdkBody::from(self.bend(defect, &operation, payload).await?)
            }
            _ => whole(payload).await?,
        };
        HttpResponse::try_from(http::Response::from_parts(head, body))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }

    fn at_latest(&self, body: &Bytes) -> Bytes {
        let mut request: Json = serde_json::from_slice(body).unwrap();
        let is_child = self.children.lock().unwrap().iter().any(|child| request["ShardId"] == child.as_str());
        if is_child && request["ShardIteratorType"] == "TRIM_HORIZON" {
            request["ShardIteratorType"] = "LATEST".into();
        }
        request.to_string().into()
    }

    async fn bend(&self, defect: ReaderDefect, operation: &str, payload: Payload) -> Result<String, ConnectorError> {
        let bytes = payload.collect().await.map_err(|error| ConnectorError::io(error.into()))?.to_bytes();
        let Ok(mut answer) = serde_json::from_slice::<Json>(&bytes) else {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        };
        if operation == "DescribeStream" {
            for shard in answer["StreamDescription"]["Shards"].as_array_mut().into_iter().flatten() {
                if shard.get("ParentShardId").is_some() {
                    self.children.lock().unwrap().push(shard["ShardId"].as_str().unwrap_or_default().to_owned());
                }
                if let (ReaderDefect::ChildrenFirst, Some(shard)) = (defect, shard.as_object_mut()) {
                    shard.remove("ParentShardId");
                }
            }
        }
        if defect == ReaderDefect::ModifiesAreInserts {
            for record in answer["Records"].as_array_mut().into_iter().flatten() {
                if record["eventName"] == "MODIFY" {
                    record["eventName"] = "INSERT".into();
                }
            }
        }
        let last = operation == "GetRecords" && answer.get("NextShardIterator").is_none();
        if defect == ReaderDefect::LastPageDropped && last {
            answer["Records"] = Json::Array(Vec::new());
        }
        Ok(answer.to_string())
    }
}

/// A body is handed on in one piece; one that was cut fails when it is read.
async fn whole(payload: Payload) -> Result<SdkBody, ConnectorError> {
    match payload.collect().await {
        Ok(body) => Ok(SdkBody::from(body.to_bytes())),
        Err(error) => Err(ConnectorError::io(error.into())),
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
