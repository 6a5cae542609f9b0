//! Sequence numbers of 21 to 40 digits.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::random::Dice;

const HALF: u128 = 100_000_000_000_000_000_000;

/// The sequence number of a stream record: up to 40 digits, which is more than a `u128` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SequenceNumber {
    /// All but the last 20 digits.
    high: u128,
    /// The last 20 digits.
    low: u128,
}

impl SequenceNumber {
    /// Makes a number of 21 digits that ends with these.
    pub(crate) fn of(low: u64) -> Self {
        Self { high: 1, low: u128::from(low) }
    }

    fn plus(self, step: u64) -> Self {
        let low = self.low + u128::from(step);
        Self { high: self.high + low / HALF, low: low % HALF }
    }

    fn times_ten(self) -> Self {
        Self { high: self.high * 10 + self.low / (HALF / 10), low: self.low % (HALF / 10) * 10 }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:020}", self.high, self.low)
    }
}

impl FromStr for SequenceNumber {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let problem = match text.len() {
            ..21 => "Member must have length greater than or equal to 21",
            41.. => "Member must have length less than or equal to 40",
            _ if text.bytes().all(|b| b.is_ascii_digit()) => {
                let (high, low) = text.split_at(text.len() - 20);
                let parse = |digits: &str| digits.parse().map_err(|_| Error::validation("Invalid SequenceNumber"));
                return Ok(Self { high: parse(high)?, low: parse(low)? });
            }
            _ => "Member must be a decimal number",
        };
        let text = "1 validation error detected: Value at 'sequenceNumber' failed to satisfy constraint";
        Err(Error::validation(format!("{text}: {problem}")))
    }
}

/// Gives out a table's sequence numbers, each higher than the one before.
///
/// They begin with 21 digits, in half of all seeds just below 22 digits, and get a digit more now and then until they have 40, so
/// that neither an order by text nor 128 bits will do.
#[derive(Debug)]
pub(crate) struct Sequences {
    dice: Dice,
    label: String,
    last: SequenceNumber,
    count: u64,
}

impl Sequences {
    pub(crate) fn new(dice: Dice, table: &str) -> Self {
        let label = format!("sequence/{table}");
        let low = u128::from(dice.below(100_000, &label, 0));
        let last = match dice.draw(&label, 1) % 2 {
            0 => SequenceNumber { high: 9, low: HALF - 100_000 + low },
            _ => SequenceNumber { high: 1 + u128::from(dice.below(9, &label, 2)), low },
        };
        Self { dice, label, last, count: 2 }
    }

    pub(crate) fn next(&mut self) -> SequenceNumber {
        self.count += 1;
        let drawn = self.dice.draw(&self.label, self.count);
        if drawn.is_multiple_of(64) && self.last.high < HALF / 10 {
            self.last = self.last.times_ten();
        }
        // Mostly small steps; now and then one that skips over many.
        let step = if drawn.is_multiple_of(7) { drawn % 1_000_000_000 } else { drawn % 10_000 };
        self.last = self.last.plus(1 + step);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_from_21_to_40_digits() {
        for seed in 0..20 {
            let mut sequences = Sequences::new(Dice::new(seed), "orders");
            let numbers: Vec<_> = (0..4_000).map(|_| sequences.next()).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{seed}");
            let lengths: Vec<_> = numbers.iter().map(|number| number.to_string().len()).collect();
            assert!(lengths[0] <= 22 && lengths.windows(2).all(|pair| pair[0] <= pair[1]), "{seed}");
            assert_eq!(lengths.last(), Some(&40), "{seed}");
            assert!(numbers.iter().all(|number| number.to_string().parse() == Ok(*number)));
        }
    }

    #[test]
    fn text_that_is_no_sequence_number_is_refused() {
        for bad in ["", "1", "abc", "12345678901234567890x", &"1".repeat(41)] {
            assert!(bad.parse::<SequenceNumber>().is_err(), "{bad}");
        }
        assert_eq!("000000000000000000017".parse::<SequenceNumber>().unwrap().low, 17);
    }
}
