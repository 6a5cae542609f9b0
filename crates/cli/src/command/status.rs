//! `commutator status`: how far each table is, what nobody has read yet, and how long until it would be lost. It disturbs nobody who
//! writes.

use std::time::{SystemTime, UNIX_EPOCH};

use commutator::pipeline::{Phase, TableStatus};
use commutator::{Checkpoint, DEAD_LETTERS_FACT, Gaps, Position, Result, TableName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Global, Place};
use crate::connect;
use crate::failure::{Failure, error_json};
use crate::output::{self, Grid, count, span};

/// How far a table is.
#[derive(Debug, PartialEq, Serialize)]
struct Status {
    table: TableName,
    phase: &'static str,
    epoch: Option<u32>,
    /// About how many items the source has.
    source_items: u64,
    partitions: usize,
    partitions_ended: usize,
    /// Every change created before this time was read and committed, or seen by the snapshot; milliseconds since 1970.
    caught_up_at: Option<i64>,
    /// The age of that time.
    behind_ms: Option<u64>,
    /// The age of the oldest change that was not read.
    oldest_unread_ms: Option<u64>,
    /// Partitions in which a change was found that was not read.
    unread_partitions: Option<u64>,
    /// Whether the oldest change cannot be older than it says.
    backlog_complete: Option<bool>,
    /// Time left before changes that were not read count as lost.
    left_ms: Option<u64>,
    /// Why changes are lost already.
    gap: Option<String>,
    /// The gaps that were repaired.
    gaps: Gaps,
    /// Why the source did not tell what was not read.
    error: Option<Value>,
    /// Records and rows that were set aside and not replayed since.
    dead_letters: u64,
}

/// Prints the state of every selected table.
pub(crate) async fn run(place: &Place, global: Global) -> Result<(), Failure> {
    let settings = place.settings().map_err(Failure::Config)?;
    let pipeline = connect::pipeline(settings).await?;
    let tables: Vec<Status> = pipeline.status().await?.into_iter().map(Status::new).collect();
    if global.json {
        output::json(&json!({ "pipeline": pipeline.id(), "tables": tables }));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        output::line(format_args!("pipeline {}\n{}", pipeline.id(), grid(&tables)));
        tables.iter().flat_map(|table| table.notes(now)).for_each(output::line);
    }
    if tables.iter().any(|table| table.error.is_some()) { Err(Failure::Reported) } else { Ok(()) }
}

fn grid(tables: &[Status]) -> Grid {
    let heading = [
        "table",
        "phase",
        "epoch",
        "items",
        "partitions",
        "behind",
        "oldest unread",
        "time left",
        "gaps",
        "dead letters",
    ];
    let mut grid = Grid::new(heading);
    for status in tables {
        let time = |value: Option<u64>| value.map_or("-".to_owned(), span);
        let oldest = match (status.oldest_unread_ms, status.backlog_complete) {
            (None, Some(true)) => "none".to_owned(),
            (Some(age), Some(false)) => format!("{} or more", span(age)),
            (age, _) => time(age),
        };
        grid.row([
            status.table.to_string(),
            status.phase.to_owned(),
            status.epoch.map_or("-".to_owned(), |epoch| epoch.to_string()),
            format!("about {}", count(status.source_items)),
            format!("{} of {} ended", status.partitions_ended, status.partitions),
            time(status.behind_ms),
            oldest,
            if status.left_ms == Some(0) { "none".to_owned() } else { time(status.left_ms) },
            status.gaps.count.to_string(),
            count(status.dead_letters),
        ]);
    }
    grid
}

impl Status {
    fn new(status: TableStatus) -> Self {
        let TableStatus { table, phase, checkpoint, backlog } = status;
        let partitions = checkpoint.as_ref().map(Checkpoint::partitions);
        let ended = |position: &&Position| **position == Position::End;
        let (backlog, error) = match backlog {
            Ok(backlog) => (backlog, None),
            Err(error) => (None, Some(error_json(&error))),
        };
        let backlog = backlog.as_ref();
        Self {
            table: table.name,
            phase: phase.as_str(),
            epoch: checkpoint.as_ref().map(|checkpoint| checkpoint.epoch().0),
            source_items: table.items,
            partitions: partitions.map_or(0, std::collections::BTreeMap::len),
            partitions_ended: partitions.map_or(0, |partitions| partitions.values().filter(ended).count()),
            caught_up_at: backlog.and_then(|backlog| backlog.covered_until),
            behind_ms: backlog.and_then(commutator::Backlog::behind),
            oldest_unread_ms: backlog.and_then(commutator::Backlog::oldest_unread_age),
            unread_partitions: backlog.map(|backlog| backlog.unread_partitions),
            backlog_complete: backlog.map(|backlog| backlog.complete),
            left_ms: backlog.and_then(|backlog| backlog.time_left),
            gap: backlog.and_then(|backlog| backlog.gap.clone()),
            dead_letters: checkpoint.as_ref().map_or(0, dead_letters),
            gaps: checkpoint.map(|checkpoint| checkpoint.gaps().clone()).unwrap_or_default(),
            error,
        }
    }

    /// Returns what does not fit a column.
    fn notes(&self, now: i64) -> Vec<String> {
        let table = &self.table;
        let mut notes = Vec::new();
        if let Some(gap) = &self.gap {
            notes.push(format!("{table}: changes are lost; the next run notices it: {gap}"));
        }
        if let Some(last) = &self.gaps.last {
            let ago = span(u64::try_from(now.saturating_sub(last.noticed_at)).unwrap_or(0));
            notes.push(format!(
                "{table}: the last gap was noticed {ago} ago and repaired by epoch {}: {}",
                last.epoch, last.reason
            ));
        }
        if self.phase == Phase::ResyncAsked.as_str() {
            notes.push(format!("{table}: a resync was asked for; a run takes it up"));
        }
        if let Some(error) = &self.error {
            let message = error["message"].as_str().unwrap_or_default();
            notes.push(format!("{table}: what was not read is not known: {message}"));
        }
        notes
    }
}

/// Returns how many records and rows were set aside and not replayed since.
fn dead_letters(checkpoint: &Checkpoint) -> u64 {
    checkpoint.fact(DEAD_LETTERS_FACT).and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
