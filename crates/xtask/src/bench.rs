//! `cargo xtask bench`: builds the benchmarks in release, runs them and prints one table, with what it takes to read it.

mod peers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{command, instructions, services, test_run::StopOnDrop, tidy};

const PACKAGE: &str = "commutator-bench";

/// What is measured by a process alone, and whether it takes servers.
const ALONE: [(&str, bool); 3] = [("decode", false), ("latency", true), ("load", true)];

/// What is measured over HTTP, and whether it takes servers; the program describes them.
const SUITES: [(&str, bool); 8] = [
    ("arrow", false),
    ("parquet", true),
    ("duckdb", true),
    ("staged", true),
    ("postgres-scan", true),
    ("changes", true),
    ("growth", false),
    ("peers", false),
];

/// What links `DuckDB`.
const LINKED: [&str; 2] = ["duckdb", "staged"];

/// Runs the benchmark that the words name, with its options, or all of them.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let all = || ALONE.iter().chain(&SUITES).copied();
    let (mut chosen, options): (Vec<_>, &[&str]) = match words {
        [] => (all().collect(), &[]),
        ["instructions"] => return instructions::run(root, &build(root, None)?, false),
        ["instructions", "--save"] => return instructions::run(root, &build(root, None)?, true),
        [name, options @ ..] => {
            let Some(found) = all().find(|(known, _)| known == name) else {
                let names: Vec<_> = all().map(|(name, _)| name).collect();
                bail!("there is no benchmark `{name}`; there are instructions, {}", names.join(", "))
            };
            (vec![found], options)
        }
    };
    let mut stop = StopOnDrop { root, names: Vec::new(), scratch: None };
    let mut env = Vec::new();
    if chosen.iter().any(|(_, servers)| *servers) {
        let started = services::start(root, services::Wanted::default(), &mut stop.names)?;
        services::report(&started);
        env = started.state.env();
    }
    let linked = env.iter().any(|(variable, _)| variable == "DUCKDB_LIB_DIR");
    if !linked {
        chosen.retain(|(name, _)| {
            let stays = !LINKED.contains(name);
            if !stays {
                println!("{name}: not measured: there is no library of DuckDB");
            }
            stays
        });
    }
    let program = build(root, linked.then_some(&env))?;
    println!(
        "commit {}, {}, {}\n",
        commit(root)?,
        command::run(Command::new("rustc").arg("--version"))?.trim(),
        machine()
    );
    let mut failed = Vec::new();
    for (name, _) in chosen {
        let mut measure = Command::new(&program);
        if SUITES.iter().any(|(suite, _)| *suite == name) {
            measure.arg("suite");
        }
        measure.arg(name).args(options).envs(env.iter().cloned());
        if name == "peers" {
            measure.args(peers::options(root));
        }
        // What one of them lacks does not take the others away.
        if !command::watch(&mut measure, |_| false)?.success {
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Builds the program, with what links `DuckDB` where an environment says where its library is, and returns its path.
fn build(root: &Path, library: Option<&Vec<(String, String)>>) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--locked", "--package", PACKAGE]).current_dir(root);
    if let Some(library) = library {
        cargo.args(["--features", "duckdb"]).envs(library.iter().cloned());
    }
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
