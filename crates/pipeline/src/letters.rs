//! What one commit sets aside: letters that are durable before the checkpoint passes over them, and their count in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use commutator_core::{
    Checkpoint, DEAD_LETTERS_FACT, DeadLetter, DeadLetters, Error, ErrorKind, Progress, Rejected, Result, SourceBatch,
    TableName,
};
use sha2::{Digest, Sha256};

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

    /// Makes the letters durable and counts them in the checkpoint that is about to pass over them; returns their number.
    ///
    /// A crash after it writes the same letters again, under the same ids.
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
        sink.put(&letters).await?;
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let total = open_letters(checkpoint).saturating_add(count);
        set_fact(checkpoint, DEAD_LETTERS_FACT, total.to_string())?;
        Ok(count)
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
