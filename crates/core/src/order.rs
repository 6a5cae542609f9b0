//! The order key: what decides which of two versions of a row is newer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The number of decimal digits of a [`Sequence`].
///
/// `DynamoDB` Streams document sequence numbers of 21 to 40 digits (API reference, `StreamRecord`), which is more than a `u128` holds.
pub const SEQUENCE_DIGITS: usize = 40;
const BYTES: usize = 4 + SEQUENCE_DIGITS / 2;

/// A number that grows with every re-sync of a table; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl<'de> Deserialize<'de> for Epoch {
    /// Refuses what no table can have reached: 0, and the last number, after which there is none.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            0 | u32::MAX => Err(serde::de::Error::custom("an epoch is 1 to 4294967294")),
            epoch => Ok(Self(epoch)),
        }
    }
}

impl Epoch {
    /// The epoch of a table's first snapshot.
    pub const FIRST: Self = Self(1);

    /// Returns the epoch of the next re-sync.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position within an epoch: a decimal number of up to 40 digits, compared as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence([u8; SEQUENCE_DIGITS / 2]);

impl Sequence {
    /// The lowest sequence, which every row of a snapshot has: any change of the same epoch is newer.
    pub const SNAPSHOT: Self = Self([0; SEQUENCE_DIGITS / 2]);

    /// Parses up to 40 ASCII digits; leading zeros do not matter.
    ///
    /// Returns [`DataInvalid`](ErrorKind::DataInvalid) for anything else.
    pub fn parse(digits: &[u8]) -> Result<Self> {
        let significant = &digits[digits.iter().take_while(|&&b| b == b'0').count()..];
        if digits.is_empty() || significant.len() > SEQUENCE_DIGITS || !significant.iter().all(u8::is_ascii_digit) {
            return Err(Error::new(
                ErrorKind::DataInvalid,
                "A sequence number is not a decimal number of up to 40 digits",
            )
            .with("length", digits.len()));
        }
        let mut packed = [0; SEQUENCE_DIGITS / 2];
        for (i, digit) in significant.iter().rev().enumerate() {
            let nibble = digit - b'0';
            packed[SEQUENCE_DIGITS / 2 - 1 - i / 2] |= if i % 2 == 0 { nibble } else { nibble << 4 };
        }
        Ok(Self(packed))
    }

    /// Returns all 40 digits, zero-padded, so that text order is number order.
    pub fn padded(&self) -> String {
        hex(&self.0)
    }
}

impl From<u64> for Sequence {
    fn from(mut number: u64) -> Self {
        let mut packed = [0; SEQUENCE_DIGITS / 2];
        for byte in packed.iter_mut().rev() {
            let pair = (number % 100) as u8;
            *byte = (pair / 10) << 4 | (pair % 10);
            number /= 100;
        }
        Self(packed)
    }
}

impl FromStr for Sequence {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.padded())
    }
}

/// What decides which of two versions of a row is newer: the epoch, then the sequence.
///
/// Its 24 bytes compare like the pair. Its text form, the epoch's 8 hexadecimal digits in lower case and the sequence's 40 decimal
/// digits, compares the same way under byte order (`COLLATE "C"`); that is what destinations store as `_ct_order`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey([u8; BYTES]);

impl OrderKey {
    /// The length of the text form in bytes.
    pub const TEXT_LENGTH: usize = BYTES * 2;

    /// Creates the key of one version.
    pub fn new(epoch: Epoch, sequence: Sequence) -> Self {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&epoch.0.to_be_bytes());
        bytes[4..].copy_from_slice(&sequence.0);
        Self(bytes)
    }

    /// Creates the key that every row of an epoch's snapshot has; also the lowest key of that epoch.
    pub fn snapshot(epoch: Epoch) -> Self {
        Self::new(epoch, Sequence::SNAPSHOT)
    }

    /// Returns the epoch.
    pub fn epoch(&self) -> Epoch {
        let [a, b, c, d, ..] = self.0;
        Epoch(u32::from_be_bytes([a, b, c, d]))
    }

    /// Returns whether this is a snapshot row's key.
    pub fn is_snapshot(&self) -> bool {
        self.0[4..].iter().all(|&b| b == 0)
    }

    /// Returns the bytes, which compare like the key.
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Writes the text form, [`TEXT_LENGTH`](Self::TEXT_LENGTH) ASCII bytes, without allocating.
    pub fn text(&self) -> [u8; BYTES * 2] {
        let mut out = [0; BYTES * 2];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        out
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]).map(char::from).collect()
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderKey {
    type Err = Error;
    /// Parses the text form.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::DataInvalid, "An order key is not 8 hexadecimal and 40 decimal digits");
        if text.len() != Self::TEXT_LENGTH {
            return Err(invalid());
        }
        let mut bytes = [0; BYTES];
        for (i, byte) in text.bytes().enumerate() {
            // Only what `Display` writes: two texts of one key would compare as two keys in a destination.
            let digits = if i < 8 { &HEX[..] } else { &HEX[..10] };
            let digit = digits.iter().position(|&digit| digit == byte).ok_or_else(invalid)?;
            bytes[i / 2] = bytes[i / 2] << 4 | u8::try_from(digit).map_err(|e| invalid().with_source(e))?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sequences_compare_as_numbers(a in any::<u128>(), b in any::<u128>()) {
            let (x, y): (Sequence, Sequence) = (a.to_string().parse().unwrap(), b.to_string().parse().unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.padded(), format!("{a:040}"));
            prop_assert_eq!(x.padded().cmp(&y.padded()), a.cmp(&b));
        }

        #[test]
        fn order_keys_compare_alike_as_value_bytes_and_text(
            a in (1u32..5, any::<u64>()), b in (1u32..5, any::<u64>())
        ) {
            let (x, y) = (OrderKey::new(Epoch(a.0), a.1.into()), OrderKey::new(Epoch(b.0), b.1.into()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.to_string().cmp(&y.to_string()), a.cmp(&b));
            prop_assert_eq!(x.to_string().parse::<OrderKey>().unwrap(), x);
            prop_assert_eq!(x.text().to_vec(), x.to_string().into_bytes());
            prop_assert_eq!(x.epoch(), Epoch(a.0));
        }
    }

    #[test]
    fn sequences_of_forty_digits_are_more_than_a_u128() {
        let long: Sequence = "9".repeat(40).parse().unwrap();
        assert!(long > u128::MAX.to_string().parse().unwrap());
        assert_eq!("000123".parse::<Sequence>().unwrap(), 123.into());
        for bad in ["", "12a", "-1", &"1".repeat(41)] {
            assert_eq!(bad.parse::<Sequence>().unwrap_err().kind(), ErrorKind::DataInvalid);
        }
    }

    #[test]
    fn only_the_text_form_of_a_key_is_parsed() {
        let text = OrderKey::new(Epoch(0xab), 42.into()).to_string();
        assert_eq!(text.parse::<OrderKey>().unwrap().to_string(), text);
        let almost = [
            text.to_uppercase(),
            text.replacen('0', "+", 1),
            text.replace('4', "a"),
            format!("0{text}"),
            String::new(),
        ];
        for bad in almost.iter().chain([&"ä".repeat(24)]) {
            assert_eq!(bad.parse::<OrderKey>().unwrap_err().kind(), ErrorKind::DataInvalid, "{bad}");
        }
    }

    #[test]
    fn a_snapshot_row_is_older_than_any_change_of_its_epoch_and_newer_than_the_epoch_before() {
        let snapshot = OrderKey::snapshot(Epoch(2));
        assert!(snapshot < OrderKey::new(Epoch(2), 1.into()));
        assert!(snapshot > OrderKey::new(Epoch(1), "9".repeat(40).parse().unwrap()));
        assert!(snapshot.is_snapshot());
    }
}
