//! Settings.

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Result, Secret};
use commutator_sql::REDSHIFT;
use commutator_warehouse::{Loader, Patience, Staging, StagingConfig, is_safe};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::Client;
use crate::destination::capabilities;
use crate::session::Database;
use crate::{credentials, error};

/// Which cluster or workgroup, who asks it, and where in it the tables go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of a provisioned cluster; either this or `workgroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The name of a serverless workgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup: Option<String>,
    /// The database.
    pub database: String,
    /// The schema the tables are in; created if it is missing. Its letters are lower case in Redshift whatever they are here.
    pub schema: String,
    /// The database user (clusters only); by default the one that Redshift derives from the AWS identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_user: Option<String>,
    /// The ARN of a secret of AWS Secrets Manager that has user and password, in place of temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    /// The ARN of the role with which Redshift itself reads the staged files; by default, or as `default`, the default role of the cluster or
    /// workgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_role: Option<String>,
    /// Where rows wait on S3. Its `region`, if set, is also said to Redshift, which by itself looks in its own.
    pub staging: StagingConfig,
    /// In which type documents are kept.
    #[serde(default)]
    pub documents: Documents,
    /// The AWS region of cluster or workgroup; by default that of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A profile of the AWS configuration files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// An AWS access key, in place of what the environment has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// A role that is assumed with these credentials or those of the environment, for the Data API and for the staging area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// The address of the Data API, such as that of a VPC endpoint. With one, the staging area may also be a folder (`file://`), for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// The address of STS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts_endpoint_url: Option<String>,
    /// How often requests are repeated and how long is waited meanwhile, if not as often and long as usual; no setting of the file.
    #[serde(skip)]
    pub patience: Option<Patience>,
}

/// In which type documents (maps, lists, sets and values of several types) are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Documents {
    /// `SUPER`. A document with a number that a `SUPER` would round is refused: it has more than 38 digits, or more than 37 of
    /// them behind the point, zeros counted. So is one with a text of more than 65,535 bytes in it.
    #[default]
    Super,
    /// `VARCHAR(65535)` with the JSON as it was sent, which takes every number, and refuses longer documents; `JSON_PARSE` makes a
    /// `SUPER` of it.
    Text,
}

/// A role that is assumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// The external ID that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The name of the session in the account's logs; `commutator` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
}

impl Config {
    /// Checks the settings and loads credentials; nothing is asked of Redshift yet.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting that cannot be used.
    pub async fn connect(self) -> Result<Loader> {
        self.validate()?;
        let aws = credentials::load(&self).await?;
        let region = self.staging.region.clone().or_else(|| aws.region().map(ToString::to_string));
        let staging = StagingConfig { region, ..self.staging.clone() };
        let staging =
            Staging::connect(&staging, aws.credentials_provider()).map_err(|e| e.with("setting", "staging"))?;
        let client = Client::new(&aws, &self);
        Ok(Loader::new(Arc::new(Database::new(client, &self)), staging, capabilities()))
    }

    fn validate(&self) -> Result<()> {
        let invalid = |setting: &'static str, message: &str| {
            Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting))
        };
        if self.cluster.is_some() == self.workgroup.is_some() {
            return invalid(
                "cluster",
                "Set either `cluster`, for a provisioned cluster, or `workgroup`, for a serverless one",
            );
        }
        if self.workgroup.is_some() && self.db_user.is_some() {
            return invalid(
                "db_user",
                "A serverless workgroup takes no `db_user`: the user follows from the AWS identity or the secret",
            );
        }
        if self.db_user.is_some() && self.secret_arn.is_some() {
            return invalid("db_user", "Set either `db_user` or `secret_arn`, which names the user itself");
        }
        if self.database.is_empty() {
            return invalid("database", "The database has no name");
        }
        REDSHIFT.admit_name("schema", &self.schema)?;
        let role = self.copy_role.as_deref().unwrap_or("default");
        if role != "default" && !role.starts_with("arn:") {
            return invalid("copy_role", "The role with which Redshift reads the staged files is an ARN, or `default`");
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return invalid("access_key_id", "`access_key_id` and `secret_access_key` are set together or not at all");
        }
        for (setting, url) in [("endpoint_url", &self.endpoint_url), ("sts_endpoint_url", &self.sts_endpoint_url)] {
            if url.as_deref().is_some_and(|url| !Url::parse(url).is_ok_and(|url| is_safe(&url))) {
                return invalid(setting, "It is reached over https://; http:// is for a server on this machine");
            }
        }
        let on_s3 = self.staging.url.starts_with("s3://");
        if !on_s3 && self.endpoint_url.is_none() {
            return invalid("staging.url", "Redshift loads from S3; the staging area's `url` starts with s3://");
        }
        error::plain("copy_role", role)?;
        error::plain("staging.region", self.staging.region.as_deref().unwrap_or_default())?;
        error::plain("staging.url", &self.staging.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            workgroup: Some("w".to_owned()),
            database: "dev".to_owned(),
            schema: "shop".to_owned(),
            staging: StagingConfig::new("s3://bucket/prefix"),
            ..Config::default()
        }
    }

    #[test]
    fn settings_that_cannot_be_right_are_named() {
        assert!(config().validate().is_ok());
        let some = || Some("x".to_owned());
        for (setting, wrong) in [
            ("cluster", Config { cluster: some(), ..config() }),
            ("cluster", Config { workgroup: None, ..config() }),
            ("db_user", Config { db_user: some(), ..config() }),
            ("db_user", Config { db_user: some(), secret_arn: some(), cluster: some(), workgroup: None, ..config() }),
            ("database", Config { database: String::new(), ..config() }),
            ("schema", Config { schema: "_ct_x".to_owned(), ..config() }),
            ("copy_role", Config { copy_role: Some("role/x".to_owned()), ..config() }),
            ("copy_role", Config { copy_role: Some("arn:aws:iam::1:role/x' x".to_owned()), ..config() }),
            ("endpoint_url", Config { endpoint_url: Some("http://example.com".to_owned()), ..config() }),
            ("sts_endpoint_url", Config { sts_endpoint_url: some(), ..config() }),
            ("access_key_id", Config { access_key_id: some(), ..config() }),
            ("staging.url", Config { staging: StagingConfig::new("gs://b"), ..config() }),
        ] {
            let error = wrong.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.context().contains(&("setting", setting.to_owned())), "{setting}: {error}");
        }
        let parse = |text: &str| serde_json::from_str::<Config>(text);
        let minimal =
            r#"{"workgroup": "w", "database": "d", "schema": "s", "staging": {"url": "s3://b"}, "documents": "text"}"#;
        assert_eq!(parse(minimal).unwrap().documents, Documents::Text);
        let unknown = r#"{"workgrup": "w", "database": "d", "schema": "s", "staging": {"url": "s3://b"}}"#;
        assert!(parse(unknown).unwrap_err().to_string().contains("unknown field `workgrup`"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = || Some(Secret::new("hunter2".to_owned()));
        let config = Config { secret_access_key: secret(), session_token: secret(), ..config() };
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hunter2"));
    }
}
