//! Who asks: static keys, a profile or the default chain, and a role that is assumed from there.

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use commutator_core::{Error, ErrorKind, Result};

use crate::Config;

/// Loads region and credentials; the role's session is fetched when a call needs it, and again before it ends.
pub(crate) async fn load(config: &Config) -> Result<SdkConfig> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client(config));
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        let token = config.session_token.as_ref().map(|token| token.expose().clone());
        loader =
            loader.credentials_provider(Credentials::new(id, secret.expose(), token, None, "commutator configuration"));
    }
    let aws = Box::pin(loader.load()).await;
    if aws.region().is_none() {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "No AWS region is known: set `region`, AWS_REGION, or the profile's region",
        )
        .with("setting", "region"));
    }
    let Some(role) = &config.assume_role else { return Ok(aws) };
    let sts = match &config.sts_endpoint_url {
        Some(url) => aws.to_builder().endpoint_url(url).build(),
        None => aws.clone(),
    };
    let session = role.session_name.clone().unwrap_or_else(|| "commutator".to_owned());
    let mut builder = AssumeRoleProvider::builder(&role.role_arn).configure(&sts).session_name(session);
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    let assumed = match aws.credentials_provider() {
        Some(base) => builder.build_from_provider(base).await,
        None => builder.build().await,
    };
    Ok(aws.into_builder().credentials_provider(SharedCredentialsProvider::new(assumed)).build())
}

/// Without TLS where no address takes it: certificates take a while to read.
fn http_client(config: &Config) -> SharedHttpClient {
    let is_plain = |url: &Option<String>| url.as_ref().is_some_and(|url| url.starts_with("http://"));
    let keys = config.access_key_id.is_some();
    if keys && is_plain(&config.endpoint_url) && (config.assume_role.is_none() || is_plain(&config.sts_endpoint_url)) {
        return aws_smithy_http_client::Builder::new().build_http();
    }
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}
