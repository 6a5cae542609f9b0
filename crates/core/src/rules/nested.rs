//! What becomes of maps and lists.

use serde::{Deserialize, Deserializer, Serialize};

/// What becomes of maps and lists.
///
/// ```
/// use commutator_core::rules::{Flatten, Nested};
/// let nested: Nested = serde_json::from_str(r#"{"flatten": {"depth": 2}}"#).unwrap();
/// assert_eq!(nested, Nested::Flatten(Flatten { depth: 2, ..Flatten::default() }));
/// assert_eq!(serde_json::from_str::<Nested>(r#""packed""#).unwrap(), Nested::Packed);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nested {
    /// A JSON column per top-level attribute.
    #[default]
    Json,
    /// The key columns and one JSON column `data` with everything else, its members by name: for tables with very many attributes.
    Packed,
    /// Maps become columns, to a depth; lists stay JSON.
    Flatten(Flatten),
    /// Maps become structs and lists become lists, where the types agree. Only destinations that have such types offer it.
    Native,
}

/// How maps become columns.
///
/// The column of `address.city` is `address_city`. Where an attribute is a map in some items and something else in others, the maps
/// become columns and the rest keeps the attribute's own column; so does a map without members. Below the depth, maps stay JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flatten {
    /// How many levels of maps become columns; at least 1.
    pub depth: usize,
    /// What stands between the names of a path.
    pub separator: String,
}

impl Default for Flatten {
    fn default() -> Self {
        Self { depth: 1, separator: "_".to_owned() }
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Name {
            Json,
            Packed,
            Flatten,
            Native,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Member {
            flatten: Flatten,
        }
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected \"json\", \"packed\", \"flatten\", \"native\" or { flatten = { depth, separator } }"
        )]
        enum Form {
            Name(Name),
            Member(Member),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Name(Name::Json) => Self::Json,
            Form::Name(Name::Packed) => Self::Packed,
            Form::Name(Name::Flatten) => Self::Flatten(Flatten::default()),
            Form::Name(Name::Native) => Self::Native,
            Form::Member(Member { flatten }) => Self::Flatten(flatten),
        })
    }
}
