//! A commit that happens while its answer is lost, and somebody who asks for a resync opens the table in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, Destination, Epoch, Error, ErrorKind, Result, SchemaPlan,
    Session, TableSchema, Target, Transaction,
};
use commutator_destination_memory::Memory;
use tokio::sync::Notify;

/// A destination of which one commit is answered with `fenced` although it has happened: when its connection was lost, and whoever asked
/// again found another writer.
#[derive(Debug, Clone)]
pub(crate) struct Unanswered {
    memory: Memory,
    /// Whether the next commit is that one.
    pub(crate) next: Arc<AtomicBool>,
    /// It has happened.
    pub(crate) happened: Arc<Notify>,
    /// It may be answered.
    pub(crate) answer: Arc<Notify>,
}

impl Unanswered {
    pub(crate) fn new(memory: &Memory) -> Self {
        Self { memory: memory.clone(), next: Arc::default(), happened: Arc::default(), answer: Arc::default() }
    }
}

#[derive(Debug)]
struct Wrapped<T>(Unanswered, T);

#[async_trait]
impl Destination for Unanswered {
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
        Ok(Box::new(Wrapped(self.clone(), self.memory.open(target).await?)))
    }
}

#[async_trait]
impl Session for Wrapped<Box<dyn Session>> {
    fn checkpoint(&self) -> &Checkpoint {
        self.1.checkpoint()
    }
    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        self.1.describe().await
    }
    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        self.1.evolve(plan).await
    }
    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        Ok(Box::new(Wrapped(self.0.clone(), self.1.begin().await?)))
    }
}

#[async_trait]
impl Transaction for Wrapped<Box<dyn Transaction + '_>> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.1.write(batch).await
    }
    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.1.end_snapshot(epoch).await
    }
    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let Self(destination, transaction) = *self;
        transaction.commit(checkpoint).await?;
        if !destination.next.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        destination.happened.notify_one();
        destination.answer.notified().await;
        Err(Error::new(ErrorKind::Fenced, "As the test says"))
    }
}
