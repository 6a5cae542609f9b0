//! The source itself: what [`Config::connect`](crate::Config::connect) gives.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use commutator_core::{
    Backlog, Budget, ChangeBatch, CheckReport, Checkpoint, DeadLetter, Extras, ReadRequest, Reread, Result, Source,
    SourceStream, TableDescription, TableName,
};
use tokio::sync::Semaphore;

use crate::client::{self, Client};
use crate::clock::{Clock, Surroundings};
use crate::config::Config;
use crate::sample::{Sample, SampleSize};
use crate::tuning::Tuning;
use crate::{check, credentials, discover, read, reread, sample, stream};

/// So many snapshots with eight segments each keep a wire busy: more pages at a time than the default budget has room for.
const SNAPSHOTS: usize = 4;

/// A connection to `DynamoDB` and its streams. Cloning shares connections, credentials and budget.
#[derive(Debug, Clone)]
pub struct DynamoDb(Arc<Connected>);

/// What all tables of a source share.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) config: Config,
    pub(crate) aws: SdkConfig,
    /// For reading: it tries for minutes.
    pub(crate) client: Client,
    /// For calls that somebody waits for: it gives up soon.
    pub(crate) short: Client,
    pub(crate) budget: Budget,
    /// The snapshots that may be scanned at a time.
    pub(crate) snapshots: Arc<Semaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
}

impl DynamoDb {
    pub(crate) async fn connect_with(
        config: Config,
        budget: Budget,
        surroundings: Surroundings,
        tuning: Tuning,
    ) -> Result<Self> {
        let aws = Box::pin(credentials::load(&config, &surroundings, &tuning)).await?;
        let clock = surroundings.clock;
        let client = Client::new(&aws, &config, (&tuning, tuning.attempts), &clock);
        let short = Client::new(&aws, &config, (&tuning, tuning.short_attempts), &clock);
        let snapshots = config.snapshot_concurrency.map_or(SNAPSHOTS, |n| n as usize).clamp(1, Semaphore::MAX_PERMITS);
        let snapshots = Arc::new(Semaphore::new(snapshots));
        Ok(Self(Arc::new(Connected { config, aws, client, short, budget, snapshots, clock, tuning })))
    }

    #[cfg(test)]
    pub(crate) fn connected(&self) -> &Connected {
        &self.0
    }

    /// Returns the AWS configuration with which the tables are read: region, HTTP client and credentials.
    ///
    /// Its credentials are those of the last role if roles are assumed.
    pub fn aws_config(&self) -> &SdkConfig {
        &self.0.aws
    }

    /// Looks at some items of a table: their attributes, types and columns. It costs read capacity, and follows the configuration's
    /// role, but neither its segments nor its limits.
    pub async fn sample(&self, table: &TableDescription, size: SampleSize) -> Result<Sample> {
        self.sample_with(table, (size, Extras::default()), &mut |_| Ok(())).await
    }

    /// Looks at some items of a table, and hands on each batch of them as it is read.
    pub async fn sample_with(
        &self,
        table: &TableDescription,
        (size, extras): (SampleSize, Extras),
        take: &mut (dyn FnMut(&ChangeBatch) -> Result<()> + Send),
    ) -> Result<Sample> {
        sample::sample(&self.0.short, table, (size, extras), take).await
    }

    /// Returns the credentials with which the tables are read, for a destination on S3 that shall use the same.
    ///
    /// The provider keeps them and fetches new ones before they end, so it may be asked for every request.
    pub fn credentials(&self) -> Result<SharedCredentialsProvider> {
        client::provider(&self.0.aws)
    }
}

#[async_trait]
impl Source for DynamoDb {
    async fn check(&self) -> Result<CheckReport> {
        Ok(check::check(&self.0).await)
    }

    async fn discover(&self) -> Result<Vec<TableDescription>> {
        discover::discover(&self.0.short, &self.0.config.tables).await
    }

    async fn read(&self, request: ReadRequest) -> Result<SourceStream> {
        read::read(&self.0, request).await
    }

    async fn backlog(&self, table: &TableName, checkpoint: &Checkpoint) -> Result<Option<Backlog>> {
        Box::pin(stream::backlog(&self.0, table, checkpoint)).await.map(Some)
    }

    async fn reread(
        &self,
        table: &TableName,
        letters: &[DeadLetter],
        how: Reread,
        extras: Extras,
    ) -> Result<Vec<Result<ChangeBatch>>> {
        reread::reread(&self.0.short, table, letters, (how, extras)).await
    }
}
