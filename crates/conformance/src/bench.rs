//! What a trial works with: a harness, a destination, and tables that know what they must hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use commutator_core::schema::{conform, merge, plan};
use commutator_core::{
    Capabilities, ChangeBatch, Checkpoint, Column, CommitGuarantee, Destination, Epoch, LogicalType, Offset,
    PartitionId, PipelineId, Position, Progress, Result, Session, Slice, SyncMode, TableName, TableSchema, Target,
};

use crate::change::batch_under;
use crate::compare::{at_least, compare};
use crate::forall::Sampling;
use crate::verdict::ensure;
use crate::{Change, Expected, Harness, Model, Row, Stop, Verdict, batch};

/// The surroundings of one trial.
pub struct Bench {
    harness: Box<dyn Harness>,
    destination: Arc<dyn Destination>,
    tables: AtomicU32,
    pub(crate) sampling: Sampling,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl Bench {
    /// Creates the surroundings of one trial.
    pub async fn new(harness: impl Harness) -> Self {
        let destination = harness.connect().await;
        let sampling = Sampling::from_environment(harness.cases());
        Self { harness: Box::new(harness), destination, tables: AtomicU32::new(0), sampling }
    }

    /// Draws these random cases instead of those that the environment asks for.
    #[must_use]
    pub fn with_sampling(mut self, seed: u64, cases: u32) -> Self {
        self.sampling = Sampling { seed, cases };
        self
    }

    pub(crate) fn destination(&self) -> &Arc<dyn Destination> {
        &self.destination
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.destination.capabilities()
    }

    /// Connects anew, as a process does that was started again.
    pub(crate) async fn reconnect(&self) -> Arc<dyn Destination> {
        self.harness.connect().await
    }

    /// Skips the trial unless the destination offers the mode.
    pub(crate) fn require(&self, mode: SyncMode) -> Verdict {
        if self.capabilities().modes.contains(&mode) {
            Ok(())
        } else {
            Err(Stop::Skipped(format!("the destination has no mode {mode}")))
        }
    }

    /// Skips the trial unless the destination widens columns in place.
    pub(crate) fn require_widening(&self) -> Verdict {
        if self.capabilities().widens {
            Ok(())
        } else {
            Err(Stop::Skipped("the destination does not widen columns".to_owned()))
        }
    }

    /// Returns the modes that the destination offers, in the order of their definition.
    pub(crate) fn modes(&self) -> Vec<SyncMode> {
        let offered = self.capabilities().modes;
        [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append]
            .into_iter()
            .filter(|mode| offered.contains(mode))
            .collect()
    }

    /// Returns a target that nobody opened before.
    pub(crate) fn target(&self, mode: SyncMode, keys: Vec<Column>) -> Target {
        let name = format!("table_{}", self.tables.fetch_add(1, Ordering::Relaxed));
        Target {
            pipeline: PipelineId::new("suite").expect("a valid id"),
            table: TableName::new(name.as_str()),
            name,
            keys,
            mode,
            filtered: false,
            slice: Slice::whole(),
            expected_bytes: 0,
        }
    }

    /// Opens a new table whose key is the number `id`; skips the trial if the destination does not offer the mode.
    pub(crate) async fn table(&self, mode: SyncMode) -> Verdict<Table<'_>> {
        self.table_with_keys(mode, vec![Column::key("id", LogicalType::Int64)]).await
    }

    /// Opens a new table of filtered items whose key is the number `id`, and ends its snapshot if it shall; skips the trial if the
    /// destination keeps idle removals.
    pub(crate) async fn filtered_table(&self, mode: SyncMode, loaded: bool) -> Verdict<Table<'_>> {
        self.require(mode)?;
        if !self.destination.drops_idle_removals() {
            return Err(Stop::Skipped("the destination keeps idle removals".to_owned()));
        }
        let target = self.target(mode, vec![Column::key("id", LogicalType::Int64)]);
        let mut table = self.open(Target { filtered: true, ..target }).await?;
        if loaded {
            table.transact(&[], Some(Epoch::FIRST)).await?;
        }
        Ok(table)
    }

    /// Opens a new table with these key columns.
    pub(crate) async fn table_with_keys(&self, mode: SyncMode, keys: Vec<Column>) -> Verdict<Table<'_>> {
        self.require(mode)?;
        self.open(self.target(mode, keys)).await
    }

    /// Opens a target that is empty so far.
    pub(crate) async fn open(&self, target: Target) -> Verdict<Table<'_>> {
        let session = self.destination.open(&target).await?;
        let writer = Writer::new(session, &target).await?;
        let model = if target.filtered { Model::filtered(target.mode) } else { Model::new(target.mode) };
        Ok(Table { bench: self, model, target, writer })
    }

    /// Compares a target's rows with the model's.
    pub(crate) async fn agrees(&self, target: &Target, schema: Option<&TableSchema>, model: &Model) -> Verdict {
        let (rows, expected) = (self.harness.rows(target).await, model.rows());
        if target.mode == SyncMode::Append && self.capabilities().guarantee == CommitGuarantee::AtLeastOnce {
            return at_least(target, schema, rows, expected).map_err(Stop::Failed);
        }
        compare(target, schema, rows, expected).map_err(Stop::Failed)
    }
}

/// An open session, written to as the pipeline does: plan, evolve, conform, write, commit.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) session: Box<dyn Session>,
    pub(crate) checkpoint: Checkpoint,
    keys: Vec<Column>,
    schema: Option<Arc<TableSchema>>,
}

impl Writer {
    pub(crate) async fn new(mut session: Box<dyn Session>, target: &Target) -> Result<Self> {
        let schema = session.describe().await?.map(Arc::new);
        Ok(Self { checkpoint: session.checkpoint().clone(), session, keys: target.keys.clone(), schema })
    }

    pub(crate) fn schema(&self) -> Option<&TableSchema> {
        self.schema.as_deref()
    }

    /// Evolves the table for these batches and returns them in its columns.
    pub(crate) async fn prepare(&mut self, batches: &[ChangeBatch]) -> Result<Vec<ChangeBatch>> {
        let Some((first, rest)) = batches.split_first() else { return Ok(Vec::new()) };
        let mut wanted = TableSchema::clone(first.schema());
        for batch in rest {
            wanted = merge(&wanted, batch.schema())?;
        }
        let plan = plan(self.schema(), &wanted)?;
        if !plan.is_empty() {
            self.session.evolve(&plan).await?;
        }
        let schema = Arc::new(plan.result);
        self.schema = Some(Arc::clone(&schema));
        batches.iter().map(|batch| conform(batch, &schema)).collect()
    }

    /// Writes one transaction with this checkpoint.
    pub(crate) async fn transact(
        &mut self,
        batches: &[Vec<Change>],
        ended: Option<Epoch>,
        checkpoint: &Checkpoint,
    ) -> Result<()> {
        let batches: Vec<_> = batches.iter().map(|changes| batch(&self.keys, changes)).collect::<Result<_>>()?;
        self.transact_batches(&batches, ended, checkpoint).await
    }

    /// Writes one transaction of batches that are in Arrow already.
    pub(crate) async fn transact_batches(
        &mut self,
        batches: &[ChangeBatch],
        ended: Option<Epoch>,
        checkpoint: &Checkpoint,
    ) -> Result<()> {
        let batches = self.prepare(batches).await?;
        let mut transaction = self.session.begin().await?;
        for batch in &batches {
            transaction.write(batch).await?;
        }
        if let Some(epoch) = ended {
            transaction.end_snapshot(epoch).await?;
        }
        transaction.commit(checkpoint).await?;
        self.checkpoint = checkpoint.clone();
        Ok(())
    }
}

/// An open table, and the model of what it must hold.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    bench: &'a Bench,
    pub(crate) target: Target,
    pub(crate) writer: Writer,
    pub(crate) model: Model,
}

impl Table<'_> {
    /// Commits one batch.
    pub(crate) async fn commit(&mut self, changes: &[Change]) -> Verdict {
        self.commit_all(&[changes]).await
    }

    /// Commits one batch whose columns have these types, whatever the values would need.
    pub(crate) async fn commit_as(&mut self, schema: &TableSchema, changes: &[Change]) -> Verdict {
        self.commit_batch(batch_under(schema.clone(), changes)?, changes).await
    }

    /// Commits one batch that is in Arrow already, of which the table must hold these changes.
    pub(crate) async fn commit_batch(&mut self, batch: ChangeBatch, changes: &[Change]) -> Verdict {
        let checkpoint = next_checkpoint(&self.writer.checkpoint, false);
        self.writer.transact_batches(&[batch], None, &checkpoint).await?;
        for change in changes {
            self.model.apply(change);
        }
        Ok(())
    }

    /// Commits several batches in one transaction.
    pub(crate) async fn commit_all(&mut self, batches: &[&[Change]]) -> Verdict {
        self.transact(batches, None).await
    }

    /// Commits batches and the end of a snapshot.
    pub(crate) async fn transact(&mut self, batches: &[&[Change]], ended: Option<Epoch>) -> Verdict {
        let checkpoint = next_checkpoint(&self.writer.checkpoint, ended.is_some());
        let changes: Vec<_> = batches.iter().map(|batch| batch.to_vec()).collect();
        self.writer.transact(&changes, ended, &checkpoint).await?;
        for change in changes.iter().flatten() {
            self.model.apply(change);
        }
        if let Some(epoch) = ended {
            self.model.end_snapshot(epoch);
        }
        Ok(())
    }

    /// Stages batches in a transaction and drops it, then does the same with a rehearsal.
    pub(crate) async fn abandon(&mut self, changes: &[Change]) -> Verdict {
        let batches = [batch(&self.target.keys, changes)?];
        let batches = self.writer.prepare(&batches).await?;
        for rehearsed in [false, true] {
            let mut transaction = self.writer.session.begin().await?;
            for batch in &batches {
                transaction.write(batch).await?;
            }
            if rehearsed {
                transaction.rehearse().await?;
            }
        }
        Ok(())
    }

    /// Closes the table and opens it over a new connection, as a process does that was started again.
    pub(crate) async fn reopen(&mut self) -> Verdict {
        let session = self.bench.reconnect().await.open(&self.target).await?;
        let known = self.writer.checkpoint.clone();
        self.writer = Writer::new(session, &self.target).await?;
        ensure!(
            self.writer.checkpoint == known,
            "the checkpoint after opening again is {:?}, the last committed one was {known:?}",
            self.writer.checkpoint
        );
        Ok(())
    }

    /// Starts the next epoch, as the pipeline does after a gap, over a new connection.
    pub(crate) async fn resync(&mut self) -> Verdict {
        let next = self.writer.checkpoint.next_epoch(|_| true);
        self.writer.transact(&[], None, &next).await?;
        self.reopen().await
    }

    /// Compares the table with its model.
    pub(crate) async fn agrees(&self) -> Verdict {
        self.bench.agrees(&self.target, self.writer.schema(), &self.model).await
    }

    /// Compares the table with these rows, whatever the model says.
    pub(crate) async fn holds(&self, rows: Vec<Expected>) -> Verdict {
        let found = self.rows().await;
        compare(&self.target, self.writer.schema(), found, rows).map_err(Stop::Failed)
    }

    /// Reads the table.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        self.bench.harness.rows(&self.target).await
    }

    /// Compares the table with its model and with the number of rows that the trial's author expects of both.
    pub(crate) async fn agrees_with(&self, rows: usize) -> Verdict {
        let modelled = self.model.rows().len();
        ensure!(modelled == rows, "the trial expects {rows} rows, the model {modelled}");
        self.agrees().await
    }
}

/// Returns which of these numbers of rows a table has in a mode; both `history` and `append` have a row for each change.
pub(crate) fn rows(mode: SyncMode, mirror: usize, soft_delete: usize, changes: usize) -> usize {
    match mode {
        SyncMode::Mirror => mirror,
        SyncMode::SoftDelete => soft_delete,
        SyncMode::History | SyncMode::Append => changes,
    }
}

/// The partition in which trials count their commits.
const PARTITION: &str = "trial";

/// Returns how many commits the checkpoint has seen.
pub(crate) fn steps(checkpoint: &Checkpoint) -> usize {
    match checkpoint.position(&PartitionId::new(PARTITION)) {
        Some(Position::At(offset)) => offset.order.parse().expect("a number"),
        _ => 0,
    }
}

/// Returns the checkpoint one step further, so that every commit has its own.
pub(crate) fn next_checkpoint(checkpoint: &Checkpoint, snapshot_ended: bool) -> Checkpoint {
    let partition = PartitionId::new(PARTITION);
    let from = checkpoint.position(&partition).cloned();
    let to = Position::At(Offset { order: format!("{:010}", steps(checkpoint) + 1), resume: None });
    let mut next = checkpoint.clone();
    let progress = Progress { snapshot_ended, facts: BTreeMap::new(), ..Progress::of(partition, from, to) };
    next.advance(&progress).expect("the span starts where the partition stands");
    next
}
