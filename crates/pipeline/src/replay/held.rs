//! Letters of a few files, which are in memory at once.

use std::collections::{BTreeMap, BTreeSet};

use commutator_core::{DeadLetter, DeadLetters, LetterFile, Result};

use super::written::Written;

/// The letters of some files, each once, by order key.
#[derive(Debug, Default)]
pub(super) struct Held {
    files: Vec<LetterFile>,
    letters: Vec<DeadLetter>,
    /// In which of the files a letter of this id stands; in several only if somebody copied it.
    places: BTreeMap<String, BTreeSet<usize>>,
}

impl Held {
    /// Reads as many files as it takes to have so many letters; `None` if there are no more files.
    pub(super) async fn next(
        sink: &dyn DeadLetters,
        files: &mut (dyn Iterator<Item = LetterFile> + Send),
        letters: usize,
    ) -> Result<Option<Self>> {
        let mut held = Self::default();
        while held.letters.len() < letters
            && let Some(file) = files.next()
        {
            for letter in sink.read(&file).await? {
                let places = held.places.entry(letter.id.clone()).or_default();
                if places.is_empty() {
                    held.letters.push(letter);
                }
                places.insert(held.files.len());
            }
            held.files.push(file);
        }
        held.letters.sort_by(|a, b| (a.rejected.order, &a.id).cmp(&(b.rejected.order, &b.id)));
        Ok((!held.files.is_empty()).then_some(held))
    }

    pub(super) fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// Returns what the checkpoint remembers of letters that are written now.
    pub(super) fn written(&self, ids: &BTreeSet<&str>) -> Written {
        let files = self.by_file(ids).into_keys().map(|file| self.files[file].name.clone());
        Written::new(ids.iter().map(|&id| id.to_owned()).collect(), files.collect())
    }

    /// Puts away what was written; returns how many letters that are.
    pub(super) async fn put_away(&self, sink: &dyn DeadLetters, ids: &BTreeSet<&str>) -> Result<u64> {
        for (file, ids) in self.by_file(ids) {
            sink.archive(&self.files[file], &ids).await?;
        }
        Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
    }

    fn by_file<'a>(&self, ids: &BTreeSet<&'a str>) -> BTreeMap<usize, BTreeSet<&'a str>> {
        let mut by_file: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for &id in ids {
            for &file in self.places.get(id).into_iter().flatten() {
                by_file.entry(file).or_default().insert(id);
            }
        }
        by_file
    }
}
