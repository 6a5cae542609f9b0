//! The object store behind the staging area's address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use commutator_core::{Error, ErrorKind, Result, Retry};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{CredentialProvider, ObjectStore, RetryConfig, StaticCredentialProvider};
use url::Url;

use super::StagingConfig;

/// Longer than the slowest upload of a few files takes; the client's own default of 30 s also bounds the body.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the time after which the pipeline would better open the table anew.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);

/// Opens the store of a configuration, and returns where in it the files go. A local folder is created, nothing is asked over the network.
pub(super) fn open(
    config: &StagingConfig,
    credentials: Option<SharedCredentialsProvider>,
) -> Result<(Arc<dyn ObjectStore>, Path)> {
    config.validate()?;
    let invalid = |what: &str| {
        Error::new(ErrorKind::ConfigInvalid, what.to_owned()).with("setting", "staging.url").with("url", &config.url)
    };
    // Whatever may hold a secret is not shown.
    let hidden = |what: &str| Error::new(ErrorKind::ConfigInvalid, what.to_owned()).with("setting", "staging.url");
    let url = Url::parse(&config.url)
        .map_err(|e| hidden("The staging area's `url` starts with s3://, gs:// or az://").with_source(e))?;
    if url.username() != "" || url.password().is_some() || url.query().is_some() {
        return Err(hidden("The staging area's `url` takes no user, password or query"));
    }
    if url.scheme() == "file" {
        let folder = url.to_file_path().map_err(|()| invalid("A `file` URL names an absolute local path"))?;
        let unusable = |e: std::io::Error| invalid("The staging area's folder cannot be created").with_source(e);
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let objects = LocalFileSystem::new_with_prefix(&folder).map_err(|e| failed(e, "connect"))?;
        // Folders are no objects; those that are empty go with their last file.
        return Ok((Arc::new(objects.with_automatic_cleanup(true)), Path::default()));
    }
    let bucket = url.host_str().filter(|host| !host.is_empty());
    let bucket = bucket.ok_or_else(|| invalid("The staging area's `url` names no bucket or container"))?;
    let objects: Result<Arc<dyn ObjectStore>, _> = match url.scheme() {
        "s3" => s3(config, bucket, credentials).build().map(|store| Arc::new(store) as _),
        "gs" => gcs(config, bucket).build().map(|store| Arc::new(store) as _),
        "az" => azure(config, bucket).build().map(|store| Arc::new(store) as _),
        _ => return Err(invalid("The staging area's `url` starts with s3://, gs:// or az://")),
    };
    let root = Path::from_url_path(url.path()).map_err(|e| failed(e.into(), "connect"))?;
    Ok((objects.map_err(|e| failed(e, "connect"))?, root))
}

fn s3(config: &StagingConfig, bucket: &str, credentials: Option<SharedCredentialsProvider>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client_options(config))
        .with_retry(retry());
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &config.endpoint_url {
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        let token = config.session_token.as_ref().map(|token| token.expose().clone());
        let credential = AwsCredential { key_id: id.clone(), secret_key: secret.expose().clone(), token };
        return builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    match credentials {
        Some(provider) => builder.with_credentials(Arc::new(AwsProvider(provider))),
        None => builder,
    }
}

fn gcs(config: &StagingConfig, bucket: &str) -> GoogleCloudStorageBuilder {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client_options(config))
        .with_retry(retry());
    match &config.google_credentials_file {
        Some(path) => builder.with_service_account_path(path),
        None => builder,
    }
}

fn azure(config: &StagingConfig, container: &str) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client_options(config))
        .with_retry(retry());
    if let Some(account) = &config.azure_account {
        builder = builder.with_account(account);
    }
    if let Some(key) = &config.azure_access_key {
        builder = builder.with_access_key(key.expose());
    }
    if let Some(endpoint) = &config.endpoint_url {
        builder = builder.with_endpoint(endpoint.clone());
    }
    builder
}

fn client_options(config: &StagingConfig) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(config.allow_http)
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 5, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

/// Returns the error for a failed call on the store.
pub(super) fn failed(error: object_store::Error, call: &'static str) -> Error {
    use object_store::Error as Store;
    let text = error.to_string();
    let (kind, sentence) = match &error {
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => (
            ErrorKind::PermissionDenied,
            "The identity lacks a right on the staging area; grant it reading, writing, listing and deleting there",
        ),
        Store::NotFound { .. } if call != "read" => {
            (ErrorKind::NotFound, "The staging area's bucket does not exist; create it, or correct `staging.url`")
        }
        Store::NotFound { .. } => (ErrorKind::NotFound, "A staged file is gone"),
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } | Store::NotSupported { .. } => {
            (ErrorKind::ConfigInvalid, "The staging area cannot be used as it is configured")
        }
        _ => (ErrorKind::Unavailable, "The staging area does not answer"),
    };
    let retry = if text.contains("builder error") { Some(Retry::Never) } else { None };
    let error = Error::new(kind, sentence).with("call", call).with_source(error);
    match retry {
        Some(retry) => error.with_retry(retry),
        None => error,
    }
}

/// An AWS SDK's credentials for the object store, which by itself knows neither profiles nor SSO nor assumed roles.
///
/// The SDK's provider caches and renews, so it is asked for every request.
#[derive(Debug)]
struct AwsProvider(SharedCredentialsProvider);

#[async_trait]
impl CredentialProvider for AwsProvider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let refused = |e| object_store::Error::Unauthenticated { path: "credentials".to_owned(), source: Box::new(e) };
        let credentials = self.0.provide_credentials().await.map_err(refused)?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}
