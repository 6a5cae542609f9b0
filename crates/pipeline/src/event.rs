//! What a run tells while it goes on.

use std::fmt::Debug;
use std::time::Duration;

use commutator_core::rules::LeftOut;
use commutator_core::{Epoch, Error, Gap, Lag, SchemaPlan, TableDescription, TableName};

use crate::Latencies;

/// Something that happened to one table.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The table was opened, and reading begins or goes on.
    Started {
        /// What the source says of the table.
        table: &'a TableDescription,
        /// The epoch it is read under.
        epoch: Epoch,
        /// Whether its snapshot is already complete.
        snapshot_ended: bool,
    },
    /// Rows were read.
    Read {
        /// Their number.
        rows: u64,
        /// Bytes over the wire.
        wire_bytes: u64,
        /// Whether they belong to the snapshot.
        snapshot: bool,
    },
    /// The destination's table has other columns, committed together with the first rows that need them: once for each change.
    SchemaChanged {
        /// What changed.
        plan: &'a SchemaPlan,
    },
    /// Rows and checkpoint were committed.
    Committed {
        /// Changes in the commit.
        rows: u64,
        /// How long the commit itself took.
        took: Duration,
        /// How long its changes took from being made to being committed.
        latencies: &'a Latencies,
    },
    /// Records that could not be read, or rows that the destination refuses, were set aside, and the checkpoint has passed them.
    DeadLettered {
        /// Their number in the commit.
        count: u64,
    },
    /// Rules left rows or values out of what was committed.
    LeftOut(
        /// How much, in the commit.
        LeftOut,
    ),
    /// The snapshot is complete and committed.
    SnapshotEnded {
        /// Its epoch.
        epoch: Epoch,
    },
    /// How far behind the source the reader is.
    Lag(Lag),
    /// Changes were lost; what follows is up to [`OnGap`](crate::OnGap).
    Gap(&'a Gap),
    /// Somebody asked for a resync while the table was written: it is opened again and read anew, its stream goes on.
    HandedOver {
        /// The epoch as which it is read anew.
        epoch: Epoch,
    },
    /// Something failed that may be tried again.
    Retrying {
        /// What failed.
        error: &'a Error,
        /// How long until the next try.
        delay: Duration,
        /// How many tries failed in a row.
        attempt: u32,
    },
    /// The table is done: what was asked for was read, or the run was told to stop.
    Finished,
    /// The table failed for good; others go on.
    Failed(&'a Error),
}

/// Listens to a run. It is called often and from several tasks, so it must be quick.
pub trait Observer: Debug + Send + Sync + 'static {
    /// Takes notice of an event.
    fn event(&self, table: &TableName, event: &Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&self, _: &TableName, _: &Event<'_>) {}
}
