//! The `commutator` program as a library: [`main`] is all of it, [`config`] reads its file, [`demo`] has the shop that the
//! quickstart example uses, too.

mod args;
mod command;
pub mod config;
mod connect;
pub mod demo;
mod failure;
mod iam;
mod output;
mod progress;
mod sample;
mod shutdown;
mod telemetry;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use indicatif::MultiProgress;

use args::{Arguments, Command};
pub use failure::{Failure, Problem};
pub use output::Grid;
pub use progress::Progress;

/// Runs the program: exit code 0 is fine, 1 failed, 2 wrong usage or configuration.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap prints each to where it belongs and knows the exit code.
            let _printed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let global = arguments.global;
    let bars = telemetry::start(global, matches!(arguments.command, Command::Demo(_)));
    // Each thread keeps memory of its own, and what they do waits for cores or for a disk.
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::failure(format_args!("error: no threads can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments, bars)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let (true, Some(value)) = (global.json, failure.to_json()) {
                output::json(&value);
            }
            let text = failure.to_string();
            if !text.is_empty() {
                output::failure(text);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: Arguments, bars: MultiProgress) -> Result<(), Failure> {
    let global = arguments.global;
    match arguments.command {
        Command::Init(arguments) => command::init::run(&arguments, global),
        Command::Check(place) => Box::pin(command::check::run(&place, global)).await,
        Command::Discover(arguments) => Box::pin(command::discover::run(&arguments, global)).await,
        Command::Plan(plan) => Box::pin(command::plan::run(&plan, global)).await,
        Command::Run(arguments) => Box::pin(command::run::run(&arguments, global, bars)).await,
        Command::Status(place) => Box::pin(command::status::run(&place, global)).await,
        Command::Resync(arguments) => Box::pin(command::resync::run(&arguments, global)).await,
        Command::Compact(arguments) => Box::pin(command::compact::run(&arguments, global)).await,
        Command::DeadLetter { command } => Box::pin(command::dead_letter::run(&command, global)).await,
        Command::Demo(arguments) => Box::pin(command::demo::run(&arguments, global, bars)).await,
    }
}
