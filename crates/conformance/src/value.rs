//! Values in the suite's own words, which no destination's types can bend.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use commutator_core::LogicalType;
use commutator_core::schema::{canonical_number, number_type};

/// A value as it was written or as it was read back.
///
/// Two values are equal if they mean the same: numbers are kept as canonical decimal text, so that an integer 5 and a
/// decimal 5.00 agree, and JSON as canonical text, so that neither spaces nor the order of keys matter, but every digit does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as canonical decimal text; made by [`Value::number`] and [`Value::int`].
    Number(String),
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A JSON document as canonical text; made by [`Value::json`].
    Json(String),
}

impl Value {
    /// Creates a whole number.
    pub fn int(number: i64) -> Self {
        Self::Number(number.to_string())
    }

    /// Creates a number from a decimal numeral, with or without exponent.
    ///
    /// # Panics
    ///
    /// Panics if the text is not a numeral: a destination that gives out such a number has failed.
    pub fn number(text: &str) -> Self {
        Self::Number(canonical_number(text).unwrap_or_else(|| panic!("`{text}` is not a number")))
    }

    /// Creates text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Creates binary.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Creates binary from hexadecimal digits.
    ///
    /// # Panics
    ///
    /// Panics if the text is not such digits: a destination that gives out such bytes has failed.
    pub fn hex(digits: &str) -> Self {
        let byte = |i: usize| digits.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
        Self::Binary(bytes.unwrap_or_else(|| panic!("`{digits}` is not hexadecimal")))
    }

    /// Creates a JSON document from its text.
    ///
    /// # Panics
    ///
    /// Panics if the text is not JSON: a destination that gives out such a document has failed.
    pub fn json(text: &str) -> Self {
        let parsed = serde_json::from_str(text).unwrap_or_else(|e| panic!("`{text}` is not JSON: {e}"));
        let mut canonical = String::new();
        write_canonical(&parsed, &mut canonical);
        Self::Json(canonical)
    }

    /// Returns what the value becomes in a column of JSON: text a string, binary a string in base64, the others themselves.
    #[must_use]
    pub fn into_json(self) -> Self {
        match self {
            Self::Null | Self::Json(_) => self,
            Self::Bool(value) => Self::Json(value.to_string()),
            Self::Number(digits) => Self::Json(digits),
            Self::Text(text) => Self::Json(serde_json::Value::from(text).to_string()),
            Self::Binary(bytes) => Self::Json(serde_json::Value::from(BASE64_STANDARD.encode(bytes)).to_string()),
        }
    }

    /// Returns the least type that holds the value; `None` for null, which has none.
    pub fn logical_type(&self) -> Option<LogicalType> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(LogicalType::Bool),
            Self::Number(digits) => number_type(digits),
            Self::Text(_) => Some(LogicalType::Text),
            Self::Binary(_) => Some(LogicalType::Binary),
            Self::Json(_) => Some(LogicalType::Json),
        }
    }
}

/// Keys sorted, numbers canonical, no spaces.
fn write_canonical(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        serde_json::Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(value, out);
            }
            out.push(']');
        }
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            out.push_str(&canonical_number(&text).unwrap_or(text));
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_meaning_is_equal_value() {
        assert_eq!(Value::number("5.00"), Value::int(5));
        assert_eq!(Value::number("1E2"), Value::int(100));
        assert_eq!(Value::json(r#"{"b": 1.50, "a": [1e2, null]}"#), Value::json(r#"{"a":[100,null],"b":1.5}"#));
        assert_eq!(Value::text("a\"\n").into_json(), Value::json(r#""a\"\n""#));
        assert_eq!(Value::binary([0xff]).into_json(), Value::json(r#""/w==""#));
    }

    #[test]
    fn every_digit_counts() {
        let digits = "12345678901234567890123456789012345678";
        assert_ne!(Value::json(digits), Value::json("12345678901234567890123456789012345679"));
        assert_eq!(Value::number(digits).into_json(), Value::json(digits));
        assert_ne!(Value::text("1"), Value::int(1));
        assert_ne!(Value::json("[1,2]"), Value::json("[2,1]"));
    }
}
