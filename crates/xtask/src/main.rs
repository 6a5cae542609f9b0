//! `cargo xtask`: what this repository does to itself, as one program without a shell.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program prints")]

mod bench;
mod cache;
mod command;
mod examples;
mod fuzz;
mod instructions;
mod interrupt;
mod packages;
mod readme;
mod services;
mod sql;
mod test_run;
mod tidy;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use self::services::Wanted;

const USAGE: &str = "\
cargo xtask services start [--bigquery] [--dynamodb-local] [--postgres-matrix]   start the servers that tests use
cargo xtask services stop | status | env                            stop them, list them, print their variables
cargo xtask test [--bigquery] [--dynamodb-local] [--postgres-matrix] [-- ARGS]   start them, run everything, stop them
cargo xtask fuzz [--seconds N] [TARGET…]                            run the fuzz targets, 10 seconds each or N
cargo xtask soak [--minutes N] [--seeds N]                          play N seeds of the proof, then others for N minutes
cargo xtask bench [--quick | NAME [OPTION…]]                        measure, next to what people would use instead
cargo xtask bench instructions [--save]                             count the decoder's instructions, and compare
cargo xtask tidy                                                    check the repository's own rules
cargo xtask sql                                                     parse all statements in their dialects
cargo xtask readme                                                  run the README's commands";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if fuzz::is_compiler() {
        // What went wrong the compiler has said.
        return if fuzz::compile(&arguments).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match interrupt::listen().and_then(|()| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let root = root()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["services", "start", options @ ..] => {
            let started = services::start(&root, wanted(options)?, &mut Vec::new())?;
            services::report(&started);
            println!("variables: eval \"$(cargo xtask services env)\"");
            services::require_all(&started)
        }
        ["services", "stop"] => {
            let stopped = services::stop(&root, None)?;
            println!("stopped: {}", if stopped.is_empty() { "nothing ran".to_owned() } else { stopped.join(", ") });
            Ok(())
        }
        ["services", "status"] => {
            let state = services::running(&root)?;
            if state.services.is_empty() {
                println!("nothing runs");
            }
            services::report(&services::Started { state, ..services::Started::default() });
            Ok(())
        }
        ["services", "env"] => {
            print!("{}", services::running(&root)?.exports());
            Ok(())
        }
        ["test", options @ ..] => {
            let split = options.iter().position(|option| *option == "--");
            let (options, arguments) = split.map_or((options, &[][..]), |at| (&options[..at], &options[at + 1..]));
            test_run::run(&root, wanted(options)?, arguments)
        }
        ["soak", options @ ..] => test_run::soak(&root, options),
        ["fuzz", options @ ..] => fuzz::run(&root, options),
        ["bench", words @ ..] => bench::run(&root, words),
        ["tidy"] => tidy::run(&root),
        ["sql"] => sql::run(&root),
        ["readme"] => readme::run(&root),
        _ => bail!("usage:\n{USAGE}"),
    }
}

fn wanted(options: &[&str]) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    for option in options {
        match *option {
            "--bigquery" => wanted.bigquery = true,
            "--dynamodb-local" => wanted.dynamodb_local = true,
            "--postgres-matrix" => wanted.postgres_matrix = true,
            unknown => bail!("unknown option {unknown}\nusage:\n{USAGE}"),
        }
    }
    Ok(wanted)
}

/// The repository's root, wherever in it the command was given.
fn root() -> Result<PathBuf> {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Ok(here.parent().and_then(Path::parent).context("crates/xtask is not where it was")?.to_owned())
}
