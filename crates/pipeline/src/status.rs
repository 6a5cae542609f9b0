//! How far each table is, without disturbing whoever writes.

use commutator_core::{Backlog, Checkpoint, Result, TableDescription};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::Pipeline;

/// How many tables are asked about at the same time.
const AT_A_TIME: usize = 4;

/// What a table is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No run has opened it.
    NotStarted,
    /// Somebody asked for a resync, and no run has committed anything since.
    ResyncAsked,
    /// Its snapshot is not complete.
    Snapshot,
    /// Its snapshot is complete, and its changes are followed whenever it runs.
    Streaming,
}

impl Phase {
    /// Returns the phase of a table with this checkpoint.
    pub fn of(checkpoint: Option<&Checkpoint>) -> Self {
        match checkpoint {
            None => Self::NotStarted,
            Some(checkpoint) if checkpoint.is_handed_over() => Self::ResyncAsked,
            Some(checkpoint) if checkpoint.snapshot_ended() => Self::Streaming,
            Some(_) => Self::Snapshot,
        }
    }

    /// Returns the phase for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::ResyncAsked => "resync asked for",
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
        }
    }
}

/// How far one table is.
#[derive(Debug)]
pub struct TableStatus {
    /// What the source says of the table.
    pub table: TableDescription,
    /// What it is in the middle of.
    pub phase: Phase,
    /// What was committed; `None` if no run has opened it.
    pub checkpoint: Option<Checkpoint>,
    /// What the source has that the checkpoint does not; `None` before the first commit, and from sources that cannot tell.
    pub backlog: Result<Option<Backlog>>,
}

impl Pipeline {
    /// Returns how far every table is, in the order in which the source names them.
    ///
    /// It reads checkpoints without opening, and no changes, so it fences nobody. Where the source cannot be asked about one table,
    /// that table's backlog says why, and the others are told.
    pub async fn status(&self) -> Result<Vec<TableStatus>> {
        let tables = self.tables().await?;
        stream::iter(tables).map(|table| self.table_status(table)).buffered(AT_A_TIME).try_collect().await
    }

    async fn table_status(&self, table: TableDescription) -> Result<TableStatus> {
        let checkpoint = self.destination().peek(&self.target(&table)).await?;
        let backlog = match &checkpoint {
            Some(checkpoint) => self.source().backlog(self.options().source_table(&table.name), checkpoint).await,
            None => Ok(None),
        };
        Ok(TableStatus { phase: Phase::of(checkpoint.as_ref()), table, checkpoint, backlog })
    }
}
