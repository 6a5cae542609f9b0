//! What an expression is for the rows of a batch.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::expression::{Comparison, Expression, Literal, Path};
use crate::ChangeBatch;
use crate::rules::cell::{Cell, Cells, compare_numbers};
use crate::rules::json;

/// An expression with the columns that its paths mean in one batch.
enum Bound<'a> {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Otherwise(Box<Self>),
    Compare(Place<'a>, Comparison, Cell<'a>),
    In(Place<'a>, Vec<Cell<'a>>),
    IsNull(Place<'a>),
    BeginsWith(Place<'a>, &'a str),
    Contains(Place<'a>, Cell<'a>),
}

/// Where a path's values are; `None` if the batch has no such column.
struct Place<'a> {
    cells: Option<Cells<'a>>,
    members: &'a [String],
}

pub(super) fn passes(expression: &Expression, batch: &ChangeBatch) -> Vec<bool> {
    let columns = batch.schema().by_name();
    let place = |path: &'_ Path| {
        columns.get(path.attribute.as_str()).map(|&(at, column)| Cells::new(batch.rows().column(at), column.ty))
    };
    let bound = bind(expression, &place);
    (0..batch.len()).map(|row| bound.truth(row) == Some(true)).collect()
}

fn bind<'a>(expression: &'a Expression, cells: &dyn Fn(&Path) -> Option<Cells<'a>>) -> Bound<'a> {
    let all = |parts: &'a [Expression]| parts.iter().map(|part| bind(part, cells)).collect();
    let place = |path: &'a Path| Place { cells: cells(path), members: &path.members };
    match expression {
        Expression::And(parts) => Bound::And(all(parts)),
        Expression::Or(parts) => Bound::Or(all(parts)),
        Expression::Not(inner) => Bound::Not(Box::new(bind(inner, cells))),
        Expression::Otherwise(inner) => Bound::Otherwise(Box::new(bind(inner, cells))),
        Expression::Compare(path, comparison, literal) => Bound::Compare(place(path), *comparison, literal.cell()),
        Expression::In(path, literals) => Bound::In(place(path), literals.iter().map(Literal::cell).collect()),
        Expression::IsNull(path) => Bound::IsNull(place(path)),
        Expression::BeginsWith(path, text) => Bound::BeginsWith(place(path), text),
        Expression::Contains(path, literal) => Bound::Contains(place(path), literal.cell()),
    }
}

impl Bound<'_> {
    /// Returns true, false or, as `None`, unknown.
    fn truth(&self, row: usize) -> Option<bool> {
        match self {
            // One false part decides, whatever is unknown; without that, one unknown part leaves it open.
            Self::And(parts) => parts
                .iter()
                .try_fold(Some(true), |all, part| match part.truth(row) {
                    Some(false) => Err(()),
                    Some(true) => Ok(all),
                    None => Ok(None),
                })
                .unwrap_or(Some(false)),
            Self::Or(parts) => parts
                .iter()
                .try_fold(Some(false), |any, part| match part.truth(row) {
                    Some(true) => Err(()),
                    Some(false) => Ok(any),
                    None => Ok(None),
                })
                .unwrap_or(Some(true)),
            Self::Not(inner) => inner.truth(row).map(|truth| !truth),
            Self::Otherwise(inner) => Some(inner.truth(row) != Some(true)),
            Self::Compare(place, comparison, literal) => place.look(row, |cell| compare(cell, *comparison, literal)),
            Self::In(place, literals) => place.look(row, |cell| match cell {
                Cell::Null => None,
                cell => Some(literals.contains(cell)),
            }),
            Self::IsNull(place) => place.look(row, |cell| Some(*cell == Cell::Null)),
            Self::BeginsWith(place, start) => place.look(row, |cell| match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(text.starts_with(start)),
                _ => Some(false),
            }),
            Self::Contains(place, literal) => place.look(row, |cell| contains(cell, literal)),
        }
    }
}

impl Place<'_> {
    fn look<R>(&self, row: usize, ask: impl FnOnce(&Cell<'_>) -> R) -> R {
        let Some(cells) = self.cells else { return ask(&Cell::Null) };
        let mut cell = cells.get(row);
        for member in self.members {
            cell = match cell {
                Cell::Document(text) => within(text, member),
                _ => Cell::Null,
            };
        }
        ask(&cell)
    }
}

fn within<'a>(document: &'a str, member: &str) -> Cell<'a> {
    let members = json::members(document).unwrap_or_default();
    members.into_iter().find(|(name, _)| name == member).map_or(Cell::Null, |(_, text)| Cell::of_json(text))
}

fn compare(cell: &Cell<'_>, comparison: Comparison, literal: &Cell<'_>) -> Option<bool> {
    if *cell == Cell::Null {
        return None;
    }
    let order = match (cell, literal) {
        (Cell::Number(a), Cell::Number(b)) => Some(compare_numbers(a, b)),
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => Some(order == Some(Ordering::Equal)),
        Comparison::Unequal => Some(order != Some(Ordering::Equal)),
        Comparison::Less => order.map(Ordering::is_lt),
        Comparison::LessOrEqual => order.map(Ordering::is_le),
        Comparison::Greater => order.map(Ordering::is_gt),
        Comparison::GreaterOrEqual => order.map(Ordering::is_ge),
    }
}

fn contains(cell: &Cell<'_>, literal: &Cell<'_>) -> Option<bool> {
    match (cell, literal) {
        (Cell::Null, _) => None,
        (Cell::Text(text), Cell::Text(part)) => Some(text.contains(&**part)),
        (Cell::Document(list), _) => {
            Some(json::elements(list).unwrap_or_default().into_iter().any(|element| Cell::of_json(element) == *literal))
        }
        _ => Some(false),
    }
}

impl Literal {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Bool(value) => Cell::Bool(*value),
            Self::Number(number) => Cell::Number(Cow::Borrowed(number)),
            Self::Text(text) => Cell::Text(Cow::Borrowed(text)),
        }
    }
}
