//! `cargo xtask test`: starts the servers, runs everything that can be run, stops the servers, and says what happened.
//!
//! A test that lacks its server prints a line `skipped: … needs COMMUTATOR_TEST_…` and returns, or panics if `CI` is set; the
//! lines are collected here and shown at the end. What links `DuckDB` is built only where its library is, and what takes an
//! emulator of `BigQuery` only where that can run. Servers that ran before are used, and left running. With arguments after
//! `--` only the test runner runs, with these arguments.

mod junit;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    command,
    examples::{self, Run, resolve},
    interrupt,
    services::{self, Started, Wanted, postgres},
    tidy,
};

const PREFIX: &str = "COMMUTATOR_TEST_";
const BIGQUERY: &str = "commutator-destination-bigquery";
const DUCKDB: &str = "commutator-destination-duckdb";
/// Packages whose tests have some on `DuckDB` with the feature of that name.
const DRIVEN: [&str; 2] = ["commutator-cli", "commutator-tests"];
const WITH_DUCKDB: &str =
    "commutator-destination-duckdb/linked,commutator-warehouse/linked,commutator-cli/duckdb,commutator-tests/duckdb";
const WITH_BIGQUERY: &str = "commutator-destination-bigquery/emulator,commutator-tests/bigquery";

/// Runs it all; an error if anything failed.
pub(crate) fn run(root: &Path, wanted: Wanted, arguments: &[&str]) -> Result<()> {
    let mut stop = StopOnDrop { root, names: Vec::new(), scratch: None };
    let started = services::start(root, wanted, &mut stop.names)?;
    services::report(&started);
    services::require_all(&started)?;

    let mut steps = Steps::new(root, &started);
    if arguments.is_empty() {
        // The end-to-end tests drive it. Its own tests have cargo build it before any test runs, so none of them needs to.
        let program = tidy::target_folder(root)?.join("debug/commutator");
        steps.env.push((format!("{PREFIX}BINARY"), program.display().to_string()));
    }
    steps.tests("tests", arguments, &[]);
    if arguments.is_empty() {
        steps.cargo("documentation tests", &["test", "--doc", "--workspace", "--locked"], &[]);
        let scratch = services::scratch("examples")?;
        stop.scratch = Some(scratch.clone());
        steps.examples(&examples::names(&tidy::metadata(root)?)?, &scratch)?;
    }
    if wanted.postgres_matrix {
        for (major, _) in postgres::MATRIX {
            let of = |variable: &str| started.state.variable(&format!("{PREFIX}POSTGRES_{major}_{variable}"));
            let Some(url) = of("URL") else { continue }; // Named as missing already.
            let ca = of("CA").unwrap_or_default();
            let env = [(format!("{PREFIX}POSTGRES_URL"), url), (format!("{PREFIX}POSTGRES_CA"), ca)];
            let name = format!("tests on PostgreSQL {major}");
            steps.tests(&name, &["--package", "commutator-destination-postgres"], &env);
        }
    }
    drop(stop);
    steps.report(&started)
}

/// Plays the seeds of the proof for so many minutes in every destination, built with optimisation; an error if one of them failed.
pub(crate) fn soak(root: &Path, options: &[&str]) -> Result<()> {
    let (mut minutes, mut seeds, mut rest) = (10_u64, 0_u64, options.iter());
    while let Some(&option) = rest.next() {
        let chosen = match option {
            "--minutes" => &mut minutes,
            "--seeds" => &mut seeds,
            unknown => bail!("unknown option {unknown}; there are --minutes and --seeds"),
        };
        *chosen = rest.next().with_context(|| format!("{option} takes a number"))?.parse()?;
    }
    let mut stop = StopOnDrop { root, names: Vec::new(), scratch: None };
    let started = services::start(root, Wanted::default(), &mut stop.names)?;
    services::report(&started);
    services::require_all(&started)?;
    let mut steps = Steps::new(root, &started);
    let env = [("SEEDS", seeds), ("SECONDS", minutes * 60)]
        .map(|(name, value)| (format!("COMMUTATOR_PROOF_{name}"), value.to_string()));
    let package = ["test", "--release", "--locked", "--package", "commutator-tests", "--test", "proof"];
    let features: &[&str] = if steps.links_duckdb { &["--features", "duckdb"] } else { &[] };
    steps.cargo(
        "soak",
        &[&package[..], features, &["--", "equals_the_model", "--nocapture", "--test-threads", "4"]].concat(),
        &env,
    );
    drop(stop);
    steps.report(&started)
}

struct Steps<'a> {
    root: &'a Path,
    env: Vec<(String, String)>,
    /// Whether there is a library of `DuckDB`.
    links_duckdb: bool,
    /// Whether there is an emulator of `BigQuery`.
    emulates_bigquery: bool,
    done: Vec<Step>,
    skipped: Vec<String>,
}

struct Step {
    name: String,
    success: bool,
    seconds: f64,
    /// The runner's own summary, and what it says failed.
    summary: Vec<String>,
}

impl<'a> Steps<'a> {
    fn new(root: &'a Path, started: &Started) -> Self {
        let links_duckdb = started.state.get(services::duckdb::NAME).is_some();
        let emulates_bigquery = started.state.get(services::local_bigquery::NAME).is_some();
        Self { root, env: started.state.env(), links_duckdb, emulates_bigquery, done: Vec::new(), skipped: Vec::new() }
    }

    /// Runs the tests of the whole workspace, or what the arguments choose.
    fn tests(&mut self, name: &str, arguments: &[&str], env: &[(String, String)]) {
        let chosen = arguments.iter().any(|argument| matches!(*argument, "-p" | "--package"));
        let mut scope: Vec<&str> = match (chosen, self.links_duckdb) {
            (true, true) if arguments.contains(&DUCKDB) => vec!["--features", "linked"],
            (true, true) if arguments.iter().any(|it| DRIVEN.contains(it)) => vec!["--features", "duckdb"],
            (true, _) => vec![],
            (false, true) => vec!["--workspace", "--features", WITH_DUCKDB],
            (false, false) => vec!["--workspace"],
        };
        if self.emulates_bigquery && (!chosen || arguments.contains(&BIGQUERY)) {
            scope.extend(["--features", if chosen { "emulator" } else { WITH_BIGQUERY }]);
        }
        let scope = scope.as_slice();
        if command::run(Command::new("cargo").args(["nextest", "--version"])).is_err() {
            let arguments = [&["test", "--locked", "--no-fail-fast"], scope, arguments].concat();
            // Libtest hides what a passing test prints, and so its being skipped.
            let split = arguments.iter().position(|argument| *argument == "--").is_some();
            let show: &[&str] = if split { &["--show-output"] } else { &["--", "--show-output"] };
            return self.cargo(name, &[&arguments, show].concat(), env);
        }
        let folder = self.root.join(".services");
        let (config, junit) = (folder.join("nextest.toml"), folder.join("junit.xml"));
        if let Err(error) = prepare_nextest(&config, &junit) {
            eprintln!("{error:#}");
        }
        let tool = format!("xtask:{}", config.display());
        let run = ["nextest", "run", "--locked", "--no-fail-fast", "--tool-config-file", &tool];
        self.cargo(name, &[&run, scope, arguments].concat(), env);
        let report = fs::read_to_string(&junit).unwrap_or_default();
        self.skipped.extend(junit::skipped(&report));
    }

    fn examples(&mut self, names: &[String], scratch: &Path) -> Result<()> {
        let table = scratch.file_name().map(|name| name.to_string_lossy().replace('-', "_")).unwrap_or_default();
        for name in names {
            let folder = scratch.join(name);
            fs::create_dir_all(&folder)?;
            let mut variables = self.env.clone();
            variables.push(("SCRATCH".to_owned(), folder.display().to_string()));
            variables.push(("TABLE".to_owned(), format!("{table}_{name}")));
            if let Err(variable) = self.example(name, &variables) {
                self.skipped.push(format!("example {name}: needs {variable}"));
            }
        }
        Ok(())
    }

    /// One example, with what prepares it and what looks at the result; or the variable that it lacks.
    fn example(&mut self, name: &str, variables: &[(String, String)]) -> Result<(), &'static str> {
        let run = Run::of(name);
        let programs = |programs: &[&[&'static str]]| -> Result<Vec<(PathBuf, Vec<String>)>, &'static str> {
            let program = |words: &&[&'static str]| {
                let python = resolve(&["$COMMUTATOR_TEST_PYTHON"], variables)?.concat();
                let mut words = resolve(words, variables)?;
                words[0] = self.root.join("tests/python").join(&words[0]).display().to_string();
                Ok((PathBuf::from(python), words))
            };
            programs.iter().map(program).collect()
        };
        let arguments = resolve(run.arguments, variables)?;
        // With the features of the whole workspace, as the tests: of their package alone every dependency would be built once more.
        let cargo = ["run", "--locked", "--example", name, "--"];
        let cargo = cargo.into_iter().map(str::to_owned).chain(arguments).collect();

        let mut all = programs(run.before)?;
        all.push((PathBuf::from("cargo"), cargo));
        all.extend(programs(run.after)?);
        // DynamoDB Local takes any keys, but some there must be.
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|key| (key.to_owned(), "test".to_owned()));
        for (program, arguments) in all {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            if !self.step(&format!("example {name}"), &program, &arguments, &keys) {
                break;
            }
        }
        Ok(())
    }

    fn cargo(&mut self, name: &str, arguments: &[&str], env: &[(String, String)]) {
        self.step(name, Path::new("cargo"), arguments, env);
    }

    /// Runs a program; several with one name are one step, which fails with the first of them that does.
    fn step(&mut self, name: &str, program: &Path, arguments: &[&str], env: &[(String, String)]) -> bool {
        if interrupt::seen() {
            return false;
        }
        let since = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root);
        // What an earlier `services env` left in this shell is of no use now.
        for (stale, _) in env::vars().filter(|(name, _)| name.starts_with(PREFIX)) {
            command.env_remove(stale);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let (success, lines) = match command::watch(&mut command, is_of_interest) {
            Ok(watched) => (watched.success, watched.kept),
            Err(error) => (false, vec![format!("{error:#}")]),
        };
        let (skipped, mut summary): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| skip_reason(line).is_some());
        self.skipped.extend(skipped.iter().filter_map(|line| Some(format!("{name}: {}", skip_reason(line)?))));
        summary.dedup();
        let seconds = since.elapsed().as_secs_f64();
        match self.done.last_mut().filter(|step| step.name == name) {
            None => self.done.push(Step { name: name.to_owned(), success, seconds, summary }),
            Some(step) => {
                step.success &= success;
                step.seconds += seconds;
                step.summary.extend(summary);
            }
        }
        success
    }

    fn report(mut self, started: &Started) -> Result<()> {
        println!("\nservers used");
        for service in &started.state.services {
            println!("  {}: {}", service.name, service.version);
        }
        println!("skipped");
        self.skipped.sort();
        self.skipped.dedup();
        for (name, reason) in started.missing.iter().chain(&started.impossible) {
            println!("  server {name}: {}", reason.lines().next().unwrap_or_default());
        }
        for line in &self.skipped {
            println!("  {line}");
        }
        if self.skipped.is_empty() && started.missing.is_empty() && started.impossible.is_empty() {
            println!("  nothing");
        }
        println!("steps");
        // The tests themselves come last: their summary is what a reader, or a program, looks for at the end.
        self.done.sort_by_key(|step| step.name.starts_with("tests"));
        for step in &self.done {
            println!("  {}: {} after {:.0} s", step.name, if step.success { "ok" } else { "FAILED" }, step.seconds);
        }
        for line in self.done.iter().flat_map(|step| &step.summary) {
            println!("{line}");
        }
        ensure!(!interrupt::seen(), "interrupted");
        let failed: Vec<&str> = self.done.iter().filter(|step| !step.success).map(|step| step.name.as_str()).collect();
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }
}

/// Summaries, failures and skipped tests, of nextest and of libtest.
fn is_of_interest(line: &str) -> bool {
    let line = line.trim_start();
    let starts = ["Summary [", "FAIL [", "TIMEOUT [", "SIG", "ABORT [", "test result:"];
    starts.iter().any(|start| line.starts_with(start)) || line.ends_with("... FAILED") || skip_reason(line).is_some()
}

/// What follows `skipped:` on a line that a test printed.
fn skip_reason(line: &str) -> Option<&str> {
    line.trim().strip_prefix("skipped:").map(str::trim)
}

/// nextest shows nothing of a passing test, but writes it to a report. It also ends a test that hangs.
fn prepare_nextest(config: &Path, junit: &Path) -> Result<()> {
    let path = junit.display();
    let text = format!(
        "[profile.default]\nslow-timeout = {{ period = \"60s\", terminate-after = 15 }}\n\n\
         [profile.default.junit]\npath = '{path}'\nstore-success-output = true\n"
    );
    fs::write(config, text)?;
    if junit.exists() {
        fs::remove_file(junit)?;
    }
    Ok(())
}

/// Stops the servers that this run started and removes what its examples wrote, however it ends.
pub(crate) struct StopOnDrop<'a> {
    pub(crate) root: &'a Path,
    pub(crate) names: Vec<String>,
    pub(crate) scratch: Option<PathBuf>,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Err(error) = services::stop(self.root, Some(&self.names)) {
            eprintln!("cannot stop {}: {error:#}", self.names.join(", "));
        }
        if let Some(Err(error)) = self.scratch.take().map(fs::remove_dir_all) {
            eprintln!("cannot remove what the examples wrote: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_failures_and_skips_are_kept() {
        for line in [
            "     Summary [   1.5s] 3 tests run: 3 passed, 0 skipped",
            "        FAIL [   0.1s] commutator-core tests::x",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test a::b ... FAILED",
            "skipped: conformance on Postgres needs COMMUTATOR_TEST_POSTGRES_URL",
        ] {
            assert!(is_of_interest(line), "{line}");
        }
        for line in ["        PASS [   0.1s] commutator-core tests::x", "test a::b ... ok", "nothing was skipped: fine"]
        {
            assert!(!is_of_interest(line), "{line}");
        }
    }
}
