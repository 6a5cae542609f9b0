//! A Postgres server seen from outside: psql, which does by hand what we do, and the server's own CPU time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use crate::process::seconds;

/// The kernel counts processes' time in these parts of a second (`sysconf(_SC_CLK_TCK)`, 100 on every Linux that is in use).
const TICKS: f64 = 100.0;

/// So long a connection may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on this machine.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    postmaster: u32,
}

/// What a piece of work took, on both sides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// Seconds that went by.
    pub(crate) wall: f64,
    /// Seconds of CPU time of the client.
    pub(crate) client: f64,
    /// Seconds of CPU time of the server's processes that ended with the work: its connections' and, if there were some, those that clean up.
    pub(crate) server: f64,
}

impl Server {
    /// The server that this URL names; its user may read the server's files.
    pub(crate) fn new(url: String) -> Result<Self> {
        let mut server = Self { url, postmaster: 0 };
        let file = server.ask("SELECT pg_read_file('postmaster.pid')")?;
        server.postmaster = file.lines().next().and_then(|line| line.trim().parse().ok()).context("no postmaster")?;
        Ok(server)
    }

    /// Runs a script with psql and returns what it prints.
    pub(crate) fn ask(&self, script: &str) -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url]);
        psql.args(script.lines().map(str::trim).filter(|line| !line.is_empty()).flat_map(|line| ["-c", line]));
        let output = psql.stdin(Stdio::null()).output().context("psql is not installed")?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs some work on this server, in this process or in processes that it starts, and returns what it took.
    ///
    /// All connections must be closed when it returns: the server's time is that of processes that have ended.
    pub(crate) fn measured(&self, work: impl FnOnce() -> Result<()>) -> Result<Took> {
        self.settled()?;
        let (began, client, server) = (Instant::now(), client_time()?, self.ended_time()?);
        work()?;
        let (wall, client) = (began.elapsed().as_secs_f64(), client_time()? - client);
        self.settled()?;
        Ok(Took { wall, client, server: self.ended_time()? - server })
    }

    /// Waits until nobody is connected.
    fn settled(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if !self.has_clients()? {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        bail!("somebody else is connected to the server")
    }

    /// Returns whether a process of the server serves a client; its title has the client's address and port.
    fn has_clients(&self) -> Result<bool> {
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let Some(fields) = stat(&path) else { continue };
            let is_child = fields.get(1) == Some(&self.postmaster.to_string());
            // One that is ending has no title any more, and counts only once the server has taken notice of its end.
            let title = || fs::read_to_string(path.join("cmdline"));
            if is_child && title().is_ok_and(|title| title.is_empty() || title.contains("127.0.0.1(")) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the CPU time of the server's processes that have ended.
    fn ended_time(&self) -> Result<f64> {
        let fields = stat(&Path::new("/proc").join(self.postmaster.to_string())).context("the server is gone")?;
        let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<u32>().ok()).map(f64::from);
        // cutime and cstime, proc(5), counted from the field behind the name.
        Ok((ticks(13).context("no cutime")? + ticks(14).context("no cstime")?) / TICKS)
    }
}

/// Returns the fields of a process' `stat` behind its name, which may have spaces.
fn stat(process: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Returns the CPU time of this process and of those it started and waited for.
fn client_time() -> Result<f64> {
    let (own, children) = (getrusage(UsageWho::RUSAGE_SELF)?, getrusage(UsageWho::RUSAGE_CHILDREN)?);
    Ok([own.user_time(), own.system_time(), children.user_time(), children.system_time()]
        .into_iter()
        .map(seconds)
        .sum())
}
