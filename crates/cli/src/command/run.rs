//! `commutator run`: the snapshot, then every change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commutator::pipeline::{Latencies, Pipeline, RunReport, TableOutcome};
use commutator::{CancellationToken, Result, Until};
use indicatif::MultiProgress;
use serde_json::{Value, json};

use crate::args::{Global, Run};
use crate::failure::{Failure, error_json};
use crate::output::{self, Grid, count, span};
use crate::progress::Progress;
use crate::{connect, shutdown};

/// Runs until what was asked for was read or a signal came, and prints what was done.
pub(crate) async fn run(arguments: &Run, global: Global, bars: MultiProgress) -> Result<(), Failure> {
    let mut settings = arguments.place.settings().map_err(Failure::Config)?;
    settings.options.until = match (arguments.snapshot_only, arguments.until_caught_up) {
        (true, _) => Until::SnapshotEnd,
        (_, true) => Until::CaughtUp,
        _ => Until::Stopped,
    };
    let stop = shutdown::token();
    let pipeline = connect::runner(settings).await?;
    let began = Instant::now();
    let report = with_progress(pipeline, Progress::new(bars, global.json), &stop).await?;
    let took = began.elapsed();
    if global.json {
        output::json(&summary_json(&report, took));
    } else {
        output::line(summary(&report, took));
    }
    if report.succeeded() { Ok(()) } else { Err(Failure::Reported) }
}

/// Runs a pipeline and shows how it goes.
pub(crate) async fn with_progress(
    pipeline: Pipeline,
    progress: Arc<Progress>,
    stop: &CancellationToken,
) -> Result<RunReport> {
    let pipeline = pipeline.with_observer(Arc::<Progress>::clone(&progress));
    let done = CancellationToken::new();
    let run = async {
        let report = Box::pin(pipeline.run(stop)).await;
        done.cancel();
        report
    };
    let (report, ()) = tokio::join!(run, progress.show(&done));
    report
}

fn summary(report: &RunReport, took: Duration) -> String {
    let mut grid = Grid::new(["table", "rows", "commits", "latency 50 % / 99 %", "dead letters", "outcome"]);
    let mut notes = String::new();
    for table in &report.tables {
        let name = table.table.to_string();
        if let Some(left_out) = output::left_out(&table.left_out) {
            notes.extend(["\n", &name, ": left out by rules: ", &left_out]);
        }
        if let TableOutcome::Failed(error) = &table.outcome {
            notes.extend(["\n", &name, ": ", &error.report()]);
        }
        let outcome = outcome(&table.outcome).to_owned();
        grid.row([
            name,
            count(table.rows),
            count(table.commits),
            latency(&table.latencies),
            count(table.dead_letters),
            outcome,
        ]);
    }
    format!("{grid}\n{} in {}{notes}", plural(report.tables.len(), "table"), span(millis(took)))
}

fn summary_json(report: &RunReport, took: Duration) -> Value {
    let tables = report.tables.iter().map(|table| {
        let mut value = json!({
            "table": table.table,
            "rows": table.rows,
            "commits": table.commits,
            "dead_letters": table.dead_letters,
            "left_out": table.left_out,
            "latency": latency_json(&table.latencies),
            "outcome": outcome(&table.outcome),
        });
        if let TableOutcome::Failed(error) = &table.outcome {
            value["error"] = error_json(error);
        }
        value
    });
    json!({ "succeeded": report.succeeded(), "milliseconds": millis(took), "tables": tables.collect::<Vec<_>>() })
}

fn outcome(outcome: &TableOutcome) -> &'static str {
    match outcome {
        TableOutcome::Completed => "completed",
        TableOutcome::Stopped => "stopped",
        TableOutcome::Failed(_) => "failed",
    }
}

/// Within which time half of the changes, and 99 of 100, were committed after they had been made.
fn latency(latencies: &Latencies) -> String {
    match (latencies.quantile(0.5), latencies.quantile(0.99)) {
        (Some(median), Some(most)) => format!("{} / {}", span(millis(median)), span(millis(most))),
        _ => "-".to_owned(),
    }
}

fn latency_json(latencies: &Latencies) -> Value {
    let within = |share| latencies.quantile(share).map(millis);
    let steps = latencies.steps().into_iter().map(|(time, count)| json!({"within_ms": millis(time), "changes": count}));
    json!({
        "changes": latencies.count(),
        "p50_ms": within(0.5),
        "p90_ms": within(0.9),
        "p99_ms": within(0.99),
        "max_ms": latencies.max().map(millis),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
