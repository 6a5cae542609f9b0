//! Dead letters as JSON-lines files on a local disk, S3, GCS or Azure.
//!
//! ```text
//! dead-letters/
//!   orders/<order key of the first letter>-<hash of the letters>.jsonl      letters that wait, one file per commit
//!   orders/replayed/…                                                       letters that were replayed
//! ```
//!
//! A file's name follows from the letters in it, so one that is written again after a crash takes the place of the first, and no
//! writer ever replaces a file of other letters. After a crash a letter may stand in two files; it has one id, and counts once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use commutator_core::{DeadLetter, DeadLetters, Error, ErrorKind, OrderKey, Result, TableName};
use commutator_destination_parquet::{Config, Folder};
use sha2::{Digest, Sha256};

/// The part of a table's folder that holds replayed letters.
const REPLAYED: &str = "replayed";

/// Dead letters in files.
#[derive(Debug, Clone)]
pub struct DeadLetterFiles {
    folder: Folder,
}

impl DeadLetterFiles {
    /// Creates it over a folder; see [`Config::folder`].
    pub fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Opens the folder of an address, with what the environment offers to write there.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self::new(Config::new(url).folder(None)?))
    }

    async fn read(&self, name: &str) -> Result<Vec<DeadLetter>> {
        let bytes = self.folder.get(name).await?;
        let lines = bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
        lines
            .map(|(line, number)| {
                let parsed = serde_json::from_slice(line)
                    .map_err(|e| Error::new(ErrorKind::DataInvalid, "A line is not JSON").with_source(e));
                parsed.and_then(DeadLetter::from_json).map_err(|e| {
                    Error::new(
                        ErrorKind::DataInvalid,
                        "A file of dead letters cannot be read; correct or remove the line",
                    )
                    .with("file", name)
                    .with("line", number)
                    .with_source(e)
                })
            })
            .collect()
    }

    async fn write<'a>(&self, name: &str, letters: impl IntoIterator<Item = &'a DeadLetter>) -> Result<()> {
        let text: String = letters.into_iter().map(|letter| letter.to_json().to_string() + "\n").collect();
        self.folder.keep(name, Bytes::from(text)).await
    }

    /// Returns the names of the files of letters that wait.
    async fn files(&self, table: Option<&TableName>) -> Result<Vec<String>> {
        let part = table.map_or("", TableName::as_str);
        let names = self.folder.list(part, "").await?.into_iter().map(|entry| entry.name);
        // One below its table, so that replayed ones are not among them.
        let waits = |name: &String| name.matches('/').count() == 1 && name.strip_suffix(".jsonl").is_some();
        Ok(names.filter(waits).collect())
    }
}

#[async_trait]
impl DeadLetters for DeadLetterFiles {
    async fn put(&self, letters: &[DeadLetter]) -> Result<()> {
        let mut tables: BTreeMap<&TableName, BTreeMap<Place<'_>, &DeadLetter>> = BTreeMap::new();
        for letter in letters {
            tables.entry(&letter.table).or_default().insert(place(letter), letter);
        }
        for (table, letters) in tables {
            self.write(&format!("{table}/{}", file_name(letters.keys())), letters.into_values()).await?;
        }
        Ok(())
    }

    async fn list(&self, table: Option<&TableName>) -> Result<Vec<DeadLetter>> {
        let mut letters = BTreeMap::new();
        for file in self.files(table).await? {
            for letter in self.read(&file).await? {
                let (order, id) = place(&letter);
                letters.insert((letter.table.clone(), order, id.to_owned()), letter);
            }
        }
        Ok(letters.into_values().collect())
    }

    async fn archive(&self, letters: &[DeadLetter]) -> Result<()> {
        let done: BTreeSet<(&TableName, &str)> =
            letters.iter().map(|letter| (&letter.table, letter.id.as_str())).collect();
        let tables: BTreeSet<&TableName> = letters.iter().map(|letter| &letter.table).collect();
        for table in tables {
            for file in self.files(Some(table)).await? {
                let found = self.read(&file).await?;
                let (gone, rest): (Vec<_>, Vec<_>) =
                    found.iter().partition(|letter| done.contains(&(&letter.table, letter.id.as_str())));
                if gone.is_empty() {
                    continue;
                }
                let places: BTreeSet<_> = gone.iter().map(|letter| place(letter)).collect();
                self.write(&format!("{table}/{REPLAYED}/{}", file_name(places.iter())), gone).await?;
                // A letter that stands in both places after a crash still waits, and is moved again.
                if rest.is_empty() {
                    self.folder.delete([file]).await?;
                } else {
                    self.write(&file, rest).await?;
                }
            }
        }
        Ok(())
    }
}

/// What letters of a table are ordered by.
type Place<'a> = (OrderKey, &'a str);

fn place(letter: &DeadLetter) -> Place<'_> {
    (letter.rejected.order, &letter.id)
}

/// Names a file by the letters in it.
fn file_name<'a>(mut letters: impl Iterator<Item = &'a Place<'a>> + Clone) -> String {
    let digest = letters.clone().fold(Sha256::new(), |hash, (_, id)| hash.chain_update(id).chain_update([0]));
    let digest = digest.finalize();
    let hash = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    let first = letters.next().map(|(order, _)| order.to_string()).unwrap_or_default();
    format!("{first}-{hash:016x}.jsonl")
}

#[cfg(test)]
mod tests;
