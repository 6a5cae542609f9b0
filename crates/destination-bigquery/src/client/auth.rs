//! Who we are to Google: tokens from application default credentials or a file, for the service and for the bucket.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{Error, ErrorKind, Result, Secret};
use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, external_account, external_account_authorized_user, impersonated, service_account,
    user_account,
};
use google_cloud_auth::errors::CredentialsError;
use object_store::CredentialProvider;
use object_store::gcp::GcpCredential;
use rustls::crypto::{CryptoProvider, ring};
use serde_json::Value;

use crate::config::Config;

/// Statements, and the files that they read.
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/devstorage.read_write"];
/// Impersonation asks another service for the token, which this scope admits.
const PLATFORM: [&str; 1] = ["https://www.googleapis.com/auth/cloud-platform"];

/// Gives tokens; it keeps one, and renews it before it ends.
#[derive(Clone)]
pub(crate) struct Auth(Option<AccessTokenCredentials>);

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Auth" } else { "Auth(none)" })
    }
}

impl Auth {
    /// Finds the credentials that a configuration names; nothing is asked over the network yet.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) for a file that cannot be read or is no credential.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        provide_crypto();
        if config.anonymous {
            return Ok(Self(None));
        }
        let invalid = |what: &str| {
            let error = Error::new(ErrorKind::ConfigInvalid, format!("Google's credentials cannot be used: {what}"));
            match &config.credentials_file {
                Some(file) => error.with("credentials_file", file.display()),
                None => error,
            }
        };
        let scopes: &[&str] = if config.impersonate.is_some() { &PLATFORM } else { &SCOPES };
        let built = match &config.credentials_file {
            Some(file) => from_file(file, scopes).map_err(invalid)?,
            None => Builder::default().with_scopes(scopes.iter().copied()).build_access_token_credentials(),
        };
        // Its errors name fields of the file and never what is in them.
        let credentials = built.map_err(|e| {
            invalid(if e.is_loading() { "the file cannot be read" } else { "it is incomplete, or of an unknown kind" })
                .with_source(e)
        })?;
        let Some(principal) = &config.impersonate else { return Ok(Self(Some(credentials))) };
        let impersonated = impersonated::Builder::from_source_credentials(credentials.into())
            .with_target_principal(principal)
            .with_scopes(SCOPES)
            .build_access_token_credentials()
            .map_err(|e| invalid("`impersonate` is the address of a service account").with_source(e))?;
        Ok(Self(Some(impersonated)))
    }

    /// Returns a token that is valid for some time; `None` where none is asked for.
    ///
    /// Returns [`Unavailable`](ErrorKind::Unavailable) if Google gives none now, [`PermissionDenied`](ErrorKind::PermissionDenied) if it
    /// never will.
    pub(crate) async fn token(&self) -> Result<Option<Secret>> {
        let Some(credentials) = &self.0 else { return Ok(None) };
        let token = credentials.access_token().await.map_err(|e| refused(&e))?;
        Ok(Some(Secret::new(token.token)))
    }
}

/// The library's error may hold what the token's endpoint answered, so only what it is known to be is kept.
fn refused(error: &CredentialsError) -> Error {
    if error.is_transient() {
        return Error::new(ErrorKind::Unavailable, "Google gives no token now");
    }
    let what = "Google gives no token for these credentials; renew them (`gcloud auth application-default login`), or correct \
                `credentials_file` or GOOGLE_APPLICATION_CREDENTIALS";
    Error::new(ErrorKind::PermissionDenied, what)
}

/// The kinds of files that application default credentials know; where they lie is the only difference.
fn from_file(file: &Path, scopes: &[&str]) -> Result<Result<AccessTokenCredentials, BuildError>, &'static str> {
    let text = std::fs::read(file).map_err(|_| "the file cannot be read")?;
    let json: Value = serde_json::from_slice(&text).map_err(|_| "the file is no JSON")?;
    let scopes = scopes.iter().copied();
    Ok(match json["type"].as_str() {
        Some("service_account") => service_account::Builder::new(json)
            .with_access_specifier(service_account::AccessSpecifier::from_scopes(scopes))
            .build_access_token_credentials(),
        Some("authorized_user") => {
            user_account::Builder::new(json).with_scopes(scopes).build_access_token_credentials()
        }
        Some("external_account") => {
            external_account::Builder::new(json).with_scopes(scopes).build_access_token_credentials()
        }
        Some("external_account_authorized_user") => {
            external_account_authorized_user::Builder::new(json).build_access_token_credentials()
        }
        Some("impersonated_service_account") => {
            impersonated::Builder::new(json).with_scopes(scopes).build_access_token_credentials()
        }
        _ => return Err("its `type` is none of Google's kinds of credentials"),
    })
}

/// Gives the process a provider of cryptography, unless it has one: the libraries that sign and encrypt here take the process'.
fn provide_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Somebody may have been quicker, and theirs is as good.
        ring::default_provider().install_default().ok();
    }
}

/// The same tokens for the bucket.
#[async_trait]
impl CredentialProvider for Auth {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let token =
            self.token().await.map_err(|e| object_store::Error::Generic { store: "GCS", source: Box::new(e) })?;
        let bearer = token.map(|token| token.expose().clone()).unwrap_or_default();
        Ok(Arc::new(GcpCredential { bearer }))
    }
}

#[cfg(test)]
mod tests;
