//! The database within this process: a file is opened once, shared by all tables, closed with the last connection.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result};
use commutator_sql::{DUCKDB, Identifier};
use duckdb::Connection;

use crate::config::Config;
use crate::error;

pub(crate) mod motherduck;

/// How long a file that is just being closed by this process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The memory that a database in a file takes unless the user says otherwise: `DuckDB` itself would take most of the machine's.
const MEMORY_LIMIT: &str = "2GB";

/// The databases that this process has open, by their files.
///
/// The operating system's lock keeps other processes out, but not this one: opened a second time, a file would be two databases that
/// destroy each other. So whoever opens it again shares the first one, and waits while that is being closed.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Database>>>> = Mutex::new(None);
static CLOSED: Condvar = Condvar::new();

/// A database. Dropping the last handle closes it.
pub(crate) struct Database {
    /// All other connections are made from this one; it is `None` only while the database is being closed.
    root: Mutex<Option<Connection>>,
    /// Whoever holds it writes tables. It is held for one transaction, so none conflicts with another.
    writing: Mutex<()>,
    /// The database's name in statements.
    pub(crate) catalog: String,
    /// The version of the library.
    pub(crate) version: String,
    /// The file; `None` for a database in memory or of `MotherDuck`.
    file: Option<PathBuf>,
}

impl Database {
    /// Opens a database, or shares it if this process has it open; blocks.
    ///
    /// Settings of a database that is open already stay as they are.
    pub(crate) fn open(config: &Config) -> Result<Arc<Self>> {
        if !config.is_file() {
            return Self::fresh(config, None).map(Arc::new);
        }
        let file = canonical(&config.path)?;
        let mut open = lock(&OPEN);
        loop {
            match open.get_or_insert_default().get(&file).map(Weak::upgrade) {
                Some(Some(shared)) => return Ok(shared),
                Some(None) => {
                    let (guard, waited) = CLOSED.wait_timeout(open, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                    open = guard;
                    if waited.timed_out() {
                        return Err(Error::new(ErrorKind::Unavailable, "The database file is still being closed")
                            .with("path", file.display()));
                    }
                }
                None => break,
            }
        }
        let database = Self::fresh(config, Some(&file)).map(Arc::new)?;
        open.get_or_insert_default().insert(file, Arc::downgrade(&database));
        Ok(database)
    }

    fn fresh(config: &Config, file: Option<&Path>) -> Result<Self> {
        let failed = |e| {
            let error = error::failed(e, "The database cannot be opened");
            match file {
                Some(file) => error.with("path", file.display()),
                None => error,
            }
        };
        let settings = settings(config, file).map_err(|e| {
            let error = error::failed(e, "DuckDB does not take a setting");
            let text = error.message().to_owned();
            Error::new(ErrorKind::ConfigInvalid, text).with("setting", "memory_limit, threads").with_source(error)
        })?;
        // A file is attached once the instance is there, and not opened with it: what a killed process left in its log may call functions
        // of extensions, which are loaded only after the database that an instance begins with.
        let root = Connection::open_in_memory_with_flags(settings).map_err(failed)?;
        if let Some(file) = file {
            let (path, name) = (file.display().to_string(), Identifier::new(&DUCKDB, &name_of(file)));
            let path = (DUCKDB.literal)(&path);
            root.execute_batch(&format!("ATTACH {path} AS {name}; USE {name};")).map_err(failed)?;
        }
        if let Some(name) = motherduck::name(&config.path) {
            motherduck::attach(&root, name, config.motherduck_token.as_ref())?;
        }
        let (catalog, version): (String, String) = root
            .query_row("SELECT current_database(), version()", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        supported(&version)?;
        let file = file.map(Path::to_owned);
        Ok(Self { root: Mutex::new(Some(root)), writing: Mutex::new(()), catalog, version, file })
    }

    /// Makes another connection.
    pub(crate) fn lease(self: &Arc<Self>) -> Result<Lease> {
        let failed = |e| error::failed(e, "No connection to the database can be made");
        let root = lock(&self.root);
        let connection = root.as_ref().ok_or(duckdb::Error::InvalidQuery).and_then(Connection::try_clone);
        let connection = connection.map_err(failed)?;
        connection.execute_batch(&Self::enter(&self.catalog)).map_err(failed)?;
        Ok(Lease { connection, database: Arc::clone(self) })
    }

    /// The statement by which a connection goes to the database of this name.
    pub(crate) fn enter(catalog: &str) -> String {
        format!("USE {}", Identifier::new(&DUCKDB, catalog))
    }

    /// Closes the database and removes its file, if nobody else has it open and there is nothing in it.
    pub(crate) fn discard(database: Arc<Self>) -> Result<()> {
        // Nobody opens it meanwhile; another process cannot, as long as it is open here.
        let mut open = lock(&OPEN);
        let Some(mut database) = Arc::into_inner(database) else { return Ok(()) };
        let empty = "SELECT count(*) = 0 FROM duckdb_tables() WHERE database_name = current_database()";
        let is_empty = lock(&database.root).as_ref().map(|root| root.query_row(empty, [], |row| row.get::<_, bool>(0)));
        let Some(file) = database.file.clone().filter(|_| matches!(is_empty, Some(Ok(true)))) else {
            drop(open);
            return Ok(());
        };
        if let Err(cause) = std::fs::remove_file(&file) {
            // Closing it takes the same lock.
            drop(open);
            let sentence = "The file that a check made cannot be removed";
            return Err(Error::new(ErrorKind::Unavailable, sentence).with_source(cause));
        }
        // Whoever opens the path from here on makes another file.
        database.file = None;
        if let Some(open) = open.as_mut() {
            open.remove(&file);
        }
        CLOSED.notify_all();
        drop(open);
        Ok(())
    }

    /// Waits until nobody else writes.
    pub(crate) fn write(&self) -> MutexGuard<'_, ()> {
        lock(&self.writing)
    }
}

fn settings(config: &Config, file: Option<&Path>) -> duckdb::Result<duckdb::Config> {
    // What is not in the library is not fetched from anywhere. Rows of a table have no order, and keeping one takes memory.
    let mut settings = duckdb::Config::default()
        .with("autoinstall_known_extensions", "false")?
        .with("autoload_known_extensions", "false")?
        .with("preserve_insertion_order", "false")?;
    if let Some(file) = file {
        settings = settings.with("temp_directory", format!("{}.tmp", file.display()))?;
    }
    let limit = config.memory_limit.as_deref().or((!config.is_memory()).then_some(MEMORY_LIMIT));
    if let Some(limit) = limit {
        settings = settings.max_memory(limit)?;
    }
    if let Some(threads) = config.threads {
        settings = settings.threads(threads.into())?;
    }
    Ok(settings)
}

impl Drop for Database {
    /// Closes the file before anybody can open it again.
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        let mut open = lock(&OPEN);
        lock(&self.root).take();
        if let Some(open) = open.as_mut() {
            open.remove(&file);
        }
        CLOSED.notify_all();
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("catalog", &self.catalog).field("file", &self.file).finish_non_exhaustive()
    }
}

/// A connection to a database, which stays open as long as this exists.
///
/// Temporary tables are of the connection, and a transaction that it leaves open is rolled back when it is dropped.
pub struct Lease {
    // Dropped before the database, of which this must not be the last connection.
    connection: Connection,
    pub(crate) database: Arc<Database>,
}

impl Lease {
    /// Makes another connection to the same database, for another thread.
    ///
    /// It stands before [`Connection::try_clone`], whose result would not keep the database open: the file must not be opened once more
    /// while a connection to it is left.
    pub fn try_clone(&self) -> Result<Self> {
        self.database.lease()
    }
}

impl Deref for Lease {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("database", &self.database).finish_non_exhaustive()
    }
}

/// Runs what blocks on a thread that may.
///
/// Dropping the future does not stop it: whatever it does must be right also if nobody waits for its answer.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(Error::new(ErrorKind::Unexpected, "The work on the database ended without an answer").with_source(e))
    })
}

/// State behind the locks is replaced in one step, so a panic of another holder leaves nothing half-done behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the name that `DuckDB` itself gives to the database in a file, unless an instance has one of that name.
pub(crate) fn name_of(file: &Path) -> String {
    if let Some(name) = motherduck::name(file) {
        return name.to_owned();
    }
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.split('.').next().unwrap_or_default() {
        "" => "commutator".to_owned(),
        name if ["memory", "system", "temp", "main"].contains(&name.to_ascii_lowercase().as_str()) => {
            format!("{name}_file")
        }
        name => name.to_owned(),
    }
}

/// Returns one path for all that lead to a file, which may not exist yet.
fn canonical(path: &Path) -> Result<PathBuf> {
    let unusable = |e: std::io::Error| {
        let sentence = "The folder of the database's file cannot be read; create it, or correct `path`";
        Error::new(ErrorKind::NotFound, sentence).with("path", path.display()).with_source(e)
    };
    if let Ok(whole) = path.canonicalize() {
        return Ok(whole);
    }
    // Once its file is there, it would lead elsewhere than it does now.
    if path.is_symlink() {
        let sentence = "The path of the database is a link to nothing; name the file itself";
        return Err(Error::new(ErrorKind::ConfigInvalid, sentence).with("path", path.display()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(unusable)?;
    let name = path.file_name().ok_or_else(|| {
        Error::new(ErrorKind::ConfigInvalid, "The path of the database is that of a folder")
            .with("path", path.display())
    })?;
    Ok(folder.join(name))
}

/// Refuses libraries without `MERGE`, which came with 1.4.
fn supported(version: &str) -> Result<()> {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < (1, 4) => {
            Err(Error::new(ErrorKind::Unsupported, "The DuckDB library is too old; 1.4 or newer is needed")
                .with("version", version))
        }
        _ => Ok(()),
    }
}
