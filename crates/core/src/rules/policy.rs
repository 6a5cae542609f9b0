//! What a schema may become.

use serde::{Deserialize, Deserializer, Serialize};

/// What happens when data does not fit the columns that a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaPolicy {
    /// The table gets what the data needs.
    #[default]
    Evolve,
    /// The table stops with an error that names the exact difference.
    Freeze,
    /// Values that do not fit are left out: null in their place, counted.
    DiscardColumn,
    /// Rows with values that do not fit are left out, counted. What the destination has of their keys stays as it is.
    DiscardRow,
}

/// What happens on new columns, and on values that need another type than their column has.
///
/// It holds once the table's first snapshot is complete: until then there is nothing that data could break. Keys are never discarded.
///
/// ```
/// use commutator_core::rules::{Contract, SchemaPolicy};
/// let both: Contract = serde_json::from_str(r#""freeze""#).unwrap();
/// assert_eq!(both, Contract::both(SchemaPolicy::Freeze));
/// let types: Contract = serde_json::from_str(r#"{"types": "discard_row"}"#).unwrap();
/// assert_eq!(types, Contract { columns: SchemaPolicy::Evolve, types: SchemaPolicy::DiscardRow });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Contract {
    /// On an attribute that has no column.
    pub columns: SchemaPolicy,
    /// On a value that its column's type does not hold.
    pub types: SchemaPolicy,
}

impl Contract {
    /// Returns the contract with one policy for new columns and new types.
    pub fn both(policy: SchemaPolicy) -> Self {
        Self { columns: policy, types: policy }
    }
}

impl<'de> Deserialize<'de> for Contract {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[derive(Default)]
        struct Each {
            columns: SchemaPolicy,
            types: SchemaPolicy,
        }
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected \"evolve\", \"freeze\", \"discard_column\", \"discard_row\" or { columns, types }"
        )]
        enum Form {
            Both(SchemaPolicy),
            Each(Each),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Both(policy) => Self::both(policy),
            Form::Each(Each { columns, types }) => Self { columns, types },
        })
    }
}

/// What a column becomes whose values are of several kinds, such as text and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTypeConflict {
    /// The column becomes JSON, in which each value keeps its kind.
    #[default]
    Json,
    /// The column becomes text: digits, `true` or `false`, base64, or JSON for what is nested.
    Text,
    /// The column keeps its type, and values of another kind have a column of their own beside it: `amount__text`.
    Variant,
}

/// What becomes of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// They keep every digit. Where no decimal of 38 digits holds them, their column has the destination's type for numbers of any length.
    #[default]
    Exact,
    /// The same, but where no decimal holds them, their column is text of the exact digits. It needs [`OnTypeConflict::Text`], as a column of such text may still meet numbers.
    DecimalOrText,
    /// They are rounded to the nearest double, in columns that do not exist yet: one that the destination has already stays what it is, and
    /// exact. Keys, and numbers inside of documents, keep every digit in any case.
    Float,
}
