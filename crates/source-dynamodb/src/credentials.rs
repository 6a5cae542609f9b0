//! Who calls: static keys, a profile, a web identity or the default chain; and roles that are assumed from there.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use commutator_core::{Error, ErrorKind, Result, Retry};

use crate::client::provider;
use crate::clock::{Clock, Surroundings, time_source};
use crate::config::{AssumeRole, Config};
use crate::error::find;
use crate::renewal::Renewing;
use crate::tuning::Tuning;
use crate::web_identity::WebIdentityProvider;

const DEFAULT_SESSION: &str = "commutator";

/// Loads region and credentials; nothing is asked of STS yet.
///
/// Sessions are fetched when a call needs them and again before they end, once for everybody who shares the result.
pub(crate) async fn load(config: &Config, surroundings: &Surroundings, tuning: &Tuning) -> Result<SdkConfig> {
    // The provider keeps the credentials; what the SDK keeps on top of it must not outlive them.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(surroundings.http_client.clone())
        .time_source(time_source(&surroundings.clock))
        .identity_cache(IdentityCache::no_cache());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = static_keys(config) {
        loader = loader.credentials_provider(keys);
    }
    let mut aws = Box::pin(loader.load()).await;
    if aws.region().is_none() {
        aws = with_region(aws, config)?;
    }
    let keep = |aws: &SdkConfig, provider: SharedCredentialsProvider| {
        with_provider(aws, provider, tuning, &surroundings.clock)
    };
    aws = keep(&aws, provider(&aws)?);
    if let Some(web) = &config.web_identity {
        let found = WebIdentityProvider::new(web, &sts_config(&aws, config), session_name(web.session_name.as_ref()));
        aws = keep(&aws, SharedCredentialsProvider::new(found));
    }
    if let Some(first) = &config.assume_role {
        for role in std::iter::once(first).chain(&first.chain) {
            let assumed = Assumed::new(role, &sts_config(&aws, config), provider(&aws)?).await;
            aws = keep(&aws, SharedCredentialsProvider::new(assumed));
        }
    }
    Ok(aws)
}

/// Returns the static keys of the configuration; for an emulator on this machine without any credentials, made-up ones.
fn static_keys(config: &Config) -> Option<Credentials> {
    let expose = |secret: &commutator_core::Secret| secret.expose().clone();
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        let token = config.session_token.as_ref().map(expose);
        return Some(Credentials::new(expose(id), expose(secret), token, None, "commutator configuration"));
    }
    let configured = config.profile.is_some() || config.web_identity.is_some();
    let in_environment = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let local = config.endpoint_url.as_deref().is_some_and(is_loopback);
    (local && !configured && !in_environment).then(|| Credentials::new("local", "local", None, None, "local endpoint"))
}

/// Returns whether a URL points to this machine.
fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once('@').map_or(authority, |(_, host)| host) {
        bracketed if bracketed.starts_with('[') => {
            bracketed.split(']').next().unwrap_or_default().trim_start_matches('[')
        }
        plain => plain.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn with_region(aws: SdkConfig, config: &Config) -> Result<SdkConfig> {
    if config.endpoint_url.is_none() {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "No AWS region is known: set region, AWS_REGION, or the profile's region",
        ));
    }
    // Emulators and private endpoints do not care, but a signature needs one.
    Ok(aws.into_builder().region(Region::new("us-east-1")).build())
}

/// Returns the configuration for calls to STS: its own endpoint, and the SDK's usual retries.
fn sts_config(aws: &SdkConfig, config: &Config) -> SdkConfig {
    match &config.sts_endpoint_url {
        Some(url) => aws.to_builder().endpoint_url(url).build(),
        None => aws.clone(),
    }
}

fn with_provider(
    aws: &SdkConfig,
    provider: SharedCredentialsProvider,
    tuning: &Tuning,
    clock: &Arc<dyn Clock>,
) -> SdkConfig {
    let renewing = Renewing::new(provider, tuning.credentials_ahead, clock);
    aws.to_builder().credentials_provider(SharedCredentialsProvider::new(renewing)).build()
}

fn session_name(name: Option<&String>) -> String {
    name.cloned().unwrap_or_else(|| DEFAULT_SESSION.to_owned())
}

/// A role that is assumed whenever its session is about to end, and that says which one it is when STS refuses.
#[derive(Debug)]
struct Assumed {
    role_arn: String,
    external_id_sent: bool,
    inner: AssumeRoleProvider,
}

impl Assumed {
    async fn new(role: &AssumeRole, sts: &SdkConfig, base: SharedCredentialsProvider) -> Self {
        let mut builder = AssumeRoleProvider::builder(&role.role_arn)
            .configure(sts)
            .session_name(session_name(role.session_name.as_ref()))
            .session_length(Duration::from_secs(role.duration_seconds.unwrap_or(3_600).into()));
        if let Some(id) = &role.external_id {
            builder = builder.external_id(id);
        }
        Self {
            role_arn: role.role_arn.clone(),
            external_id_sent: role.external_id.is_some(),
            inner: builder.build_from_provider(base).await,
        }
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.inner.provide_credentials().await.map_err(|error| {
                let code =
                    find::<SdkError<AssumeRoleError, HttpResponse>>(&error).and_then(|e| e.code().map(str::to_owned));
                let external_id = if self.external_id_sent { ExternalId::Sent } else { ExternalId::NotSent };
                CredentialsError::provider_error(RefusedRole {
                    role_arn: self.role_arn.clone(),
                    external_id,
                    code,
                    source: error,
                })
            })
        })
    }
}

/// Whether an external ID went with a request for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalId {
    /// The configured one.
    Sent,
    /// None is configured.
    NotSent,
    /// This way of getting a role has none.
    NotApplicable,
}

/// A role that could not be assumed.
#[derive(Debug)]
pub(crate) struct RefusedRole {
    pub(crate) role_arn: String,
    pub(crate) external_id: ExternalId,
    pub(crate) code: Option<String>,
    pub(crate) source: CredentialsError,
}

impl RefusedRole {
    /// Returns what it means for the user. If an earlier role of a chain was refused, that one is named.
    pub(crate) fn to_error(&self) -> Error {
        if let Some(earlier) = self.source.source().and_then(find::<Self>) {
            return earlier.to_error();
        }
        let denied = self.code.as_deref().is_some_and(|code| code.starts_with("AccessDenied"));
        let (kind, retry, message) = match (&self.code, denied) {
            (Some(_), true) => {
                let external_id = match self.external_id {
                    ExternalId::Sent => ", that its condition sts:ExternalId is exactly the configured external_id",
                    ExternalId::NotSent => {
                        ", and set external_id if its condition asks for sts:ExternalId (none was sent)"
                    }
                    ExternalId::NotApplicable => ", that it trusts the token's issuer and subject",
                };
                let allow = if self.external_id == ExternalId::NotApplicable {
                    ""
                } else {
                    ", and that the calling identity may do sts:AssumeRole on it"
                };
                let message = format!(
                    "STS refused the role: check that its trust policy names the calling identity{external_id}{allow}"
                );
                (ErrorKind::PermissionDenied, Retry::Never, message)
            }
            (Some(code), false) if code.contains("Expired") || code.contains("Token") || code.contains("Client") => (
                ErrorKind::PermissionDenied,
                Retry::Never,
                "STS does not accept the credentials that ask for the role: check or refresh them".to_owned(),
            ),
            (Some(_), false) => (
                ErrorKind::PermissionDenied,
                Retry::Never,
                "STS did not give the role: check its ARN, session_name and duration_seconds".to_owned(),
            ),
            (None, _) => (
                ErrorKind::Unavailable,
                Retry::Backoff,
                "STS could not be asked for the role: check the credentials that ask, the network and sts_endpoint_url"
                    .to_owned(),
            ),
        };
        let mut error = Error::new(kind, message).with_retry(retry).with("role", &self.role_arn);
        if let Some(code) = &self.code {
            error = error.with("code", code);
        }
        error
    }
}

impl fmt::Display for RefusedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role {} could not be assumed", self.role_arn)
    }
}

impl StdError for RefusedRole {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for local in ["http://127.0.0.1:8000", "http://localhost/", "https://[::1]:1", "http://127.9.9.9"] {
            assert!(is_loopback(local), "{local}");
        }
        for remote in [
            "http://127.0.0.1.example.com",
            "https://dynamodb.eu-west-1.amazonaws.com",
            "http://localhost.evil",
            "http://a@b",
        ] {
            assert!(!is_loopback(remote), "{remote}");
        }
    }
}
