//! What a user may set about the staging area.

use commutator_core::{Error, ErrorKind, Result, Secret};
use serde::{Deserialize, Serialize};

/// Where rows wait for the warehouse to load them: object storage that it can read.
///
/// Without keys S3 uses the environment, a web identity, the container's or the machine's role, unless a provider of credentials is
/// given to [`Staging::connect`](crate::Staging::connect); GCS and Azure use their application default credentials.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagingConfig {
    /// Where files go: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`; `file:///folder` only for a warehouse that reads
    /// this machine's files.
    pub url: String,
    /// The bucket's region (S3 only); by default `AWS_REGION`, else `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address of an S3-compatible server, or of an Azure- or GCS-compatible one; buckets are addressed by path there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Whether an `endpoint_url` may be plain `http://`; false by default.
    #[serde(default)]
    pub allow_http: bool,
    /// The access key id (S3 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The secret access key (S3 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary keys (S3 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// The path of a service account's JSON file (GCS only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_credentials_file: Option<String>,
    /// The storage account (Azure only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_account: Option<String>,
    /// The storage account's key (Azure only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_access_key: Option<Secret>,
}

impl StagingConfig {
    /// Creates a configuration with all else at its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", "staging"));
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
}
