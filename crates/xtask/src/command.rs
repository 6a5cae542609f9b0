//! Running other programs and waiting for them.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::interrupt;

/// The first of these names that is a file on the search path or in one of `folders`.
pub(crate) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(folders.iter().cloned()).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs a short command to its end; on failure the error holds what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let shown = show(command);
    without_package(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!("{shown}: {}\n{}", output.status, tail(&format!("{stdout}\n{stderr}"), 20))
}

/// How [`watch`] ended.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Exit code 0, and nobody interrupted it.
    pub(crate) success: bool,
    /// The lines that `keep` chose, without colours.
    pub(crate) kept: Vec<String>,
}

/// Runs a long command in a process group of its own, passes its output through, and keeps the lines that `keep` wants.
///
/// An interrupt is passed on to the whole group, so that no test outlives the run.
pub(crate) fn watch(command: &mut Command, keep: fn(&str) -> bool) -> Result<Watched> {
    let shown = show(command);
    println!("$ {shown}");
    without_package(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    let stdout = child.stdout.take().context("no stdout")?;
    let stderr = child.stderr.take().context("no stderr")?;
    let out = thread::spawn(move || pass_on(stdout, keep, |line| print!("{line}")));
    let err = thread::spawn(move || pass_on(stderr, keep, |line| eprint!("{line}")));

    let group = format!("-{}", child.id());
    let mut asked: Option<Instant> = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match asked {
            None if interrupt::seen() => {
                signal(&group, "INT");
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > Duration::from_secs(15) => signal(&group, "KILL"),
            _ => {}
        }
        thread::sleep(Duration::from_millis(50));
    };
    if asked.is_some() {
        signal(&group, "KILL"); // What the leader left behind.
    }
    let mut kept = out.join().unwrap_or_default();
    kept.extend(err.join().unwrap_or_default());
    Ok(Watched { success: status.success() && asked.is_none(), kept })
}

/// Leaves out what `cargo run` says of this package: build scripts that look at such variables (`ring`'s does) would run again in
/// every Cargo that is started from here, and whatever depends on them would be built again.
fn without_package(command: &mut Command) {
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_of_package(name)) {
        command.env_remove(name);
    }
}

fn is_of_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Sends a signal to a process, or with a leading `-` to a process group. One that is gone is no error.
pub(crate) fn signal(target: &str, name: &str) {
    let script = "kill -s \"$0\" -- \"$1\" 2>/dev/null";
    let _gone = Command::new("sh").args(["-c", script, name, target]).status();
}

/// The last `count` lines that are not blank.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The last lines of a file; empty where it cannot be read.
pub(crate) fn tail_of(file: &Path, count: usize) -> String {
    std::fs::read(file).map(|bytes| tail(&String::from_utf8_lossy(&bytes), count)).unwrap_or_default()
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn pass_on(stream: impl Read, keep: fn(&str) -> bool, show: impl Fn(&str)) -> Vec<String> {
    let mut reader = BufReader::new(stream);
    let mut kept = Vec::new();
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes);
        show(&line);
        let plain = without_colours(line.trim_end());
        if keep(&plain) {
            kept.push(plain);
        }
        bytes.clear();
    }
    kept
}

/// The text without its ANSI colour sequences.
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_skips_blank_lines() {
        assert_eq!(tail("a\n\nb\n \nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
        assert_eq!(tail("", 5), "");
    }

    #[test]
    fn colours_are_removed() {
        assert_eq!(without_colours("\u{1b}[1;32mok\u{1b}[0m done"), "ok done");
        assert_eq!(without_colours("cut \u{1b}[1"), "cut ");
    }

    #[test]
    fn a_child_does_not_see_what_this_package_is_called() {
        assert!(is_of_package("CARGO_PKG_NAME") && is_of_package("CARGO_MANIFEST_DIR"));
        assert!(!is_of_package("CARGO_TARGET_DIR") && !is_of_package("CARGO_HOME"));
        // Cargo sets them for this test, too.
        assert!(env::var_os("CARGO_PKG_NAME").is_some());
        assert_eq!(run(Command::new("sh").args(["-c", "env | grep -c ^CARGO_PKG_ || true"])).unwrap().trim(), "0");
    }

    #[test]
    fn a_failing_command_shows_what_it_printed() {
        let error = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("out") && error.contains("err") && error.contains('3'), "{error}");
    }

    #[test]
    fn watched_lines_are_kept() {
        let watched = watch(Command::new("sh").args(["-c", "echo keep 1; echo drop; echo keep 2 >&2"]), |line| {
            line.starts_with("keep")
        });
        let watched = watched.unwrap();
        assert!(watched.success);
        assert_eq!(watched.kept, ["keep 1", "keep 2"]);
    }
}
