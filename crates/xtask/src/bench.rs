//! `cargo xtask bench`: builds the benchmarks in release, runs them and prints one table, with what it takes to read it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{command, instructions, tidy};

const PACKAGE: &str = "commutator-bench";

/// Runs what the words ask for: `decode` with its options, or everything there is, which is the same so far.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let options = match words {
        [] => &[],
        ["decode", options @ ..] => options,
        ["instructions"] => return instructions::run(root, &build(root)?, false),
        ["instructions", "--save"] => return instructions::run(root, &build(root)?, true),
        [unknown, ..] => bail!("there is no benchmark `{unknown}`; there are decode and instructions"),
    };
    let program = build(root)?;
    println!(
        "commit {}, {}, {}\n",
        commit(root)?,
        command::run(Command::new("rustc").arg("--version"))?.trim(),
        machine()
    );
    let done = command::watch(Command::new(program).arg("decode").args(options), |_| false)?;
    ensure!(done.success, "the benchmark failed");
    Ok(())
}

/// Builds the program and returns its path.
fn build(root: &Path) -> Result<std::path::PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--locked", "--package", PACKAGE]).current_dir(root);
    ensure!(command::watch(&mut cargo, |_| false)?.success, "the benchmarks do not build");
    let metadata: Value = serde_json::from_str(&tidy::metadata(root)?).context("cargo metadata")?;
    let folder = metadata["target_directory"].as_str().context("no target directory")?;
    Ok(Path::new(folder).join("release").join(PACKAGE))
}

/// The commit, and whether there is more in the folder.
fn commit(root: &Path) -> Result<String> {
    let arguments = ["describe", "--always", "--dirty", "--exclude=*"];
    Ok(command::run(Command::new("git").args(arguments).current_dir(root))?.trim().to_owned())
}

/// The processor, as Linux names it.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{count} × {}", name.map_or("an unknown processor", |(_, name)| name.trim()))
}
