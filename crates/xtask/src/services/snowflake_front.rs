//! A stand-in for Snowflake: its SQL API, in Python over `DuckDB`. It is a test's, so it lies with the tests that need it.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{ports, process::Process, state::Running};
use crate::packages;

pub(super) const NAME: &str = "snowflake-front";

/// The same with the statements run by an emulator of somebody else's.
pub(super) const FAKESNOW: &str = "fakesnow";

const REQUIREMENTS: &str = include_str!("fakesnow.txt");

/// Starts it; whatever token it is shown but `wrong` is a right one.
pub(super) fn start(root: &Path, python: &Path, folder: &Path) -> Result<Running> {
    let [port] = ports::free()?;
    let version = "Snowflake's SQL API over DuckDB".to_owned();
    let running = Running { name: NAME.to_owned(), version, ..Running::default() };
    run(root, python, folder, port, &[], Running { env: vec![variable("FRONT", url(port))], ..running })
}

/// Starts it over `fakesnow`, which answers Snowflake's own clients at a port of its own.
pub(super) fn start_fakesnow(root: &Path, folder: &Path) -> Result<Running> {
    let python = packages::python_environment(FAKESNOW, REQUIREMENTS, false)?.join("bin/python");
    let pinned = REQUIREMENTS.lines().find(|line| line.starts_with("fakesnow=="));
    let version = format!("Snowflake's SQL API and sessions over {}", pinned.context("no version is pinned")?);
    let [port, sessions] = ports::free()?;
    let env = vec![
        variable("FAKESNOW", url(port)),
        variable("SESSIONS", format!("127.0.0.1:{sessions}")),
        variable("PYTHON", python.display().to_string()),
    ];
    let running = Running { name: FAKESNOW.to_owned(), version, env, ..Running::default() };
    run(root, &python, folder, port, &[FAKESNOW, &sessions.to_string()], running)
}

fn variable(name: &str, value: String) -> (String, String) {
    (format!("COMMUTATOR_TEST_SNOWFLAKE_{name}"), value)
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn run(root: &Path, python: &Path, folder: &Path, port: u16, arguments: &[&str], running: Running) -> Result<Running> {
    let log = folder.join("log");
    let mut front = Command::new(python);
    front.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    front.arg(root.join("crates/destination-snowflake/tests/front/front.py")).arg(port.to_string()).args(arguments);
    let process = Process::spawn(&mut front, &log)?;
    process.wait_until(&log, || ports::http_status(port, "/ready") == Some(200))?;
    Ok(Running { process: Some(process), stop_signal: "TERM".to_owned(), folder: Some(folder.to_owned()), ..running })
}
