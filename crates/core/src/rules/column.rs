//! What a user may say about one attribute.

use serde::{Deserialize, Serialize};

use super::Nested;
use crate::LogicalType;

/// What a user says about one attribute; the default changes nothing.
///
/// What is said holds in this order: `constant`, `cast`, `mask` or `hash`, and `rename` last. An absent or null value stays null, but
/// for a constant. Removals carry only their key, so of all of this only `hash` and `rename` of a key column concern them.
///
/// A rule of a key column that would break uniqueness is refused: `exclude`, `constant`, `cast`, `mask` and `nested`.
///
/// ```
/// use commutator_core::rules::{ColumnRule, HashAlgorithm};
/// let rule: ColumnRule = serde_json::from_str(r#"{"hash": "sha256", "rename": "email_hash"}"#).unwrap();
/// assert_eq!(rule, ColumnRule::hashed().renamed("email_hash"));
/// assert_eq!(rule.hash, Some(HashAlgorithm::Sha256));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnRule {
    /// The attribute has no column, and does not leave the process but in a dead letter; nothing else may be said of it.
    pub exclude: bool,
    /// The column has this name instead of the attribute's, as far as the destination takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename: Option<String>,
    /// The value is replaced by its hash, as text in hexadecimal digits. It needs a salt, and excludes `mask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<HashAlgorithm>,
    /// The value is replaced by text that shows little or nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// The column has this type from the start and for ever; a value that cannot be brought to it is a bad record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cast: Option<LogicalType>,
    /// Every row has this value, whatever the item has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<Constant>,
    /// What becomes of maps in it, instead of what holds for the table; `packed` concerns only whole tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
}

impl ColumnRule {
    /// Returns the rule that leaves the attribute out.
    pub fn excluded() -> Self {
        Self { exclude: true, ..Self::default() }
    }

    /// Returns the rule that replaces each value by its salted SHA-256.
    pub fn hashed() -> Self {
        Self { hash: Some(HashAlgorithm::Sha256), ..Self::default() }
    }

    /// Returns the rule that masks each value.
    pub fn masked(mask: Mask) -> Self {
        Self { mask: Some(mask), ..Self::default() }
    }

    /// Returns the rule that pins the column's type.
    pub fn pinned(ty: LogicalType) -> Self {
        Self { cast: Some(ty), ..Self::default() }
    }

    /// Returns the rule that gives every row the same value.
    pub fn constant(value: impl Into<Constant>) -> Self {
        Self { constant: Some(value.into()), ..Self::default() }
    }

    /// Returns the rule with another name for the column.
    #[must_use]
    pub fn renamed(self, name: impl Into<String>) -> Self {
        Self { rename: Some(name.into()), ..self }
    }

    /// Returns the rule with what becomes of maps.
    #[must_use]
    pub fn nested(self, nested: Nested) -> Self {
        Self { nested: Some(nested), ..self }
    }
}

/// How a value is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// SHA-256 over the salt and the value as JSON: 64 hexadecimal digits. Equal values have equal hashes, in every column, table and
    /// run under one salt; a number and its digits as text have not.
    Sha256,
}

/// What is left to see of a value.
///
/// ```
/// use commutator_core::rules::Mask;
/// let mask: Mask = serde_json::from_str(r#"{"keep_last": 4}"#).unwrap();
/// assert_eq!(mask.apply("4111111111111111"), "************1111");
/// assert_eq!(mask.apply("1111"), "****");
/// assert_eq!(Mask::Fixed("hidden".to_owned()).apply("anything"), "hidden");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// This text, for every value that is not null.
    Fixed(String),
    /// The last characters; each one before them becomes `*`. A value that has no more than these shows none of them.
    KeepLast(usize),
}

impl Mask {
    /// Returns what is left of a text.
    pub fn apply(&self, text: &str) -> String {
        match self {
            Self::Fixed(fixed) => fixed.clone(),
            Self::KeepLast(kept) => {
                let length = text.chars().count();
                let hidden = if length > *kept { length - kept } else { length };
                text.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
            }
        }
    }
}

/// A value that every row has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// True or false.
    Bool(bool),
    /// A whole number; one with a fraction is text that is `cast`.
    Integer(i64),
    /// Text.
    Text(String),
}

impl From<bool> for Constant {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Constant {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Constant {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
