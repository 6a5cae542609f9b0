//! Which puts of dead letters count: those that a checkpoint passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{Checkpoint, Error, ErrorKind, Progress, Result};

/// The fact in a table's checkpoint that names the last put of its letters.
const PUT_FACT: &str = "dead_letters_put";

/// Names the letters that one commit sets aside.
///
/// They are durable before the commit, so they lie there even if it never happens. The commit's checkpoint names the put; the
/// next put has the next serial. So of all puts of one serial at most one was ever committed, and the token, which no
/// other put has, tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PutId {
    /// How many puts of the table were committed up to this one.
    pub serial: u64,
    /// What tells it from puts of the same serial that other writers, or this one before a failure, could not commit.
    pub token: u64,
}

impl PutId {
    /// Returns the last put that was committed; `None` if there was none, as in every checkpoint of before puts had names.
    ///
    /// Returns [`DataInvalid`](ErrorKind::DataInvalid) if the checkpoint names one in another form.
    pub fn committed(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        checkpoint.fact(PUT_FACT).map(str::parse).transpose()
    }

    /// Names the put that goes with the commit after this checkpoint, with a token that was never used.
    pub fn next(checkpoint: &Checkpoint, token: u64) -> Result<Self> {
        let last = Self::committed(checkpoint)?.map_or(0, |put| put.serial);
        let serial = last.checked_add(1).ok_or_else(|| malformed().with("serial", last))?;
        Ok(Self { serial, token })
    }

    /// Makes it the last one in the checkpoint that is about to be committed.
    pub fn set(self, checkpoint: &mut Checkpoint) -> Result<()> {
        let facts = BTreeMap::from([(PUT_FACT.to_owned(), self.to_string())]);
        checkpoint.advance(&Progress { facts, ..Progress::default() })
    }

    /// Returns whether it was not committed and never can be, now that `committed` was the last one at some time.
    ///
    /// One with a later serial may be that of a commit which is under way, or of another writer that has taken over since.
    pub fn is_dead(self, committed: Self) -> bool {
        self.serial <= committed.serial && self != committed
    }
}

/// Text that compares as the serials do.
impl fmt::Display for PutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}-{:016x}", self.serial, self.token)
    }
}

impl FromStr for PutId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (serial, token) = text.split_once('-')?;
            let id = Self { serial: serial.parse().ok()?, token: u64::from_str_radix(token, 16).ok()? };
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(malformed)
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::DataInvalid, "The name of a put of dead letters is not one that was given here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_names_the_last_put_and_through_it_the_next() {
        let mut checkpoint = Checkpoint::default();
        assert_eq!(PutId::committed(&checkpoint).unwrap(), None);
        let first = PutId::next(&checkpoint, u64::MAX).unwrap();
        assert_eq!(first.serial, 1);
        first.set(&mut checkpoint).unwrap();
        // As it is stored, and through a resync.
        let stored = serde_json::to_string(&checkpoint.hand_over()).unwrap();
        let checkpoint: Checkpoint = serde_json::from_str(&stored).unwrap();
        assert_eq!(PutId::committed(&checkpoint).unwrap(), Some(first));
        assert_eq!(PutId::next(&checkpoint, 7).unwrap(), PutId { serial: 2, token: 7 });
    }

    #[test]
    fn names_come_back_and_nothing_else_is_one() {
        let (a, b) = (PutId { serial: 9, token: 5 }, PutId { serial: 10, token: 1 });
        assert!(a.to_string() < b.to_string());
        for id in [a, b, PutId { serial: u64::MAX, token: u64::MAX }] {
            assert_eq!(id.to_string().parse::<PutId>().unwrap(), id);
        }
        for wrong in [
            "",
            "1",
            "1-2",
            "000000000001-000000000000000g",
            "000000000001-00000000000000FF",
            "+00000000001-0000000000000000",
        ] {
            assert_eq!(wrong.parse::<PutId>().unwrap_err().kind(), ErrorKind::DataInvalid, "{wrong}");
        }
        let mut last = Checkpoint::default();
        PutId { serial: u64::MAX, token: 0 }.set(&mut last).unwrap();
        assert!(PutId::next(&last, 1).is_err());
    }

    #[test]
    fn only_what_can_never_be_committed_is_dead() {
        let committed = PutId { serial: 5, token: 50 };
        for (serial, token, dead) in [(5, 50, false), (5, 51, true), (5, 49, true), (4, 50, true), (6, 50, false)] {
            assert_eq!(PutId { serial, token }.is_dead(committed), dead, "{serial} {token}");
        }
    }
}
