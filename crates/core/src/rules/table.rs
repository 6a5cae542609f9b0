//! What a user may say about the columns and rows of one table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Extras;

use super::{ColumnRule, Contract, Filter, Nested, Numbers, OnTypeConflict, Pattern};

/// What a user says about the columns and rows of one table; the default changes nothing.
///
/// ```
/// use commutator_core::rules::{ColumnRule, Contract, Mask, SchemaPolicy, TableRules};
/// let rules = TableRules::default()
///     .exclude("tmp_*")
///     .column("email", ColumnRule::hashed())
///     .column("phone", ColumnRule::masked(Mask::KeepLast(4)))
///     .contract(Contract::both(SchemaPolicy::Freeze));
/// let text = r#"{
///     "exclude": ["tmp_*"],
///     "columns": {"email": {"hash": "sha256"}, "phone": {"mask": {"keep_last": 4}}},
///     "contract": "freeze"
/// }"#;
/// assert_eq!(serde_json::from_str::<TableRules>(text).unwrap(), rules);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableRules {
    /// Only attributes that match one of these have a column, if there are any; key columns always have one.
    pub include: Vec<Pattern>,
    /// Attributes that match one of these have no column; key columns always have one.
    pub exclude: Vec<Pattern>,
    /// Per attribute, by its exact name.
    pub columns: BTreeMap<String, ColumnRule>,
    /// Which rows there are: those for which it is true. It sees the items as the source has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What becomes of maps and lists.
    pub nested: Nested,
    /// What a column becomes whose values are of several kinds.
    pub on_type_conflict: OnTypeConflict,
    /// What becomes of numbers.
    pub numbers: Numbers,
    /// What happens on new columns and types.
    pub contract: Contract,
    /// Adds the column `_ct_item`: each item's exact `DynamoDB` JSON, as text. It shows everything, so nothing may be excluded, hashed or
    /// masked beside it.
    pub keep_item: bool,
    /// Keeps the attributes `aws:rep:*`, which the older version of global tables adds to every item.
    pub keep_replication_attributes: bool,
}

impl TableRules {
    /// Returns the rules with one more pattern of attributes that have a column.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<Pattern>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// Returns the rules with one more pattern of attributes that have no column.
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<Pattern>) -> Self {
        self.exclude.push(pattern.into());
        self
    }

    /// Returns the rules with what is said of one attribute.
    #[must_use]
    pub fn column(mut self, attribute: impl Into<String>, rule: ColumnRule) -> Self {
        self.columns.insert(attribute.into(), rule);
        self
    }

    /// Returns the rules with a filter of rows.
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Returns the rules with what becomes of maps and lists.
    #[must_use]
    pub fn nested(self, nested: Nested) -> Self {
        Self { nested, ..self }
    }

    /// Returns the rules with what a column of several kinds of values becomes.
    #[must_use]
    pub fn on_type_conflict(self, on_type_conflict: OnTypeConflict) -> Self {
        Self { on_type_conflict, ..self }
    }

    /// Returns the rules with what becomes of numbers.
    #[must_use]
    pub fn numbers(self, numbers: Numbers) -> Self {
        Self { numbers, ..self }
    }

    /// Returns the rules with what happens on new columns and types.
    #[must_use]
    pub fn contract(self, contract: Contract) -> Self {
        Self { contract, ..self }
    }

    /// Returns what a source shall read of items besides their attributes.
    pub fn extras(&self) -> Extras {
        Extras { item: self.keep_item, replication_attributes: self.keep_replication_attributes }
    }

    /// Returns the rules with or without `_ct_item`.
    #[must_use]
    pub fn keep_item(self, keep_item: bool) -> Self {
        Self { keep_item, ..self }
    }
}
