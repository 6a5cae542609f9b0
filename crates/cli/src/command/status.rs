//! `commutator status`: how far each table is, read from its checkpoint without disturbing whoever writes.

use std::time::{SystemTime, UNIX_EPOCH};

use commutator::{Checkpoint, DEAD_LETTERS_FACT, Position, Result, TableName};
use serde::Serialize;
use serde_json::json;

use crate::args::{Global, Place};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, Grid, count, span};

/// Stream records live for 24 hours (`DynamoDB` Streams, developer guide); an hour before that the source no longer trusts that none
/// is missing, and calls it a gap.
const RETENTION_MS: u64 = 23 * 3600 * 1000;
/// The source's facts: every change created before this time was read, in milliseconds since 1970.
const CAUGHT_UP_AT: &str = "caught_up_at";
/// And when the snapshot of which epoch began: it has seen every change before.
const SNAPSHOT_STARTED_AT: &str = "snapshot_started_at";
const SNAPSHOT_EPOCH: &str = "snapshot_epoch";

/// How far a table is.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Status {
    table: TableName,
    phase: &'static str,
    epoch: Option<u32>,
    partitions: usize,
    partitions_ended: usize,
    /// Age of the newest moment up to which every change was read and committed, or seen by the snapshot.
    behind_ms: Option<u64>,
    /// Time left before changes that were not read count as lost.
    left_ms: Option<u64>,
    /// Records and rows that were set aside and not replayed since.
    dead_letters: u64,
}

/// Prints the state of every selected table.
pub(crate) async fn run(place: &Place, global: Global) -> Result<(), Failure> {
    let settings = place.settings().map_err(Failure::Config)?;
    let pipeline = connect::pipeline(settings).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let mut tables = Vec::new();
    for table in pipeline.source().discover().await? {
        let checkpoint = pipeline.destination().peek(&pipeline.target(&table)).await?;
        tables.push(status(table.name, checkpoint.as_ref(), now));
    }
    if global.json {
        output::json(&json!({ "pipeline": pipeline.id(), "tables": tables }));
        return Ok(());
    }
    let mut grid = Grid::new(["table", "phase", "epoch", "partitions", "behind", "time left", "dead letters"]);
    for status in &tables {
        let time = |value: Option<u64>| value.map_or("-".to_owned(), span);
        grid.row([
            status.table.to_string(),
            status.phase.to_owned(),
            status.epoch.map_or("-".to_owned(), |epoch| epoch.to_string()),
            format!("{} of {} ended", status.partitions_ended, status.partitions),
            time(status.behind_ms),
            if status.left_ms == Some(0) { "none".to_owned() } else { time(status.left_ms) },
            count(status.dead_letters),
        ]);
    }
    output::line(format_args!("pipeline {}\n{grid}", pipeline.id()));
    Ok(())
}

fn status(table: TableName, checkpoint: Option<&Checkpoint>, now: u64) -> Status {
    let ended = |checkpoint: &Checkpoint| checkpoint.partitions().values().filter(|p| **p == Position::End).count();
    let behind_ms = checkpoint.and_then(covered_until).map(|at| now.saturating_sub(at));
    Status {
        table,
        phase: match checkpoint {
            None => "not started",
            Some(checkpoint) if checkpoint.snapshot_ended() => "streaming",
            Some(_) => "snapshot",
        },
        epoch: checkpoint.map(|checkpoint| checkpoint.epoch().0),
        partitions: checkpoint.map_or(0, |checkpoint| checkpoint.partitions().len()),
        partitions_ended: checkpoint.map_or(0, ended),
        behind_ms,
        left_ms: behind_ms.map(|behind| RETENTION_MS.saturating_sub(behind)),
        dead_letters: checkpoint
            .and_then(|checkpoint| checkpoint.fact(DEAD_LETTERS_FACT)?.parse().ok())
            .unwrap_or_default(),
    }
}

fn covered_until(checkpoint: &Checkpoint) -> Option<u64> {
    let number = |name: &str| checkpoint.fact(name).and_then(|fact| fact.parse::<u64>().ok());
    let this_epoch = number(SNAPSHOT_EPOCH) == Some(u64::from(checkpoint.epoch().0));
    number(CAUGHT_UP_AT).max(number(SNAPSHOT_STARTED_AT).filter(|_| this_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator::{PartitionId, Progress};

    #[test]
    fn a_checkpoint_tells_phase_and_time_left() {
        let orders = || TableName::new("orders");
        assert_eq!(status(orders(), None, 0).phase, "not started");
        let mut checkpoint = Checkpoint::default();
        checkpoint.advance(&Progress::of(PartitionId::new("a"), None, Position::End)).unwrap();
        checkpoint.advance(&Progress::of(PartitionId::new("b"), None, Position::Start)).unwrap();
        let first = status(orders(), Some(&checkpoint), 5000);
        assert_eq!((first.phase, first.partitions, first.partitions_ended), ("snapshot", 2, 1));
        assert_eq!((first.behind_ms, first.left_ms), (None, None));
        let mut facts = |facts: &[(&str, &str)], snapshot_ended: bool| {
            let facts = facts.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            checkpoint.advance(&Progress { facts, snapshot_ended, ..Progress::default() }).unwrap();
            checkpoint.clone()
        };
        let begun = facts(&[(SNAPSHOT_EPOCH, "1"), (SNAPSHOT_STARTED_AT, "500")], false);
        assert_eq!(status(orders(), Some(&begun), 5000).behind_ms, Some(4500));
        let checkpoint = facts(&[(CAUGHT_UP_AT, "1000")], true);
        let later = status(orders(), Some(&checkpoint), 5000);
        assert_eq!((later.phase, later.behind_ms, later.left_ms), ("streaming", Some(4000), Some(RETENTION_MS - 4000)));
        // The snapshot of an epoch says nothing of the next.
        let anew = checkpoint.next_epoch(|_| true);
        assert_eq!(status(orders(), Some(&anew), 5000).behind_ms, Some(4000));
        assert_eq!(status(orders(), Some(&checkpoint), 2 * RETENTION_MS).left_ms, Some(0));
    }
}
