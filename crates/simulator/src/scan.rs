//! Pages of a Scan: segments, limits, the end at 1 MB, and what a stale read sees.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::item::Item;
use crate::key::Position;
use crate::random::Dice;
use crate::stored::Stored;
use crate::table::Table;

/// What a page is asked for with.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// Segment and number of segments.
    pub(crate) segment: Option<(u64, u64)>,
    pub(crate) after: Option<Item>,
    /// After how many items it ends.
    pub(crate) limit: usize,
    /// After how many bytes it ends.
    pub(crate) bytes: usize,
    /// As of when it is read, in milliseconds; `None` for now.
    pub(crate) as_of: Option<u64>,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Stored>>,
    pub(crate) bytes: usize,
    /// The key after which the next page begins, unless there is none.
    pub(crate) last: Option<Item>,
}

impl Table {
    /// Returns a page of items.
    pub(crate) fn scan(&self, request: &PageRequest, dice: Dice) -> Result<Page> {
        let (segment, segments) = request.segment.unwrap_or((0, 1));
        let first = bound_of(segment, segments);
        let behind = (segment + 1 < segments).then(|| bound_of(segment + 1, segments));
        let mut from = Bound::Included(Position::first_of(first));
        if let Some(key) = &request.after {
            if self.spec.keys.check_key(key).is_err() {
                return Err(Error::validation("Exclusive Start Key must have same size as table's key schema"));
            }
            let after = self.spec.keys.position(key, dice)?;
            if after.hash < first || behind.is_some_and(|behind| after.hash >= behind) {
                return Err(Error::validation("Exclusive start key must lie within the segment"));
            }
            from = Bound::Excluded(after);
        }
        let to = behind.map_or(Bound::Unbounded, |behind| Bound::Excluded(Position::first_of(behind)));
        let mut page = Page { items: Vec::new(), bytes: 0, last: None };
        for stored in self.items_as_of((from, to), request.as_of) {
            page.bytes += stored.size;
            page.items.push(stored);
            if page.items.len() >= request.limit || page.bytes >= request.bytes {
                page.last = page.items.last().map(|last| self.spec.keys.key_of(&last.item));
                break;
            }
        }
        Ok(page)
    }

    /// Returns the items of a range as they were at a time.
    fn items_as_of(
        &self,
        range: (Bound<Position>, Bound<Position>),
        as_of: Option<u64>,
    ) -> Box<dyn Iterator<Item = Arc<Stored>> + '_> {
        let mut before = BTreeMap::new();
        // Backwards, so that of several changes of an item the oldest says what it was.
        for change in self.recent.iter().rev().take_while(|change| as_of.is_some_and(|as_of| change.at > as_of)) {
            before.insert(&change.position, &change.item);
        }
        if before.is_empty() {
            return Box::new(self.items.range(range).map(|(_, item)| Arc::clone(item)));
        }
        let mut then: BTreeMap<_, _> =
            self.items.range(range.clone()).map(|(at, item)| (at, Arc::clone(item))).collect();
        for (position, item) in before {
            if !std::ops::RangeBounds::contains(&range, position) {
                continue;
            }
            match item {
                Some(item) => then.insert(position, Arc::clone(item)),
                None => then.remove(position),
            };
        }
        Box::new(then.into_values())
    }
}

/// Returns the lowest hash of a segment.
fn bound_of(segment: u64, segments: u64) -> u64 {
    let hash = (u128::from(segment) << 64) / u128::from(segments.max(1));
    u64::try_from(hash).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cut_the_hashes_without_a_gap() {
        assert_eq!(bound_of(0, 1), 0);
        assert_eq!(bound_of(1, 2), 1 << 63);
        assert!((1..1_000_000).step_by(997).all(|s| bound_of(s, 1_000_000) > bound_of(s - 1, 1_000_000)));
    }
}
