//! `cargo xtask services`: real servers for the tests, on free ports of the loopback interface.
//!
//! Programs come from the machine, Debian, PyPI or npm, and stay in `${XDG_CACHE_HOME:-$HOME/.cache}/commutator/services`.
//! What runs is written to `.services/` in the repository; data and logs lie in a temporary folder per server, which `stop`
//! removes. Tests learn about the servers from these variables:
//!
//! | variable | value |
//! |---|---|
//! | `COMMUTATOR_TEST_POSTGRES_URL` | `postgres://user:password@127.0.0.1:port/postgres`, a superuser; a wrong password is refused |
//! | `COMMUTATOR_TEST_POSTGRES_CA` | path of the authority that signed the server's certificate (127.0.0.1 and localhost); unset where TLS is off |
//! | `COMMUTATOR_TEST_POSTGRES_<major>_URL`, `…_<major>_CA` | the same for 13 to 18, with `--postgres-matrix` |
//! | `COMMUTATOR_TEST_S3_ENDPOINT` | `http://127.0.0.1:port`, path-style addressing, any region |
//! | `COMMUTATOR_TEST_S3_BUCKET` | an existing bucket |
//! | `COMMUTATOR_TEST_S3_ACCESS_KEY`, `COMMUTATOR_TEST_S3_SECRET_KEY` | an identity that may do everything |
//! | `COMMUTATOR_TEST_S3_READ_ONLY_ACCESS_KEY`, `COMMUTATOR_TEST_S3_READ_ONLY_SECRET_KEY` | one that may list and read only |
//! | `COMMUTATOR_TEST_DYNAMODB_URL` | `http://127.0.0.1:port` of DynamoDB Local, with `--dynamodb-local`; any credentials and region |
//! | `COMMUTATOR_TEST_SNOWFLAKE_FRONT` | `http://127.0.0.1:port` of a stand-in for Snowflake's SQL API; any token but `wrong` |
//! | `COMMUTATOR_TEST_SNOWFLAKE_FAKESNOW` | the same, where `fakesnow` runs the statements |
//! | `COMMUTATOR_TEST_SNOWFLAKE_SESSIONS` | `127.0.0.1:port` of that one's tables, for Snowflake's own clients; any user and password |
//! | `COMMUTATOR_TEST_SNOWFLAKE_PYTHON` | a Python with Snowflake's own client |
//! | `COMMUTATOR_TEST_BIGQUERY_EMULATOR_URL`, `…_PROJECT` | where there is a Python 3.13: `http://127.0.0.1:port` of an emulator of `BigQuery` and Cloud Storage, and a project in it |
//! | `COMMUTATOR_TEST_BIGQUERY_PYTHON` | a Python with the packages of `tests/python/requirements-bigquery.txt` |
//! | `DUCKDB_LIB_DIR`, `LD_LIBRARY_PATH` | the folder of a ready-made `libduckdb.so`, to link and to run what links it |
//! | `COMMUTATOR_TEST_PYTHON` | a Python with the packages of `tests/python/requirements.txt` |
//! | `COMMUTATOR_TEST_SPARK_PYTHON` | another one with Spark, of `tests/python/requirements-spark.txt` |
//!
//! `CI=true` makes a service that cannot be started an error, but for the emulator of `BigQuery` on a machine without its Python, unless
//! `--bigquery` asks for it. Elsewhere it is named and left out.
//! DynamoDB Local also starts with `COMMUTATOR_TEST_DYNAMODB_LOCAL=1`.

pub(crate) mod duckdb;
mod dynamodb_local;
pub(crate) mod local_bigquery;
mod ports;
pub(crate) mod postgres;
mod process;
mod seaweedfs;
mod snowflake_front;
mod spark;
pub(crate) mod state;
mod tls;

use std::{
    env,
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use self::state::{Running, State};
use crate::{interrupt, packages};

/// Which services beside the usual ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) bigquery: bool,
    pub(crate) dynamodb_local: bool,
    pub(crate) postgres_matrix: bool,
}

/// What [`start`] did.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// Everything that runs now.
    pub(crate) state: State,
    /// Those that could not be started, or that nobody asked for, and why.
    pub(crate) missing: Vec<(String, String)>,
    /// Those that this machine cannot run, and why, which is no failure.
    pub(crate) impossible: Vec<(String, String)>,
}

/// Whether a missing service is a failure.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Starts what is wanted and does not run yet; adds the names of what it started to `new`, also when it fails later.
pub(crate) fn start(root: &Path, wanted: Wanted, new: &mut Vec<String>) -> Result<Started> {
    let folder = Folder::lock(root)?;
    let mut started = Started { state: folder.load()?, ..Started::default() };
    let opted_in = env::var("COMMUTATOR_TEST_DYNAMODB_LOCAL").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));

    for service in Service::all() {
        let name = service.name();
        match service {
            Service::DynamodbLocal if !wanted.dynamodb_local && !opted_in => {
                let reason = "its licence asks for an AWS account, so it takes --dynamodb-local";
                if started.state.get(&name).is_none() {
                    started.missing.push((name, reason.to_owned()));
                }
                continue;
            }
            Service::PostgresMajor(..) if !wanted.postgres_matrix => continue,
            Service::LocalBigquery if !wanted.bigquery => {
                if let Some(reason) = local_bigquery::impossible() {
                    started.impossible.push((name, reason));
                    continue;
                }
            }
            _ => {}
        }
        if started.state.get(&name).is_some() {
            continue;
        }
        match service.start(root, &folder.path) {
            Ok(running) => {
                started.state.services.push(running);
                folder.save(&started.state)?;
                new.push(name);
            }
            Err(error) if interrupt::seen() => return Err(error).context("interrupted"),
            Err(error) => started.missing.push((name, format!("{error:#}"))),
        }
    }
    Ok(started)
}

/// Stops the named services, or all, and removes their data.
pub(crate) fn stop(root: &Path, names: Option<&[String]>) -> Result<Vec<String>> {
    let folder = Folder::lock(root)?;
    let mut state = State::load(&folder.state_file())?;
    let (stopping, staying) =
        state.services.drain(..).partition(|service| names.is_none_or(|names| names.contains(&service.name)));
    state.services = staying;
    let stopping: Vec<Running> = stopping;
    for service in stopping.iter().rev() {
        discard(service)?;
    }
    folder.save(&state)?;
    Ok(stopping.into_iter().map(|service| service.name).collect())
}

/// What runs now.
pub(crate) fn running(root: &Path) -> Result<State> {
    Folder::lock(root)?.load()
}

/// Prints what runs, and what does not.
pub(crate) fn report(started: &Started) {
    for service in &started.state.services {
        let pid = service.process.as_ref().map(|process| format!(" (process {})", process.pid)).unwrap_or_default();
        println!("{}: {}{pid}", service.name, service.version);
        for note in &service.notes {
            println!("  note: {note}");
        }
    }
    for (name, reason) in started.missing.iter().chain(&started.impossible) {
        println!("{name}: not running: {reason}");
    }
}

/// An error in CI if a wanted service is missing.
pub(crate) fn require_all(started: &Started) -> Result<()> {
    let names: Vec<&str> = started.missing.iter().map(|(name, _)| name.as_str()).collect();
    if is_ci() && !names.is_empty() {
        bail!("CI is set, so every service must run; missing: {}", names.join(", "));
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Service {
    Postgres,
    PostgresMajor(u16, &'static str),
    Seaweedfs,
    DynamodbLocal,
    Duckdb,
    LocalBigquery,
    Python,
    SnowflakeFront,
    Fakesnow,
    Spark,
}

impl Service {
    fn all() -> impl Iterator<Item = Self> {
        let matrix = postgres::MATRIX.into_iter().map(|(major, version)| Self::PostgresMajor(major, version));
        let usual = [
            Self::Postgres,
            Self::Seaweedfs,
            Self::DynamodbLocal,
            Self::Duckdb,
            Self::LocalBigquery,
            Self::Python,
            Self::SnowflakeFront,
            Self::Fakesnow,
            Self::Spark,
        ];
        usual.into_iter().chain(matrix)
    }

    fn name(self) -> String {
        match self {
            Self::Postgres => "postgres".to_owned(),
            Self::PostgresMajor(major, _) => format!("postgres-{major}"),
            Self::Seaweedfs => seaweedfs::NAME.to_owned(),
            Self::DynamodbLocal => dynamodb_local::NAME.to_owned(),
            Self::Duckdb => duckdb::NAME.to_owned(),
            Self::LocalBigquery => local_bigquery::NAME.to_owned(),
            Self::Python => "python".to_owned(),
            Self::SnowflakeFront => snowflake_front::NAME.to_owned(),
            Self::Fakesnow => snowflake_front::FAKESNOW.to_owned(),
            Self::Spark => spark::NAME.to_owned(),
        }
    }

    /// Starts it; once more when somebody else took its port in the meantime.
    fn start(self, root: &Path, state_folder: &Path) -> Result<Running> {
        let attempt = || {
            let folder = scratch(&self.name())?;
            let started = self.start_in(&folder, root, state_folder).and_then(|running| {
                let Some(process) = &running.process else { return Ok(running) };
                match ports::require_loopback(process) {
                    Ok(()) => Ok(running),
                    Err(error) => {
                        discard(&running)?;
                        Err(error)
                    }
                }
            });
            if !started.as_ref().is_ok_and(|running| running.folder.is_some()) {
                fs::remove_dir_all(&folder).or_else(gone_is_fine)?;
            }
            started
        };
        attempt().or_else(|error| if format!("{error:#}").contains("in use") { attempt() } else { Err(error) })
    }

    fn start_in(self, folder: &Path, root: &Path, state_folder: &Path) -> Result<Running> {
        match self {
            Self::Postgres => postgres::start(&self.name(), "", &postgres::own()?, folder, state_folder),
            Self::PostgresMajor(major, version) => {
                let programs = postgres::from_npm(version)?;
                postgres::start(&self.name(), &format!("_{major}"), &programs, folder, state_folder)
            }
            Self::Seaweedfs => seaweedfs::start(folder),
            Self::DynamodbLocal => dynamodb_local::start(folder),
            Self::Duckdb => duckdb::install(),
            Self::LocalBigquery => local_bigquery::start(root, folder),
            Self::Python => python(root),
            Self::SnowflakeFront => snowflake_front::start(root, &readers(root)?.0, folder),
            Self::Fakesnow => snowflake_front::start_fakesnow(root, folder),
            Self::Spark => spark::install(root),
        }
    }
}

/// A Python with the independent readers, and the list of them.
fn readers(root: &Path) -> Result<(PathBuf, String)> {
    let file = root.join("tests/python/requirements.txt");
    let requirements = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let python = packages::python_environment("readers", &requirements, false)?.join("bin/python");
    Ok((python, requirements))
}

/// The independent readers that end-to-end tests compare with.
fn python(root: &Path) -> Result<Running> {
    let (python, requirements) = readers(root)?;
    let version = crate::command::run(std::process::Command::new(&python).arg("--version"))?;
    let packages = requirements.lines().take_while(|line| !line.is_empty()).filter(|line| line.contains("=="));
    let packages = packages.collect::<Vec<_>>().join(", ");
    Ok(Running {
        name: "python".to_owned(),
        version: format!("{} with {packages}", version.trim()),
        env: vec![("COMMUTATOR_TEST_PYTHON".to_owned(), python.display().to_string())],
        ..Running::default()
    })
}

fn discard(service: &Running) -> Result<()> {
    if let Some(process) = &service.process {
        process.stop(&service.stop_signal, Duration::from_secs(5));
    }
    for file in &service.leftovers {
        fs::remove_file(file).or_else(gone_is_fine)?;
    }
    match &service.folder {
        Some(folder) => fs::remove_dir_all(folder).or_else(gone_is_fine).context("cannot remove a server's data"),
        None => Ok(()),
    }
}

fn gone_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Ports that nobody listens on now.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    ports::free()
}

/// A new, empty folder, outside the repository: PostgreSQL's account may not be able to enter that.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let folder = env::temp_dir().join(format!("commutator-{name}-{}", ports::secret::<4>()?));
    DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// `.services/`, held by one command at a time.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    fn lock(root: &Path) -> Result<Self> {
        let path = root.join(".services");
        fs::create_dir_all(&path)?;
        let lock = File::create(path.join("lock"))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    fn state_file(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// The state without the services that have ended by themselves.
    fn load(&self) -> Result<State> {
        let mut state = State::load(&self.state_file())?;
        let (alive, dead): (Vec<_>, Vec<_>) = state.services.drain(..).partition(Running::is_alive);
        for service in &dead {
            println!("{}: has ended", service.name);
            discard(service)?;
        }
        state.services = alive;
        if !dead.is_empty() {
            self.save(&state)?;
        }
        Ok(state)
    }

    /// Writes the state, and beside it `env` for a shell to source.
    fn save(&self, state: &State) -> Result<()> {
        state.save(&self.state_file())?;
        Ok(fs::write(self.path.join("env"), state.exports())?)
    }
}
