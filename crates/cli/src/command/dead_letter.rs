//! `commutator dead-letter`: what was set aside, and trying it again.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use commutator::pipeline::ReplayReport;
use commutator::{DeadLetter, DeadLetterFiles, DeadLetters as _, Error, TableName};
use serde_json::{Value, json};

use crate::args::{DeadLetterCommand, Global, Letters};
use crate::config::Settings;
use crate::connect;
use crate::failure::{Failure, Problem, error_json};
use crate::output::{self, Grid, count, span};

/// Runs one of its commands.
pub(crate) async fn run(command: &DeadLetterCommand, global: Global) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List(letters) => list(letters, global).await,
        DeadLetterCommand::Replay(letters) => replay(letters, global).await,
    }
}

/// Prints every letter that waits, without its values.
async fn list(letters: &Letters, global: Global) -> Result<(), Failure> {
    let settings = letters.place.settings().map_err(Failure::Config)?;
    let found = open(&settings).await?.list(table(letters).as_ref()).await?;
    if global.json {
        output::json(&json!({ "dead_letters": found.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    if found.is_empty() {
        output::line("There are no dead letters.");
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let mut grid = Grid::new(["table", "position", "set aside", "error"]);
    for letter in &found {
        let age = format!("{} ago", span(now.saturating_sub(letter.seen_at_ms)));
        grid.row([letter.table.to_string(), position(letter), age, letter.rejected.error.clone()]);
    }
    output::line(grid);
    Ok(())
}

/// Tries letters again; exit code 1 if one is left.
async fn replay(letters: &Letters, global: Global) -> Result<(), Failure> {
    let settings = letters.place.settings().map_err(Failure::Config)?;
    let files = open(&settings).await?;
    let pipeline = connect::pipeline(settings).await?.with_dead_letters(files);
    let report = Box::pin(pipeline.replay(table(letters).as_ref())).await?;
    if global.json {
        output::json(&summary_json(&report));
    } else {
        output::line(summary(&report));
    }
    if report.succeeded() { Ok(()) } else { Err(Failure::Reported) }
}

async fn open(settings: &Settings) -> Result<Arc<DeadLetterFiles>, Failure> {
    let files = connect::dead_letters(settings).await?;
    files
        .ok_or_else(|| Problem::new("pipeline.dead_letters", "is not set, so there is no place of dead letters").into())
}

fn table(letters: &Letters) -> Option<TableName> {
    letters.table.as_ref().map(TableName::new)
}

/// A letter's place for people; its key is a value.
fn position(letter: &DeadLetter) -> String {
    match &letter.rejected.partition {
        Some(partition) => format!("{partition}, {}", letter.rejected.position),
        None => letter.rejected.position.clone(),
    }
}

fn shown(letter: &DeadLetter) -> Value {
    let mut value = letter.to_json();
    if let Value::Object(members) = &mut value {
        for name in ["key", "raw", "raw_base64"] {
            members.remove(name);
        }
    }
    value
}

fn summary(report: &ReplayReport) -> String {
    if report.tables.is_empty() {
        return "There are no dead letters.".to_owned();
    }
    let mut grid = Grid::new(["table", "replayed", "failed again"]);
    let mut failures = String::new();
    for table in &report.tables {
        let name = table.table.to_string();
        for (letter, error) in &table.failed {
            failures.extend(["\n", &name, ", ", &position(letter), ": ", &error.report()]);
        }
        if let Some(error) = &table.error {
            failures.extend(["\n", &name, ": ", &error.report()]);
        }
        grid.row([name, count(table.replayed), count(table.failed.len() as u64)]);
    }
    format!("{grid}{failures}")
}

fn summary_json(report: &ReplayReport) -> Value {
    let failed = |(letter, error): &(DeadLetter, Error)| {
        let mut value = shown(letter);
        value["failed_with"] = error_json(error);
        value
    };
    let tables = report.tables.iter().map(|table| {
        let mut value = json!({
            "table": table.table,
            "replayed": table.replayed,
            "failed": table.failed.iter().map(failed).collect::<Vec<_>>(),
        });
        if let Some(error) = &table.error {
            value["error"] = error_json(error);
        }
        value
    });
    json!({ "succeeded": report.succeeded(), "tables": tables.collect::<Vec<_>>() })
}
