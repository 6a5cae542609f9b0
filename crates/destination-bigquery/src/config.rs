//! Settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Result};
use commutator_warehouse::{Loader, StagingConfig, is_safe};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::auth::Auth;
use crate::client::bucket;
use crate::destination::capabilities;
use crate::session::Service;

/// Which dataset the tables are in, where rows are staged on their way, and who we are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The project that the dataset is in.
    pub project: String,
    /// The dataset that the tables are in; it has to exist, for it alone says in which region they lie.
    pub dataset: String,
    /// Where rows are staged: `gs://bucket/folder`, in the dataset's region. It is reached with the same credentials as the dataset.
    pub staging: StagingConfig,
    /// The project that jobs run in and that pays for them; `project` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_project: Option<String>,
    /// A file with credentials of any kind that Google has; application default credentials by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// The service account to act as, with the credentials above as those of whoever may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<String>,
    /// What documents are.
    #[serde(default, skip_serializing_if = "Json::is_default")]
    pub json: Json,
    /// Labels of every job, which the bill shows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Another address of the service, such as that of a private endpoint or of an emulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Whether no credentials are sent, as an emulator has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
}

/// What documents are in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Json {
    /// `STRING`, which keeps every digit.
    #[default]
    String,
    /// `JSON`, which refuses a number that it cannot keep exactly.
    Json,
}

impl Json {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The address of the service.
const ENDPOINT: &str = "https://bigquery.googleapis.com";

impl Config {
    /// Creates the configuration of a dataset and a staging area, with the defaults for all else.
    pub fn new(project: impl Into<String>, dataset: impl Into<String>, staging_url: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            dataset: dataset.into(),
            staging: StagingConfig::new(staging_url),
            billing_project: None,
            credentials_file: None,
            impersonate: None,
            json: Json::default(),
            labels: BTreeMap::new(),
            endpoint_url: None,
            anonymous: false,
        }
    }

    /// Checks the settings and finds the credentials; the service is first asked when a table is opened or checked.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting that cannot be used. It needs a Tokio runtime, in which
    /// tokens are renewed.
    #[expect(clippy::unused_async, reason = "every destination connects in this way")]
    pub async fn connect(self) -> Result<Loader> {
        self.validate()?;
        let auth = Auth::new(&self)?;
        let staging = bucket::open(&self, auth.clone())?;
        let service = Service::new(Arc::new(self), auth)?;
        Ok(Loader::new(Arc::new(service), staging, capabilities()))
    }

    fn validate(&self) -> Result<()> {
        let invalid = |setting: &'static str, message: &str| {
            Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting))
        };
        for (setting, project) in [("project", Some(&self.project)), ("billing_project", self.billing_project.as_ref())]
        {
            if project.is_some_and(|project| !is_project(project)) {
                return invalid(
                    setting,
                    "A project's id has lower-case letters, digits and hyphens, and perhaps a domain before a colon",
                );
            }
        }
        // Page "Create datasets": letters, digits and underscores, at most 1,024.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.dataset.is_empty() || self.dataset.len() > 1024 || !self.dataset.chars().all(plain) {
            return invalid("dataset", "A dataset's name has letters, digits and underscores");
        }
        self.staging_area()?;
        let StagingConfig { url: _, endpoint_url: _, allow_http: _, region, access_key_id, secret_access_key, .. } =
            &self.staging;
        let StagingConfig { session_token, google_credentials_file, azure_account, azure_access_key, .. } =
            &self.staging;
        let plain = [region, access_key_id, google_credentials_file, azure_account].into_iter().any(Option::is_some);
        let secret = [secret_access_key, session_token, azure_access_key].into_iter().any(Option::is_some);
        if plain || secret {
            return invalid(
                "staging",
                "The bucket is reached with the credentials of the dataset; of the staging area's settings it has `url` and, with `allow_http`, `endpoint_url`",
            );
        }
        for (setting, address) in
            [("endpoint_url", &self.endpoint_url), ("staging.endpoint_url", &self.staging.endpoint_url)]
        {
            let is_address =
                |address: &String| Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !address.as_ref().is_none_or(is_address) {
                return invalid(setting, "An address of a service starts with https://");
            }
        }
        if !self.anonymous && self.endpoint_url.as_deref().is_some_and(is_read_along) {
            return invalid(
                "endpoint_url",
                "A token is sent over https://; http:// is for a server on this machine, or with `anonymous`",
            );
        }
        for (key, value) in &self.labels {
            if !is_label(key, 1) || !is_label(value, 0) {
                return invalid(
                    "labels",
                    "Labels have lower-case letters, digits, underscores and hyphens, at most 63 each, and keys begin with a letter",
                );
            }
        }
        Ok(())
    }

    /// Returns the bucket and the folder in it.
    pub(crate) fn staging_area(&self) -> Result<(String, String)> {
        let invalid = || {
            Error::new(ErrorKind::ConfigInvalid, "The staging area is written as gs://bucket/folder")
                .with("setting", "staging.url")
        };
        let rest = self.staging.url.strip_prefix("gs://").ok_or_else(invalid)?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let odd = |c: char| c.is_control() || matches!(c, '*' | '?' | '#' | '\'' | '\\' | '`');
        if bucket.is_empty() || rest.contains(odd) {
            return Err(invalid());
        }
        Ok((bucket.to_owned(), folder.trim_matches('/').to_owned()))
    }

    /// Returns the service's address without a slash at its end.
    pub(crate) fn endpoint(&self) -> &str {
        self.endpoint_url.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/')
    }

    /// Returns the project that jobs run in.
    pub(crate) fn payer(&self) -> &str {
        self.billing_project.as_deref().unwrap_or(&self.project)
    }
}

/// Returns whether somebody may read along on the way to an address.
fn is_read_along(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| !is_safe(&url))
}

/// Page "Creating and managing projects"; older ids have a domain before a colon.
fn is_project(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    !id.is_empty() && id.len() <= 100 && id.chars().all(allowed)
}

/// Page "Introduction to labels": letters may be of any script, but have no upper case.
fn is_label(text: &str, least: usize) -> bool {
    let allowed = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || matches!(c, '_' | '-');
    let count = text.chars().count();
    count >= least && count <= 63 && text.chars().all(allowed) && (least == 0 || text.starts_with(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use commutator_core::Secret;

    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = Config::new("shop-1", "shop", "gs://bucket/a/b/");
        assert_eq!(good.staging_area().unwrap(), ("bucket".to_owned(), "a/b".to_owned()));
        good.validate().unwrap();
        let at = |address: &str| Config { endpoint_url: Some(address.to_owned()), ..good.clone() };
        for address in ["https://example.com", "http://127.0.0.1:9050", "http://localhost:9050"] {
            at(address).validate().unwrap();
        }
        Config { anonymous: true, ..at("http://emulator:9050") }.validate().unwrap();
        let labelled = |key: &str, value: &str| {
            let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            Config { labels, ..good.clone() }
        };
        labelled("team", "").validate().unwrap();
        let mut with_key = good.clone();
        with_key.staging.access_key_id = Some("hunter2".to_owned());
        let bad = [
            (Config { project: "Shop`".to_owned(), ..good.clone() }, "project"),
            (Config { billing_project: Some(String::new()), ..good.clone() }, "billing_project"),
            (Config { dataset: "a.b".to_owned(), ..good.clone() }, "dataset"),
            (Config::new("shop-1", "shop", "s3://bucket"), "staging.url"),
            (Config::new("shop-1", "shop", "gs://b/*"), "staging.url"),
            (with_key, "staging"),
            (Config { endpoint_url: Some("bigquery".to_owned()), ..good.clone() }, "endpoint_url"),
            (Config { endpoint_url: Some("http://example.com".to_owned()), ..good.clone() }, "endpoint_url"),
            (labelled("Team", "x"), "labels"),
            (labelled("1", "x"), "labels"),
        ];
        for (config, setting) in bad {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(setting), "{error}");
        }
    }

    #[test]
    fn unknown_settings_and_secrets() {
        let parse = |text: &str| serde_json::from_str::<Config>(text);
        let minimal = r#"{"project": "p", "dataset": "d", "staging": {"url": "gs://b/f"}"#;
        assert_eq!(parse(&format!("{minimal}}}")).unwrap().json, Json::String);
        let error = parse(&format!(r#"{minimal}, "token": 1}}"#)).unwrap_err().to_string();
        assert!(error.contains("unknown field `token`"), "{error}");
        let mut config = Config::new("p", "d", "gs://b/f");
        config.staging.secret_access_key = Some(Secret::new("hunter2".to_owned()));
        config.staging.session_token = Some(Secret::new("hunter2".to_owned()));
        config.staging.azure_access_key = Some(Secret::new("hunter2".to_owned()));
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hunter2"));
    }
}
