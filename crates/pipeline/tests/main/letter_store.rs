//! A place for dead letters in memory, of which a call may fail or wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use commutator_core::{DeadLetter, DeadLetters, Error, ErrorKind, LetterFile, PutId, Result, TableName};
use tokio::sync::Notify;

/// Where a call waits until it may go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub(crate) reached: Arc<Notify>,
    pub(crate) goes_on: Arc<Notify>,
}

/// Letters in memory; one call in a clone's life may fail or wait, before or after it did its work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    files: Arc<Mutex<BTreeMap<LetterFile, Vec<DeadLetter>>>>,
    pub(crate) replayed: Arc<Mutex<Vec<DeadLetter>>>,
    calls: Arc<AtomicU32>,
    fails_at: Option<u32>,
    waits_at: Option<(u32, Gate)>,
    reads: Arc<AtomicU32>,
    archives: Arc<AtomicU32>,
    held: Arc<AtomicUsize>,
    most_held: Arc<AtomicUsize>,
}

impl Letters {
    pub(crate) fn failing_at(call: u32) -> Self {
        Self { fails_at: Some(call), ..Self::default() }
    }

    /// The same letters for another runner, whose call waits.
    pub(crate) fn waiting_at(&self, call: u32) -> (Self, Gate) {
        let gate = Gate::default();
        (Self { calls: Arc::default(), waits_at: Some((call, gate.clone())), ..self.clone() }, gate)
    }

    /// Whether the call that fails was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.fails_at.is_some_and(|at| self.calls.load(Ordering::SeqCst) > at)
    }

    /// How often a file was read, and how often letters of one were moved.
    pub(crate) fn work(&self) -> (u32, u32) {
        (self.reads.load(Ordering::SeqCst), self.archives.load(Ordering::SeqCst))
    }

    /// The most letters that were read and not moved.
    pub(crate) fn held_at_once(&self) -> usize {
        self.most_held.load(Ordering::SeqCst)
    }

    async fn call(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some((at, gate)) = &self.waits_at
            && *at == call
        {
            gate.reached.notify_one();
            gate.goes_on.notified().await;
        }
        if self.fails_at == Some(call) {
            return Err(Error::new(ErrorKind::Unavailable, "As the test says"));
        }
        Ok(())
    }

    /// The letters that wait.
    pub(crate) fn all(&self) -> Vec<DeadLetter> {
        let files = self.files.lock().unwrap();
        let mut letters: Vec<_> =
            files.iter().filter(|(file, _)| file.pending.is_none()).flat_map(|(_, letters)| letters.clone()).collect();
        letters.sort_by_key(|letter| (letter.rejected.order, letter.id.clone()));
        letters
    }

    /// The puts that are pending.
    pub(crate) fn pending(&self) -> Vec<PutId> {
        self.files.lock().unwrap().keys().filter_map(|file| file.pending).collect()
    }

    /// The ids in the keys of all letters that wait, in order.
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

fn file(table: &TableName, id: PutId, pending: bool) -> LetterFile {
    LetterFile { table: table.clone(), name: id.to_string(), pending: pending.then_some(id) }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn put(&self, table: &TableName, id: PutId, letters: &[DeadLetter]) -> Result<()> {
        self.call().await?;
        let before = self.files.lock().unwrap().insert(file(table, id, true), letters.to_vec());
        assert_eq!(before, None, "two puts have one name");
        self.call().await
    }

    async fn confirm(&self, table: &TableName, committed: PutId) -> Result<()> {
        self.call().await?;
        {
            let mut files = self.files.lock().unwrap();
            if let Some(letters) = files.remove(&file(table, committed, true)) {
                files.insert(file(table, committed, false), letters);
            }
            files.retain(|file, _| file.table != *table || file.pending.is_none_or(|id| !id.is_dead(committed)));
        }
        self.call().await
    }

    async fn files(&self, table: Option<&TableName>) -> Result<Vec<LetterFile>> {
        let files = self.files.lock().unwrap();
        Ok(files.keys().filter(|file| table.is_none_or(|table| file.table == *table)).cloned().collect())
    }

    async fn read(&self, file: &LetterFile) -> Result<Vec<DeadLetter>> {
        let letters = self.files.lock().unwrap().get(file).cloned().unwrap_or_default();
        self.reads.fetch_add(1, Ordering::SeqCst);
        let held = self.held.fetch_add(letters.len(), Ordering::SeqCst) + letters.len();
        self.most_held.fetch_max(held, Ordering::SeqCst);
        Ok(letters)
    }

    async fn archive(&self, file: &LetterFile, ids: &BTreeSet<&str>) -> Result<()> {
        self.call().await?;
        self.archives.fetch_add(1, Ordering::SeqCst);
        {
            let mut files = self.files.lock().unwrap();
            let letters = files.remove(file).unwrap_or_default();
            let (gone, rest): (Vec<_>, Vec<_>) =
                letters.into_iter().partition(|letter| ids.contains(letter.id.as_str()));
            self.held.fetch_sub(gone.len(), Ordering::SeqCst);
            self.replayed.lock().unwrap().extend(gone);
            if !rest.is_empty() {
                files.insert(file.clone(), rest);
            }
        }
        self.call().await
    }
}
