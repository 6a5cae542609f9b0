//! Credentials for a role from an identity token in a file, as a Kubernetes pod or a CI job has one.

use std::path::PathBuf;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use aws_types::SdkConfig;

use crate::config::WebIdentity;
use crate::credentials::{ExternalId, RefusedRole};

/// Exchanges the token for the role's credentials whenever they are needed.
///
/// The SDK's own provider cannot be told another STS endpoint, which is why this one exists.
#[derive(Debug)]
pub(crate) struct WebIdentityProvider {
    sts: aws_sdk_sts::Client,
    role_arn: String,
    token_file: PathBuf,
    session_name: String,
    duration_seconds: Option<u32>,
}

impl WebIdentityProvider {
    /// Creates the provider; the call to STS is not signed, so the credentials in `sts` do not matter.
    pub(crate) fn new(web: &WebIdentity, sts: &SdkConfig, session_name: String) -> Self {
        Self {
            sts: aws_sdk_sts::Client::new(sts),
            role_arn: web.role_arn.clone(),
            token_file: web.token_file.clone(),
            session_name,
            duration_seconds: web.duration_seconds,
        }
    }

    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        // A token file has a few kilobytes and is read once an hour.
        let token = std::fs::read_to_string(&self.token_file).map_err(|error| {
            CredentialsError::invalid_configuration(format!("{}: {error}", self.token_file.display()))
        })?;
        let duration = self.duration_seconds.and_then(|seconds| i32::try_from(seconds).ok());
        let output = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .web_identity_token(token.trim())
            .set_duration_seconds(duration)
            .send()
            .await
            .map_err(|error| {
                let code = error.code().map(str::to_owned);
                CredentialsError::provider_error(RefusedRole {
                    role_arn: self.role_arn.clone(),
                    external_id: ExternalId::NotApplicable,
                    code,
                    source: CredentialsError::provider_error(error),
                })
            })?;
        let session = output.credentials.ok_or_else(|| CredentialsError::unhandled("STS sent no credentials"))?;
        let expires = SystemTime::try_from(session.expiration).map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires),
            "web identity",
        ))
    }
}

impl ProvideCredentials for WebIdentityProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.fetch())
    }
}
