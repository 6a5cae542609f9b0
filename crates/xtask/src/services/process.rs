//! A server process that outlives the command that started it.

use std::{
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{command, interrupt};

/// A process, known by its id and its start time: an id alone may belong to somebody else by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) started: String,
}

impl Process {
    /// Starts `command` in a process group of its own, its output in `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let pid = child.id();
        let Some(started) = start_time(pid) else {
            bail!("{} ended at once\n{}", command.get_program().display(), command::tail_of(log, 20));
        };
        Ok(Self { pid, started })
    }

    /// Whether that very process still runs.
    pub(crate) fn is_running(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Waits until `ready` says yes; stops the process and fails when it ends, is interrupted or takes over a minute.
    pub(crate) fn wait_until(&self, log: &Path, mut ready: impl FnMut() -> bool) -> Result<()> {
        let since = Instant::now();
        let problem = loop {
            if !self.is_running() {
                break "ended before it was ready";
            }
            if ready() {
                return Ok(());
            }
            if interrupt::seen() {
                break "was interrupted";
            }
            if since.elapsed() > Duration::from_mins(1) {
                break "was not ready after 60 s";
            }
            thread::sleep(Duration::from_millis(50));
        };
        self.stop("KILL", Duration::from_secs(1));
        bail!("it {problem}\n{}", command::tail_of(log, 20))
    }

    /// Asks the process to end, and kills it when it has not within `patience`.
    pub(crate) fn stop(&self, signal: &str, patience: Duration) {
        let since = Instant::now();
        let pid = self.pid.to_string();
        for (signal, limit) in [(signal, patience), ("KILL", patience + Duration::from_secs(5))] {
            if !self.is_running() {
                return;
            }
            command::signal(&pid, signal);
            while self.is_running() && since.elapsed() < limit {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// When the process began, in a form that is only good for comparing; none for one that has ended.
fn start_time(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        return start_time_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    }
    let line = command::run(Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()])).ok()?;
    let (state, started) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// The 22nd field of `/proc/<pid>/stat` (proc(5)); the second, the program's name, may hold spaces and brackets.
fn start_time_in(stat: &str) -> Option<String> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_start_time_behind_any_name() {
        let tail = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(start_time_in(&format!("77 (a b) c) S {tail}")), Some("4711".to_owned()));
        assert_eq!(start_time_in(&format!("77 (dead) Z {tail}")), None);
        assert_eq!(start_time_in("nonsense"), None);
    }

    #[test]
    fn stops_what_it_started_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(Command::new("sleep").arg("600"), &folder.path().join("log")).unwrap();
        assert!(process.is_running());
        let other = Process { started: "another time".to_owned(), ..process.clone() };
        assert!(!other.is_running());
        other.stop("KILL", Duration::ZERO);
        assert!(process.is_running());
        process.stop("TERM", Duration::from_secs(5));
        assert!(!process.is_running());
    }

    #[test]
    fn one_that_ends_early_shows_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = Process::spawn(Command::new("sh").args(["-c", "sleep 0.2; echo port taken"]), &log).unwrap();
        let error = process.wait_until(&log, || false).unwrap_err().to_string();
        assert!(error.contains("ended before") && error.contains("port taken"), "{error}");
    }
}
