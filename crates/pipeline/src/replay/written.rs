//! Letters that were written and maybe not put away: what the checkpoint remembers of a replay that was killed.

use std::collections::BTreeSet;

use commutator_core::{Checkpoint, DeadLetters, LetterFile, Result};
use serde::{Deserialize, Serialize};

use crate::letters::set_fact;

/// The fact that names the letters of the last replay's commit, so that one which was killed then does not write them twice.
///
/// Only letters that count are replayed, and of these each version of a row has one, so none of these ids comes back.
const WRITTEN_FACT: &str = "dead_letters_replayed";

/// The letters of a replay's commit, and the files they stood in.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    ids: BTreeSet<String>,
    /// `None` if that is not known: earlier versions remembered the ids alone.
    files: Option<BTreeSet<String>>,
}

impl Written {
    pub(super) fn new(ids: BTreeSet<String>, files: BTreeSet<String>) -> Self {
        Self { ids, files: Some(files) }
    }

    /// Returns what a checkpoint remembers.
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let fact = checkpoint.fact(WRITTEN_FACT).unwrap_or_default();
        serde_json::from_str(fact).unwrap_or_else(|_| Self {
            ids: fact.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            files: None,
        })
    }

    pub(super) fn set(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        set_fact(checkpoint, WRITTEN_FACT, serde_json::json!(self).to_string())
    }

    /// Puts those of the letters away that were not yet; returns how many these are.
    pub(super) async fn put_away(&self, sink: &dyn DeadLetters, files: &[LetterFile]) -> Result<u64> {
        if self.ids.is_empty() {
            return Ok(0);
        }
        let mut found = BTreeSet::new();
        for file in files {
            if self.files.as_ref().is_some_and(|names| !names.contains(&file.name)) {
                continue;
            }
            let letters = sink.read(file).await?;
            let ids: BTreeSet<&str> =
                letters.iter().map(|letter| letter.id.as_str()).filter(|&id| self.ids.contains(id)).collect();
            if !ids.is_empty() {
                sink.archive(file, &ids).await?;
                found.extend(ids.into_iter().map(str::to_owned));
            }
        }
        Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_also_from_earlier_versions() {
        let set = |of: &[&str]| of.iter().map(|&text| text.to_owned()).collect::<BTreeSet<_>>();
        let mut checkpoint = Checkpoint::default();
        assert_eq!(Written::of(&checkpoint), Written::default());
        let written = Written::new(set(&["1f", "2e"]), set(&["t/a,b.jsonl"]));
        written.set(&mut checkpoint).unwrap();
        assert_eq!(Written::of(&checkpoint), written);
        for (fact, ids) in [("1f,2e", set(&["1f", "2e"])), ("77", set(&["77"])), ("", set(&[]))] {
            set_fact(&mut checkpoint, WRITTEN_FACT, fact.to_owned()).unwrap();
            assert_eq!(Written::of(&checkpoint), Written { ids, files: None });
        }
    }
}
