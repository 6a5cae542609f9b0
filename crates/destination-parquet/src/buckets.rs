//! Buckets: parts of a `mirror` table by the leading bits of its keys' hash.
//!
//! A table is covered by buckets of which none holds another, and each has at most one file. A bucket that grows too large is
//! split into those with more bits, so that a commit never rewrites more than it must, whatever size a table was thought to have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// With so many bits a bucket is not split any further; two keys of which as many bits agree are most likely the same key.
pub(crate) const MAX_DEPTH: u8 = 32;

/// A bucket: all keys whose hash starts with these bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bucket {
    /// The bits, at the top; the others are zero.
    prefix: u64,
    depth: u8,
}

impl Bucket {
    /// The bucket of all keys.
    pub(crate) const ALL: Self = Self { prefix: 0, depth: 0 };

    /// Returns the bucket of this many bits, at most [`MAX_DEPTH`], that a hash falls into.
    #[cfg(test)]
    pub(crate) fn of(hash: u64, depth: u8) -> Self {
        Self { prefix: hash & mask(depth), depth }
    }

    pub(crate) fn depth(self) -> u8 {
        self.depth
    }

    /// Returns the lowest hash that falls into it; buckets that do not overlap are in this order.
    pub(crate) fn starts_at(self) -> u64 {
        self.prefix
    }

    /// Returns the bucket with one bit less; `None` for that of all keys.
    pub(crate) fn parent(self) -> Option<Self> {
        let depth = self.depth.checked_sub(1)?;
        Some(Self { prefix: self.prefix & mask(depth), depth })
    }

    /// Returns whether every key of `other` is one of `self`.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.depth <= other.depth && other.prefix & mask(self.depth) == self.prefix
    }

    /// Returns whether a hash falls into it.
    pub(crate) fn contains(self, hash: u64) -> bool {
        hash & mask(self.depth) == self.prefix
    }

    /// Returns the `2^bits` buckets that cover it and have `bits` more bits, in order.
    pub(crate) fn split(self, bits: u8) -> Vec<Self> {
        let depth = self.depth + bits;
        (0..1_u64 << bits)
            .map(|i| Self { prefix: self.prefix | i.checked_shl(64 - u32::from(depth)).unwrap_or(0), depth })
            .collect()
    }
}

fn mask(depth: u8) -> u64 {
    u64::MAX.checked_shl(64 - u32::from(depth)).unwrap_or(0)
}

/// Returns the bits by which to split something so that no part is larger than `part`, if the hash spreads evenly.
pub(crate) fn bits_for(size: u64, part: u64) -> u8 {
    let parts = size.div_ceil(part.max(1)).max(1).next_power_of_two();
    u8::try_from(parts.trailing_zeros()).unwrap_or(MAX_DEPTH)
}

/// The text form is the bits, `0110`.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.depth).try_for_each(|i| f.write_str(if self.prefix >> (63 - i) & 1 == 1 { "1" } else { "0" }))
    }
}

impl Serialize for Bucket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let depth = u8::try_from(text.len()).ok().filter(|&depth| depth <= MAX_DEPTH);
        let bits = text.bytes().try_fold(0_u64, |bits, byte| match byte {
            b'0' => Some(bits << 1),
            b'1' => Some(bits << 1 | 1),
            _ => None,
        });
        match (bits, depth) {
            (Some(bits), Some(depth)) => {
                Ok(Self { prefix: bits.checked_shl(64 - u32::from(depth)).unwrap_or(0), depth })
            }
            _ => Err(serde::de::Error::custom("a bucket is at most 32 characters, each 0 or 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_hash_falls_into_one_child(hash in any::<u64>(), depth in 0u8..=20, bits in 0u8..=6) {
            let parent = Bucket::of(hash, depth);
            let children = parent.split(bits);
            prop_assert_eq!(children.len(), 1 << bits);
            prop_assert_eq!(children.iter().filter(|child| child.contains(hash)).count(), 1);
            prop_assert!(children.iter().all(|&child| parent.covers(child)));
            prop_assert!(parent.contains(hash) && Bucket::ALL.covers(parent));
            prop_assert!(bits == 0 || !children[0].covers(parent));
            prop_assert!(children.iter().all(|child| bits != 1 || child.parent() == Some(parent)));
            prop_assert!(bits == 0 || !children[0].covers(children[1]));
            prop_assert_eq!(Bucket::of(hash, depth + bits), *children.iter().find(|c| c.contains(hash)).unwrap());
        }

        #[test]
        fn text_form_round_trips(hash in any::<u64>(), depth in 0u8..=MAX_DEPTH) {
            let bucket = Bucket::of(hash, depth);
            let text = serde_json::to_string(&bucket).unwrap();
            prop_assert_eq!(text.len(), usize::from(depth) + 2);
            prop_assert_eq!(serde_json::from_str::<Bucket>(&text).unwrap(), bucket);
        }
    }

    #[test]
    fn parts_are_small_enough() {
        for (size, part, bits) in
            [(0, 32, 0), (32, 32, 0), (33, 32, 1), (64, 32, 1), (65, 32, 2), (1 << 40, 1 << 25, 15)]
        {
            assert_eq!(bits_for(size, part), bits, "{size}");
        }
        assert_eq!(Bucket::of(u64::MAX, 3).to_string(), "111");
        assert!(serde_json::from_str::<Bucket>("\"012\"").is_err());
    }
}
