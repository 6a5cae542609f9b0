//! A destination that refuses some rows, and a place for dead letters in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, DeadLetter, DeadLetters, Destination, Epoch, Error, ErrorKind,
    Result, SchemaPlan, Session, TableName, TableSchema, Target, Transaction,
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
        let ids = batch.rows().column_by_name("id").unwrap().as_primitive::<Int64Type>();
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

/// Letters in memory; one call in its life may fail, before or after it did its work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    waiting: Arc<Mutex<BTreeMap<String, DeadLetter>>>,
    pub(crate) replayed: Arc<Mutex<Vec<DeadLetter>>>,
    calls: Arc<AtomicU32>,
    fails_at: Option<u32>,
}

impl Letters {
    pub(crate) fn failing_at(call: u32) -> Self {
        Self { fails_at: Some(call), ..Self::default() }
    }

    /// Whether the call that fails was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.fails_at.is_some_and(|at| self.calls.load(Ordering::SeqCst) > at)
    }

    fn call(&self) -> Result<()> {
        if self.fails_at == Some(self.calls.fetch_add(1, Ordering::SeqCst)) {
            return Err(Error::new(ErrorKind::Unavailable, "As the test says"));
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<DeadLetter> {
        let mut letters: Vec<_> = self.waiting.lock().unwrap().values().cloned().collect();
        letters.sort_by_key(|letter| (letter.rejected.order, letter.id.clone()));
        letters
    }

    /// The ids in the keys of all letters, in order.
    pub(crate) fn ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.all().iter().map(id_of).collect();
        ids.sort_unstable();
        ids
    }
}

/// The id in a letter's key.
pub(crate) fn id_of(letter: &DeadLetter) -> i64 {
    letter.rejected.key.as_ref().unwrap()["id"]["N"].as_str().unwrap().parse().unwrap()
}

#[async_trait]
impl DeadLetters for Letters {
    async fn put(&self, letters: &[DeadLetter]) -> Result<()> {
        self.call()?;
        for letter in letters {
            self.waiting.lock().unwrap().insert(letter.id.clone(), letter.clone());
        }
        self.call()
    }
    async fn list(&self, table: Option<&TableName>) -> Result<Vec<DeadLetter>> {
        Ok(self.all().into_iter().filter(|letter| table.is_none_or(|table| *table == letter.table)).collect())
    }
    async fn archive(&self, letters: &[DeadLetter]) -> Result<()> {
        self.call()?;
        for letter in letters {
            let moved = self.waiting.lock().unwrap().remove(&letter.id);
            self.replayed.lock().unwrap().extend(moved);
        }
        self.call()
    }
}
