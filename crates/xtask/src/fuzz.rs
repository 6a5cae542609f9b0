//! `cargo xtask fuzz`: builds the fuzz targets with libFuzzer's coverage and runs them, on the stable toolchain.
//!
//! `cargo fuzz` asks for a nightly one because of its sanitizers. Coverage is all that is wanted here, and the compiler offers it to
//! everybody; so this program stands in for `rustc` where a crate of the workspace is built, and adds the flags. Dependencies are
//! built without them, exactly as for the tests, and are not built twice.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{command, tidy};

/// What `cargo fuzz --sanitizer none` passes.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Set where this program stands in for `rustc`.
const AS_COMPILER: &str = "COMMUTATOR_FUZZ_COVERAGE";

const PACKAGE: &str = "commutator-fuzz";
const PREFIX: &str = "fuzz_";
const DICTIONARIES: [(&str, &[&str]); 4] = [
    ("dynamodb", &["scan_page", "records_page"]),
    ("state", &["checkpoint", "order_key", "manifest"]),
    ("settings", &["config", "address", "connection"]),
    ("filter", &["filter"]),
];

/// Runs the targets named, or all of them, for so many seconds each; an error if one of them fails.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<()> {
    let (mut seconds, mut chosen, mut rest) = (10_u32, Vec::new(), options.iter());
    while let Some(&option) = rest.next() {
        match option {
            "--seconds" => seconds = rest.next().context("--seconds takes a number")?.parse()?,
            target => chosen.push(target.to_owned()),
        }
    }
    let metadata = tidy::metadata(root)?;
    let (known, target_folder) = targets(&metadata)?;
    if let Some(unknown) = chosen.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", known.join(", "));
    }
    if chosen.is_empty() {
        chosen = known;
    }
    build(root, &chosen, &metadata)?;
    let work = target_folder.join("fuzz");
    let one = |target: &String| fuzz(root, &target_folder.join("debug"), &work, target, seconds);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut failed = Vec::new();
    for group in chosen.chunks(workers) {
        thread::scope(|scope| {
            let running: Vec<_> = group.iter().map(|target| (target, scope.spawn(|| one(target)))).collect();
            for (target, result) in running {
                match result.join() {
                    Ok(Ok(summary)) => println!("{target}: {summary}"),
                    Ok(Err(error)) => {
                        println!("{target}: FAILED\n{error:#}");
                        failed.push(target.as_str());
                    }
                    Err(_) => failed.push(target.as_str()),
                }
            }
        });
    }
    ensure!(
        failed.is_empty(),
        "failed: {}; the inputs are in {}: mend what they break and add them to crates/fuzz/corpus",
        failed.join(", "),
        work.display()
    );
    Ok(())
}

/// Whether this program was started in the place of `rustc`.
pub(crate) fn is_compiler() -> bool {
    env::var_os(AS_COMPILER).is_some()
}

/// Compiles a crate of the workspace, with coverage.
pub(crate) fn compile(arguments: &[String]) -> Result<()> {
    let (rustc, arguments) = arguments.split_first().context("no compiler is named")?;
    let asks = arguments.iter().any(|argument| argument == "-vV" || argument.starts_with("--print"));
    let coverage: &[&str] = if asks { &[] } else { &COVERAGE };
    let status = Command::new(rustc).args(arguments).args(coverage).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The targets, and the folder that Cargo builds into.
fn targets(metadata: &str) -> Result<(Vec<String>, PathBuf)> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata")?;
    let folder = metadata["target_directory"].as_str().context("no target directory")?.into();
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let package = packages.iter().find(|package| package["name"] == PACKAGE).context("no package of fuzz targets")?;
    let targets = package["targets"].as_array().context("a package without targets")?;
    let names = targets.iter().filter_map(|target| target["name"].as_str()?.strip_prefix(PREFIX));
    Ok((names.map(str::to_owned).collect(), folder))
}

fn build(root: &Path, targets: &[String], metadata: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    // The whole workspace's features, as when its tests are built: otherwise every dependency is built once more.
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--features", &format!("{PACKAGE}/fuzzing")]);
    for target in targets {
        cargo.args(["--bin", &format!("{PREFIX}{target}")]);
    }
    for package in measured(metadata)? {
        cargo.args(["--config", &format!("profile.dev.package.{package}.opt-level=1")]);
    }
    cargo.current_dir(root).env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?).env(AS_COMPILER, "1");
    ensure!(command::watch(&mut cargo, |_| false)?.success, "the fuzz targets do not build");
    Ok(())
}

/// The packages of the workspace whose code the targets run.
fn measured(metadata: &str) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let package = packages.iter().find(|package| package["name"] == PACKAGE).context("no package of fuzz targets")?;
    let dependencies = package["dependencies"].as_array().context("a package without dependencies")?;
    let names = dependencies.iter().filter(|dependency| dependency["path"].is_string());
    Ok(names.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect())
}

/// Runs one target on what it found earlier and on its seeds; returns how far it came.
fn fuzz(root: &Path, programs: &Path, work: &Path, target: &str, seconds: u32) -> Result<String> {
    let (found, seeds) = (work.join("corpus").join(target), root.join("crates/fuzz/corpus").join(target));
    fs::create_dir_all(&found)?;
    ensure!(seeds.is_dir(), "{} is missing", seeds.display());
    let mut run = Command::new(programs.join(format!("{PREFIX}{target}")));
    run.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096"]);
    run.arg(format!("-artifact_prefix={}/{target}-", work.display())).arg("-print_final_stats=1");
    if let Some((name, _)) = DICTIONARIES.iter().find(|(_, targets)| targets.contains(&target)) {
        run.arg(format!("-dict={}", root.join(format!("crates/fuzz/dictionaries/{name}.dict")).display()));
    }
    let output = run.arg(&found).arg(&seeds).output().with_context(|| format!("cannot run {target}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", command::tail(&log, 40));
    Ok(summary(&log))
}

/// From libFuzzer's log: how often the target ran, and how much of the code the seeds and the rest reached.
fn summary(log: &str) -> String {
    let covered = |line: &&str| line.contains(" cov: ");
    let value = |line: &str, name: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).unwrap_or("?").to_owned()
    };
    let runs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).unwrap_or("?").trim();
    let (first, last) = (log.lines().find(covered), log.lines().rfind(covered));
    let cov = |line: Option<&str>| line.map_or_else(|| "?".to_owned(), |line| value(line, "cov:"));
    format!("{runs} runs, coverage {} at first, {} at last", cov(first), cov(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_how_far_it_came() {
        let log =
            "#2\tINITED cov: 12 ft: 13 corp: 1/1b\n#9\tNEW    cov: 15 ft: 20\nstat::number_of_executed_units: 900\n";
        assert_eq!(summary(log), "900 runs, coverage 12 at first, 15 at last");
        assert_eq!(summary(""), "? runs, coverage ? at first, ? at last");
    }

    #[test]
    fn targets_are_binaries_of_one_package() {
        let metadata = r#"{"target_directory": "/t", "packages": [{"name": "other", "targets": [{"name": "fuzz_x"}]},
            {"name": "commutator-fuzz", "targets": [{"name": "commutator_fuzz"}, {"name": "fuzz_config"}],
             "dependencies": [{"name": "commutator-core", "path": "/c"}, {"name": "libfuzzer-sys"}]}]}"#;
        assert_eq!(targets(metadata).unwrap(), (vec!["config".to_owned()], PathBuf::from("/t")));
        assert_eq!(measured(metadata).unwrap(), ["commutator-core"]);
        targets("{}").unwrap_err();
    }
}
