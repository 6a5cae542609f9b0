//! The bucket in which rows are staged.

use std::sync::Arc;
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result};
use commutator_warehouse::Staging;
use object_store::RetryConfig;
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;

use super::auth::Auth;
use crate::config::Config;

/// Longer than the slowest upload of a file takes; the client's own default of 30 s also bounds the body.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the time after which the pipeline would better open the table anew.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);

/// Opens the staging area, with the tokens that the service takes, too. Nothing is asked over the network.
pub(crate) fn open(config: &Config, auth: Auth) -> Result<Staging> {
    let (bucket, folder) = config.staging_area()?;
    let unusable = |cause: object_store::Error| {
        Error::new(ErrorKind::ConfigInvalid, "The staging area cannot be used")
            .with("setting", "staging.url")
            .with_source(cause)
    };
    let options = ClientOptions::new()
        .with_allow_http(config.staging.allow_http)
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT);
    let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_client_options(options)
        .with_retry(retry)
        .with_skip_signature(config.anonymous)
        .with_credentials(Arc::new(auth));
    if let Some(address) = &config.staging.endpoint_url {
        builder = builder.with_base_url(address.trim_end_matches('/'));
    }
    let objects = builder.build().map_err(unusable)?;
    let root = Path::parse(folder).map_err(|e| unusable(e.into()))?;
    Ok(Staging::over(Arc::new(objects), root, &config.staging.url))
}
