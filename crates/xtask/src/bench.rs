//! `cargo xtask bench`: builds the benchmarks in release, runs them and prints one table, with what it takes to read it.

mod peers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail, ensure};

use crate::{command, instructions, services, test_run::StopOnDrop, tidy};

const PACKAGE: &str = "commutator-bench";

/// Something that is measured.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Whether the program knows it as a suite: what is measured over HTTP, each contender in a process.
    suite: bool,
    /// Whether it takes servers.
    servers: bool,
    /// With what options it takes seconds.
    quick: &'static [&'static str],
}

const fn alone(name: &'static str, servers: bool, quick: &'static [&'static str]) -> Case {
    Case { name, suite: false, servers, quick }
}

const fn suite(name: &'static str, servers: bool) -> Case {
    Case { name, suite: true, servers, quick: &["--rounds", "1", "--pages", "8"] }
}

const CASES: [Case; 11] = [
    alone("decode", false, &["--rounds", "1", "--pages", "2"]),
    alone("latency", true, &["--seconds", "5"]),
    alone("load", true, &["--rounds", "1", "--pages", "16"]),
    suite("arrow", false),
    suite("parquet", true),
    suite("duckdb", true),
    suite("staged", true),
    suite("postgres-scan", true),
    suite("changes", true),
    Case { quick: &["--rounds", "1", "--pages", "8", "--times", "10"], ..suite("growth", false) },
    suite("peers", false),
];

/// What links `DuckDB`.
const LINKED: [&str; 2] = ["duckdb", "staged"];

/// Runs the benchmark that the words name, with its options, or all of them: `--quick` all on so little that it shows only that they run.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let all = || CASES.to_vec();
    let (mut chosen, quick, options): (Vec<Case>, bool, &[&str]) = match words {
        [] => (all(), false, &[]),
        ["--quick"] => (all(), true, &[]),
        ["instructions"] => return instructions::run(root, &build(root, None)?, false),
        ["instructions", "--save"] => return instructions::run(root, &build(root, None)?, true),
        [name, options @ ..] => {
            let Some(found) = CASES.iter().find(|case| case.name == *name) else {
                let names = CASES.map(|case| case.name).join(", ");
                bail!("there is no benchmark `{name}`; there are instructions, {names}")
            };
            (vec![*found], false, options)
        }
    };
    let mut stop = StopOnDrop { root, names: Vec::new(), scratch: None };
    let mut env = Vec::new();
    if chosen.iter().any(|case| case.servers) {
        let started = services::start(root, services::Wanted::default(), &mut stop.names)?;
        services::report(&started);
        env = started.state.env();
    }
    let linked = env.iter().any(|(variable, _)| variable == "DUCKDB_LIB_DIR");
    if !linked {
        chosen.retain(|case| {
            let stays = !LINKED.contains(&case.name);
            if !stays {
                println!("{}: not measured: there is no library of DuckDB", case.name);
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
    for case in chosen {
        let mut measure = Command::new(&program);
        if case.suite {
            measure.arg("suite");
        }
        measure.arg(case.name).args(options).envs(env.iter().cloned());
        if quick {
            measure.args(case.quick);
        }
        if case.name == "peers" {
            measure.args(peers::options(root));
        }
        // What one of them lacks does not take the others away.
        if !command::watch(&mut measure, |_| false)?.success {
            failed.push(case.name);
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
    Ok(tidy::target_folder(root)?.join("release").join(PACKAGE))
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
