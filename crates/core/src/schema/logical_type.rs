//! Logical types and their join: what a column must become to hold everything that was seen in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a column, independent of any destination.
///
/// The types form a join semilattice under [`join`](Self::join): `Int64 < Decimal(p, s) < Number` and `Float64 < Number`, and anything
/// that meets something else becomes `Json`. The laws (idempotent, commutative, associative) are tested exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogicalType {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int64,
    /// An exact decimal number of `precision` digits in all, `scale` of them behind the point; `scale <= precision <= 38`.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits behind the point, 0 to `precision`.
        scale: u8,
    },
    /// Any exact decimal number, as its digits.
    Number,
    /// A double of IEEE 754, which is finite: the nearest one to a number, for those who ask for it.
    ///
    /// It holds no other type's values exactly, so whatever number it meets, both become `Number`: a double as its shortest digits.
    Float64,
    /// Text, in UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// A JSON document: nested values, and columns whose values have several types.
    Json,
    /// A moment in UTC, in microseconds; only system columns have it.
    Timestamp,
}

/// The most digits of an exact decimal; a `DynamoDB` number has no more (developer guide, "Naming rules and data types").
pub const MAX_PRECISION: u8 = 38;
const INT64_DIGITS: u8 = 19;

impl LogicalType {
    /// Returns the decimal type for `integer` digits before and `scale` digits behind the point, or `Number` if that is more
    /// than 38 digits.
    pub fn decimal(integer: u32, scale: u32) -> Self {
        match (u8::try_from(integer + scale), u8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if precision <= MAX_PRECISION => {
                Self::Decimal { precision: precision.max(1), scale }
            }
            _ => Self::Number,
        }
    }

    /// Returns the least type that holds every value of both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self.digits(), other.digits()) {
            (Some(Some(mine)), Some(Some(theirs))) => {
                Self::decimal(u32::from(mine.0.max(theirs.0)), u32::from(mine.1.max(theirs.1)))
            }
            (Some(_), Some(_)) => Self::Number,
            _ => Self::Json,
        }
    }

    /// Returns whether every value of `self` is also one of `wider`.
    pub fn fits_in(self, wider: Self) -> bool {
        self.join(wider) == wider
    }

    /// Returns whether values of the type are numbers with all of their digits.
    pub(crate) fn is_exact_number(self) -> bool {
        matches!(self, Self::Int64 | Self::Decimal { .. } | Self::Number)
    }

    /// For a numeric type, its digits before and behind the point, or `Some(None)` where they are not bounded.
    #[expect(clippy::option_option, reason = "not numeric, unbounded and bounded are three different answers")]
    fn digits(self) -> Option<Option<(u8, u8)>> {
        match self {
            Self::Int64 => Some(Some((INT64_DIGITS, 0))),
            Self::Decimal { precision, scale } => Some(Some((precision - scale, scale))),
            Self::Number | Self::Float64 => Some(None),
            _ => None,
        }
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int64 => f.write_str("int64"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Number => f.write_str("number"),
            Self::Float64 => f.write_str("float64"),
            Self::Text => f.write_str("text"),
            Self::Binary => f.write_str("binary"),
            Self::Json => f.write_str("json"),
            Self::Timestamp => f.write_str("timestamp"),
        }
    }
}

impl std::str::FromStr for LogicalType {
    type Err = String;
    /// Parses what `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a logical type");
        Ok(match text {
            "bool" => Self::Bool,
            "int64" => Self::Int64,
            "number" => Self::Number,
            "float64" => Self::Float64,
            "text" => Self::Text,
            "binary" => Self::Binary,
            "json" => Self::Json,
            "timestamp" => Self::Timestamp,
            _ => {
                let inner = text.strip_prefix("decimal(").and_then(|t| t.strip_suffix(')')).ok_or_else(invalid)?;
                let (precision, scale) = inner.split_once(',').ok_or_else(invalid)?;
                let precision: u8 = precision.trim().parse().map_err(|_| invalid())?;
                let scale: u8 = scale.trim().parse().map_err(|_| invalid())?;
                if !(1..=MAX_PRECISION).contains(&precision) || scale > precision {
                    return Err(invalid());
                }
                Self::Decimal { precision, scale }
            }
        })
    }
}

impl Serialize for LogicalType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogicalType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<LogicalType> {
        use LogicalType::{Binary, Bool, Decimal, Float64, Int64, Json, Number, Text, Timestamp};
        let mut types = vec![Bool, Int64, Number, Float64, Text, Binary, Json, Timestamp];
        for precision in [1, 2, 9, 18, 19, 20, 37, 38] {
            for scale in [0, 1, 2, 9, 18, 19, 20, 37, 38] {
                if scale <= precision {
                    types.push(Decimal { precision, scale });
                }
            }
        }
        types
    }

    #[test]
    fn join_is_a_semilattice() {
        let types = all();
        for &a in &types {
            assert_eq!(a.join(a), a);
            for &b in &types {
                assert_eq!(a.join(b), b.join(a), "{a} {b}");
                assert!(a.fits_in(a.join(b)) && b.fits_in(a.join(b)), "{a} {b}");
                for &c in &types {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)), "{a} {b} {c}");
                }
            }
        }
    }

    #[test]
    fn numbers_widen_without_losing_a_digit() {
        let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
        assert_eq!(LogicalType::Int64.join(decimal(4, 2)), decimal(21, 2));
        assert_eq!(decimal(4, 2).join(decimal(5, 4)), decimal(6, 4));
        assert_eq!(LogicalType::Int64.join(decimal(20, 20)), LogicalType::Number);
        assert_eq!(LogicalType::Int64.join(LogicalType::Text), LogicalType::Json);
    }

    #[test]
    fn a_double_that_meets_a_number_is_its_digits() {
        let (float, number) = (LogicalType::Float64, LogicalType::Number);
        for exact in all().into_iter().filter(|ty| ty.is_exact_number()) {
            assert_eq!(float.join(exact), number);
            assert!(!exact.fits_in(float), "{exact} would be rounded");
        }
        assert!(float.fits_in(number) && !number.fits_in(float));
        assert_eq!(float.join(LogicalType::Text), LogicalType::Json);
    }

    #[test]
    fn text_form_round_trips() {
        for a in all() {
            assert_eq!(a.to_string().parse::<LogicalType>().unwrap(), a);
        }
        for bad in ["", "float", "decimal(0,0)", "decimal(39,0)", "decimal(3,4)", "decimal(3)"] {
            assert!(bad.parse::<LogicalType>().is_err(), "{bad}");
        }
    }
}
