//! Dead letters as JSON-lines files on a local disk, S3, GCS or Azure.
//!
//! ```text
//! dead-letters/
//!   orders/put-<serial>-<token>.jsonl       letters that wait, one file per commit that set some aside
//!   orders/pending/…                        letters whose commit is under way, or never happened
//!   orders/replayed/…                       letters that were replayed
//! ```
//!
//! A put writes a file under `pending/`, and that it is confirmed moves the file. Both are names that no other put has, so no writer
//! ever replaces a file of other letters, and a writer that was fenced does no harm: its file stays where nobody counts it.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use commutator_core::{DeadLetter, DeadLetters, Error, ErrorKind, LetterFile, OrderKey, PutId, Result, TableName};
use commutator_destination_parquet::{Config, Folder};
use sha2::{Digest, Sha256};

use names::Place;

/// Dead letters in files.
#[derive(Debug, Clone)]
pub struct DeadLetterFiles {
    folder: Folder,
    #[cfg(test)]
    reads: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl DeadLetterFiles {
    /// Creates it over a folder; see [`Config::folder`].
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            #[cfg(test)]
            reads: std::sync::Arc::default(),
        }
    }

    /// Opens the folder of an address, with what the environment offers to write there.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self::new(Config::new(url).folder(None)?))
    }

    /// Reads a file's letters; `None` if there is no such file.
    async fn letters(&self, table: &TableName, name: &str) -> Result<Option<Vec<DeadLetter>>> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let bytes = match self.folder.get(name).await {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let lines = bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
        let letters = lines.map(|(line, number)| {
            parse(table, line).map_err(|e| {
                Error::new(ErrorKind::DataInvalid, "A file of dead letters cannot be read; correct or remove the line")
                    .with("file", name)
                    .with("line", number)
                    .with_source(e)
            })
        });
        letters.collect::<Result<_>>().map(Some)
    }

    async fn write<'a>(&self, name: &str, letters: impl IntoIterator<Item = &'a DeadLetter>) -> Result<()> {
        let text: String = letters.into_iter().map(|letter| letter.to_json().to_string() + "\n").collect();
        self.folder.keep(name, Bytes::from(text)).await
    }

    async fn names(&self, part: &str) -> Result<Vec<String>> {
        Ok(self.folder.list(part, "").await?.into_iter().map(|entry| entry.name).collect())
    }
}

fn parse(table: &TableName, line: &[u8]) -> Result<DeadLetter> {
    let line = serde_json::from_slice(line)
        .map_err(|e| Error::new(ErrorKind::DataInvalid, "A line is not JSON").with_source(e))?;
    let letter = DeadLetter::from_json(line)?;
    if letter.table != *table {
        return Err(Error::new(ErrorKind::DataInvalid, "The letter is another table's").with("table", &letter.table));
    }
    Ok(letter)
}

#[async_trait]
impl DeadLetters for DeadLetterFiles {
    async fn put(&self, table: &TableName, id: PutId, letters: &[DeadLetter]) -> Result<()> {
        self.write(&names::pending_file(table, id), sorted(letters).into_values()).await
    }

    async fn confirm(&self, table: &TableName, committed: PutId) -> Result<()> {
        let mut dead = Vec::new();
        for name in self.names(&names::pending_part(table)).await? {
            match names::parse(&name) {
                Some((_, Place::Pending(id))) if id == committed => {
                    // That it is gone meanwhile is fine: whoever took the table over has confirmed it.
                    let _moved = self.folder.rename(&name, &names::waiting_file(table, id)).await?;
                }
                Some((_, Place::Pending(id))) if id.is_dead(committed) => dead.push(name),
                _ => {}
            }
        }
        self.folder.delete(dead).await
    }

    async fn files(&self, table: Option<&TableName>) -> Result<Vec<LetterFile>> {
        let (mut waiting, mut pending) = (BTreeSet::new(), Vec::new());
        for name in self.names(table.map_or("", TableName::as_str)).await? {
            let file = |table, pending| LetterFile { table, name: name.clone(), pending };
            match names::parse(&name) {
                Some((table, Place::Waiting)) => _ = waiting.insert(file(table, None)),
                Some((table, Place::Pending(id))) => pending.push(file(table, Some(id))),
                None => {}
            }
        }
        // On an object store a file that is moved has both names for a moment.
        let moved = |file: &LetterFile, id: PutId| {
            let name = names::waiting_file(&file.table, id);
            waiting.contains(&LetterFile { table: file.table.clone(), name, pending: None })
        };
        pending.retain(|file| file.pending.is_some_and(|id| !moved(file, id)));
        waiting.extend(pending);
        Ok(waiting.into_iter().collect())
    }

    async fn read(&self, file: &LetterFile) -> Result<Vec<DeadLetter>> {
        let mut found = self.letters(&file.table, &file.name).await?;
        if let (None, Some(id)) = (&found, file.pending) {
            // It was confirmed meanwhile.
            let name = names::waiting_file(&file.table, id);
            found = self.letters(&file.table, &name).await?;
        }
        let found = found.unwrap_or_default();
        Ok(sorted(&found).into_values().cloned().collect())
    }

    async fn archive(&self, file: &LetterFile, ids: &BTreeSet<&str>) -> Result<()> {
        let found = self.letters(&file.table, &file.name).await?.unwrap_or_default();
        let (gone, rest): (Vec<_>, Vec<_>) = found.iter().partition(|letter| ids.contains(letter.id.as_str()));
        if gone.is_empty() {
            return Ok(());
        }
        let hash = gone.iter().fold(Sha256::new(), |hash, letter| hash.chain_update(&letter.id).chain_update([0]));
        let hash = hash.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        self.write(&names::replayed(file, hash), gone).await?;
        // A letter that stands in both places after a crash still waits, and is moved again.
        if rest.is_empty() { self.folder.delete([file.name.clone()]).await } else { self.write(&file.name, rest).await }
    }
}

/// Letters by order key and id, each once.
fn sorted(letters: &[DeadLetter]) -> BTreeMap<(OrderKey, &str), &DeadLetter> {
    letters.iter().map(|letter| ((letter.rejected.order, letter.id.as_str()), letter)).collect()
}

#[cfg(test)]
mod tests;
