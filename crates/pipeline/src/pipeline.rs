//! The whole run: every table of a source, each in a task of its own.

use std::sync::Arc;
use std::time::SystemTime;

use commutator_core::rules::LeftOut;
use commutator_core::{
    DeadLetters, Destination, Error, ErrorKind, PipelineId, Result, Source, TableDescription, TableName,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::table::Table;
use crate::{Event, Latencies, NoObserver, Observer, Options, Transform};

/// A source, a destination, and what the user said about them.
///
/// ```no_run
/// # async fn f(source: std::sync::Arc<dyn commutator_core::Source>, destination: std::sync::Arc<dyn commutator_core::Destination>) -> commutator_core::Result<()> {
/// use commutator_pipeline::{CancellationToken, Options, Pipeline};
/// let id = commutator_core::PipelineId::new("shop")?;
/// let report = Pipeline::new(id, source, destination, Options::default()).run(&CancellationToken::new()).await?;
/// assert!(report.succeeded());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline {
    id: PipelineId,
    source: Arc<dyn Source>,
    destination: Arc<dyn Destination>,
    options: Arc<Options>,
    observer: Arc<dyn Observer>,
    dead_letters: Option<Arc<dyn DeadLetters>>,
    transform: Option<Arc<dyn Transform>>,
    clock: fn() -> SystemTime,
}

/// How a table ended.
#[derive(Debug)]
pub enum TableOutcome {
    /// Everything that was asked for was read and committed.
    Completed,
    /// The run was told to stop; what was whole is committed.
    Stopped,
    /// It failed; what was committed before stays, and the next run goes on from there.
    Failed(Error),
}

/// What a run did for one table.
#[derive(Debug)]
pub struct TableReport {
    /// The table.
    pub table: TableName,
    /// Changes that were committed, snapshot rows included.
    pub rows: u64,
    /// Commits.
    pub commits: u64,
    /// Records and rows that were set aside as dead letters.
    pub dead_letters: u64,
    /// What rules left out.
    pub left_out: LeftOut,
    /// How long the changes took from being made to being committed.
    pub latencies: Latencies,
    /// How it ended.
    pub outcome: TableOutcome,
}

/// What a run did, per table in the order the source named them.
#[derive(Debug)]
pub struct RunReport {
    /// A report per table.
    pub tables: Vec<TableReport>,
}

impl RunReport {
    /// Returns whether no table failed.
    pub fn succeeded(&self) -> bool {
        self.tables.iter().all(|table| !matches!(table.outcome, TableOutcome::Failed(_)))
    }
}

impl Pipeline {
    /// Creates a pipeline; nothing happens before [`run`](Self::run).
    pub fn new(id: PipelineId, source: Arc<dyn Source>, destination: Arc<dyn Destination>, options: Options) -> Self {
        let options = Arc::new(options);
        Self {
            id,
            source,
            destination,
            options,
            observer: Arc::new(NoObserver),
            dead_letters: None,
            transform: None,
            clock: SystemTime::now,
        }
    }

    /// Sets where dead letters are kept, which tables with [`OnBadRecord::DeadLetter`](commutator_core::OnBadRecord::DeadLetter) need.
    #[must_use]
    pub fn with_dead_letters(mut self, dead_letters: Arc<dyn DeadLetters>) -> Self {
        self.dead_letters = Some(dead_letters);
        self
    }

    /// Sets who listens to the run.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Sets the user's own code that every batch goes through first.
    #[must_use]
    pub fn with_transform(mut self, transform: Arc<dyn Transform>) -> Self {
        self.transform = Some(transform);
        self
    }

    /// Sets the clock by which latencies are told; by default the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the id, which names the checkpoints.
    pub fn id(&self) -> &PipelineId {
        &self.id
    }

    /// Returns the source.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Returns the destination.
    pub fn destination(&self) -> &Arc<dyn Destination> {
        &self.destination
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn transform(&self) -> Option<&Arc<dyn Transform>> {
        self.transform.as_ref()
    }

    pub(crate) fn dead_letters(&self) -> Option<&Arc<dyn DeadLetters>> {
        self.dead_letters.as_ref()
    }

    /// Runs until every table has read what was asked for, failed, or `stop` is cancelled; then what is whole is committed.
    ///
    /// A table that fails does not stop the others: look at the report. An error of this function means that nothing was begun.
    pub async fn run(&self, stop: &CancellationToken) -> Result<RunReport> {
        let tables = self.tables().await?;
        self.check_options(&tables)?;
        let names: Vec<_> = tables.iter().map(|table| table.name.clone()).collect();
        let slots = Arc::new(Semaphore::new(self.options.max_tables.clamp(1, Semaphore::MAX_PERMITS)));
        let mut tasks = JoinSet::new();
        for (index, description) in tables.into_iter().enumerate() {
            let (pipeline, slots, stop) = (self.clone(), Arc::clone(&slots), stop.clone());
            tasks.spawn(async move {
                // The semaphore is never closed; without a permit the table would only start early.
                let _slot = slots.acquire_owned().await.ok();
                (index, pipeline.run_table(description, stop).await)
            });
        }
        let mut reports: Vec<Option<TableReport>> = names.iter().map(|_| None).collect();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((index, report)) => reports[index] = Some(report),
                // A panic is a defect; the other tables still finish, and the table shows as failed below.
                Err(panic) => tracing::error!(error = %panic, "a table's task panicked"),
            }
        }
        let tables = reports.into_iter().zip(names).map(|(report, table)| report.unwrap_or_else(|| panicked(table)));
        Ok(RunReport { tables: tables.collect() })
    }

    async fn run_table(self, description: TableDescription, stop: CancellationToken) -> TableReport {
        let name = description.name.clone();
        let rules = match self.rules(&description) {
            Ok(rules) => rules,
            Err(error) => return failed(name, error),
        };
        let table = Table {
            options: self.options.table(&name).clone(),
            target: self.target(&description),
            source: self.source,
            destination: self.destination,
            run: self.options,
            observer: Arc::clone(&self.observer),
            dead_letters: self.dead_letters,
            transform: self.transform,
            rules,
            clock: self.clock,
            description,
        };
        let report = table.run(&stop).await;
        match &report.outcome {
            TableOutcome::Failed(error) => self.observer.event(&name, &Event::Failed(error)),
            TableOutcome::Completed | TableOutcome::Stopped => self.observer.event(&name, &Event::Finished),
        }
        report
    }
}

fn panicked(table: TableName) -> TableReport {
    let error =
        Error::new(ErrorKind::Unexpected, "The table's task panicked; the log says where").with("table", &table);
    failed(table, error)
}

fn failed(table: TableName, error: Error) -> TableReport {
    TableReport {
        table,
        rows: 0,
        commits: 0,
        dead_letters: 0,
        left_out: LeftOut::default(),
        latencies: Latencies::default(),
        outcome: TableOutcome::Failed(error),
    }
}
