//! The form of nested values in a column that is native: which of Parquet's own types hold them, without losing anything.
//!
//! Forms are a join semilattice: [`Form::Nothing`] is the least, [`Form::Json`] holds everything, and a form only ever grows. So a column's
//! form does not depend on how its rows were cut into batches. What is not the same from value to value stays JSON text, as deep inside as
//! possible: `{"a": 1}` and `{"a": "x"}` make a struct whose `a` is JSON.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use commutator_core::{LogicalType, TableSchema};
use serde::{Deserialize, Serialize};

/// How deep structs and lists go; what is below is JSON.
pub(crate) const MAX_DEPTH: usize = 8;
/// How many members a struct has; a map that met more is one whose names are data, and JSON.
pub(crate) const MAX_MEMBERS: usize = 200;
/// How many columns of a file one column becomes; beyond, it is JSON as a whole.
const MAX_LEAVES: usize = 1000;
/// The longest name of a member, in bytes, as for columns.
const MAX_NAME: usize = 255;

/// What the values of a column, a member or a list's elements have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// There was no value but null.
    #[default]
    Nothing,
    /// `Bool`, `Int64`, `Decimal` or `Text`.
    Scalar(LogicalType),
    /// Lists whose elements have a form; null elements are null.
    List(Box<Self>),
    /// Maps, by the names of their members.
    Struct(BTreeMap<String, Member>),
    /// JSON text.
    Json,
}

/// A member of a struct.
///
/// Parquet has one null for a member that is null and one that is not there, so only one of them may occur; where both do, the member is
/// JSON, in which null is a text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) form: Form,
    /// Whether some maps lack it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) missing: bool,
    /// Whether it is null in some maps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) null: bool,
}

/// The forms of a table's native columns, by their names.
pub(crate) type Forms = BTreeMap<String, Form>;

impl Form {
    /// Returns the least form that holds every value of both.
    #[must_use]
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, form) | (form, Self::Nothing) => form,
            (Self::Scalar(a), Self::Scalar(b)) => Self::scalar(a.join(b)),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.join(*b))),
            (Self::Struct(mut a), Self::Struct(mut b)) => {
                for (name, member) in &mut a {
                    let other = b.remove(name).unwrap_or_else(Member::absent);
                    *member = std::mem::take(member).join(other);
                }
                a.extend(b.into_iter().map(|(name, member)| (name, member.join(Member::absent()))));
                Self::structure(a)
            }
            _ => Self::Json,
        }
    }

    /// Returns the form of scalars; what is no scalar of Parquet's is JSON.
    pub(crate) fn scalar(ty: LogicalType) -> Self {
        match ty {
            LogicalType::Bool | LogicalType::Int64 | LogicalType::Decimal { .. } | LogicalType::Text => {
                Self::Scalar(ty)
            }
            _ => Self::Json,
        }
    }

    /// Returns the form of maps with these members; some cannot be a struct that every reader takes.
    pub(crate) fn structure(members: BTreeMap<String, Member>) -> Self {
        // DuckDB and others find members whatever their case.
        let mut names = HashSet::with_capacity(members.len());
        let fits = members.len() <= MAX_MEMBERS
            && members.keys().all(|name| is_name(name) && names.insert(name.to_lowercase()));
        if fits { Self::Struct(members) } else { Self::Json }
    }

    /// Returns whether the values are stored as JSON text; Parquet has no struct without members.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Nothing | Self::Json => true,
            Self::Struct(members) => members.is_empty(),
            Self::Scalar(_) | Self::List(_) => false,
        }
    }

    /// Returns how many columns of a file its values become.
    pub(crate) fn leaves(&self) -> usize {
        match self {
            Self::List(elements) => elements.leaves(),
            Self::Struct(members) if !members.is_empty() => members.values().map(|member| member.form.leaves()).sum(),
            _ => 1,
        }
    }

    /// Returns the form, or JSON if it has too many leaves to be a column of a file.
    ///
    /// It is no part of the join, as a join may have fewer leaves than what was joined.
    #[must_use]
    pub(crate) fn bounded(self) -> Self {
        if self.leaves() > MAX_LEAVES { Self::Json } else { self }
    }
}

impl Member {
    /// What a map has that lacks the member.
    fn absent() -> Self {
        Self { missing: true, ..Self::default() }
    }

    #[must_use]
    fn join(self, other: Self) -> Self {
        let joined = Self {
            form: self.form.join(other.form),
            missing: self.missing || other.missing,
            null: self.null || other.null,
        };
        joined.told_apart()
    }

    /// Makes a member JSON that is both missing and null.
    #[must_use]
    pub(crate) fn told_apart(self) -> Self {
        if self.missing && self.null { Self { form: Form::Json, ..self } } else { self }
    }
}

/// Returns whether a member may have this name in a file; the same names are allowed for columns.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control)
}

/// Returns the forms that a table's native columns have before rows of a new schema come, from its columns before and their forms.
///
/// A new column has nothing yet; one that was of another type has the values of that type as JSON, and one that was plain JSON stays it.
pub(crate) fn carried(before: Option<(&TableSchema, &Forms)>, after: &TableSchema) -> Forms {
    let known = before.map(|(schema, forms)| (schema.by_name(), forms));
    let form = |name: &str| {
        let Some((columns, forms)) = &known else { return Form::Nothing };
        match columns.get(name).map(|(_, old)| old.ty) {
            None => Form::Nothing,
            Some(LogicalType::Json) => forms.get(name).cloned().unwrap_or(Form::Json),
            Some(LogicalType::Binary) => Form::Scalar(LogicalType::Text),
            Some(ty) => Form::scalar(ty),
        }
    };
    let native = after.columns().iter().filter(|column| column.native && column.ty == LogicalType::Json);
    native.map(|column| (column.name.clone(), form(&column.name))).collect()
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if self.is_text() => f.write_str("json"),
            Self::Scalar(ty) => write!(f, "{ty}"),
            Self::List(elements) => write!(f, "list({elements})"),
            Self::Struct(members) => {
                f.write_str("struct(")?;
                for (i, (name, member)) in members.iter().enumerate() {
                    write!(f, "{}{name} {}", if i == 0 { "" } else { ", " }, member.form)?;
                }
                f.write_str(")")
            }
            Self::Nothing | Self::Json => f.write_str("json"),
        }
    }
}

#[cfg(test)]
mod cuts;
#[cfg(test)]
mod tests;
