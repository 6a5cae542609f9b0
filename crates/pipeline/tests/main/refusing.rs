//! A destination that refuses some rows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, Destination, Epoch, Error, ErrorKind, Result, SchemaPlan,
    Session, TableSchema, Target, Transaction,
};

/// When a refused row is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    AtWrite,
    /// As Postgres tells what its constraints refuse.
    AtCommit,
    /// Against the contract: not at a rehearsal.
    OnlyAtCommit,
}

/// Refuses rows with these ids.
#[derive(Debug, Clone)]
pub(crate) struct Refusing {
    pub(crate) inner: Arc<dyn Destination>,
    pub(crate) ids: Arc<Mutex<BTreeSet<i64>>>,
    pub(crate) when: When,
}

impl Refusing {
    pub(crate) fn new(inner: impl Destination, ids: impl IntoIterator<Item = i64>, when: When) -> Self {
        Self { inner: Arc::new(inner), ids: Arc::new(Mutex::new(ids.into_iter().collect())), when }
    }

    fn refuses(&self, batch: &ChangeBatch) -> bool {
        let ids = batch.rows().column(0).as_primitive::<Int64Type>();
        ids.values().iter().any(|id| self.ids.lock().unwrap().contains(id))
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::DataInvalid, "The row is refused")
}

#[derive(Debug)]
struct Wrapped<T>(Refusing, T, bool);

#[async_trait]
impl Destination for Refusing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn check(&self) -> Result<CheckReport> {
        self.inner.check().await
    }
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.inner.peek(target).await
    }
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        Ok(Box::new(Wrapped(self.clone(), self.inner.open(target).await?, false)))
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
        Ok(Box::new(Wrapped(self.0.clone(), self.1.begin().await?, false)))
    }
}

#[async_trait]
impl Transaction for Wrapped<Box<dyn Transaction + '_>> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        if self.0.refuses(batch) {
            if self.0.when == When::AtWrite {
                return Err(refused());
            }
            self.2 = true;
        }
        self.1.write(batch).await
    }
    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.1.end_snapshot(epoch).await
    }
    async fn rehearse(self: Box<Self>) -> Result<()> {
        if self.2 && self.0.when == When::AtCommit { Err(refused()) } else { self.1.rehearse().await }
    }
    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        if self.2 { Err(refused()) } else { self.1.commit(checkpoint).await }
    }
}
