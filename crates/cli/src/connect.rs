//! From configuration to a connected source and destination.

use std::sync::Arc;

use commutator::{Budget, Destination, Pipeline, Result, Source, dynamodb, parquet};

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
            let region = identity.aws_config().region().map(ToString::to_string);
            let config = config.as_ref().clone();
            let config = parquet::Config { region: config.region.clone().or(region), ..config };
            Arc::new(config.connect_with(identity.credentials()?).await?)
        }
        config::Destination::Postgres(config) => Arc::new(config.as_ref().clone().connect().await?),
    })
}

/// Connects both and makes the pipeline.
pub(crate) async fn pipeline(settings: Settings) -> Result<Pipeline> {
    let (source, destination) = tokio::try_join!(source(&settings), destination(&settings))?;
    Ok(Pipeline::new(settings.pipeline, source, destination, settings.options))
}
