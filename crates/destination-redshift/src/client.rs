//! The Data API: statements are handed in, waited for, and their rows fetched.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_redshiftdata::types::{Field, StatusString};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use commutator_core::{Error, ErrorKind, Result};
use commutator_warehouse::{Failure, Row};

use crate::{Config, error};

/// The most statements of a batch (API reference, "BatchExecuteStatement"), and the most bytes of one (management guide, "Troubleshooting
/// issues for Amazon Redshift Data API").
const MAX_STATEMENTS: usize = 40;
const MAX_BYTES: usize = 100_000;

/// How long the service may wait with its answer for the end of statements, in seconds; it allows 30.
const WAIT_SECONDS: i32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// The SDK's own retries have failed this often in a row before the outcome counts as not to be learned.
const LOST_POLLS: u32 = 5;

/// A database of a cluster or workgroup.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    api: aws_sdk_redshiftdata::Client,
    cluster: Option<String>,
    workgroup: Option<String>,
    database: String,
    db_user: Option<String>,
    secret_arn: Option<String>,
}

impl Client {
    pub(crate) fn new(aws: &SdkConfig, config: &Config) -> Self {
        let timeout = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .operation_attempt_timeout(Duration::from_secs(60))
            .build();
        // A repeated request has the same token, so the service runs it once.
        let retry = RetryConfig::standard().with_max_attempts(6).with_max_backoff(Duration::from_secs(20));
        let mut builder = aws_sdk_redshiftdata::config::Builder::from(aws).retry_config(retry).timeout_config(timeout);
        if let Some(url) = &config.endpoint_url {
            builder = builder.endpoint_url(url);
        }
        Self {
            api: aws_sdk_redshiftdata::Client::from_conf(builder.build()),
            cluster: config.cluster.clone(),
            workgroup: config.workgroup.clone(),
            database: config.database.clone(),
            db_user: config.db_user.clone(),
            secret_arn: config.secret_arn.clone(),
        }
    }

    /// Returns cluster or workgroup, and the database.
    pub(crate) fn address(&self) -> String {
        let place = self.cluster.as_ref().or(self.workgroup.as_ref()).map_or("", String::as_str);
        format!("{place}/{}", self.database)
    }

    /// Runs one statement and returns its rows.
    pub(crate) async fn query(&self, statement: &str, token: &str) -> Result<Vec<Row>, Failure> {
        admit(std::slice::from_ref(&statement))?;
        let sent = self
            .api
            .execute_statement()
            .sql(statement)
            .set_cluster_identifier(self.cluster.clone())
            .set_workgroup_name(self.workgroup.clone())
            .database(&self.database)
            .set_db_user(self.db_user.clone())
            .set_secret_arn(self.secret_arn.clone())
            .client_token(token)
            .wait_time_seconds(WAIT_SECONDS)
            .send()
            .await
            .map_err(|e| error::of_request(e, "ExecuteStatement"))?;
        let id = sent.id().unwrap_or_default();
        if self.ended(id).await? { self.rows(id).await } else { Ok(Vec::new()) }
    }

    /// Runs statements in one transaction.
    pub(crate) async fn batch(&self, statements: &[String], token: &str) -> Result<(), Failure> {
        let texts: Vec<_> = statements.iter().map(String::as_str).collect();
        admit(&texts)?;
        let sent = self
            .api
            .batch_execute_statement()
            .set_sqls(Some(statements.to_vec()))
            .set_cluster_identifier(self.cluster.clone())
            .set_workgroup_name(self.workgroup.clone())
            .database(&self.database)
            .set_db_user(self.db_user.clone())
            .set_secret_arn(self.secret_arn.clone())
            .client_token(token)
            .wait_time_seconds(WAIT_SECONDS)
            .send()
            .await
            .map_err(|e| error::of_request(e, "BatchExecuteStatement"))?;
        self.ended(sent.id().unwrap_or_default()).await.map(drop)
    }

    /// Waits for the end of statements; returns whether there are rows. They run on whatever becomes of a question about them.
    async fn ended(&self, id: &str) -> Result<bool, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut lost = 0;
        loop {
            match self.api.describe_statement().id(id).send().await {
                Ok(found) => {
                    lost = 0;
                    match found.status() {
                        Some(StatusString::Finished) => return Ok(found.has_result_set().unwrap_or(false)),
                        Some(StatusString::Failed) => {
                            return Err(Failure::Refused(
                                error::refused(found.error().unwrap_or_default()).with("statement", id),
                            ));
                        }
                        Some(StatusString::Aborted) => {
                            let aborted = "Somebody, or the cluster's limits, stopped the statements";
                            return Err(Failure::Refused(
                                Error::new(ErrorKind::Unavailable, aborted).with("statement", id),
                            ));
                        }
                        _ => {}
                    }
                }
                Err(error) => {
                    lost += 1;
                    if lost >= LOST_POLLS {
                        let error = error::of_request(error, "DescribeStatement").into_error();
                        return Err(Failure::Unclear(error.with("statement", id)));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Fetches all pages of a statement's rows.
    async fn rows(&self, id: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let mut next = None;
        loop {
            let page = self.api.get_statement_result().id(id).set_next_token(next).send().await;
            let page = page.map_err(|e| error::of_request(e, "GetStatementResult"))?;
            rows.extend(page.records().iter().map(|row| row.iter().map(text).collect::<Row>()));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(rows);
            }
        }
    }
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Refuses what the service would refuse, with what can be done about it.
fn admit(statements: &[&str]) -> Result<(), Failure> {
    let refused = |sentence: &str, key, value: usize| {
        Err(Failure::Refused(Error::new(ErrorKind::Unsupported, sentence).with(key, value)))
    };
    if statements.len() > MAX_STATEMENTS {
        return refused(
            "The commit takes more statements than the Redshift Data API takes at once; the table's checkpoint or its number of columns is too large",
            "statements",
            statements.len(),
        );
    }
    match statements.iter().map(|statement| statement.len()).find(|&bytes| bytes > MAX_BYTES) {
        Some(bytes) => refused(
            "A statement is longer than the Redshift Data API takes; the table has too many columns, or their names are too long",
            "bytes",
            bytes,
        ),
        None => Ok(()),
    }
}
