//! How types join under what a user says of conflicts and of long numbers.

use super::cell::Cell;
use super::{Numbers, OnTypeConflict, TableRules};
use crate::LogicalType;
use crate::schema::number_type;

/// Decides which type holds the values of two others.
///
/// The laws of [`LogicalType::join`] hold for it, too: so the columns of a table do not depend on how it was cut into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypeJoin {
    conflict: OnTypeConflict,
    numbers: Numbers,
    decided: bool,
}

/// Values of one kind stand in one column, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Bool,
    Number,
    Text,
    Binary,
    Json,
}

impl Kind {
    pub(super) fn of(ty: LogicalType) -> Self {
        match ty {
            LogicalType::Bool => Self::Bool,
            LogicalType::Int64
            | LogicalType::Decimal { .. }
            | LogicalType::Number
            | LogicalType::Float64
            | LogicalType::Timestamp => Self::Number,
            LogicalType::Text => Self::Text,
            LogicalType::Binary => Self::Binary,
            LogicalType::Json => Self::Json,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }
}

impl TypeJoin {
    /// Returns the join that a table's rules ask for.
    pub fn of(rules: &TableRules) -> Self {
        Self { conflict: rules.on_type_conflict, numbers: rules.numbers, decided: false }
    }

    /// Returns the join for what a destination has and a schema that a pipeline decided on: where that says text, it is text.
    ///
    /// It knows which is which, so it is not the same in both directions.
    pub fn decided() -> Self {
        Self { decided: true, ..Self::default() }
    }

    /// Returns the least type that holds every value of both, in a column that is not part of the key.
    #[must_use]
    pub fn join(self, a: LogicalType, b: LogicalType) -> LogicalType {
        let (a, b) = (self.alone(a), self.alone(b));
        if a == b || (self.decided && b == LogicalType::Text) {
            return b;
        }
        let joined = self.alone(a.join(b));
        if joined != LogicalType::Json {
            return joined;
        }
        if self.conflict == OnTypeConflict::Text { LogicalType::Text } else { joined }
    }

    /// Returns the type that takes the place of another in every column that is not part of the key.
    #[must_use]
    pub fn alone(self, ty: LogicalType) -> LogicalType {
        match ty {
            LogicalType::Number if self.numbers == Numbers::DecimalOrText => LogicalType::Text,
            ty => ty,
        }
    }

    /// Returns the type in which values of a type reach a column that has `known`; `None` if it does not exist yet.
    ///
    /// A double is never decided by [`join`](Self::join), for which it is a type like the others: what is there decides, so that nothing
    /// that is exact becomes less.
    #[must_use]
    pub fn arriving(self, ty: LogicalType, known: Option<LogicalType>) -> LogicalType {
        let takes_doubles = matches!(known, None | Some(LogicalType::Float64)) && self.numbers == Numbers::Float;
        if takes_doubles && ty.is_exact_number() { LogicalType::Float64 } else { self.alone(ty) }
    }

    /// Returns whether values of several kinds in one column become text.
    pub(super) fn becomes_text(self) -> bool {
        self.conflict == OnTypeConflict::Text
    }

    pub(super) fn has_variants(self) -> bool {
        self.conflict == OnTypeConflict::Variant
    }

    /// Returns the type that holds these values; `None` if all are null.
    pub(super) fn infer<'a>(self, cells: impl Iterator<Item = Cell<'a>>) -> Option<LogicalType> {
        cells.filter_map(|cell| type_of(&cell)).map(|ty| self.alone(ty)).reduce(|a, b| self.join(a, b))
    }
}

/// Returns the least type of a value; `None` for null.
pub(super) fn type_of(cell: &Cell<'_>) -> Option<LogicalType> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(_) => LogicalType::Bool,
        Cell::Number(text) => number_type(text).unwrap_or(LogicalType::Number),
        Cell::Text(_) => LogicalType::Text,
        Cell::Document(_) => LogicalType::Json,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_join_is_a_semilattice() {
        use LogicalType::{Binary, Bool, Decimal, Float64, Int64, Json, Number, Text};
        let mut types = vec![Bool, Int64, Number, Float64, Text, Binary, Json];
        for (precision, scale) in [(1, 1), (19, 0), (20, 20), (38, 0), (38, 38), (38, 19)] {
            types.push(Decimal { precision, scale });
        }
        let (json, text) = (OnTypeConflict::Json, OnTypeConflict::Text);
        let all = [Numbers::Exact, Numbers::Float].into_iter().flat_map(|numbers| [(json, numbers), (text, numbers)]);
        let offered: Vec<_> = all.chain([(text, Numbers::DecimalOrText)]).collect();
        for (conflict, numbers) in offered {
            let by = TypeJoin { conflict, numbers, decided: false };
            for &a in &types {
                assert_eq!(by.join(a, a), by.alone(a));
                for &b in &types {
                    assert_eq!(by.join(a, b), by.join(b, a), "{by:?} {a} {b}");
                    for &c in &types {
                        assert_eq!(by.join(by.join(a, b), c), by.join(a, by.join(b, c)), "{by:?} {a} {b} {c}");
                    }
                }
            }
        }
    }
}
