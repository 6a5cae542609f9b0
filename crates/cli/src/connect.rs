//! From configuration to a connected source and destination.

use std::sync::Arc;

use commutator::{Budget, DeadLetterFiles, Destination, Pipeline, Result, Source, dynamodb, parquet, snowflake};

use crate::config::{self, Settings};

/// Connects the source.
pub(crate) async fn source(settings: &Settings) -> Result<Arc<dyn Source>> {
    let source = settings.source.clone().connect(Budget::new(settings.on_their_way())).await?;
    Ok(Arc::new(source))
}

/// Connects the source to look at some items of its tables.
pub(crate) async fn sampler(settings: &Settings) -> Result<dynamodb::DynamoDb> {
    settings.source.clone().connect(Budget::new(settings.on_their_way())).await
}

/// Connects the destination.
pub(crate) async fn destination(settings: &Settings) -> Result<Arc<dyn Destination>> {
    Ok(match &settings.destination {
        config::Destination::Parquet(config, identity) => Arc::new(files(config, identity.as_deref()).await?),
        config::Destination::BigQuery(config) => Arc::new(config.as_ref().clone().connect().await?),
        config::Destination::Postgres(config) => Arc::new(config.as_ref().clone().connect().await?),
        config::Destination::Redshift(config) => Arc::new(Box::pin(config.as_ref().clone().connect()).await?),
        config::Destination::Snowflake(config, identity) => Arc::new(snowflake(config, identity.as_deref()).await?),
        #[cfg(feature = "duckdb")]
        config::Destination::DuckDb(config) => Arc::new(config.as_ref().clone().connect().await?),
    })
}

/// Connects a Snowflake account.
async fn snowflake(config: &snowflake::Config, identity: Option<&dynamodb::Config>) -> Result<snowflake::Snowflake> {
    let mut config = config.clone();
    let Some(identity) = identity else { return config.connect().await };
    let identity = identity.clone().connect(Budget::new(1)).await?;
    config.staging.region = config.staging.region.or_else(|| identity.aws_config().region().map(ToString::to_string));
    config.connect_with(identity.credentials()?).await
}

/// Connects a destination of Parquet files.
pub(crate) async fn files(config: &parquet::Config, identity: Option<&dynamodb::Config>) -> Result<parquet::Parquet> {
    let (config, identity) = objects(config, identity).await?;
    match identity {
        Some(identity) => config.connect_with(identity.credentials()?).await,
        None => config.connect().await,
    }
}

/// Opens the place of dead letters, if there is one; a local folder is created.
pub(crate) async fn dead_letters(settings: &Settings) -> Result<Option<Arc<DeadLetterFiles>>> {
    let Some((config, identity)) = &settings.dead_letters else { return Ok(None) };
    let (mut config, identity) = objects(config, identity.as_deref()).await?;
    // Tables of the same name in another account or destination have letters of their own.
    config.url = format!("{}/{}", config.url.trim_end_matches('/'), settings.pipeline);
    let credentials = identity.map(|identity| identity.credentials()).transpose()?;
    Ok(Some(Arc::new(DeadLetterFiles::new(config.folder(credentials)?))))
}

/// Finds out where and as whom to write to an object store.
async fn objects(
    config: &parquet::Config,
    identity: Option<&dynamodb::Config>,
) -> Result<(parquet::Config, Option<dynamodb::DynamoDb>)> {
    let Some(identity) = identity else { return Ok((config.clone(), None)) };
    let identity = identity.clone().connect(Budget::new(1)).await?;
    let region = identity.aws_config().region().map(ToString::to_string);
    let config = parquet::Config { region: config.region.clone().or(region), ..config.clone() };
    Ok((config, Some(identity)))
}

/// Connects both, and the place of dead letters, for a run.
pub(crate) async fn runner(settings: Settings) -> Result<Pipeline> {
    let dead_letters = dead_letters(&settings).await?;
    let pipeline = pipeline(settings).await?;
    Ok(match dead_letters {
        Some(dead_letters) => pipeline.with_dead_letters(dead_letters),
        None => pipeline,
    })
}

/// Connects both and makes the pipeline.
pub(crate) async fn pipeline(settings: Settings) -> Result<Pipeline> {
    let (source, destination) = tokio::try_join!(source(&settings), destination(&settings))?;
    Ok(Pipeline::new(settings.pipeline, source, destination, settings.options))
}
