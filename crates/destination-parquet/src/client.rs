//! The object store behind an address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use commutator_core::{Error, ErrorKind, Result};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{CredentialProvider, ObjectStore, RetryConfig};
use url::Url;

use crate::config::Config;
use crate::error;

/// Longer than the slowest part of an upload takes; the client's own default of 30 s also bounds the body.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the time after which the pipeline would better open the table anew.
const RETRY_TIMEOUT: Duration = Duration::from_mins(1);

/// An object store, and where in it the tables' folders lie.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) root: ObjectPath,
    /// The address as errors show it; it holds no secret.
    pub(crate) label: Arc<str>,
    /// The root's folder, if it is on a local disk.
    pub(crate) local: Option<Arc<PathBuf>>,
}

impl Store {
    /// Opens the store of a configuration; a local folder is created, nothing is asked over the network.
    pub(crate) fn open(config: &Config, credentials: Option<SharedCredentialsProvider>) -> Result<Self> {
        let invalid = |what: &str| Error::new(ErrorKind::ConfigInvalid, what.to_owned()).with("url", &config.url);
        if !config.url.contains("://") {
            return Self::local(Path::new(&config.url), &config.url);
        }
        // Whatever may hold a secret is not shown.
        let hidden = |what: &str| Error::new(ErrorKind::ConfigInvalid, what.to_owned()).with("setting", "url");
        let url = Url::parse(&config.url).map_err(|e| hidden("The destination's `url` is not a URL").with_source(e))?;
        if url.username() != "" || url.password().is_some() || url.query().is_some() {
            return Err(hidden("The destination's `url` takes no user, password or query"));
        }
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| invalid("A `file` URL names an absolute local path"))?;
                return Self::local(&path, &config.url);
            }
            "memory" => return Self::remote(&url, Arc::new(InMemory::new()), &config.url),
            _ => {}
        }
        let bucket = url.host_str().filter(|host| !host.is_empty());
        let bucket = bucket.ok_or_else(|| invalid("The destination's `url` names no bucket or container"))?;
        let objects: Result<Arc<dyn ObjectStore>, _> = match url.scheme() {
            "s3" => s3(config, bucket, credentials).build().map(|store| Arc::new(store) as _),
            "gs" => gcs(config, bucket).build().map(|store| Arc::new(store) as _),
            "az" => azure(config, bucket).build().map(|store| Arc::new(store) as _),
            _ => {
                return Err(invalid(
                    "The destination's `url` starts with s3://, gs://, az:// or file://, or is a path",
                ));
            }
        };
        Self::remote(&url, objects.map_err(|e| error::storage(e, "connect", &config.url))?, &config.url)
    }

    fn remote(url: &Url, objects: Arc<dyn ObjectStore>, label: &str) -> Result<Self> {
        let root = ObjectPath::from_url_path(url.path()).map_err(|e| error::storage(e.into(), "connect", label))?;
        Ok(Self { objects, root, label: label.trim_end_matches('/').into(), local: None })
    }

    fn local(path: &Path, label: &str) -> Result<Self> {
        let unusable = |e: std::io::Error| {
            let kind = match e.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::ConfigInvalid,
            };
            Error::new(kind, "The destination's folder cannot be created").with("url", label).with_source(e)
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let objects = LocalFileSystem::new_with_prefix(&path).map_err(|e| error::storage(e, "connect", label))?;
        Ok(Self {
            objects: Arc::new(objects),
            root: ObjectPath::default(),
            label: label.trim_end_matches('/').into(),
            local: Some(Arc::new(path)),
        })
    }
}

fn s3(config: &Config, bucket: &str, credentials: Option<SharedCredentialsProvider>) -> AmazonS3Builder {
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
        return builder.with_credentials(Arc::new(object_store::StaticCredentialProvider::new(credential)));
    }
    match credentials {
        Some(provider) => builder.with_credentials(Arc::new(AwsProvider(provider))),
        None => builder,
    }
}

fn gcs(config: &Config, bucket: &str) -> GoogleCloudStorageBuilder {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client_options(config))
        .with_retry(retry());
    match &config.google_credentials_file {
        Some(path) => builder.with_service_account_path(path),
        None => builder,
    }
}

fn azure(config: &Config, container: &str) -> MicrosoftAzureBuilder {
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

fn client_options(config: &Config) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(config.allow_http)
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 5, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_right_are_refused() {
        for url in ["ftp://x/y", "s3:///prefix", "s3://key:secret@bucket", "az://c?sig=x", "://"] {
            let error = Store::open(&Config::new(url), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
        }
        let store = Store::open(&Config::new("s3://bucket/a/b/"), None).unwrap();
        assert_eq!((store.root.as_ref(), &*store.label), ("a/b", "s3://bucket/a/b"));
    }

    #[test]
    fn a_local_folder_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        for url in [path.to_str().unwrap().to_owned(), format!("file://{}", path.display())] {
            assert!(Store::open(&Config::new(url), None).unwrap().local.is_some());
        }
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Store::open(&Config::new(file.to_str().unwrap()), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    }

    #[tokio::test]
    async fn credentials_of_the_sdk_reach_the_store() {
        let credentials = aws_credential_types::Credentials::new("id", "secret", Some("token".into()), None, "test");
        let provider = AwsProvider(SharedCredentialsProvider::new(credentials));
        let credential = provider.get_credential().await.unwrap();
        assert_eq!((credential.key_id.as_str(), credential.token.as_deref()), ("id", Some("token")));
    }
}
