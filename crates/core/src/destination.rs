//! The contract of a destination: three traits, each method legal for as long as one holds the object.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, Column, CommitOutline, Epoch, PipelineId, Result, SchemaPlan,
    Step, SyncMode, TableName, TableSchema,
};

/// The part of a table's partitions that one session owns; the whole table by default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slice(String);

impl Slice {
    /// The whole table.
    pub fn whole() -> Self {
        Self("whole".to_owned())
    }

    /// Returns the name under which the slice's fence and checkpoint are kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pipeline, which names the checkpoint.
    pub pipeline: PipelineId,
    /// The source's table.
    pub table: TableName,
    /// The table's name in the destination.
    pub name: String,
    /// The key columns, under their destination names; types may widen later.
    pub keys: Vec<Column>,
    /// What the destination's table shall mean.
    pub mode: SyncMode,
    /// Whether a filter leaves items out by attributes beside their key, so that a removal may be *idle*: of an item that the table
    /// never had. [`Transaction::write`] says what becomes of it.
    pub filtered: bool,
    /// The part of the table that this session owns.
    pub slice: Slice,
    /// About how many bytes the table has at the source, to choose a layout by.
    pub expected_bytes: u64,
}

/// Where tables go.
#[async_trait]
pub trait Destination: Debug + Send + Sync + 'static {
    /// Returns what the destination can do.
    fn capabilities(&self) -> Capabilities;

    /// Runs named checks that try what a run will need: a connection, a table, a write and its rollback.
    async fn check(&self) -> Result<CheckReport>;

    /// Returns the checkpoint of the last commit without taking the target over; `None` if nobody ever opened it.
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>>;

    /// Returns the columns that the table has since the last commit, without system columns and without taking the target over;
    /// `None` if there is no table.
    ///
    /// It is for showing what a run would do, as [`Session::describe`] is for doing it.
    async fn peek_schema(&self, _target: &Target) -> Result<Option<TableSchema>> {
        Ok(None)
    }

    /// Returns what [`Session::evolve`] would do for a plan, as statements to show; nothing is asked of the destination.
    ///
    /// Empty for destinations that have no statements.
    fn preview(&self, _target: &Target, _plan: &SchemaPlan) -> Vec<String> {
        Vec::new()
    }

    /// Returns everything that a plan's commits send, from taking the table over to the checkpoint, to show; nothing is asked of the
    /// destination.
    ///
    /// By default it is what [`preview`](Self::preview) and [`explain`](Self::explain) return.
    ///
    /// The texts come from the functions that sending them uses, so that what is shown is what is sent. What a statement depends on is
    /// said with it ([`Statement::only`](crate::Statement::only)). Destinations without statements say at most how many files they write.
    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        let mut outline = CommitOutline::default();
        for statement in self.preview(target, plan) {
            outline.add(Step::Columns, statement);
        }
        for statement in self.explain(target, &plan.result) {
            outline.add(Step::Apply, statement);
        }
        outline
    }

    /// Returns what one commit of changes in these columns would send, as statements to show; nothing is asked of the destination.
    ///
    /// Names of files and what belongs to one commit alone stand there as examples. Empty for destinations that have no statements.
    fn explain(&self, _target: &Target, _columns: &TableSchema) -> Vec<String> {
        Vec::new()
    }

    /// Returns whether idle removals leave nothing behind in [filtered](Target::filtered) tables, as [`Transaction::write`] says.
    ///
    /// A destination that says no keeps a row of each as in any other table, which costs room and is seen by readers.
    fn drops_idle_removals(&self) -> bool {
        false
    }

    /// Returns the statements by which [`open`](Self::open) would give the table the target's mode if it has another one now, without
    /// taking the target over; empty if it has that mode, and for destinations that have no statements.
    ///
    /// Returns the error with which `open` would refuse the mode.
    async fn preview_mode(&self, _target: &Target) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Takes the target over from any other writer and reads its checkpoint.
    ///
    /// This is the fence: once it returns, commits of sessions that were opened earlier for the same target and slice fail with
    /// [`Fenced`](crate::ErrorKind::Fenced). It also finishes or removes what a dead session left.
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>>;
}

/// An open, fenced table.
#[async_trait]
pub trait Session: Debug + Send {
    /// Returns the checkpoint of the last commit.
    fn checkpoint(&self) -> &Checkpoint;

    /// Returns the columns the table has now, without system columns; `None` if there is no table.
    async fn describe(&mut self) -> Result<Option<TableSchema>>;

    /// Gives the table the columns of a plan, at the latest with the next commit.
    ///
    /// Doing it twice is the same as once, and a plan of which a crash left half is completed by doing it again.
    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()>;

    /// Begins a transaction.
    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>>;
}

/// One atomic unit of rows and checkpoint. Dropping it without a commit leaves nothing.
#[async_trait]
pub trait Transaction: Debug + Send {
    /// Adds changes, under the schema of the last plan. Several batches may hold the same key.
    ///
    /// What becomes of a change depends on the mode, and never on the order of arrival within a transaction:
    ///
    /// - `mirror`: it is applied only if its order key is newer than what the table holds for its key, tombstones included. A removal
    ///   removes the row and leaves a tombstone until the snapshot has ended.
    /// - `soft_delete`: the same, but a removal only marks the row as deleted, with the order key and the time of the removal; all
    ///   other columns keep the values that the row had last, in this transaction or before. A removal of a key that has no row adds a
    ///   deleted one with only its key. A newer change that is no removal replaces the whole row, which is then no longer deleted.
    /// - `history`: it becomes a row of its own, removals included, unless the table has a row with its key and order key already.
    ///   The intervals are those of [`history::intervals`](crate::history::intervals).
    /// - `append`: it becomes a row of its own.
    ///
    /// In a [filtered](Target::filtered) table most removals are idle: the item never passed the filter, so there is nothing to remove. In
    /// `soft_delete` and `history` they leave no row, other than above:
    ///
    /// - `soft_delete`: a removal of a key that has no row is a tombstone until the snapshot has ended, as in `mirror`: a row of the snapshot
    ///   that is older stays away, or is a deleted row at once.
    /// - `history`: a removal is dropped if the version before it is a removal, or if there is none. While a snapshot runs whose row may
    ///   still come before it, it stays as a row; those that are idle go when the snapshot ends.
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()>;

    /// Ends the snapshot of `epoch`, after all rows of this transaction: what is only of older epochs is gone from the source.
    ///
    /// - `mirror`: rows and tombstones of older epochs go, as do all tombstones.
    /// - `soft_delete`: rows of older epochs that are not deleted yet are marked as deleted, with the order key
    ///   [`OrderKey::snapshot`](crate::OrderKey::snapshot) of `epoch` and no time of a change.
    /// - `history`: each key whose newest version is of an older epoch and no removal gets a removal, with that order key and no
    ///   time of a change.
    /// - `append`: nothing happens.
    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()>;

    /// Does what a commit does up to the commit itself, so that whatever the destination refuses is refused now, and leaves
    /// nothing behind, like dropping the transaction.
    ///
    /// It is how a row that a destination refuses is found among others. Destinations that refuse all they refuse in
    /// [`write`](Self::write) need not implement it.
    async fn rehearse(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    /// Makes rows and checkpoint durable and visible.
    ///
    /// An error leaves open whether it happened: open the target again and read its checkpoint.
    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()>;
}
