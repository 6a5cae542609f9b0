//! Where each setting comes from, and what it means together with the others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result};

use tokio_postgres::config::Host;

use super::conninfo::{self, Conninfo};
use super::{Config, SslMode, passfile};

/// The settings of a connection, with every source taken into account.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Everything but TLS.
    pub(crate) server: tokio_postgres::Config,
    /// `user@host:port/dbname`, for messages.
    pub(crate) display: String,
    pub(crate) sslmode: SslMode,
    /// How long a connection may take to be made.
    pub(crate) connect_timeout: Duration,
    /// The certificates to verify the server's with; `None` if it is not verified.
    pub(crate) roots: Option<Roots>,
    /// The client's certificate and key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) certificates: Certificates,
    /// The file to look for a password in, because none was given.
    passfile: Option<PathBuf>,
}

/// Where the certificates stand that the server's is verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

/// Certificates as they were read, in PEM; the system's are loaded with the TLS configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) roots: Vec<u8>,
    pub(crate) identity: Option<(Vec<u8>, commutator_core::Secret<Vec<u8>>)>,
}

/// The environment variables of `libpq` and the settings they stand for.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

/// Settings of `libpq` that mean nothing here, so that a connection string of someone else's can be used as it is.
const IGNORED: [&str; 5] = ["gssencmode", "sslcompression", "sslsni", "fallback_application_name", "client_encoding"];

impl Settings {
    /// Puts the settings together: fields, then `url`, then the environment, then the password file, then defaults.
    pub(crate) fn resolve(config: &Config, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut settings = match &config.url {
            Some(url) => conninfo::parse(url.expose()).map_err(|problem| {
                Error::new(ErrorKind::ConfigInvalid, format!("The connection string cannot be read: {problem}"))
                    .with("setting", "url")
            })?,
            None => Conninfo::new(),
        };
        for (key, value) in fields(config) {
            settings.insert(key.to_owned(), value);
        }
        for (variable, key) in ENVIRONMENT {
            if !settings.contains_key(key)
                && let Some(value) = env(variable).filter(|value| !value.is_empty())
            {
                settings.insert(key.to_owned(), value);
            }
        }
        settings.retain(|key, _| !IGNORED.contains(&key.as_str()));
        let home = env("HOME").map(PathBuf::from);
        let (sslmode, roots) = trust(&mut settings, home.as_deref())?;
        let identity = identity(&mut settings)?;
        for (ours, default) in [
            ("host", "localhost"),
            ("application_name", "commutator"),
            ("keepalives_idle", "60"),
            ("keepalives_interval", "10"),
            ("keepalives_retries", "3"),
            ("connect_timeout", "10"),
        ] {
            if ours == "host"
                && let Some(address) = settings.get("hostaddr").cloned()
            {
                // A certificate can be for an address, too.
                settings.entry("host".to_owned()).or_insert(address);
            }
            let given = settings.get(ours).is_some_and(|value| !value.is_empty());
            if !given {
                settings.insert(ours.to_owned(), default.to_owned());
            }
        }
        if let Some(count) = settings.remove("keepalives_count") {
            settings.insert("keepalives_retries".to_owned(), count);
        }
        let server: tokio_postgres::Config =
            conninfo::render(&settings).parse().map_err(|e: tokio_postgres::Error| {
                let cause = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
                Error::new(ErrorKind::ConfigInvalid, format!("A setting of the connection cannot be used: {cause}"))
            })?;
        let seconds = settings["connect_timeout"].parse().ok().filter(|&seconds| seconds > 0).unwrap_or(10);
        let shown = |key: &str, default: &str| settings.get(key).cloned().unwrap_or_else(|| default.to_owned());
        let user = shown("user", "");
        let at = if user.is_empty() { String::new() } else { format!("{user}@") };
        let display = format!("{at}{}:{}/{}", shown("host", ""), shown("port", "5432"), shown("dbname", &user));
        let connect_timeout = Duration::from_secs(seconds);
        let certificates = Certificates::default();
        let usual = home.map(|home| home.join(".pgpass"));
        let passfile = env("PGPASSFILE").map(PathBuf::from).or(usual).filter(|_| !settings.contains_key("password"));
        Ok(Self { server, display, sslmode, connect_timeout, roots, identity, certificates, passfile })
    }

    /// Reads the certificates, and the password file if it is needed.
    pub(super) fn with_files(mut self) -> Result<Self> {
        let read = |setting: &'static str, path: &Path| {
            std::fs::read(path).map_err(|e| {
                Error::new(ErrorKind::ConfigInvalid, "A certificate's file cannot be read")
                    .with("setting", setting)
                    .with("file", path.display())
                    .with_source(e)
            })
        };
        if let Some(Roots::File(path)) = &self.roots {
            self.certificates.roots = read("sslrootcert", path)?;
        }
        if let Some((certificate, key)) = &self.identity {
            let key = commutator_core::Secret::new(read("sslkey", key)?);
            self.certificates.identity = Some((read("sslcert", certificate)?, key));
        }
        if let Some(file) = self.passfile.take().and_then(|path| std::fs::read_to_string(path).ok()) {
            self.take_password(&file);
        }
        Ok(self)
    }

    fn take_password(&mut self, file: &str) {
        let host = match self.server.get_hosts() {
            [Host::Tcp(host)] => host.clone(),
            [Host::Unix(_)] => "localhost".to_owned(),
            // With several hosts, each may have a password of its own, which this client cannot take.
            _ => return,
        };
        let port = self.server.get_ports().first().copied().unwrap_or(5432).to_string();
        let user = self.server.get_user().unwrap_or_default();
        let wanted = [&host, &port, self.server.get_dbname().unwrap_or(user), user];
        if let Some(password) = passfile::find(file, wanted) {
            self.server.password(password);
        }
    }
}

/// Returns the settings that stand in fields of their own.
fn fields(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    [
        ("host", config.host.clone()),
        ("port", config.port.map(|port| port.to_string())),
        ("user", config.user.clone()),
        ("password", config.password.as_ref().map(|password| password.expose().clone())),
        ("dbname", config.dbname.clone()),
        ("sslmode", config.sslmode.map(|mode| mode.as_str().to_owned())),
        ("sslrootcert", path(&config.sslrootcert)),
        ("sslcert", path(&config.sslcert)),
        ("sslkey", path(&config.sslkey)),
    ]
    .into_iter()
    .filter_map(|(key, value)| value.map(|value| (key, value)))
}

/// Takes the TLS settings out and returns what they mean, as `libpq` has it: a root certificate, given or found in its usual place,
/// is used in every mode that encrypts; `system` trusts anyone, so it goes with `verify-full` only. Where `libpq` wants a root
/// certificate and finds none, the system's are used.
fn trust(settings: &mut Conninfo, home: Option<&Path>) -> Result<(SslMode, Option<Roots>)> {
    let invalid = |setting, message| Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting));
    let mode = match settings.remove("sslmode") {
        Some(name) => match SslMode::parse(&name) {
            Some(mode) => Some(mode),
            None => return invalid("sslmode", "It takes disable, allow, prefer, require, verify-ca or verify-full"),
        },
        None => None,
    };
    let roots = match settings.remove("sslrootcert").filter(|path| !path.is_empty()) {
        Some(system) if system == "system" => Some(Roots::System),
        Some(path) => Some(Roots::File(path.into())),
        None => {
            let usual = home.map(|home| home.join(".postgresql/root.crt")).filter(|path| path.exists());
            usual.map(Roots::File)
        }
    };
    let default = if roots == Some(Roots::System) { SslMode::VerifyFull } else { SslMode::Prefer };
    let mode = mode.unwrap_or(default);
    match (mode, roots) {
        (SslMode::Disable, _) => Ok((mode, None)),
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => Ok((mode, Some(Roots::System))),
        (SslMode::VerifyFull, Some(roots)) => Ok((mode, Some(roots))),
        (_, Some(Roots::System)) => invalid(
            "sslmode",
            "With sslrootcert = \"system\" only verify-full protects: anyone can have such a certificate",
        ),
        (_, roots) => Ok((mode, roots)),
    }
}

fn identity(settings: &mut Conninfo) -> Result<Option<(PathBuf, PathBuf)>> {
    match (settings.remove("sslcert"), settings.remove("sslkey")) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.into(), key.into()))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(Error::new(ErrorKind::ConfigInvalid, "A client certificate needs its key").with("setting", "sslkey"))
        }
        (None, Some(_)) => {
            Err(Error::new(ErrorKind::ConfigInvalid, "A client key needs its certificate").with("setting", "sslcert"))
        }
    }
}

#[cfg(test)]
mod tests;
