//! Failures of the destination at every place where one can happen; `append` shows each row that is lost or doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, Destination, Epoch, Error, ErrorKind, Result, SchemaPlan,
    Session, SyncMode, TableSchema, Target, Transaction,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, TableOutcome};

use crate::runs::{ints, options, pipeline, rows};
use crate::scripted::{Scripted, Step};

/// Fails one call in the life of a destination: the `at`-th of all that can fail.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    pub(crate) memory: Memory,
    pub(crate) calls: Arc<AtomicU32>,
    pub(crate) at: u32,
    kind: ErrorKind,
}

impl Faulty {
    pub(crate) fn new(memory: &Memory, at: u32) -> Self {
        Self { memory: memory.clone(), calls: Arc::default(), at, kind: ErrorKind::Unavailable }
    }

    /// The failure ends the run, as if it was killed there.
    pub(crate) fn deadly(memory: &Memory, at: u32) -> Self {
        Self { kind: ErrorKind::PermissionDenied, ..Self::new(memory, at) }
    }

    /// Whether the call that fails was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at
    }

    fn call(&self) -> Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            return Err(Error::new(self.kind, "As the test says"));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Wrapped<T>(Faulty, T);

#[async_trait]
impl Destination for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }
    async fn check(&self) -> Result<CheckReport> {
        self.memory.check().await
    }
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.memory.peek(target).await
    }
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        self.call()?;
        Ok(Box::new(Wrapped(self.clone(), self.memory.open(target).await?)))
    }
}

#[async_trait]
impl Session for Wrapped<Box<dyn Session>> {
    fn checkpoint(&self) -> &Checkpoint {
        self.1.checkpoint()
    }
    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        self.0.call()?;
        self.1.describe().await
    }
    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        self.0.call()?;
        self.1.evolve(plan).await?;
        self.0.call()
    }
    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        self.0.call()?;
        Ok(Box::new(Wrapped(self.0.clone(), self.1.begin().await?)))
    }
}

#[async_trait]
impl Transaction for Wrapped<Box<dyn Transaction + '_>> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.0.call()?;
        self.1.write(batch).await?;
        self.0.call()
    }
    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.0.call()?;
        self.1.end_snapshot(epoch).await
    }
    async fn rehearse(self: Box<Self>) -> Result<()> {
        let Self(faulty, transaction) = *self;
        faulty.call()?;
        transaction.rehearse().await
    }
    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let Self(faulty, transaction) = *self;
        faulty.call()?;
        transaction.commit(checkpoint).await?;
        // The answer of a commit that happened gets lost.
        faulty.call()
    }
}

fn script() -> Vec<Step> {
    vec![rows([(1, 10), (2, 20)]), Step::SnapshotEnd, rows([(3, 30)]), rows([(4, 40), (5, 50)]), rows([(6, 60)])]
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_loses_nothing_and_doubles_nothing() {
    let mut failures = 0;
    for at in 0.. {
        let memory = Memory::new();
        let faulty = Faulty::new(&memory, at);
        let source = Scripted::new([("t", script())]);
        let report = pipeline(&source, Arc::new(faulty.clone()), options(SyncMode::Append))
            .run(&CancellationToken::new())
            .await
            .unwrap();
        assert!(report.succeeded(), "{at}: {report:?}");
        assert_eq!(memory.rows("t").unwrap().len(), 6, "{at}");
        assert_eq!(ints(&memory, "t", "value").len(), 6, "{at}");
        if !faulty.has_failed() {
            break;
        }
        failures += 1;
    }
    assert!(failures > 10, "only {failures} places were tried");
}

#[tokio::test(start_paused = true)]
async fn a_second_runner_fences_the_first() {
    let memory = Memory::new();
    let first = Scripted::new([("t", vec![rows([(1, 10)]), Step::Hang])]);
    let running = tokio::spawn({
        let pipeline = pipeline(&first, Arc::new(memory.clone()), options(SyncMode::Append));
        async move { pipeline.run(&CancellationToken::new()).await.unwrap() }
    });
    // The first has read its row and waits for its commit interval when the second takes over.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    let second = Scripted::new([("t", vec![rows([(1, 10)]), rows([(2, 20)])])]);
    let report = pipeline(&second, Arc::new(memory.clone()), options(SyncMode::Append))
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert!(report.succeeded());
    let report = running.await.unwrap();
    let TableOutcome::Failed(error) = &report.tables[0].outcome else { panic!("{report:?}") };
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(memory.rows("t").unwrap().len(), 2);
}
