//! The Data API: statements are handed in under a token, waited for, and their rows fetched.
//!
//! The API's reference (`docs.aws.amazon.com/redshift-data/latest/APIReference/Welcome.html`), and the management guide's "Using the Amazon
//! Redshift Data API" (docs.aws.amazon.com/redshift/latest/mgmt/data-api.html).

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::types::{Field, StatementStatusString, StatusString};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use commutator_core::{Error, ErrorKind, Result};
use commutator_warehouse::{Failure, Patience, Row};

use crate::{Config, error};

/// "Array Members: Minimum number of 1 item. Maximum number of 40 items." (API reference, `BatchExecuteStatement`, `Sqls`).
const MAX_STATEMENTS: usize = 40;
/// "The maximum query statement size is 100 KB" (management guide, "Considerations when calling the Amazon Redshift Data API").
const MAX_BYTES: usize = 100_000;

/// How long the service may hold its answer back for the end of statements, in seconds; it allows 30 (API reference, `WaitTimeSeconds`).
const WAIT_SECONDS: i32 = 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_mins(1);

/// The service names no pause of its own.
const PATIENCE: Patience = Patience {
    repeats: 6,
    pause: Duration::from_millis(300),
    longest: Duration::from_secs(20),
    poll: Duration::from_millis(100),
    longest_poll: Duration::from_secs(5),
};

/// A database of a cluster or workgroup.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    api: aws_sdk_redshiftdata::Client,
    cluster: Option<String>,
    workgroup: Option<String>,
    database: String,
    db_user: Option<String>,
    secret_arn: Option<String>,
    patience: Patience,
}

/// Why statements did not run to their end.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) failure: Failure,
    /// The number of the statement that failed, from 0, where the service says it.
    pub(crate) at: Option<usize>,
    /// Whether it failed because a text was none of a number, as statements of our own do on purpose.
    pub(crate) by_cast: bool,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self { failure, at: None, by_cast: false }
    }
}

impl Client {
    pub(crate) fn new(aws: &SdkConfig, config: &Config) -> Self {
        let timeout =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(TIMEOUT).build();
        // Repeated here: an error after the last repetition does not say whether an earlier one was taken, and its answer lost.
        let mut builder = aws_sdk_redshiftdata::config::Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeout);
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
            patience: config.patience.unwrap_or(PATIENCE),
        }
    }

    /// Returns cluster or workgroup, and the database.
    pub(crate) fn address(&self) -> String {
        let place = self.cluster.as_ref().or(self.workgroup.as_ref()).map_or("", String::as_str);
        format!("{place}/{}", self.database)
    }

    /// Runs one statement, which commits by itself, and returns its rows.
    pub(crate) async fn query(&self, statement: &str, token: &str) -> Result<Vec<Row>, Failure> {
        admit(&[statement])?;
        let call = "ExecuteStatement";
        let request = || {
            self.api
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
        };
        let sent = self.send(call, token, request).await?;
        let id = sent.id().ok_or_else(|| Failure::Unclear(nameless(call)))?;
        let has_rows = match sent.status() {
            Some(StatementStatusString::Finished) => sent.has_result_set(),
            _ => None,
        };
        let has_rows = match has_rows {
            Some(known) => known,
            None => self.ended(id, 1).await.map_err(|stop| stop.failure)?,
        };
        if has_rows { self.rows(id).await } else { Ok(Vec::new()) }
    }

    /// Runs statements in one transaction, once for each token: "If any SQL statement fails, all work is rolled back" (API reference,
    /// `BatchExecuteStatement`, `Sqls`).
    pub(crate) async fn batch(&self, statements: &[String], token: &str) -> Result<(), Stop> {
        let texts: Vec<_> = statements.iter().map(String::as_str).collect();
        admit(&texts)?;
        let call = "BatchExecuteStatement";
        let request = || {
            self.api
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
        };
        let sent = self.send(call, token, request).await?;
        if sent.status() == Some(&StatementStatusString::Finished) {
            return Ok(());
        }
        let id = sent.id().ok_or_else(|| Failure::Unclear(nameless(call)))?;
        self.ended(id, statements.len()).await.map(drop)
    }

    /// Sends a request until it is answered, and for as long as it is worth it. Its repetitions are one to the service, as they have one token.
    async fn send<T, E, R, F>(
        &self,
        call: &'static str,
        token: &str,
        request: impl Fn() -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, R>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let mut unclear = false;
        let mut repeated = 0;
        loop {
            let failure = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error::of_request(error, call),
            };
            unclear |= matches!(failure, Failure::Unclear(_));
            let error = failure.into_error();
            let Some(pause) = self.patience.next(repeated, &error, token) else {
                return Err(if unclear { Failure::Unclear(error) } else { Failure::Refused(error) });
            };
            tracing::debug!(error = %error, ?pause, call, "a request to the Redshift Data API is repeated under its token");
            tokio::time::sleep(pause).await;
            repeated += 1;
        }
    }

    /// Waits for the end of so many statements; returns whether there are rows. They run on whatever becomes of a question about them.
    async fn ended(&self, id: &str, statements: usize) -> Result<bool, Stop> {
        let mut looks = 0;
        loop {
            let found = self.send("DescribeStatement", id, || self.api.describe_statement().id(id).send()).await;
            let found = found.map_err(|failure| Failure::Unclear(failure.into_error().with("statement", id)))?;
            match found.status() {
                Some(StatusString::Finished) => return Ok(found.has_result_set().unwrap_or(false)),
                Some(StatusString::Failed) => return Err(failed(&found, id, statements)),
                Some(StatusString::Aborted) => {
                    let sentence = "Somebody, or a limit of the cluster or workgroup, stopped the statements";
                    let error = Error::new(ErrorKind::Unavailable, sentence).with("statement", id);
                    return Err(Failure::Unclear(error).into());
                }
                _ => {}
            }
            tokio::time::sleep(self.patience.poll(looks)).await;
            looks += 1;
        }
    }

    /// Fetches all pages of a statement's rows. Nothing is changed by reading.
    async fn rows(&self, id: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = || self.api.get_statement_result().id(id).set_next_token(next.clone()).send();
            let page = self.send("GetStatementResult", id, request).await;
            let page = page.map_err(|failure| Failure::Refused(failure.into_error().with("statement", id)))?;
            for record in page.records() {
                rows.push(record.iter().map(text).collect::<Result<Row>>().map_err(Failure::Refused)?);
            }
            next = page.next_token().map(str::to_owned);
            if next.is_some() {
                continue;
            }
            let all = usize::try_from(page.total_num_rows()).unwrap_or_default();
            if all > 0 && all != rows.len() {
                let sentence = "The Redshift Data API gave another number of rows than it says";
                let error = Error::new(ErrorKind::Unexpected, sentence).with("rows", all).with("read", rows.len());
                return Err(Failure::Refused(error.with("statement", id)));
            }
            return Ok(rows);
        }
    }
}

/// What statements that failed became.
///
/// Where one of several failed, the transaction was rolled back. Where none did, its end itself did not come about, or the connection was lost
/// meanwhile, so that nobody knows.
fn failed(found: &DescribeStatementOutput, id: &str, statements: usize) -> Stop {
    let parts = found.sub_statements();
    let at = parts.iter().position(|part| part.status() == Some(&StatementStatusString::Failed));
    let said = at.and_then(|at| parts[at].error()).or(found.error()).unwrap_or_default();
    let mut error = error::refused(said).with("statement_id", id);
    if let (Some(at), true) = (at, statements > 1) {
        error = error.with("statement", format_args!("{} of {statements}", at + 1));
    }
    let failure =
        if at.is_some() || error::is_of_sql(said) { Failure::Refused(error) } else { Failure::Unclear(error) };
    Stop { failure, at, by_cast: error::is_of_cast(said) }
}

fn nameless(call: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, "The Redshift Data API took statements and does not name them").with("call", call)
}

fn text(field: &Field) -> Result<Option<String>> {
    match field {
        Field::StringValue(text) => Ok(Some(text.clone())),
        Field::LongValue(number) => Ok(Some(number.to_string())),
        Field::DoubleValue(number) => Ok(Some(number.to_string())),
        Field::BooleanValue(value) => Ok(Some(value.to_string())),
        Field::IsNull(_) => Ok(None),
        _ => Err(Error::new(
            ErrorKind::Unexpected,
            "The Redshift Data API gave a value of a kind that was not asked for",
        )),
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
            "A statement is longer than the Redshift Data API takes; the table has too many columns, or their names are too long: `exclude` some, or \
             keep them in one document with `nested = \"packed\"`",
            "bytes",
            bytes,
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_redshiftdata::types::SubStatementData;

    use super::*;

    fn described(error: &str, parts: &[StatementStatusString]) -> DescribeStatementOutput {
        let part = |(i, status): (usize, &StatementStatusString)| {
            let said = (*status == StatementStatusString::Failed).then(|| error.to_owned());
            SubStatementData::builder().id(format!("x:{i}")).status(status.clone()).set_error(said).build().unwrap()
        };
        let parts = parts.iter().enumerate().map(part).collect();
        let whole = DescribeStatementOutput::builder().id("x").status(StatusString::Failed).error(error);
        whole.set_sub_statements(Some(parts)).build().unwrap()
    }

    #[test]
    fn only_what_a_statement_says_is_certain() {
        use StatementStatusString::{Aborted, Failed, Finished};
        let stop = failed(
            &described("ERROR: Invalid digit, Value '_', Pos 0, Type: Long", &[Finished, Failed, Aborted]),
            "x",
            3,
        );
        assert!(matches!(&stop.failure, Failure::Refused(error) if error.report().contains("statement: 2 of 3")));
        assert_eq!((stop.at, stop.by_cast), (Some(1), true));
        // Of the commit, or of what was between the service and the cluster.
        let stop = failed(&described("Connection reset by peer", &[Finished, Finished]), "x", 2);
        assert!(matches!(stop.failure, Failure::Unclear(_)), "{stop:?}");
        assert!(matches!(failed(&described("Connection reset by peer", &[]), "x", 1).failure, Failure::Unclear(_)));
        let stop = failed(&described("ERROR: 1023 DETAIL: Serializable isolation violation on table - 1", &[]), "x", 2);
        assert!(matches!(stop.failure, Failure::Refused(_)), "{stop:?}");
    }

    #[test]
    fn what_the_service_would_not_take_is_not_sent() {
        assert!(admit(&["SELECT 1"; 40]).is_ok());
        let kind = |refused: Result<(), Failure>| refused.unwrap_err().into_error().kind();
        assert_eq!(kind(admit(&["SELECT 1"; 41])), ErrorKind::Unsupported);
        let long = format!("SELECT '{}'", "x".repeat(100_000));
        assert_eq!(kind(admit(&["SELECT 1", &long])), ErrorKind::Unsupported);
    }
}
