//! What comes next: items of one table mostly have the same attributes in the same order.
//!
//! For each attribute the exact bytes from its name's opening quote up to its value are kept (`"name":{"S":"`), and which two
//! attributes came after it last. Where the guess is right, one comparison of 16 bytes replaces reading the name, looking it up
//! and reading the type; where it is wrong, nothing but that comparison was lost.

use super::cursor::Cursor;
use super::tag::Tag;

/// Longer prefixes are not kept.
const MAX_PREFIX: usize = 64;
const BLOCK: usize = 16;

/// Stands before an item's first attribute.
pub(super) const START: usize = usize::MAX;

/// A hint of which nothing is known; no text begins with it.
const UNKNOWN: Hint = Hint {
    head: u128::MAX,
    head_mask: 0,
    second: 0,
    second_mask: 0,
    length: 0,
    tag: Tag::Skipped,
    next: [0; 2],
    tail: [0; MAX_PREFIX - 2 * BLOCK],
};

#[derive(Debug, Clone)]
struct Hint {
    /// The first 16 bytes of the prefix, and which of them there are.
    head: u128,
    head_mask: u128,
    second: u128,
    second_mask: u128,
    length: usize,
    tag: Tag,
    /// The hints that came after this one, the latest first; 0 for none.
    next: [usize; 2],
    tail: [u8; MAX_PREFIX - 2 * BLOCK],
}

/// A hint per attribute, and one for the start of an item, which is the first.
#[derive(Debug)]
pub(super) struct Hints(Vec<Hint>);

impl Hints {
    pub(super) fn new() -> Self {
        Self(vec![UNKNOWN])
    }

    /// Adds the next attribute.
    pub(super) fn add(&mut self) {
        self.0.push(UNKNOWN);
    }

    #[inline]
    pub(super) fn predicted(&mut self, previous: usize, cursor: &mut Cursor<'_>) -> Option<(usize, Tag)> {
        let rest = cursor.rest();
        let head = u128::from_le_bytes(*rest.first_chunk::<BLOCK>()?);
        let from = previous.wrapping_add(1);
        let [latest, older] = self.0[from].next;
        let hint = &self.0[latest];
        if hint.matches(head, rest) {
            cursor.advance(hint.length);
            return Some((latest - 1, hint.tag));
        }
        let hint = &self.0[older];
        if hint.matches(head, rest) {
            cursor.advance(hint.length);
            let tag = hint.tag;
            self.0[from].next = [older, latest];
            return Some((older - 1, tag));
        }
        None
    }

    /// Remembers that an attribute came after `previous`, and the bytes before its value.
    pub(super) fn learn(&mut self, previous: usize, attribute: usize, prefix: &[u8], tag: Tag) {
        let next = &mut self.0[previous.wrapping_add(1)].next;
        if next[0] != attribute + 1 {
            *next = [attribute + 1, next[0]];
        }
        if prefix.len() <= MAX_PREFIX {
            let hint = &mut self.0[attribute + 1];
            let mut bytes = [0; MAX_PREFIX];
            bytes[..prefix.len()].copy_from_slice(prefix);
            let block = |from: usize| {
                let mut block = [0; BLOCK];
                block.copy_from_slice(&bytes[from..from + BLOCK]);
                u128::from_le_bytes(block)
            };
            (hint.head, hint.head_mask) = (block(0), mask(prefix.len()));
            (hint.second, hint.second_mask) = (block(BLOCK), mask(prefix.len().saturating_sub(BLOCK)));
            hint.tail.copy_from_slice(&bytes[2 * BLOCK..]);
            (hint.length, hint.tag) = (prefix.len(), tag);
        }
    }
}

impl Hint {
    /// Returns whether a text, of which `head` are the first 16 bytes, begins with the prefix.
    #[inline]
    fn matches(&self, head: u128, text: &[u8]) -> bool {
        head & self.head_mask == self.head && (self.length <= BLOCK || self.matches_behind(text))
    }

    #[inline]
    fn matches_behind(&self, text: &[u8]) -> bool {
        let Some(second) = text.get(BLOCK..).and_then(|rest| rest.first_chunk::<BLOCK>()) else { return false };
        u128::from_le_bytes(*second) & self.second_mask == self.second
            && (self.length <= 2 * BLOCK
                || text.get(2 * BLOCK..self.length) == self.tail.get(..self.length - 2 * BLOCK))
    }
}

/// Returns the mask of the first `length` bytes, at most all.
fn mask(length: usize) -> u128 {
    if length >= BLOCK { u128::MAX } else { (1 << (8 * length)) - 1 }
}
