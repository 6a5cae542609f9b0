//! What one commit sets aside: letters that are durable before the checkpoint passes over them, and in it their count and the name
//! of their put, without which they count for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use commutator_core::{
    Checkpoint, DEAD_LETTERS_FACT, DeadLetter, DeadLetters, Error, ErrorKind, LetterFile, Progress, PutId, Rejected,
    Result, SourceBatch, TableName,
};
use sha2::{Digest, Sha256};

use crate::Pipeline;

/// A commit comes early once so many letters have come together, or so many bytes of them.
const MAX_WAITING: usize = 1000;
const MAX_WAITING_BYTES: usize = 8 << 20;

/// Letters of one commit.
#[derive(Debug)]
pub(crate) struct Letters<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) sink: Option<&'a Arc<dyn DeadLetters>>,
    pub(crate) waiting: Vec<Rejected>,
}

impl Letters<'_> {
    /// Takes what the source could not read.
    pub(crate) fn take(&mut self, batches: &mut [SourceBatch]) {
        self.waiting.extend(batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.rejected)));
    }

    /// Returns whether so many wait that a commit is due.
    pub(crate) fn is_full(&self) -> bool {
        let bytes: usize = self.waiting.iter().map(|rejected| rejected.raw.len()).sum();
        self.waiting.len() >= MAX_WAITING || bytes >= MAX_WAITING_BYTES
    }

    /// Makes the letters durable, and names and counts them in the checkpoint that is about to pass over them, of which everything
    /// that concerns letters is committed; returns their number.
    ///
    /// They count once that checkpoint is committed and never if it is not: what is read again then is put again, under another name.
    pub(crate) async fn put(self, checkpoint: &mut Checkpoint) -> Result<u64> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let Some(sink) = self.sink else {
            return Err(Error::new(
                ErrorKind::Unexpected,
                "Records were set aside, but there is no place for dead letters",
            )
            .with("table", self.table));
        };
        let seen_at_ms = now_ms();
        let letters: Vec<_> =
            self.waiting.into_iter().map(|rejected| letter(self.table, rejected, seen_at_ms)).collect();
        // So at most the last put of all is ever committed and not confirmed.
        confirm(Some(sink), self.table, checkpoint).await?;
        let id = PutId::next(checkpoint, fastrand::u64(..))?;
        sink.put(self.table, id, &letters).await?;
        id.set(checkpoint)?;
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let total = open_letters(checkpoint).saturating_add(count);
        set_fact(checkpoint, DEAD_LETTERS_FACT, total.to_string())?;
        Ok(count)
    }
}

/// Confirms the last put that a committed checkpoint names, which whoever committed it may not have come to.
pub(crate) async fn confirm(
    sink: Option<&Arc<dyn DeadLetters>>,
    table: &TableName,
    committed: &Checkpoint,
) -> Result<()> {
    match (sink, PutId::committed(committed)?) {
        (Some(sink), Some(put)) => sink.confirm(table, put).await.map_err(|e| e.with("table", table)),
        _ => Ok(()),
    }
}

/// Confirms the last put if that is possible now; it can be done later, and must be done before the next put.
pub(crate) async fn try_confirm(sink: Option<&Arc<dyn DeadLetters>>, table: &TableName, committed: &Checkpoint) {
    if let Err(error) = confirm(sink, table, committed).await {
        tracing::warn!(%table, error = error.report(), "dead letters could not be confirmed; it is tried again later");
    }
}

impl Pipeline {
    /// Returns the files of letters that count, of one table or of all, without opening anything.
    ///
    /// What a commit set aside counts once the commit has happened. Where that is not certain from the files alone, because a run goes on
    /// or was killed, it peeks into the table's checkpoint. Files may be moved by others before they are read.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if there is no place for dead letters.
    pub async fn letter_files(&self, table: Option<&TableName>) -> Result<Vec<LetterFile>> {
        let Some(sink) = self.dead_letters() else {
            return Err(Error::new(ErrorKind::ConfigInvalid, "There is no place for dead letters"));
        };
        let mut files = sink.files(table).await?;
        let tables: BTreeSet<_> = files.iter().filter(|file| file.pending.is_some()).map(|file| &file.table).collect();
        if tables.is_empty() {
            return Ok(files);
        }
        let mut committed = BTreeSet::new();
        for description in self.tables().await? {
            if tables.contains(&description.name)
                && let Some(checkpoint) = self.destination().peek(&self.target(&description)).await?
                && let Some(put) = PutId::committed(&checkpoint)?
            {
                committed.insert((description.name, put));
            }
        }
        files.retain(|file| file.pending.is_none_or(|put| committed.contains(&(file.table.clone(), put))));
        Ok(files)
    }
}

/// Returns how many letters of a table were set aside and not replayed since.
pub(crate) fn open_letters(checkpoint: &Checkpoint) -> u64 {
    checkpoint.fact(DEAD_LETTERS_FACT).and_then(|fact| fact.parse().ok()).unwrap_or(0)
}

pub(crate) fn set_fact(checkpoint: &mut Checkpoint, name: &str, value: String) -> Result<()> {
    checkpoint.advance(&Progress { facts: BTreeMap::from([(name.to_owned(), value)]), ..Progress::default() })
}

fn letter(table: &TableName, rejected: Rejected, seen_at_ms: u64) -> DeadLetter {
    DeadLetter { id: id(table, &rejected), table: table.clone(), seen_at_ms, rejected }
}

/// Names a letter by the version of the row it speaks of, or by its bytes where the key cannot be read.
fn id(table: &TableName, rejected: &Rejected) -> String {
    let mut hash = Sha256::new();
    for part in [table.as_str(), &rejected.order.to_string()] {
        hash.update(part);
        hash.update([0]);
    }
    if let Some(key) = &rejected.key {
        hash.update([1]);
        hash.update(key.to_string());
    } else {
        hash.update([2]);
        hash.update(&rejected.raw);
    }
    let digest = hash.finalize();
    format!("{:032x}", digest.first_chunk().map_or(0, |first| u128::from_be_bytes(*first)))
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
