//! What a user may set.

use aws_credential_types::provider::SharedCredentialsProvider;
use commutator_core::{Error, ErrorKind, Result, Secret};
use serde::{Deserialize, Serialize};

use crate::client::Store;
use crate::destination::Parquet;
use crate::folder::Folder;
use crate::sizes::Sizes;

/// The configuration of a Parquet destination.
///
/// Without keys S3 uses the environment, a web identity, the container's or the machine's role; for profiles, SSO and
/// assumed roles use [`connect_with`](Self::connect_with). GCS and Azure use their application default credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the tables' folders lie: `./lake`, `/data/lake`, `file:///data/lake`, `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`; `memory://` keeps everything in the process, for tests.
    pub url: String,
    /// The bucket's region (S3 only); by default `AWS_REGION`, else `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// The address of an S3-compatible server, or of an Azure-compatible one; buckets are addressed by path there.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// Whether an `endpoint_url` may be plain `http://`; false by default.
    #[serde(default)]
    pub allow_http: bool,
    /// The access key id (S3 only).
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// The secret access key (S3 only).
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary keys (S3 only).
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// The path of a service account's JSON file (GCS only).
    #[serde(default)]
    pub google_credentials_file: Option<String>,
    /// The storage account (Azure only).
    #[serde(default)]
    pub azure_account: Option<String>,
    /// The storage account's key (Azure only).
    #[serde(default)]
    pub azure_access_key: Option<Secret>,
    /// The Zstandard level of the files, 1 to 22; 1 by default, which is the fastest and within a few percent of 3.
    #[serde(default = "default_compression_level")]
    pub compression_level: i32,
    /// The size in bytes at which a file of an `append` table is closed and the next begun; 128 MB by default.
    #[serde(default = "default_file_bytes")]
    pub file_bytes: usize,
}

const MB: usize = 1 << 20;

fn default_compression_level() -> i32 {
    1
}

fn default_file_bytes() -> usize {
    128 * MB
}

impl Config {
    /// Creates a configuration with all else at its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            region: None,
            endpoint_url: None,
            allow_http: false,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            google_credentials_file: None,
            azure_account: None,
            azure_access_key: None,
            compression_level: default_compression_level(),
            file_bytes: default_file_bytes(),
        }
    }

    /// Connects, with the keys of this configuration or what the environment offers. A local folder is created.
    ///
    /// Nothing is asked over the network yet; [`check`](commutator_core::Destination::check) does that.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) for a value that cannot be right.
    #[expect(clippy::unused_async, reason = "every destination connects this way, and most ask a server")]
    pub async fn connect(self) -> Result<Parquet> {
        self.open(None)
    }

    /// Connects to S3 with the credentials of an AWS provider, such as a profile's, SSO's or an assumed role's.
    #[expect(clippy::unused_async, reason = "every destination connects this way, and most ask a server")]
    pub async fn connect_with(self, credentials: SharedCredentialsProvider) -> Result<Parquet> {
        self.open(Some(credentials))
    }

    /// Opens the folder that `url` names for other files than a table's, with the credentials of an AWS provider if it is on S3
    /// and there is one. A local folder is created.
    pub fn folder(&self, credentials: Option<SharedCredentialsProvider>) -> Result<Folder> {
        self.validate()?;
        Ok(Folder::of(&Store::open(self, credentials)?))
    }

    fn open(self, credentials: Option<SharedCredentialsProvider>) -> Result<Parquet> {
        self.validate()?;
        let store = Store::open(&self, credentials)?;
        Ok(Parquet::new(store, self.settings(), Sizes::default()))
    }

    fn validate(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::ConfigInvalid, message));
        if !(1..=22).contains(&self.compression_level) {
            return wrong("`compression_level` is 1 to 22");
        }
        if self.file_bytes < MB {
            return wrong("`file_bytes` is at least 1048576");
        }
        if self.endpoint_url.as_ref().is_some_and(|url| url.starts_with("http://")) && !self.allow_http {
            return wrong(
                "`endpoint_url` is plain http://; use https://, or set `allow_http` for a server you trust the way to",
            );
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return wrong("`access_key_id` and `secret_access_key` are set together or not at all");
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { compression_level: self.compression_level, file_bytes: self.file_bytes }
    }
}

/// What is left of the configuration once connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) compression_level: i32,
    pub(crate) file_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_wrong_values_are_refused() {
        let parse = |text: &str| serde_json::from_str::<Config>(text);
        assert!(parse(r#"{"url": "./lake"}"#).unwrap().validate().is_ok());
        assert!(parse(r#"{"url": "./lake", "folder": 1}"#).unwrap_err().to_string().contains("unknown field `folder`"));
        for wrong in [
            r#"{"url": "./lake", "compression_level": 0}"#,
            r#"{"url": "./lake", "file_bytes": 0}"#,
            r#"{"url": "s3://b", "access_key_id": "a"}"#,
            r#"{"url": "s3://b", "endpoint_url": "http://127.0.0.1:9000"}"#,
        ] {
            assert_eq!(parse(wrong).unwrap().validate().unwrap_err().kind(), ErrorKind::ConfigInvalid, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut config = Config::new("s3://bucket");
        for secret in [&mut config.secret_access_key, &mut config.session_token, &mut config.azure_access_key] {
            *secret = Some(Secret::new("hunter2".to_owned()));
        }
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hunter2"));
    }
}
