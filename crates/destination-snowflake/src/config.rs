//! Settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use commutator_core::{Error, ErrorKind, Result, Secret};
use commutator_sql::SNOWFLAKE;
use commutator_warehouse::{Loader, Staging, StagingConfig, is_safe};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::auth::{Credentials, Identity, KeyPair};
use crate::client::{Client, Session};
use crate::destination::capabilities;
use crate::session::Account;
use crate::statements::Stage;

/// Which account, who asks, and where in it the tables go.
///
/// Names of databases, schemas, warehouses, roles and stages are taken as they are written, and Snowflake has those in upper case that
/// were not quoted when they were made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The account's identifier: `myorg-myaccount`, or a locator with its region such as `xy12345.eu-central-1`.
    pub account: String,
    /// The address, where it does not follow from the account, such as for a private link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The user; needed with a private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's private key: RSA, PKCS #8 in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// The path of a file with the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<PathBuf>,
    /// The passphrase of a private key that is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_passphrase: Option<Secret>,
    /// A programmatic access token, instead of a private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    /// An OAuth token, instead of a private key; the run ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_token: Option<Secret>,
    /// The path of a file with an OAuth token that somebody else keeps valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_token_file: Option<PathBuf>,
    /// The role; the user's default role by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The virtual warehouse that does the work; the user's default by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<String>,
    /// The database the tables are in.
    pub database: String,
    /// The schema the tables are in; created if it is missing and the role may. `PUBLIC` by default.
    #[serde(default = "public")]
    pub schema: String,
    /// Where rows wait for Snowflake to load them.
    pub staging: StagingConfig,
    /// An external stage at the address of `staging`: its name, or database, schema and name with points between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// A storage integration that may read the address of `staging`, instead of a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_integration: Option<String>,
    /// In which type documents are kept.
    #[serde(default)]
    pub documents: Documents,
    /// After so many seconds Snowflake ends a statement; an hour by default.
    #[serde(default = "hour")]
    pub statement_timeout_seconds: u64,
    /// After how long a commit's end is asked for the first time; 50 ms by default. It is no key of a configuration file: shorter is for
    /// tests, whose server has the answer at once.
    #[serde(skip)]
    pub first_look: Option<Duration>,
}

/// In which type documents (maps, lists, sets and values of several types) are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Documents {
    /// `VARIANT`. A document with a number that a `VARIANT` would round is refused: it has more than 38 digits, or more than 37 of
    /// them behind the point, zeros counted.
    #[default]
    Variant,
    /// `VARCHAR` with the JSON as it was sent, which takes every document; `PARSE_JSON` makes a `VARIANT` of it.
    Text,
}

fn public() -> String {
    "PUBLIC".to_owned()
}

fn hour() -> u64 {
    3600
}

impl Config {
    /// Creates the configuration of an account, a database and a staging area, with the defaults for all else and nobody who asks.
    pub fn new(account: impl Into<String>, database: impl Into<String>, staging: StagingConfig) -> Self {
        Self {
            account: account.into(),
            url: None,
            user: None,
            private_key: None,
            private_key_file: None,
            private_key_passphrase: None,
            access_token: None,
            oauth_token: None,
            oauth_token_file: None,
            role: None,
            warehouse: None,
            database: database.into(),
            schema: public(),
            staging,
            stage: None,
            storage_integration: None,
            documents: Documents::default(),
            statement_timeout_seconds: hour(),
            first_look: None,
        }
    }

    /// Checks the settings and reads the files that they name; Snowflake is first spoken to when a table is opened or checked.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting that cannot be used.
    #[expect(clippy::unused_async, reason = "every destination connects in this way")]
    pub async fn connect(self) -> Result<Loader> {
        self.open(None)
    }

    /// Connects, and reaches a staging area on S3 with the credentials of an AWS provider.
    #[expect(clippy::unused_async, reason = "every destination connects in this way")]
    pub async fn connect_with(self, credentials: SharedCredentialsProvider) -> Result<Loader> {
        self.open(Some(credentials))
    }

    fn open(self, credentials: Option<SharedCredentialsProvider>) -> Result<Loader> {
        SNOWFLAKE.admit_name("schema", &self.schema)?;
        SNOWFLAKE.admit_name("database", &self.database)?;
        if self.statement_timeout_seconds == 0 {
            return Err(invalid("statement_timeout_seconds", "A statement takes at least a second"));
        }
        let staging = Staging::connect(&self.staging, credentials)?;
        let stage = Stage::of(staging.url(), self.stage.as_deref(), self.storage_integration.as_deref())?;
        let identity = Identity::new(self.credentials()?);
        let base = self.base()?;
        let session = Session {
            database: self.database.clone(),
            schema: Some(self.schema.clone()),
            warehouse: self.warehouse.clone(),
            role: self.role.clone(),
            timeout_seconds: self.statement_timeout_seconds,
        };
        let client = Client::new(base, session, identity, self.first_look)?;
        let account = Account::new(client, self.documents, &self.database, &self.schema, stage);
        Ok(Loader::new(Arc::new(account), staging, capabilities()))
    }

    /// Returns the address of the account: `https://<account_identifier>.snowflakecomputing.com`, in which an underscore becomes a hyphen
    /// (docs.snowflake.com/en/user-guide/organizations-connect).
    fn base(&self) -> Result<Url> {
        if !self.account.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || self.account.is_empty() {
            return Err(invalid(
                "account",
                "An account's identifier has letters, digits, hyphens, underscores and points only",
            ));
        }
        let host = self.account.to_lowercase().replace('_', "-");
        let text = self.url.clone().unwrap_or_else(|| format!("https://{host}.snowflakecomputing.com"));
        let url = Url::parse(&text).map_err(|e| invalid("url", "It is no URL").with_source(e))?;
        if !is_safe(&url) {
            return Err(invalid("url", "Snowflake is reached over https://; http:// is for a server on this machine"));
        }
        if url.username() != "" || url.password().is_some() || url.query().is_some() || url.path() != "/" {
            return Err(invalid("url", "It takes no user, password, path or query"));
        }
        Ok(url)
    }

    fn credentials(&self) -> Result<Credentials> {
        let given = [
            self.private_key.is_some(),
            self.private_key_file.is_some(),
            self.access_token.is_some(),
            self.oauth_token.is_some(),
            self.oauth_token_file.is_some(),
        ];
        if given.iter().filter(|&&given| given).count() != 1 {
            return Err(invalid(
                "private_key, private_key_file, access_token, oauth_token, oauth_token_file",
                "Exactly one of these says who is asking",
            ));
        }
        if let Some(token) = &self.access_token {
            return Ok(Credentials::AccessToken(token.clone()));
        }
        if let Some(token) = &self.oauth_token {
            return Ok(Credentials::OAuth(token.clone()));
        }
        if let Some(path) = &self.oauth_token_file {
            return Ok(Credentials::OAuthFile(path.clone()));
        }
        let Some(user) = self.user.as_deref().filter(|user| !user.is_empty()) else {
            return Err(invalid("user", "A private key needs its user"));
        };
        let pem = match (&self.private_key, &self.private_key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => read(path)?,
            (None, None) => return Err(invalid("private_key", "There is no private key")),
        };
        let pair = KeyPair::read(&pem, self.private_key_passphrase.as_ref(), &self.account, user)?;
        Ok(Credentials::KeyPair(Box::new(pair)))
    }
}

fn read(path: &Path) -> Result<Secret> {
    let unreadable =
        |cause| invalid("private_key_file", "The file cannot be read").with("path", path.display()).with_source(cause);
    std::fs::read_to_string(path).map(Secret::new).map_err(unreadable)
}

pub(crate) fn invalid(setting: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let staging = StagingConfig::new("s3://bucket/prefix");
        Config {
            access_token: Some(Secret::new("hunter2".to_owned())),
            stage: Some("STAGE".to_owned()),
            ..Config::new("myorg-my_account", "SHOP", staging)
        }
    }

    #[test]
    fn an_account_has_its_address() {
        let base = |config: &Config| config.base().map(|url| url.to_string());
        assert_eq!(base(&config()).unwrap(), "https://myorg-my-account.snowflakecomputing.com/");
        let private = Some("https://myorg-shop.privatelink.snowflakecomputing.com".to_owned());
        assert_eq!(
            base(&Config { url: private, ..config() }).unwrap(),
            "https://myorg-shop.privatelink.snowflakecomputing.com/"
        );
        assert!(base(&Config { url: Some("http://127.0.0.1:8000".to_owned()), ..config() }).is_ok());
        for url in ["http://example.com", "https://u:p@example.com", "https://example.com/x", "ftp://x", "x"] {
            let error = base(&Config { url: Some(url.to_owned()), ..config() }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
        }
        assert!(base(&Config { account: "evil.com/".to_owned(), ..config() }).is_err());
    }

    #[tokio::test]
    async fn settings_that_cannot_be_right_are_refused() {
        assert!(config().connect().await.is_ok());
        let key = || Some(Secret::new("hunter2".to_owned()));
        for (config, setting) in [
            (Config { oauth_token: key(), ..config() }, "Exactly one"),
            (Config { access_token: None, ..config() }, "Exactly one"),
            (Config { access_token: None, private_key: key(), ..config() }, "user"),
            (Config { access_token: None, private_key: key(), user: Some("u".to_owned()), ..config() }, "not PEM"),
            (Config { stage: None, ..config() }, "stage"),
            (Config { storage_integration: Some("I".to_owned()), ..config() }, "stage"),
            (Config { schema: String::new(), ..config() }, "schema"),
            (Config { statement_timeout_seconds: 0, ..config() }, "statement_timeout_seconds"),
        ] {
            let error = config.connect().await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
            assert!(error.to_string().contains(setting), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn unknown_settings_and_secrets() {
        let parse = |text: &str| serde_json::from_str::<Config>(text);
        let minimal = r#"{"account": "a", "database": "D", "staging": {"url": "s3://b"}"#;
        let parsed = parse(&format!("{minimal}}}")).unwrap();
        assert_eq!((parsed.schema.as_str(), parsed.documents), ("PUBLIC", Documents::Variant));
        let error = parse(&format!(r#"{minimal}, "password": 1}}"#)).unwrap_err().to_string();
        assert!(error.contains("unknown field `password`"), "{error}");
        assert!(!format!("{:?}{}", config(), serde_json::to_string(&config()).unwrap()).contains("hunter2"));
    }
}
