//! The clients, and the calls that are made through them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, TableDescription};
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsOutput;
use aws_sdk_dynamodbstreams::types::{ShardIteratorType, StreamDescription};
use aws_smithy_http_client::tls;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use bytes::Bytes;
use commutator_core::{Error, ErrorKind, Result, Retry, TableName};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Failure, failure};
use crate::raw::{Slot, TakeBody, must_start_over};
use crate::skew::Skew;
use crate::tuning::Tuning;

/// How often a call is made anew after an error response followed a damaged one; each of these has all of the SDK's attempts.
const STARTS: usize = 8;

/// `DynamoDB` and `DynamoDB` Streams. Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    dynamodb: aws_sdk_dynamodb::Client,
    streams: aws_sdk_dynamodbstreams::Client,
    skew: Skew,
}

/// One page of one segment.
#[derive(Debug, Clone)]
pub(crate) struct ScanPageRequest {
    pub(crate) table: TableName,
    pub(crate) segment: i32,
    pub(crate) segments: i32,
    pub(crate) consistent: bool,
    pub(crate) after: Option<HashMap<String, AttributeValue>>,
    pub(crate) limit: Option<i32>,
}

/// Where in a shard to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// At the oldest record that is still there.
    TrimHorizon,
    /// After this sequence number.
    After(String),
}

/// What a glimpse of a stream record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) sequence: Option<String>,
    pub(crate) created_ms: Option<i64>,
}

/// Makes an HTTP client on rustls with ring, which verifies certificates against the system's roots.
pub(crate) fn http_client() -> SharedHttpClient {
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}

impl Client {
    /// Makes the clients; `aws` has the credentials, the region and the HTTP client.
    pub(crate) fn new(
        aws: &SdkConfig,
        config: &Config,
        (tuning, attempts): (&Tuning, u32),
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let retry = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(tuning.first_backoff)
            .with_max_backoff(tuning.longest_backoff);
        let timeout = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs_f64(config.connect_timeout.unwrap_or(5.0)))
            .operation_attempt_timeout(Duration::from_secs_f64(config.request_timeout.unwrap_or(60.0)))
            .build();
        // The SDK's bucket of retries is meant for short requests: a long throttled scan would empty it and fail.
        let partition =
            |name: &'static str| RetryPartition::custom(name).token_bucket(TokenBucket::unlimited()).build();
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(aws)
            .retry_config(retry.clone())
            .retry_partition(partition("commutator-dynamodb"))
            .timeout_config(timeout.clone());
        let mut streams = aws_sdk_dynamodbstreams::config::Builder::from(aws)
            .retry_config(retry)
            .retry_partition(partition("commutator-dynamodbstreams"))
            .timeout_config(timeout);
        if let Some(url) = &config.endpoint_url {
            dynamodb = dynamodb.endpoint_url(url);
        }
        if let Some(url) = config.streams_endpoint_url.as_ref().or(config.endpoint_url.as_ref()) {
            streams = streams.endpoint_url(url);
        }
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            streams: aws_sdk_dynamodbstreams::Client::from_conf(streams.build()),
            skew: Skew::new(clock),
        }
    }

    /// Returns by how many milliseconds this machine's clock was ahead of the service's when it last described a table.
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        self.skew.ahead_ms()
    }

    /// Returns the body of one Scan page.
    pub(crate) async fn scan(&self, request: &ScanPageRequest) -> Result<Bytes, Failure> {
        let call = self
            .dynamodb
            .scan()
            .table_name(request.table.as_str())
            .segment(request.segment)
            .total_segments(request.segments)
            .consistent_read(request.consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(request.after.clone())
            .set_limit(request.limit);
        for _ in 0..STARTS {
            let slot = Slot::default();
            let hook = TakeBody::new(&slot, || Output::erase(ScanOutput::builder().build()));
            match call.clone().customize().interceptor(hook).send().await {
                Ok(_) => return slot.take().ok_or_else(|| hook_broken("dynamodb:Scan")),
                Err(error) if must_start_over(&error) => {}
                Err(error) => return Err(failure(error, "dynamodb:Scan").with("table", &request.table)),
            }
        }
        Err(damaged("dynamodb:Scan").with("table", &request.table))
    }

    /// Returns the body of a strongly consistent `GetItem`.
    pub(crate) async fn item(&self, table: &TableName, key: HashMap<String, AttributeValue>) -> Result<Bytes, Failure> {
        let call = self.dynamodb.get_item().table_name(table.as_str()).set_key(Some(key)).consistent_read(true);
        for _ in 0..STARTS {
            let slot = Slot::default();
            let hook = TakeBody::new(&slot, || Output::erase(GetItemOutput::builder().build()));
            match call.clone().customize().interceptor(hook).send().await {
                Ok(_) => return slot.take().ok_or_else(|| hook_broken("dynamodb:GetItem")),
                Err(error) if must_start_over(&error) => {}
                Err(error) => return Err(failure(error, "dynamodb:GetItem").with("table", table)),
            }
        }
        Err(damaged("dynamodb:GetItem").with("table", table))
    }

    /// Returns the body of one page of stream records.
    pub(crate) async fn records(&self, iterator: &str) -> Result<Bytes, Failure> {
        let call = self.streams.get_records().shard_iterator(iterator);
        for _ in 0..STARTS {
            let slot = Slot::default();
            let hook = TakeBody::new(&slot, || Output::erase(GetRecordsOutput::builder().build()));
            match call.clone().customize().interceptor(hook).send().await {
                Ok(_) => return slot.take().ok_or_else(|| hook_broken("dynamodb:GetRecords")),
                Err(error) if must_start_over(&error) => {}
                Err(error) => return Err(failure(error, "dynamodb:GetRecords")),
            }
        }
        Err(damaged("dynamodb:GetRecords"))
    }

    /// Returns the first record that an iterator gives, if there is one on its page, and the iterator after it.
    ///
    /// For looking, not for reading: the SDK parses the page, which has one record at most.
    pub(crate) async fn first_record(&self, iterator: &str) -> Result<(Option<Glimpse>, Option<String>), Failure> {
        let call = self.streams.get_records().shard_iterator(iterator).limit(1);
        let page = call.send().await.map_err(|error| failure(error, "dynamodb:GetRecords"))?;
        let glimpse = page.records().first().and_then(|record| record.dynamodb()).map(|record| Glimpse {
            sequence: record.sequence_number().map(str::to_owned),
            created_ms: record.approximate_creation_date_time().and_then(|time| time.to_millis().ok()),
        });
        Ok((glimpse, page.next_shard_iterator))
    }

    /// Returns an iterator, or `None` if the shard has nothing from there on and never will.
    pub(crate) async fn shard_iterator(
        &self,
        stream: &str,
        shard: &str,
        from: &From,
    ) -> Result<Option<String>, Failure> {
        let call = self.streams.get_shard_iterator().stream_arn(stream).shard_id(shard);
        let call = match from {
            From::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::After(number) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(number)
            }
        };
        let output = call.send().await.map_err(|error| failure(error, "dynamodb:GetShardIterator"))?;
        Ok(output.shard_iterator)
    }

    /// Returns a stream's description with all of its shards.
    pub(crate) async fn describe_stream(&self, stream: &str) -> Result<StreamDescription, Failure> {
        let mut whole: Option<StreamDescription> = None;
        let mut after: Option<String> = None;
        loop {
            let page = self
                .streams
                .describe_stream()
                .stream_arn(stream)
                .set_exclusive_start_shard_id(after.take())
                .send()
                .await
                .map_err(|error| failure(error, "dynamodb:DescribeStream").with("stream", stream))?
                .stream_description
                .ok_or_else(|| incomplete("dynamodb:DescribeStream"))?;
            after.clone_from(&page.last_evaluated_shard_id);
            match &mut whole {
                None => whole = Some(page),
                Some(first) => first.shards.get_or_insert_default().extend(page.shards.unwrap_or_default()),
            }
            if after.is_none() {
                return whole.ok_or_else(|| incomplete("dynamodb:DescribeStream"));
            }
        }
    }

    /// Returns a table's description.
    pub(crate) async fn describe_table(&self, table: &TableName) -> Result<TableDescription, Failure> {
        self.dynamodb
            .describe_table()
            .table_name(table.as_str())
            .customize()
            .interceptor(self.skew.clone())
            .send()
            .await
            .map_err(|error| failure(error, "dynamodb:DescribeTable").with("table", table))?
            .table
            .ok_or_else(|| incomplete("dynamodb:DescribeTable").with("table", table))
    }

    /// Returns the names of all tables of the account in the region.
    pub(crate) async fn list_tables(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .dynamodb
                .list_tables()
                .set_exclusive_start_table_name(after.take())
                .send()
                .await
                .map_err(|error| failure(error, "dynamodb:ListTables"))?;
            names.extend(page.table_names.unwrap_or_default());
            after = page.last_evaluated_table_name;
            if after.is_none() {
                return Ok(names);
            }
        }
    }
}

/// Returns the provider in a configuration; there is one unless credentials were switched off.
pub(crate) fn provider(aws: &SdkConfig) -> Result<SharedCredentialsProvider> {
    aws.credentials_provider().ok_or_else(|| Error::new(ErrorKind::ConfigInvalid, "No AWS credentials are configured"))
}

fn hook_broken(action: &'static str) -> Failure {
    Failure::local(
        Error::new(
            ErrorKind::Unexpected,
            "The AWS SDK did not hand out a response body; its version does not fit this program",
        )
        .with("action", action),
    )
}

fn damaged(action: &'static str) -> Failure {
    Failure::local(
        Error::new(ErrorKind::Unavailable, format!("The answers to {action} keep being damaged on their way"))
            .with_retry(Retry::Backoff),
    )
}

fn incomplete(action: &'static str) -> Failure {
    Failure::local(Error::new(ErrorKind::Unavailable, format!("The answer to {action} is incomplete")))
}
