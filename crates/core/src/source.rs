//! The contract of a source.

use std::fmt::Debug;
use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;
use serde::Serialize;

use crate::{
    Backlog, ChangeBatch, CheckReport, Checkpoint, Column, DeadLetter, Error, ErrorKind, Gap, OnBadRecord, Permit,
    Progress, Rejected, Reread, Result, TableName,
};

/// What a table is, as its source describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDescription {
    /// The table's name.
    pub name: TableName,
    /// The key columns: partition key, then sort key. A numeric key starts as `Int64` and widens with the data.
    pub keys: Vec<Column>,
    /// About how many items it has; may be hours old.
    pub items: u64,
    /// About how many bytes it has; may be hours old.
    pub bytes: u64,
    /// How reads are paid, such as `on demand` or `provisioned, 25 read units`.
    pub billing: String,
    /// The stream of its changes, if it is on.
    pub stream: Option<StreamDescription>,
}

/// A table's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamDescription {
    /// The stream's ARN; a new one each time a stream is switched on.
    pub arn: String,
    /// What its records carry, in the source's words.
    pub view: String,
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Until {
    /// The snapshot alone; the stream is not touched.
    SnapshotEnd,
    /// The snapshot, then the stream until nothing was left to read.
    CaughtUp,
    /// For ever.
    #[default]
    Stopped,
}

/// What to read of a table.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The table.
    pub table: TableName,
    /// Where to go on.
    pub from: Checkpoint,
    /// How far to read.
    pub until: Until,
    /// What happens to records that cannot be read.
    pub on_bad_record: OnBadRecord,
    /// What is read of items besides their attributes.
    pub extras: Extras,
}

/// What is read of items besides their own attributes; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// Each item's exact JSON as the source sends it, as text in the column [`schema::item_column`](crate::schema::item_column).
    pub item: bool,
    /// The attributes `aws:rep:*`, which the older version of global tables adds to every item.
    pub replication_attributes: bool,
}

/// Changes, and how far the table has been read with them.
#[derive(Debug)]
pub struct SourceBatch {
    /// The changes; `None` if only the progress matters.
    pub changes: Option<ChangeBatch>,
    /// What could not be read of the same part of the table; empty unless the request wants it set aside.
    ///
    /// It is durable before the progress is committed, so that nothing is left out in silence.
    pub rejected: Vec<Rejected>,
    /// What is added to the checkpoint when they are committed.
    pub progress: Progress,
    /// How many bytes came over the wire for it.
    pub wire_bytes: u64,
    /// The part of the process' byte budget that it holds.
    pub permit: Permit,
}

/// How far behind the source a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Age of the newest change that was read, in milliseconds, while more is to come; 0 once nothing is left.
    pub milliseconds: u64,
    /// Partitions that are being followed.
    pub partitions: u64,
    /// Milliseconds until changes that were not read would count as lost; `None` if that is not known.
    pub time_left: Option<u64>,
}

/// What a source tells while it reads a table.
#[derive(Debug)]
pub enum SourceEvent {
    /// Changes.
    Batch(SourceBatch),
    /// Changes were lost; nothing follows, and the table must be read anew as its next epoch.
    Gap(Gap),
    /// How far behind the reader is.
    Lag(Lag),
}

/// What a source tells about one table, in order. The end means that `Until` was reached.
///
/// Batches of one partition come in order, and a child's follow all of its parents'. Dropping it stops the reading.
pub type SourceStream = Pin<Box<dyn Stream<Item = Result<SourceEvent>> + Send>>;

/// Where tables come from.
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// Runs named checks of the connection and of each table that shall be read.
    async fn check(&self) -> Result<CheckReport>;

    /// Describes every table that shall be read.
    async fn discover(&self) -> Result<Vec<TableDescription>>;

    /// Reads a table from a checkpoint on.
    ///
    /// After the checkpoint has advanced by the progress of a batch, reading from it gives what follows that batch; what lies
    /// between is read again, never left out.
    async fn read(&self, request: ReadRequest) -> Result<SourceStream>;

    /// Asks what there is of a table that a checkpoint does not have, and how long until it would be lost.
    ///
    /// It reads no changes, and disturbs nobody who does. `None` from sources that cannot tell, as by default.
    async fn backlog(&self, _table: &TableName, _checkpoint: &Checkpoint) -> Result<Option<Backlog>> {
        Ok(None)
    }

    /// Reads dead letters of a table again, in their order: one row per letter, under the letter's order key, with what is wanted
    /// besides the attributes.
    ///
    /// A letter that still cannot be read has an error of its own. The whole call fails if the source does not answer, and with
    /// [`Unsupported`](ErrorKind::Unsupported) if it cannot do this.
    async fn reread(
        &self,
        table: &TableName,
        _letters: &[DeadLetter],
        _how: Reread,
        _extras: Extras,
    ) -> Result<Vec<Result<ChangeBatch>>> {
        Err(Error::new(ErrorKind::Unsupported, "The source cannot read dead letters again").with("table", table))
    }
}
