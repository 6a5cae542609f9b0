//! Maps that become columns.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::cell::Cell;
use super::convert::{Strictness, build, infer};
use super::{Flatten, json};
use crate::schema::identity;
use crate::{Column, LogicalType, Result};

/// A value as JSON, and its row.
type Value<'a> = (usize, &'a str);

/// Returns the columns that a JSON column becomes: what is no map first, in the column's own place, then a column per path, in the order
/// in which they are met.
///
/// A map without members, or with nothing but nulls, is no path; it stays in the column itself, so that nothing is lost.
pub(crate) fn flatten(identity: &str, array: &ArrayRef, how: &Flatten) -> Result<Vec<(Column, ArrayRef)>> {
    let texts = array.as_string::<i32>();
    let values = texts.iter().enumerate().filter_map(|(row, text)| Some((row, text?))).collect();
    let mut out = Vec::new();
    level(identity, values, how.depth, (how, texts.len()), &mut out)?;
    Ok(out)
}

fn level<'a>(
    identity: &str,
    values: Vec<Value<'a>>,
    depth: usize,
    (how, rows): (&Flatten, usize),
    out: &mut Vec<(Column, ArrayRef)>,
) -> Result<()> {
    let mut rest = Vec::new();
    let mut members: Vec<(Cow<'a, str>, Vec<Value<'a>>)> = Vec::new();
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
    for (row, text) in values {
        let map = if depth > 0 { json::members(text) } else { None };
        let Some(map) = map.filter(|map| map.iter().any(|(_, value)| *value != "null")) else {
            rest.push((row, text));
            continue;
        };
        for (name, value) in map.into_iter().filter(|(_, value)| *value != "null") {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                members.push((name, Vec::new()));
                members.len() - 1
            });
            members[place].1.push((row, value));
        }
    }
    out.extend(column(identity, &rest, rows)?);
    for (name, values) in members {
        level(&identity::member(identity, &name, &how.separator), values, depth - 1, (how, rows), out)?;
    }
    Ok(())
}

/// Returns the column of these values, with the type that they need; `None` if there are none.
fn column(identity: &str, values: &[Value<'_>], rows: usize) -> Result<Option<(Column, ArrayRef)>> {
    let Some(ty) = infer(values.iter().map(|(_, text)| Cell::of_json(text))) else { return Ok(None) };
    let mut values = values.iter().peekable();
    let cells = (0..rows).map(|row| match values.next_if(|(at, _)| *at == row) {
        // What is nested keeps its text; so does everything that stands beside it.
        Some((_, text)) if ty == LogicalType::Json => Cell::Document(text),
        Some((_, text)) => Cell::of_json(text),
        None => Cell::Null,
    });
    let built = build(ty, cells, Strictness::SameKind)?;
    Ok(Some((Column::new(identity, ty), built.array)))
}
