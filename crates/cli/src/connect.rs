//! From configuration to a connected source and destination.

use std::sync::Arc;

use commutator::{Budget, Destination, Error, ErrorKind, Pipeline, Result, Source, dynamodb};

use crate::config::{self, Settings};

/// Connects the source.
pub(crate) async fn source(settings: &Settings) -> Result<Arc<dyn Source>> {
    let source = settings.source.clone().connect(Budget::new(settings.memory_bytes)).await?;
    Ok(Arc::new(source))
}

/// Connects the source so that reading a table begins with one page and no more.
pub(crate) async fn sampler(settings: &Settings) -> Result<Arc<dyn Source>> {
    let one = dynamodb::Config {
        segments: Some(1),
        scan_concurrency: Some(1),
        consistent_read: false,
        ..settings.source.clone()
    };
    // A budget below a page's size holds the reader back after its first page.
    Ok(Arc::new(one.connect(Budget::new(1)).await?))
}

/// Connects the destination.
pub(crate) async fn destination(settings: &Settings) -> Result<Arc<dyn Destination>> {
    Ok(match &settings.destination {
        config::Destination::Parquet(config, None) => Arc::new(config.as_ref().clone().connect().await?),
        config::Destination::Parquet(config, Some(identity)) => {
            let identity = identity.as_ref().clone().connect(Budget::new(1)).await?;
            let aws = identity.aws_config();
            let credentials = aws.credentials_provider().ok_or_else(|| {
                Error::new(ErrorKind::ConfigInvalid, "There are no AWS credentials for the destination's bucket")
            })?;
            let mut config = config.as_ref().clone();
            config.region = config.region.or_else(|| aws.region().map(ToString::to_string));
            Arc::new(config.connect_with(credentials).await?)
        }
        config::Destination::Postgres(config) => Arc::new(config.as_ref().clone().connect().await?),
    })
}

/// Connects both and makes the pipeline.
pub(crate) async fn pipeline(settings: Settings) -> Result<Pipeline> {
    let (source, destination) = tokio::try_join!(source(&settings), destination(&settings))?;
    Ok(Pipeline::new(settings.pipeline, source, destination, settings.options))
}
