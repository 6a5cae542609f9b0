//! What files are called, relative to the pipeline's folder.

use commutator_core::{LetterFile, PutId, TableName};

/// The parts of a table's folder for letters that do not wait.
const PENDING: &str = "pending";
const REPLAYED: &str = "replayed";

const PREFIX: &str = "put-";
const SUFFIX: &str = ".jsonl";

/// Where a file of letters stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Pending(PutId),
    Waiting,
}

/// Returns the part of a table's folder for puts that are pending.
pub(crate) fn pending_part(table: &TableName) -> String {
    format!("{table}/{PENDING}")
}

/// Returns the name of a put's file before it is confirmed.
pub(crate) fn pending_file(table: &TableName, id: PutId) -> String {
    format!("{table}/{PENDING}/{PREFIX}{id}{SUFFIX}")
}

/// Returns the name of a put's file once it is confirmed.
pub(crate) fn waiting_file(table: &TableName, id: PutId) -> String {
    format!("{table}/{PREFIX}{id}{SUFFIX}")
}

/// Returns the name of the file for some of another's letters that were replayed.
pub(crate) fn replayed(file: &LetterFile, hash: u64) -> String {
    let name = file.name.rsplit('/').next().unwrap_or_default();
    let stem = name.strip_suffix(SUFFIX).unwrap_or(name);
    format!("{}/{REPLAYED}/{stem}-{hash:016x}{SUFFIX}", file.table)
}

/// Tells the table and the place of a file of letters; `None` of any other, and of letters that were replayed.
///
/// Letters wait in whatever file stands in the table's folder: somebody may have put them there by hand.
pub(crate) fn parse(name: &str) -> Option<(TableName, Place)> {
    let parts: Vec<&str> = name.strip_suffix(SUFFIX)?.split('/').collect();
    let (table, place) = match parts[..] {
        [table, _] => (table, Place::Waiting),
        [table, PENDING, put] => (table, Place::Pending(put.strip_prefix(PREFIX)?.parse().ok()?)),
        _ => return None,
    };
    Some((TableName::new(table), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_where_letters_stand() {
        let table = TableName::new("t.u-v");
        let id = PutId { serial: 3, token: 255 };
        let pending = pending_file(&table, id);
        assert_eq!(pending, "t.u-v/pending/put-000000000003-00000000000000ff.jsonl");
        assert!(pending.starts_with(&pending_part(&table)));
        assert_eq!(parse(&pending), Some((table.clone(), Place::Pending(id))));
        let waiting = waiting_file(&table, id);
        assert_eq!(parse(&waiting), Some((table.clone(), Place::Waiting)));
        let file = LetterFile { table, name: waiting, pending: None };
        assert_eq!(parse(&replayed(&file, 7)), None);
        for other in ["t/notes.txt", "notes.jsonl", "t/pending/x.jsonl", "t/pending/put-1-2.jsonl", "t/a/b/c.jsonl"] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse("t/mine.jsonl"), Some((TableName::new("t"), Place::Waiting)));
    }
}
