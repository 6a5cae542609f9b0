//! What comes next: items of one table mostly have the same attributes in the same order, and so have their maps.
//!
//! For each name the exact bytes from its opening quote up to its value are kept (`"name":{"S":"`), and which two names came
//! after it last. Where the guess is right, one comparison of 16 bytes replaces reading the name, looking it up and reading the
//! type; where it is wrong, nothing but that comparison was lost.

use hashbrown::HashMap;

use super::cursor::Cursor;
use super::tag::Tag;

/// Longer prefixes are not kept.
const MAX_PREFIX: usize = 64;
const BLOCK: usize = 16;
const ONES: u128 = u128::MAX / 255;

/// So many prefixes of attributes are kept at most, and so many of members of maps; it is about a megabyte.
const MAX_ATTRIBUTES: usize = 4_096;
const MAX_MEMBERS: usize = 1_024;

/// When there is no room for more, what is kept may be old: so many pages later it is forgotten.
const FORGET_AFTER: u32 = 64;

/// The hint of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint(usize);

/// A place where names follow one another: inside a map, or after a name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Hint {
    /// The hint of a prefix that is not kept; nothing is known about what follows.
    pub(super) const NONE: Self = Self(0);

    /// Where the next name of the same map stands.
    #[inline]
    pub(super) fn after(self) -> Place {
        Place(2 * self.0)
    }

    /// Where the first name of the map stands that is the value, or of the maps in the list that is the value.
    #[inline]
    pub(super) const fn inside(self) -> Place {
        Place(2 * self.0 + 1)
    }
}

impl Place {
    /// Where the first name of an item stands.
    pub(super) const ITEM: Self = Hint(1).inside();

    /// Returns whether this is a place of [`Hint::NONE`]: those are many, so nothing is learned there.
    fn is_anywhere(self) -> bool {
        self.0 < 2
    }
}

/// A name is looked for in a group of so many prefixes; a power of two, as is the size of the table.
const PROBES: usize = 4;

#[derive(Debug)]
struct Prefix {
    /// The first 32 bytes, and which of them there are.
    head: u128,
    head_mask: u128,
    second: u128,
    second_mask: u128,
    length: usize,
    tag: Tag,
    /// The attribute, if the name is one's.
    attribute: usize,
    /// A comma, and then the prefix.
    text: [u8; 1 + MAX_PREFIX],
    /// The length of the comma, the quoted name and the colon in `text`.
    name_length: usize,
}

/// The prefixes that are kept, and what came after each.
#[derive(Debug)]
pub(super) struct Hints {
    /// The first one stands for all that are not kept, the second one for an item's opening.
    prefixes: Vec<Prefix>,
    /// The hints that came next at each place, the latest first; 0 for none.
    next: Vec<[usize; 2]>,
    attributes: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    members: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    /// The prefixes of attributes once more, in groups by the hash of their name; 0 for none.
    names: Vec<u16>,
    /// The pages since there was no room for more.
    full_pages: u32,
}

impl Hints {
    pub(super) fn new() -> Self {
        // No text has these 16 bytes when none of its bytes counts.
        let none = || Prefix { head: u128::MAX, head_mask: 0, ..Prefix::new(b"", Tag::Skipped) };
        Self {
            prefixes: vec![none(), none()],
            next: vec![[0; 2]; 4],
            attributes: HashMap::default(),
            members: HashMap::default(),
            names: vec![0; 256],
            full_pages: 0,
        }
    }

    /// Begins a page, and returns whether it is time to begin anew.
    pub(super) fn is_stale(&mut self) -> bool {
        if self.attributes.len() >= MAX_ATTRIBUTES || self.members.len() >= MAX_MEMBERS {
            self.full_pages += 1;
        }
        self.full_pages > FORGET_AFTER
    }

    /// Reads a prefix if it is one of those that came next at this place before.
    #[inline]
    pub(super) fn predicted(&mut self, place: Place, cursor: &mut Cursor<'_>) -> Option<Hint> {
        let rest = cursor.rest();
        let head = u128::from_le_bytes(*rest.first_chunk::<BLOCK>()?);
        let [latest, older] = self.next[place.0];
        let prefix = &self.prefixes[latest];
        if prefix.matches(head, rest) {
            cursor.advance(prefix.length);
            return Some(Hint(latest));
        }
        self.predicted_before(place, [latest, older], head, cursor)
    }

    #[inline(never)]
    fn predicted_before(
        &mut self,
        place: Place,
        [latest, older]: [usize; 2],
        head: u128,
        cursor: &mut Cursor<'_>,
    ) -> Option<Hint> {
        let prefix = &self.prefixes[older];
        if prefix.matches(head, cursor.rest()) {
            cursor.advance(prefix.length);
            self.next[place.0] = [older, latest];
            return Some(Hint(older));
        }
        None
    }

    /// Reads the prefix of an attribute that stands here although it was not among those expected.
    #[inline(never)]
    pub(super) fn found(&mut self, place: Place, cursor: &mut Cursor<'_>) -> Option<Hint> {
        let rest = cursor.rest();
        let head = u128::from_le_bytes(*rest.first_chunk::<BLOCK>()?);
        let slot = self.slot(rest)?;
        for &hint in self.names.get(slot..slot + PROBES)? {
            let hint = usize::from(hint);
            let prefix = &self.prefixes[hint];
            if prefix.matches(head, rest) {
                cursor.advance(prefix.length);
                self.follow(place, hint);
                return Some(Hint(hint));
            }
        }
        None
    }

    /// Returns where in the table prefixes stand whose text begins with the name that this one begins with.
    #[inline]
    fn slot(&self, text: &[u8]) -> Option<usize> {
        let name = name_hash(text)? >> 32;
        Some(usize::try_from(name).ok()? & (self.names.len() - PROBES))
    }

    /// Puts the prefix of an attribute into the table, if there is room at its place.
    fn tabulate(&mut self, hint: usize) {
        if 4 * self.attributes.len() > self.names.len() {
            self.names = vec![0; 4 * self.names.len()];
            let mut known: Vec<_> = self.attributes.values().copied().collect();
            known.sort_unstable();
            for hint in known {
                self.tabulate(hint);
            }
            return;
        }
        let slot = self.slot(&self.prefixes[hint].text[1..]);
        let (Some(slot), Ok(hint)) = (slot, u16::try_from(hint)) else { return };
        if let Some(free) = self.names[slot..slot + PROBES].iter_mut().find(|other| **other == 0) {
            *free = hint;
        }
    }

    /// Returns the attribute whose name the prefix has, and its type.
    #[inline]
    pub(super) fn attribute(&self, hint: Hint) -> (usize, Tag) {
        let prefix = &self.prefixes[hint.0];
        (prefix.attribute, prefix.tag)
    }

    /// Appends a comma, the quoted name and a colon, and returns the value's type.
    #[inline]
    pub(super) fn write_name(&self, hint: Hint, out: &mut Vec<u8>) -> Tag {
        let prefix = &self.prefixes[hint.0];
        let end = out.len() + prefix.name_length;
        // Blocks of a known size are one or two stores each; what is too much is cut off again.
        match (prefix.text.first_chunk::<BLOCK>(), prefix.text.first_chunk::<{ 2 * BLOCK }>()) {
            (Some(block), _) if prefix.name_length <= BLOCK => out.extend_from_slice(block),
            (_, Some(block)) if prefix.name_length <= 2 * BLOCK => out.extend_from_slice(block),
            _ => out.extend_from_slice(&prefix.text),
        }
        out.truncate(end);
        prefix.tag
    }

    /// Remembers that an attribute came next at this place, and the bytes before its value.
    pub(super) fn learn_attribute(&mut self, place: Place, attribute: usize, text: &[u8], tag: Tag) -> Hint {
        let known = self.attributes.get(text).copied();
        let full = self.attributes.len() >= MAX_ATTRIBUTES;
        self.learn(place, known, full, text, tag, |hints, new| {
            hints.prefixes[new].attribute = attribute;
            hints.attributes.insert(text.into(), new);
            hints.tabulate(new);
        })
    }

    /// Remembers that a member of a map came next at this place, and the bytes before its value, which begin with its name as
    /// it is written.
    pub(super) fn learn_member(&mut self, place: Place, name: &[u8], text: &[u8], tag: Tag) -> Hint {
        if !text.starts_with(name) {
            return Hint::NONE;
        }
        let known = self.members.get(text).copied();
        let full = self.members.len() >= MAX_MEMBERS;
        self.learn(place, known, full, text, tag, |hints, new| {
            hints.prefixes[new].name_length = 1 + name.len();
            hints.members.insert(text.into(), new);
        })
    }

    fn learn(
        &mut self,
        place: Place,
        known: Option<usize>,
        full: bool,
        text: &[u8],
        tag: Tag,
        name: impl FnOnce(&mut Self, usize),
    ) -> Hint {
        let hint = match known {
            Some(hint) => hint,
            None if text.len() > MAX_PREFIX || full => return Hint::NONE,
            None => {
                let new = self.prefixes.len();
                self.prefixes.push(Prefix::new(text, tag));
                self.next.extend([[0; 2]; 2]);
                name(self, new);
                new
            }
        };
        self.follow(place, hint);
        Hint(hint)
    }

    fn follow(&mut self, place: Place, hint: usize) {
        let next = &mut self.next[place.0];
        if !place.is_anywhere() && next[0] != hint {
            *next = [hint, next[0]];
        }
    }
}

impl Prefix {
    fn new(bytes: &[u8], tag: Tag) -> Self {
        let mut text = [b','; 1 + MAX_PREFIX];
        text[1..=bytes.len()].copy_from_slice(bytes);
        let block = |from: usize| {
            let mut block = [0; BLOCK];
            let bytes = bytes.get(from..).unwrap_or_default();
            let length = bytes.len().min(BLOCK);
            block[..length].copy_from_slice(&bytes[..length]);
            (u128::from_le_bytes(block), if length == BLOCK { u128::MAX } else { (1 << (8 * length)) - 1 })
        };
        let ((head, head_mask), (second, second_mask)) = (block(0), block(BLOCK));
        Self { head, head_mask, second, second_mask, length: bytes.len(), tag, attribute: 0, text, name_length: 1 }
    }

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
                || text.get(2 * BLOCK..self.length) == self.text.get(1 + 2 * BLOCK..=self.length))
    }
}

/// Hashes a quoted name of up to 30 bytes at the start of a text, with its quotes; `None` if it is longer.
///
/// Who makes up names that collide makes them as slow as those that are longer, and no slower.
#[inline]
fn name_hash(text: &[u8]) -> Option<u64> {
    let head = u128::from_le_bytes(*text.first_chunk::<BLOCK>()?);
    let end = quote(head | 0xff);
    let bits = if end < BLOCK {
        head & up_to(end)
    } else {
        let second = u128::from_le_bytes(*text[BLOCK..].first_chunk::<BLOCK>()?);
        let end = Some(quote(second)).filter(|end| *end < BLOCK)?;
        head.rotate_left(41) ^ (second & up_to(end))
    };
    let bytes = bits.to_le_bytes();
    let (halves, _) = bytes.as_chunks::<8>();
    let [low, high] = [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])];
    Some((low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high).wrapping_mul(0xd1b5_4a32_d192_ed03))
}

/// Covers the bytes up to this one.
#[inline]
fn up_to(end: usize) -> u128 {
    u128::MAX >> (8 * (BLOCK - 1 - end))
}

/// Returns the index of the first quote, or the length.
#[inline]
fn quote(block: u128) -> usize {
    let word = block ^ (ONES * 0x22);
    let found = word.wrapping_sub(ONES) & !word & (ONES * 0x80);
    found.trailing_zeros() as usize / 8
}
