//! Connections: made with the settings' TLS, shared by all tables, thrown away unless they are known to be idle.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_postgres::config::{Host, SslMode as Negotiate};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Settings, SslMode};
use crate::error;

mod tls;

/// The oldest server that is supported: `trim_scale` is of 13.
const OLDEST: u32 = 13;
/// A connection that was idle for longer is tried before it is used.
const TRUSTED: Duration = Duration::from_secs(10);
/// How long a transaction waits for one of the connections that all tables share.
const PATIENCE: Duration = Duration::from_mins(2);

/// The connections that all tables of one destination share.
pub(crate) struct Pool {
    settings: Settings,
    tls: MakeRustlsConnect,
    idle: Mutex<Vec<(Client, Instant)>>,
    permits: Arc<Semaphore>,
}

/// What the server said of itself when the connection was made.
#[derive(Debug, Clone)]
pub(crate) struct ServerInfo {
    pub(crate) version: String,
    pub(crate) encoding: String,
}

impl Pool {
    pub(crate) fn new(settings: Settings, max_connections: usize) -> Result<Arc<Self>> {
        let tls = MakeRustlsConnect::new(tls::client_config(&settings)?);
        let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Ok(Arc::new(Self { settings, tls, idle: Mutex::default(), permits }))
    }

    /// Returns the settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Waits for a connection that is outside of any transaction; makes one if none is idle.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Lease> {
        let permit =
            timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await.ok().and_then(std::result::Result::ok);
        let permit = permit.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "Other tables hold all connections; raise `max_connections` or run fewer tables at a time",
            )
        })?;
        while let Some((client, since)) = self.take_idle() {
            let fresh = since.elapsed() < TRUSTED;
            if !client.is_closed() && (fresh || self.answers(&client).await) {
                return Ok(Lease { client, pool: Arc::clone(self), permit });
            }
        }
        let (client, info) = self.dial().await?;
        info.supported().map_err(|e| e.with("server", &self.settings.display))?;
        Ok(Lease { client, pool: Arc::clone(self), permit })
    }

    /// Makes a connection, encrypted as `sslmode` says.
    ///
    /// `allow` and `prefer` try the other way once more, as `libpq` does, if the server refuses the first.
    pub(crate) async fn dial(&self) -> Result<(Client, ServerInfo)> {
        let unix = self.settings.server.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        let attempts: &[Negotiate] = match self.settings.sslmode {
            _ if unix => &[Negotiate::Disable],
            SslMode::Disable => &[Negotiate::Disable],
            SslMode::Allow => &[Negotiate::Disable, Negotiate::Require],
            SslMode::Prefer => &[Negotiate::Prefer, Negotiate::Disable],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Negotiate::Require],
        };
        let mut first = None;
        for &mode in attempts {
            match self.dial_once(mode).await {
                Ok(connected) => return Ok(connected),
                Err(error) if first.is_none() && error.kind() != ErrorKind::Unavailable => first = Some(error),
                // The first refusal is what the user asked for; that the other way fails as well says less.
                Err(error) => return Err(first.unwrap_or(error)),
            }
        }
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Unexpected, "No way to connect was tried")))
    }

    async fn dial_once(&self, mode: Negotiate) -> Result<(Client, ServerInfo)> {
        let mut server = self.settings.server.clone();
        server.ssl_mode(mode);
        let connecting = async {
            if mode == Negotiate::Disable {
                let (client, connection) = server.connect(NoTls).await?;
                Ok((client, drive(connection)))
            } else {
                let (client, connection) = server.connect(self.tls.clone()).await?;
                Ok((client, drive(connection)))
            }
        };
        let doing = "The connection to Postgres failed";
        let connected = timeout(self.settings.connect_timeout, connecting).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, format!("{doing}: the server did not answer in time"))
                .with("server", &self.settings.display)
        })?;
        connected.map_err(|e| error::failed(e, doing).with("server", &self.settings.display))
    }

    /// Returns whether the server still answers on an idle connection.
    async fn answers(&self, client: &Client) -> bool {
        matches!(timeout(self.settings.connect_timeout, client.check_connection()).await, Ok(Ok(())))
    }

    fn take_idle(&self) -> Option<(Client, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("server", &self.settings.display).finish_non_exhaustive()
    }
}

/// Runs a connection in the background until its client is dropped, and returns what the server said of itself.
fn drive<S, T>(connection: tokio_postgres::Connection<S, T>) -> ServerInfo
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let parameter = |name| connection.parameter(name).unwrap_or_default().to_owned();
    let info = ServerInfo { version: parameter("server_version"), encoding: parameter("server_encoding") };
    tokio::spawn(async move {
        if let Err(e) = connection.await {
            tracing::debug!(error = %e, "a connection to postgres ended");
        }
    });
    info
}

impl ServerInfo {
    /// Refuses servers that are too old or cannot store every text.
    pub(crate) fn supported(&self) -> Result<()> {
        let digits = self.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if digits.parse::<u32>().is_ok_and(|major| major < OLDEST) {
            return Err(Error::new(ErrorKind::Unsupported, "The server is too old; Postgres 13 or newer is needed")
                .with("version", &self.version));
        }
        if !self.encoding.is_empty() && self.encoding != "UTF8" {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "The database's encoding cannot hold every text; create one with ENCODING 'UTF8' and TEMPLATE template0",
            )
            .with("encoding", &self.encoding));
        }
        Ok(())
    }
}

/// A connection that one table holds. Dropping it closes the connection, and with it any open transaction.
pub(crate) struct Lease {
    client: Client,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Gives the connection back; it must be outside of any transaction.
    pub(crate) fn give_back(self) {
        let Self { client, pool, permit } = self;
        pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push((client, Instant::now()));
        drop(permit);
    }
}

impl Deref for Lease {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("server", &self.pool.settings.display).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_and_narrow_encodings_are_refused() {
        let info =
            |version: &str, encoding: &str| ServerInfo { version: version.to_owned(), encoding: encoding.to_owned() };
        assert!(info("13.23", "UTF8").supported().is_ok());
        assert!(info("17.2 (Debian 17.2-1)", "UTF8").supported().is_ok());
        assert!(info("18beta1", "UTF8").supported().is_ok());
        assert_eq!(info("12.9", "UTF8").supported().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(info("16.1", "SQL_ASCII").supported().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}
