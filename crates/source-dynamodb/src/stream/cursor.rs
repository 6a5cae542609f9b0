//! Where a shard is read: its position, and the iterator that stands there.

use std::time::Duration;

use commutator_core::{Offset, PartitionId, Position, Result, Sequence};
use tokio::time::Instant;

use super::begin::shard_partition;
use super::tip::Tip;
use crate::client::From;
use crate::decode::RecordFilter;

/// The fewest digits of a sequence number that the API takes (API reference, `GetShardIterator`).
const SHORTEST: usize = 21;

/// A shard being read.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The shard's id.
    pub(crate) shard: String,
    /// The shard's partition.
    pub(crate) partition: PartitionId,
    /// How far batches were sent.
    pub(crate) position: Position,
    /// Whether it was read to its tip.
    pub(crate) tip: Tip,
    /// When the latest page was asked for.
    pub(crate) begun: Instant,
    iterator: Option<(String, Instant)>,
    from_horizon: bool,
}

impl Cursor {
    /// Creates a cursor at a position of a shard.
    pub(crate) fn new(shard: &str, position: Position, watermark_ms: Option<i64>) -> Self {
        Self {
            shard: shard.to_owned(),
            partition: shard_partition(shard),
            position,
            tip: Tip::new(watermark_ms),
            begun: Instant::now(),
            iterator: None,
            from_horizon: false,
        }
    }

    /// Returns the iterator, unless it is too old to be sure of.
    pub(crate) fn iterator(&mut self, now: Instant, longest: Duration) -> Option<String> {
        if self.iterator.as_ref().is_some_and(|(_, since)| now.duration_since(*since) >= longest) {
            self.iterator = None;
        }
        self.iterator.as_ref().map(|(iterator, _)| iterator.clone())
    }

    /// Puts an iterator that stands at the position.
    pub(crate) fn set_iterator(&mut self, iterator: Option<String>, now: Instant) {
        self.iterator = iterator.map(|iterator| (iterator, now));
    }

    /// Goes on from the oldest record there is, dropping what was read before.
    pub(crate) fn restart_at_horizon(&mut self) {
        self.iterator = None;
        self.from_horizon = true;
    }

    /// Returns where a new iterator has to stand.
    pub(crate) fn from(&self) -> Result<From> {
        Ok(match self.sequence()? {
            Some(sequence) if !self.from_horizon => From::After(as_sent(sequence)),
            _ => From::TrimHorizon,
        })
    }

    /// Returns which records of a page are wanted.
    pub(crate) fn filter(&self, created_before: Option<i64>) -> Result<RecordFilter> {
        let after = if self.from_horizon { self.sequence()? } else { None };
        Ok(RecordFilter { after, created_before })
    }

    /// Returns the position after a page whose last record has this sequence number, or which ended the shard.
    pub(crate) fn after_page(&self, last: Option<Sequence>, ended: bool) -> Position {
        if ended {
            return Position::End;
        }
        match last {
            Some(last) => Position::At(Offset { order: last.padded(), resume: None }).max(self.position.clone()),
            None => self.position.clone(),
        }
    }

    /// Notes that everything up to a position was sent.
    pub(crate) fn advance(&mut self, to: Position) {
        if to != self.position {
            self.position = to;
            // What was trimmed lies behind it.
            self.from_horizon = false;
        }
    }

    /// Returns the position for people.
    pub(crate) fn describe(&self) -> String {
        match &self.position {
            Position::Start => "at the shard's start".to_owned(),
            Position::At(offset) => format!("after sequence number {}", offset.order.trim_start_matches('0')),
            Position::End => "at the shard's end".to_owned(),
        }
    }

    fn sequence(&self) -> Result<Option<Sequence>> {
        match &self.position {
            Position::At(offset) => offset.order.parse().map(Some),
            Position::Start | Position::End => Ok(None),
        }
    }
}

/// Returns a sequence number as the service sent it: decimal, with at least 21 digits.
fn as_sent(sequence: Sequence) -> String {
    let padded = sequence.padded();
    let significant = padded.trim_start_matches('0');
    format!("{significant:0>SHORTEST$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Position {
        Position::At(Offset { order: Sequence::from(number).padded(), resume: None })
    }

    #[test]
    fn sequence_numbers_are_sent_back_as_they_came() {
        for number in ["000000000000000000001", "100000000000000000000", "9999999999999999999999999999999999999999"] {
            assert_eq!(as_sent(number.parse().unwrap()), number);
        }
    }

    #[test]
    fn a_new_iterator_stands_after_what_was_read() {
        let start = Cursor::new("s", Position::Start, None);
        assert_eq!(start.from().unwrap(), From::TrimHorizon);
        let mut read = Cursor::new("s", at(7), None);
        assert_eq!(read.from().unwrap(), From::After("000000000000000000007".to_owned()));
        assert!(read.filter(None).unwrap().after.is_none());
        read.restart_at_horizon();
        assert_eq!(read.from().unwrap(), From::TrimHorizon);
        assert_eq!(read.filter(None).unwrap().after, Some(7.into()));
    }

    #[test]
    fn a_position_never_goes_back() {
        let cursor = Cursor::new("s", at(7), None);
        assert_eq!(cursor.after_page(Some(5.into()), false), at(7));
        assert_eq!(cursor.after_page(Some(9.into()), false), at(9));
        assert_eq!(cursor.after_page(None, false), at(7));
        assert_eq!(cursor.after_page(Some(9.into()), true), Position::End);
    }

    #[test]
    fn an_old_iterator_is_thrown_away() {
        let (mut cursor, now) = (Cursor::new("s", Position::Start, None), Instant::now());
        cursor.set_iterator(Some("i".to_owned()), now);
        let longest = Duration::from_mins(10);
        assert_eq!(cursor.iterator(now + Duration::from_secs(599), longest).as_deref(), Some("i"));
        assert_eq!(cursor.iterator(now + Duration::from_mins(10), longest), None);
        assert_eq!(cursor.iterator(now, longest), None);
    }
}
