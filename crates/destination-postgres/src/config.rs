//! Settings, with the meaning `libpq` gives them.

use std::path::PathBuf;

use commutator_core::{Error, ErrorKind, Result, Secret};
use serde::{Deserialize, Serialize};

use crate::Postgres;
use crate::client::Pool;

mod conninfo;
mod passfile;
mod settings;

#[cfg(feature = "fuzzing")]
pub(crate) use conninfo::round_trip;
pub(crate) use settings::{Roots, Settings};

/// How a `Postgres` is reached, and where in it the tables go.
///
/// What neither the fields nor `url` say comes from the environment variables of `libpq` (`PGHOST`, `PGPORT`, `PGUSER`,
/// `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`, `PGSSLROOTCERT`, …), then from the password file, then from `libpq`'s defaults. A
/// field wins over the same setting in `url`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A connection string: `postgres://user:password@host:port/dbname?sslmode=verify-full`, or `host=… user=… dbname=…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// The server's name, address, or directory of its Unix socket; `localhost` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The server's port; 5432 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The user; that of the operating system by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The database; named like the user by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dbname: Option<String>,
    /// Whether the connection is encrypted, and what of the server's certificate is verified; `prefer` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslmode: Option<SslMode>,
    /// A file with the certificates of those who may have issued the server's, in PEM; `system` for those the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslrootcert: Option<PathBuf>,
    /// A file with the client's own certificate, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslcert: Option<PathBuf>,
    /// A file with the private key that goes with `sslcert`, in PEM and without a passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslkey: Option<PathBuf>,
    /// The schema the tables are in; created if it is missing.
    pub schema: String,
    /// What becomes of the character NUL, which `Postgres` cannot store in text.
    pub nul: NulPolicy,
    /// How many connections all tables share; a transaction holds one while it is open.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: None,
            user: None,
            password: None,
            dbname: None,
            sslmode: None,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            schema: "public".to_owned(),
            nul: NulPolicy::default(),
            max_connections: 16,
        }
    }
}

/// Encryption and verification, with `libpq`'s meaning (documentation of `libpq`, "SSL Support").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted only if the server insists.
    Allow,
    /// Encrypted if the server can.
    Prefer,
    /// Always encrypted; the certificate is verified, but not its host name, only if `sslrootcert` is given.
    Require,
    /// Always encrypted, by a server whose certificate one of the roots has issued.
    VerifyCa,
    /// Like `VerifyCa`, and the certificate is for the host that was asked for.
    VerifyFull,
}

impl SslMode {
    /// Returns the name as it stands in a connection string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// What becomes of the character NUL in text, on its own and within JSON. In a key it is always an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NulPolicy {
    /// It becomes U+FFFD, and a warning counts the values.
    #[default]
    Replace,
    /// The table stops with an error.
    Fail,
}

impl Config {
    /// Creates the configuration of a connection string and `libpq`'s defaults.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self { url: Some(Secret::new(url.into())), ..Self::default() }
    }

    /// Resolves the settings and reads the certificates they name; the server is first spoken to when a table is opened or checked.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting that cannot be used.
    pub async fn connect(self) -> Result<Postgres> {
        if self.schema.is_empty() || self.schema.len() > 63 || self.schema.contains('\0') {
            return Err(Error::new(ErrorKind::ConfigInvalid, "A schema's name has 1 to 63 bytes and no NUL")
                .with("setting", "schema")
                .with("schema", &self.schema));
        }
        if self.max_connections == 0 {
            return Err(Error::new(ErrorKind::ConfigInvalid, "At least one connection is needed")
                .with("setting", "max_connections"));
        }
        let config = self.clone();
        // Files and the system's certificates are read here, which blocks.
        let read = tokio::task::spawn_blocking(move || {
            Settings::resolve(&config, |name| std::env::var(name).ok())?.with_files()
        });
        let settings = read
            .await
            .map_err(|e| Error::new(ErrorKind::Unexpected, "The settings could not be read").with_source(e))??;
        Ok(Postgres::new(Pool::new(settings, self.max_connections)?, self.schema, self.nul))
    }
}
