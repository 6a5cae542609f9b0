//! Row filters: a small expression language on attributes.

mod evaluate;
mod expression;
mod parse;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ChangeBatch, Error, Result};
use expression::Expression;

/// Decides which rows there are: an expression on attributes that is true, false or unknown for an item. Only true lets a row pass.
///
/// | form | meaning |
/// |---|---|
/// | `status`, `"order-id"`, `address.city` | an attribute; in double quotes if it is no plain word; a dot looks into a map |
/// | `'open'`, `-12.50`, `1e3`, `true` | text (`''` is a quote), an exact number, a truth value |
/// | `=` `!=` `<>` `<` `<=` `>` `>=` | comparison; numbers compare as decimals of any length, text by its bytes |
/// | `a in ('x', 'y')`, `a not in (1, 2)` | equal to one of these, or to none |
/// | `a between 1 and 5` | `a >= 1 and a <= 5` |
/// | `a is null`, `a is not null`, `exists(a)` | whether the attribute is absent or NULL; `exists` is `is not null` |
/// | `begins_with(pk, 'ORDER#')` | whether text begins so |
/// | `contains(tags, 'new')` | whether text has this part, or a list or set this element |
/// | `and`, `or`, `not`, `( )` | as in SQL; `not` binds closest, then `and` |
///
/// An attribute that is absent or NULL makes its comparison unknown, as in SQL: `not status = 'open'` does not let an item without
/// `status` pass. Values of different kinds are never equal, and which of them is less is unknown. Binary values are taken as their
/// base64 text. Words of the language are written in any case.
///
/// What a filter does to changes: a snapshot's or inserted item that does not pass has no row. A modified item that does not pass any more
/// is removed from the destination, under its own order; in `append` it is left out. Removals always pass, unless the filter looks at
/// nothing but the key and does not let that key pass. So in `soft_delete` and `history`, an item that never passed but was modified shows
/// as a removed key. After a filter was changed, a resync brings the rows that are there in line with it.
///
/// ```
/// use commutator_core::rules::Filter;
/// let filter: Filter = "begins_with(pk, 'ORDER#') and total >= 10.50".parse().unwrap();
/// assert_eq!(filter.to_string(), "begins_with(pk, 'ORDER#') and total >= 10.5");
/// let error = "status = ".parse::<Filter>().unwrap_err();
/// assert!(error.to_string().contains("at: 10"), "{error}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Expression);

impl Filter {
    /// Returns the filter that lets exactly those rows pass that this one does not, whether it is false or unknown for them.
    #[must_use]
    pub fn otherwise(self) -> Self {
        Self(Expression::Otherwise(Box::new(self.0)))
    }

    /// Returns the filter that lets rows pass for which one of these is true; without any, none passes.
    #[must_use]
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Expression::Or(filters.into_iter().map(|filter| filter.0).collect()))
    }

    /// Returns the filter that lets rows pass for which all of these are true; without any, every row passes.
    #[must_use]
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Expression::And(filters.into_iter().map(|filter| filter.0).collect()))
    }

    /// Returns the attributes it looks at, at the top level.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.0.attributes()
    }

    /// Returns for each row of a batch whether it passes, under the names that attributes have at the source. Removals are rows like
    /// others here: all but their key is null.
    pub fn passes(&self, batch: &ChangeBatch) -> Vec<bool> {
        evaluate::passes(&self.0, batch)
    }
}

impl FromStr for Filter {
    type Err = Error;
    /// Parses an expression.
    ///
    /// Returns [`ConfigInvalid`](crate::ErrorKind::ConfigInvalid) that says at which character what is expected.
    fn from_str(text: &str) -> Result<Self> {
        parse::parse(text).map(Self)
    }
}

impl fmt::Display for Filter {
    /// Writes an expression that is parsed back as an equal filter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
