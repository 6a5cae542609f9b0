//! SDK clients for an endpoint, and values in a form that can be compared.

use std::collections::{BTreeMap, HashMap};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::{AttributeValue as StreamValue, Record, ShardIteratorType};
use aws_smithy_types::retry::RetryConfig;
use commutator_simulator::{Item, KeySchema, KeyType, TableSpec, View};

pub(crate) fn credentials(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new(id, secret, token.map(str::to_owned), None, "test")
}

/// Clients of one endpoint that try everything once.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) streams: aws_sdk_dynamodbstreams::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

impl Clients {
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, credentials("AKIDTEST", "secret", None), 1)
    }

    pub(crate) fn with(url: &str, credentials: Credentials, attempts: u32) -> Self {
        let retry = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(std::time::Duration::from_millis(1));
        let aws = aws_types::SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(aws_types::region::Region::new("eu-west-1"))
            .endpoint_url(url)
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .retry_config(retry)
            .sleep_impl(aws_sdk_dynamodb::config::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
            .build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&aws),
            streams: aws_sdk_dynamodbstreams::Client::new(&aws),
            sts: aws_sdk_sts::Client::new(&aws),
        }
    }

    /// Returns an iterator.
    pub(crate) async fn iterator(
        &self,
        arn: &str,
        shard: &str,
        kind: ShardIteratorType,
        number: Option<&str>,
    ) -> Result<String, String> {
        let call = self.streams.get_shard_iterator().stream_arn(arn).shard_id(shard).shard_iterator_type(kind);
        let answer = call.set_sequence_number(number.map(str::to_owned)).send().await.map_err(|e| code(&e))?;
        answer.shard_iterator.ok_or_else(|| "no iterator".to_owned())
    }

    /// Returns a page of records, and the next iterator.
    pub(crate) async fn records(&self, iterator: &str) -> Result<(Vec<Record>, Option<String>), String> {
        let answer = self.streams.get_records().shard_iterator(iterator).send().await.map_err(|e| code(&e))?;
        Ok((answer.records.unwrap_or_default(), answer.next_shard_iterator))
    }

    /// Returns all shards: id, parent, whether it has an end.
    pub(crate) async fn shards(&self, arn: &str) -> Result<Vec<(String, Option<String>, bool)>, String> {
        let (mut shards, mut after) = (Vec::new(), None);
        loop {
            let call = self.streams.describe_stream().stream_arn(arn).set_exclusive_start_shard_id(after);
            let page = call.send().await.map_err(|e| code(&e))?.stream_description.unwrap();
            for shard in page.shards.unwrap_or_default() {
                let ended = shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some());
                shards.push((shard.shard_id.unwrap(), shard.parent_shard_id, ended));
            }
            after = page.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(shards);
            }
        }
    }
}

/// Returns the code of an error.
pub(crate) fn code<E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(error: &SdkError<E, R>) -> String {
    error.code().map_or_else(|| format!("{error:?}"), str::to_owned)
}

/// A table `orders` with a key `id` and a stream with both images.
pub(crate) fn orders() -> TableSpec {
    TableSpec::new("orders", KeySchema::partition("id", KeyType::S)).stream(View::NewAndOldImages)
}

pub(crate) fn item(id: impl std::fmt::Display) -> Item {
    Item::new().with("id", format!("{id}"))
}

/// Writes a value so that equal values are equal texts.
pub(crate) fn show(value: &AttributeValue) -> String {
    use AttributeValue as V;
    match value {
        V::M(map) => show_item(map),
        V::L(list) => format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(",")),
        V::Ss(set) | V::Ns(set) => {
            let mut set = set.clone();
            set.sort();
            format!("{set:?}")
        }
        V::Bs(set) => {
            let mut set: Vec<_> = set.iter().map(|bytes| bytes.as_ref().to_vec()).collect();
            set.sort();
            format!("{set:?}")
        }
        other => format!("{other:?}"),
    }
}

pub(crate) fn show_item(item: &HashMap<String, AttributeValue>) -> String {
    let sorted: BTreeMap<_, _> = item.iter().map(|(name, value)| (name, show(value))).collect();
    format!("{sorted:?}")
}

/// The same for the streams' client, which has types of its own.
pub(crate) fn show_image(image: Option<&HashMap<String, StreamValue>>) -> String {
    fn convert(value: &StreamValue) -> AttributeValue {
        use StreamValue as V;
        match value {
            V::S(text) => AttributeValue::S(text.clone()),
            V::N(text) => AttributeValue::N(text.clone()),
            V::B(bytes) => AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(bytes.as_ref())),
            V::Bool(value) => AttributeValue::Bool(*value),
            V::Null(value) => AttributeValue::Null(*value),
            V::M(map) => AttributeValue::M(map.iter().map(|(k, v)| (k.clone(), convert(v))).collect()),
            V::L(list) => AttributeValue::L(list.iter().map(convert).collect()),
            V::Ss(set) => AttributeValue::Ss(set.clone()),
            V::Ns(set) => AttributeValue::Ns(set.clone()),
            V::Bs(set) => AttributeValue::Bs(
                set.iter().map(|bytes| aws_sdk_dynamodb::primitives::Blob::new(bytes.as_ref())).collect(),
            ),
            other => panic!("{other:?}"),
        }
    }
    image.map_or_else(
        || "none".to_owned(),
        |image| show_item(&image.iter().map(|(name, value)| (name.clone(), convert(value))).collect()),
    )
}

/// Writes what a record says, without what differs from server to server.
pub(crate) fn show_record(record: &Record) -> String {
    let change = record.dynamodb.as_ref().unwrap();
    format!(
        "{} {} new {} old {} {} bytes {} {:?}",
        record.event_name.as_ref().unwrap().as_str(),
        show_image(change.keys.as_ref()),
        show_image(change.new_image.as_ref()),
        show_image(change.old_image.as_ref()),
        change.size_bytes.unwrap(),
        change.stream_view_type.as_ref().unwrap().as_str(),
        record.user_identity.as_ref().map(|who| (who.principal_id.clone(), who.r#type.clone())),
    )
}
