//! The rules of a table, checked against its key and ready to be applied.

use std::collections::BTreeSet;

use arrow_array::ArrayRef;
use sha2::{Digest, Sha256};

use super::check::check;
use super::constant;
use super::{ColumnRule, Contract, Filter, LeftOut, Nested, TableRules, TypeJoin};
use crate::schema::identity;
use crate::{ChangeBatch, Column, Error, LogicalType, Result, Secret, SyncMode};

/// The rules of a table, checked and ready to be applied.
///
/// ```
/// use commutator_core::rules::{ColumnRule, Rules, TableRules};
/// use commutator_core::{Column, LogicalType, Secret};
/// let keys = [Column::key("email", LogicalType::Text)];
/// let said = TableRules::default().column("email", ColumnRule::hashed());
/// let salt = Secret::new("a long random text".to_owned());
/// assert!(Rules::new(&said, &keys, Some(&salt)).is_ok());
/// let said = TableRules::default().column("email", ColumnRule::excluded());
/// assert!(Rules::new(&said, &keys, Some(&salt)).is_err());
/// ```
#[derive(Clone)]
pub struct Rules {
    pub(super) said: TableRules,
    /// The key columns after the rules.
    keys: Vec<Column>,
    /// The hash of the salt, to be gone on with.
    pub(super) salted: Sha256,
    /// The names that columns are given in the place of their attributes'.
    pub(super) targets: BTreeSet<String>,
    pub(super) mode: SyncMode,
    /// Which items belong to this part of a split table.
    pub(super) part: Option<Filter>,
    /// Which items belong to no part, if this one counts them.
    pub(super) unmatched: Option<Filter>,
    /// The key attributes at the source.
    pub(super) key_attributes: BTreeSet<String>,
}

/// Shows nothing of the salt.
impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("said", &self.said).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Applied {
    /// The rows that are left, in their order. Their columns have [identities](crate::schema::attribute_of): attributes' names, or
    /// what they were made from. Names in the destination are given later.
    pub changes: ChangeBatch,
    /// What was left out on purpose.
    pub left_out: LeftOut,
    /// Rows that a rule cannot be applied to; they are not among the changes.
    pub refused: Vec<RefusedRow>,
}

/// A row that a rule cannot be applied to.
#[derive(Debug)]
pub struct RefusedRow {
    /// Its place in the batch that the rules were applied to.
    pub row: usize,
    /// Why; names the column, never a value.
    pub error: Error,
}

impl Rules {
    /// Checks what is said of a table whose key columns have the names of their attributes.
    ///
    /// Returns [`ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for a rule of a key column that would break uniqueness, rules that
    /// contradict each other, two columns of one name, and a hash without a salt.
    pub fn new(said: &TableRules, keys: &[Column], salt: Option<&Secret>) -> Result<Self> {
        let salt = salt.map(|salt| salt.expose().as_str()).filter(|salt| !salt.is_empty());
        check(said, keys, salt.is_some())?;
        for (attribute, rule) in &said.columns {
            if let Some(value) = &rule.constant {
                constant::typed(value, rule.cast).map_err(|e| e.with("column", attribute))?;
            }
        }
        let mut salted = Sha256::new();
        salted.update(salt.unwrap_or_default());
        salted.update([0]);
        Ok(Self {
            keys: self::keys(said, keys),
            salted,
            targets: said.columns.values().filter_map(|rule| rule.rename.clone()).collect(),
            said: said.clone(),
            mode: SyncMode::Mirror,
            part: None,
            unmatched: None,
            key_attributes: keys.iter().map(|key| key.name.clone()).collect(),
        })
    }

    /// Returns the rules for a sync mode, which decides what becomes of rows that pass the filter no more; `mirror` by default.
    #[must_use]
    pub fn for_mode(self, mode: SyncMode) -> Self {
        Self { mode, ..self }
    }

    /// Returns the rules for one part of a split table: the items that pass `part`. Those that pass `unmatched` are counted.
    #[must_use]
    pub fn for_part(self, part: Filter, unmatched: Option<Filter>) -> Self {
        Self { part: Some(part), unmatched, ..self }
    }

    /// Returns the key columns as the rules leave them, under their identities.
    pub fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// Returns whether a key column is hashed, so that the key of a row does not tell its item.
    pub fn hides_keys(&self) -> bool {
        self.said.columns.iter().any(|(name, rule)| rule.hash.is_some() && self.key_attributes.contains(name))
    }

    /// Returns how the keys of rows are hashed, as text that differs if their hashes do; empty if none is.
    ///
    /// It tells nothing of the salt that a hash does not.
    pub fn key_form(&self) -> String {
        let is_hashed = |name: &&String| self.rule(name).is_some_and(|rule| rule.hash.is_some());
        let hashed: Vec<_> = self.key_attributes.iter().filter(is_hashed).collect();
        if hashed.is_empty() {
            return String::new();
        }
        let mut form = self.salted.clone();
        for name in hashed {
            form.update(name);
            form.update([0]);
        }
        let digest = form.finalize();
        let first: [u8; 8] = std::array::from_fn(|i| digest[i]);
        format!("{:016x}", u64::from_be_bytes(first))
    }

    /// Returns the identities that ask for names which a user chose: they are given before others.
    pub fn chosen(&self) -> Vec<String> {
        let renamed = self.said.columns.iter().filter(|(_, rule)| rule.rename.is_some());
        let mut chosen: Vec<_> = renamed.map(|(attribute, rule)| named(attribute, Some(rule))).collect();
        if self.said.nested == Nested::Packed {
            chosen.push(identity::packed());
        }
        chosen
    }

    pub(super) fn rule(&self, attribute: &str) -> Option<&ColumnRule> {
        self.said.columns.get(attribute)
    }

    /// Returns whether an attribute that is not of the key has a column.
    pub(super) fn keeps(&self, attribute: &str) -> bool {
        // A constant is of no item: it is there whether items have the attribute, and patterns match it, or not.
        if self.rule(attribute).is_some_and(|rule| rule.constant.is_some()) {
            return true;
        }
        let matches = |patterns: &[super::Pattern]| patterns.iter().any(|pattern| pattern.matches(attribute));
        let included = self.said.include.is_empty() || matches(&self.said.include);
        included && !matches(&self.said.exclude) && self.rule(attribute).is_none_or(|rule| !rule.exclude)
    }

    /// Returns the identity of an attribute's column.
    pub(super) fn identity(&self, attribute: &str) -> String {
        named(attribute, self.rule(attribute))
    }

    /// Returns what becomes of maps in a column.
    pub(super) fn nested(&self, attribute: &str) -> &Nested {
        self.rule(attribute).and_then(|rule| rule.nested.as_ref()).unwrap_or(&self.said.nested)
    }

    /// Returns whether maps and lists in the column with this [identity](crate::schema::attribute_of) become the destination's own
    /// types: what a rule says the type of does not.
    pub fn is_native(&self, identity: &str) -> bool {
        let attribute = identity::attribute_of(identity);
        let is_key = self.key_attributes.contains(attribute);
        !is_key
            && !identity::is_system(identity)
            && *self.nested(attribute) == Nested::Native
            && !self.is_made(attribute)
    }

    /// Returns whether [`apply`](Self::apply) leaves every batch as it is.
    pub fn change_nothing(&self) -> bool {
        self.keeps_columns() && self.said.filter.is_none() && self.part.is_none() && self.unmatched.is_none()
    }

    /// Returns whether [`admit`](Self::admit) leaves every batch as it is.
    pub fn admit_everything(&self) -> bool {
        TypeJoin::of(&self.said) == TypeJoin::default() && self.said.contract == Contract::default()
    }

    /// Returns how the types of columns join.
    pub fn join(&self) -> TypeJoin {
        TypeJoin::of(&self.said)
    }

    /// Returns whether columns stay as they are.
    pub(super) fn keeps_columns(&self) -> bool {
        let TableRules { include, exclude, columns, nested, .. } = &self.said;
        let nested = matches!(nested, Nested::Json | Nested::Native);
        include.is_empty() && exclude.is_empty() && columns.is_empty() && nested
    }
}

/// Returns the key columns of a table as its rules leave them, under their identities.
pub fn keys(said: &TableRules, keys: &[Column]) -> Vec<Column> {
    let key = |key: &Column| {
        let rule = said.columns.get(&key.name);
        let hashed = rule.is_some_and(|rule| rule.hash.is_some());
        Column::key(named(&key.name, rule), if hashed { LogicalType::Text } else { key.ty })
    };
    keys.iter().map(key).collect()
}

fn named(attribute: &str, rule: Option<&ColumnRule>) -> String {
    match rule.and_then(|rule| rule.rename.as_deref()) {
        Some(name) => identity::renamed(attribute, name),
        None => attribute.to_owned(),
    }
}

/// A column on its way through the rules.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) column: Column,
    pub(super) array: ArrayRef,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Flatten;

    #[test]
    fn an_attribute_may_be_native_or_not_whatever_its_table_is() {
        let keys = [Column::key("id", LogicalType::Text)];
        let flatten = || Nested::Flatten(Flatten::default());
        for (of_table, native) in [(Nested::Native, true), (Nested::Json, false), (flatten(), false)] {
            let said = TableRules::default()
                .nested(of_table)
                .column("json", ColumnRule::default().nested(Nested::Json))
                .column("flat", ColumnRule::default().nested(flatten()))
                .column("native", ColumnRule::default().nested(Nested::Native).renamed("renamed"))
                .column("pinned", ColumnRule::pinned(LogicalType::Json))
                .column("fixed", ColumnRule::constant(true));
            let rules = Rules::new(&said, &keys, None).unwrap();
            let found = ["other", "native", "json", "flat", "pinned", "fixed", "id"].map(|name| rules.is_native(name));
            assert_eq!(found, [native, true, false, false, false, false, false]);
            assert!(rules.is_native(&rules.identity("native")));
            assert!(!rules.is_native(&identity::item_column()));
        }
    }
}
