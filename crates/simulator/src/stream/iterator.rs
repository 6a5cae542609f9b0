//! Shard iterators: where to read on, as opaque text that is good for 15 minutes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::random::Dice;

const LIFETIME_MS: u64 = 15 * 60_000;

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Iterator {
    pub(crate) stream: String,
    pub(crate) shard: String,
    /// How many records of the shard come before it, trimmed ones included.
    pub(crate) index: u64,
    pub(crate) issued: u64,
}

impl Iterator {
    /// Returns the text that is sent.
    pub(crate) fn to_text(&self, dice: Dice) -> String {
        let Self { stream, shard, index, issued } = self;
        let place = format!("{shard}/{index}/{issued}");
        let check = dice.hash(format!("{stream}/{place}").as_bytes());
        format!("{stream}|1|{}", STANDARD.encode(format!("{place}/{check}")))
    }

    /// Reads a text; only what was issued by a simulator of the same seed is accepted.
    pub(crate) fn from_text(text: &str, dice: Dice) -> Result<Self> {
        Self::parse(text)
            .filter(|iterator| iterator.to_text(dice) == text)
            .ok_or_else(|| Error::validation("Invalid ShardIterator"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (stream, _, place) = (parts.next()?, parts.next()?, parts.next()?);
        let place = String::from_utf8(STANDARD.decode(place).ok()?).ok()?;
        let mut parts = place.split('/');
        let (shard, index, issued) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            index: index.parse().ok()?,
            issued: issued.parse().ok()?,
        })
    }

    pub(crate) fn check_age(&self, now: u64) -> Result<()> {
        if self.issued + LIFETIME_MS < now {
            return Err(Error::new(
                400,
                "ExpiredIteratorException",
                "Iterator expired. The iterator was created more than 15 minutes ago.",
            ));
        }
        Ok(())
    }
}

/// Returns stream and shard of a text, whether it was issued or not.
pub(crate) fn place(text: &str) -> Option<(String, String)> {
    Iterator::parse(text).map(|iterator| (iterator.stream, iterator.shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_issued_iterators_are_accepted() {
        let iterator = Iterator { stream: "arn:x".into(), shard: "shardId-1".into(), index: 7, issued: 1000 };
        let text = iterator.to_text(Dice::new(1));
        assert_eq!(Iterator::from_text(&text, Dice::new(1)), Ok(iterator.clone()));
        assert!(Iterator::from_text(&text, Dice::new(2)).is_err());
        for bad in ["", "nonsense", "a|b|c", &text[1..]] {
            assert_eq!(Iterator::from_text(bad, Dice::new(1)).unwrap_err().message(), "Invalid ShardIterator");
        }
        assert_eq!(iterator.check_age(1000 + LIFETIME_MS), Ok(()));
        assert_eq!(iterator.check_age(1001 + LIFETIME_MS).unwrap_err().code(), "ExpiredIteratorException");
    }
}
