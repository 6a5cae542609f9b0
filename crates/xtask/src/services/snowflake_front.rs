//! A stand-in for Snowflake: its SQL API, in Python over `DuckDB`. It is a test's, so it lies with the tests that need it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{ports, process::Process, state::Running};
use crate::packages;

pub(super) const NAME: &str = "snowflake-front";

/// The same with the statements run by an emulator of somebody else's.
pub(super) const FAKESNOW: &str = "fakesnow";

const REQUIREMENTS: &str = include_str!("fakesnow.txt");

/// Starts it; whatever token it is shown but `wrong` is a right one.
pub(super) fn start(root: &Path, python: PathBuf, folder: &Path) -> Result<Running> {
    let version = "Snowflake's SQL API over DuckDB".to_owned();
    run(root, python, folder, (NAME, version, "COMMUTATOR_TEST_SNOWFLAKE_FRONT"), &[])
}

/// Starts it over `fakesnow`.
pub(super) fn start_fakesnow(root: &Path, folder: &Path) -> Result<Running> {
    let python = packages::python_environment(FAKESNOW, REQUIREMENTS, false)?.join("bin/python");
    let pinned = REQUIREMENTS.lines().find(|line| line.starts_with("fakesnow=="));
    let version = format!("Snowflake's SQL API over {}", pinned.context("no version is pinned")?);
    run(root, python, folder, (FAKESNOW, version, "COMMUTATOR_TEST_SNOWFLAKE_FAKESNOW"), &[FAKESNOW])
}

fn run(
    root: &Path,
    python: PathBuf,
    folder: &Path,
    (name, version, variable): (&str, String, &str),
    arguments: &[&str],
) -> Result<Running> {
    let [port] = ports::free()?;
    let log = folder.join("log");
    let mut front = Command::new(python);
    front.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    front.arg(root.join("crates/destination-snowflake/tests/front/front.py")).arg(port.to_string()).args(arguments);
    let process = Process::spawn(&mut front, &log)?;
    process.wait_until(&log, || ports::http_status(port, "/ready") == Some(200))?;
    Ok(Running {
        name: name.to_owned(),
        version,
        process: Some(process),
        stop_signal: "TERM".to_owned(),
        folder: Some(folder.to_owned()),
        env: vec![(variable.to_owned(), format!("http://127.0.0.1:{port}"))],
        ..Running::default()
    })
}
