//! `commutator check`: named checks of both sides, each failure with what to do about it.

use commutator::{CheckReport, Error, ErrorKind, Outcome, Result};
use serde_json::json;

use crate::args::{Global, Place};
use crate::config::Settings;
use crate::connect;
use crate::failure::Failure;
use crate::output;

/// Runs and prints all checks; a side that fails does not keep the other from being checked.
pub(crate) async fn run(place: &Place, global: Global) -> Result<(), Failure> {
    let settings = place.settings().map_err(Failure::Config)?;
    let (source, destination) = tokio::join!(check_source(&settings), check_destination(&settings));
    let passed = source.passed() && destination.passed();
    if global.json {
        output::json(&json!({
            "passed": passed,
            "source": source.checks,
            "destination": destination.checks,
        }));
    } else {
        print("source", &source);
        print("destination", &destination);
        output::line(if passed { "All checks passed." } else { "Some checks failed." });
    }
    if passed { Ok(()) } else { Err(Failure::Reported) }
}

async fn check_source(settings: &Settings) -> CheckReport {
    match connect::source(settings).await {
        Ok(source) => report(source.check().await),
        Err(error) => refused(&error),
    }
}

async fn check_destination(settings: &Settings) -> CheckReport {
    match connect::destination(settings).await {
        Ok(destination) => report(destination.check().await),
        Err(error) => refused(&error),
    }
}

fn report(checked: Result<CheckReport>) -> CheckReport {
    checked.unwrap_or_else(|error| refused(&error))
}

fn refused(error: &Error) -> CheckReport {
    let mut report = CheckReport::default();
    report.fail_with("connect", error, remedy(error.kind()));
    report
}

/// Returns what to do about an error that no check of its own explains.
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConfigInvalid => "correct the configuration",
        ErrorKind::PermissionDenied => "correct the credentials, or grant the identity what the message names",
        ErrorKind::NotFound => "correct the name, or create what is missing",
        ErrorKind::Throttled => "wait, or lower the read capacity that may be used",
        ErrorKind::Unavailable => "check the address, the network and whether the server runs",
        ErrorKind::Unsupported => "choose another combination; the message says which are offered",
        _ => "run again with -vv; if it stays, report it with the log",
    }
}

fn print(side: &str, report: &CheckReport) {
    output::line(side);
    for check in &report.checks {
        let name = &check.name;
        match &check.outcome {
            Outcome::Passed { detail } if detail.is_empty() => output::line(format_args!("  ok    {name}")),
            Outcome::Passed { detail } => output::line(format_args!("  ok    {name}: {detail}")),
            Outcome::Skipped { reason } => output::line(format_args!("  skip  {name}: {reason}")),
            Outcome::Failed { problem, remedy } => {
                output::line(format_args!("  FAIL  {name}: {problem}\n        what to do: {remedy}"));
            }
        }
    }
}
