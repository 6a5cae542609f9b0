//! An emulator of `BigQuery` on `DuckDB`, with its buckets, and the client that Google has for Python. `gs://bucket/…` is the folder
//! `gcs/bucket` of its data.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{ports, process::Process, state::Running};
use crate::{command, packages};

pub(crate) const NAME: &str = "local-bigquery";

const REQUIREMENTS: &str = include_str!("local_bigquery.txt");
const PATCHED: &str = include_str!("local_bigquery.py");
const EXTENSIONS: &str =
    "from duckdb_extensions import import_extension as get; [get(name) for name in ('icu', 'spatial')]";
const PYTHON: (u8, u8) = (3, 13);
const PROJECT: &str = "commutator-test";

/// Returns why it cannot run here; `None` if it can.
pub(super) fn impossible() -> Option<String> {
    let (major, minor) = PYTHON;
    let reason =
        || format!("it takes Python {major}.{minor} or later, which is neither on the search path nor in pyenv");
    packages::python_since(PYTHON).is_none().then(reason)
}

/// Starts it with one project; tests make datasets of their own.
pub(super) fn start(root: &Path, folder: &Path) -> Result<Running> {
    let file = root.join("tests/python/requirements-bigquery.txt");
    let client = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let client = packages::python_environment("bigquery-client", &client, false)?;
    let environment = packages::listed_python_environment(NAME, PYTHON, REQUIREMENTS, |environment| {
        // They go into the home folder, which is this one here.
        let mut extensions = Command::new(environment.join("bin/python"));
        command::run(extensions.env("HOME", environment).args(["-c", EXTENSIONS])).map(drop)
    })?;
    let serve = folder.join("serve.py");
    fs::write(&serve, PATCHED)?;
    let data = folder.join("data");
    fs::create_dir(&data)?;

    let [port, grpc] = ports::free()?;
    let log = folder.join("log");
    let mut python = Command::new(environment.join("bin/python"));
    python.current_dir(folder).env("HOME", &environment).arg(&serve).arg("serve");
    python.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--grpc-port", &grpc.to_string()]);
    python.args(["--project", PROJECT, "--data-dir"]).arg(&data);
    let process = Process::spawn(&mut python, &log)?;
    let datasets = format!("/bigquery/v2/projects/{PROJECT}/datasets");
    process.wait_until(&log, || ports::http_status(port, &datasets) == Some(200))?;

    let variable = |name: &str, value: String| (format!("COMMUTATOR_TEST_BIGQUERY_{name}"), value);
    Ok(Running {
        name: NAME.to_owned(),
        version: version(&environment)?,
        process: Some(process),
        stop_signal: "KILL".to_owned(), // Its data is thrown away.
        folder: Some(folder.to_owned()),
        leftovers: Vec::new(),
        env: vec![
            variable("EMULATOR_URL", format!("http://127.0.0.1:{port}")),
            variable("EMULATOR_PROJECT", PROJECT.to_owned()),
            variable("PYTHON", client.join("bin/python").display().to_string()),
        ],
        notes: Vec::new(),
    })
}

fn version(environment: &Path) -> Result<String> {
    let pinned = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("local-bigquery=="));
    let python = command::run(Command::new(environment.join("bin/python")).arg("--version"))?;
    Ok(format!("local-bigquery {} on {}", pinned.context("no version is pinned")?, python.trim()))
}
