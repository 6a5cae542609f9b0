//! A stand-in for Snowflake: its SQL API, in Python over `DuckDB`. It is a test's, so it lies with the tests that need it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::{ports, process::Process, state::Running};

pub(super) const NAME: &str = "snowflake-front";

/// Starts it; whatever token it is shown but `wrong` is a right one.
pub(super) fn start(root: &Path, python: PathBuf, folder: &Path) -> Result<Running> {
    let [port] = ports::free()?;
    let log = folder.join("log");
    let mut front = Command::new(python);
    front.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    front.arg(root.join("crates/destination-snowflake/tests/front/front.py")).arg(port.to_string());
    let process = Process::spawn(&mut front, &log)?;
    process.wait_until(&log, || ports::http_status(port, "/ready") == Some(200))?;
    Ok(Running {
        name: NAME.to_owned(),
        version: "Snowflake's SQL API over DuckDB".to_owned(),
        process: Some(process),
        stop_signal: "TERM".to_owned(),
        folder: Some(folder.to_owned()),
        env: vec![("COMMUTATOR_TEST_SNOWFLAKE_FRONT".to_owned(), format!("http://127.0.0.1:{port}"))],
        ..Running::default()
    })
}
