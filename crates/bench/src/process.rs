//! Programs as the operating system sees them: the cores they may use, their CPU time and their memory.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use crate::serve::{Load, Served};

/// What a run of a program took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Seconds of CPU time, in user and in kernel mode, on all cores, of the program and of those it started.
    pub cpu: f64,
    /// Seconds that went by.
    pub wall: f64,
    /// The most memory that it had at a time, in bytes.
    pub peak: u64,
    /// The rows that it says it read.
    pub rows: u64,
    /// The bytes that it says it wrote.
    pub bytes: u64,
}

/// Keeps this process, and those it starts, on some cores.
pub fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|&core| set.set(core))?;
    sched_setaffinity(Pid::from_raw(0), &set).context("the process cannot be kept on these cores")
}

/// Runs a command on some cores and prints what it took as the last line.
pub fn measure(cores: &[usize], command: &mut Command) -> Result<Json> {
    pin(cores)?;
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{command:?}: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    // Linux counts it in KiB.
    Ok(json!({"cpu": cpu, "wall": wall, "peak": usage.max_rss() * 1024}))
}

/// Returns a time in seconds.
pub(crate) fn seconds(time: TimeVal) -> f64 {
    let micros = u32::try_from(time.tv_usec()).unwrap_or(0);
    f64::from(u32::try_from(time.tv_sec()).unwrap_or(0)) + f64::from(micros) / 1e6
}

/// Runs a command on some cores in a process of its own, and returns what it took and what its last line says.
pub fn run(cores: &[usize], command: &[String], env: &[(String, String)]) -> Result<Taken> {
    let mut measured = Command::new(std::env::current_exe()?);
    let list: Vec<_> = cores.iter().map(ToString::to_string).collect();
    measured.args(["measure", &list.join(",")]).args(command).envs(env.iter().cloned());
    let output = measured.stderr(Stdio::piped()).stdin(Stdio::null()).output()?;
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {}", command.join(" "), last_lines(&log, 12));
    let mut lines = out.lines().rev().filter(|line| !line.is_empty());
    let (took, said) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let took: Json = serde_json::from_str(took).with_context(|| format!("{} took what?", command.join(" ")))?;
    let said: Json = serde_json::from_str(said).with_context(|| format!("{} says `{said}`", command.join(" ")))?;
    let float = |name: &str| took[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Taken {
        cpu: float("cpu")?,
        wall: float("wall")?,
        peak: took["peak"].as_u64().context("no peak")?,
        rows: said["rows"].as_u64().context("no rows")?,
        bytes: said["bytes"].as_u64().unwrap_or(0),
    })
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A load that is served; the server ends with this.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Where, and how much.
    pub served: Served,
}

impl Server {
    /// Starts it on some cores.
    pub fn start(load: &Load, cores: &[usize]) -> Result<Self> {
        let list: Vec<_> = cores.iter().map(ToString::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(load.words()).args(["--cores", &list.join(",")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().context("no stdout")?);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self { child, stdin, served: Served::read(&line)? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Nothing can be done about a server that does not end.
        self.child.wait().ok();
    }
}
