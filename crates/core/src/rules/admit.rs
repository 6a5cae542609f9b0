//! What of a batch fits the columns that a table has: values of several kinds, and contracts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::apply::{cells, with_columns};
use super::compiled::Field;
use super::convert::{Strictness, build};
use super::float::{brought, rounded};
use super::join::{Kind, type_of};
use super::{Contract, LeftOut, Rules, SchemaPolicy, TypeJoin};
use crate::schema::identity;
use crate::{ChangeBatch, Column, Error, ErrorKind, LogicalType, Result};

/// So many differences are named in one error.
const NAMED: usize = 20;

/// What is known of the columns of a destination's table.
pub trait Known {
    /// Returns the type of the column with this [identity](crate::schema::attribute_of); `None` if there is no such column.
    fn column(&self, identity: &str) -> Option<LogicalType>;
}

impl<F: Fn(&str) -> Option<LogicalType>> Known for F {
    fn column(&self, identity: &str) -> Option<LogicalType> {
        self(identity)
    }
}

impl Rules {
    /// Brings a batch to which the rules were [applied](Self::apply) to the kinds of values that its columns have, and, if `contract`
    /// holds, to what the table has columns for; returns also what was discarded.
    ///
    /// Returns [`SchemaConflict`](ErrorKind::SchemaConflict), with every difference, if the contract is frozen and something does
    /// not fit.
    pub fn admit(&self, batch: &ChangeBatch, known: &dyn Known, contract: bool) -> Result<(ChangeBatch, LeftOut)> {
        let by = TypeJoin::of(&self.said);
        let plain = by == TypeJoin::default();
        let contract = Some(self.said.contract).filter(|said| contract && *said != Contract::default());
        if plain && contract.is_none() {
            return Ok((batch.clone(), LeftOut::default()));
        }
        let held = contract.is_some_and(|contract| contract.types != SchemaPolicy::Evolve);
        let mut fields = Vec::new();
        for (column, array) in batch.schema().columns().iter().zip(batch.rows().columns()) {
            let field = Field { column: column.clone(), array: Arc::clone(array) };
            // A type that a rule says holds whatever values of other columns become.
            let is_made = || self.is_made(identity::attribute_of(&column.name));
            if column.key || plain || identity::is_system(&column.name) || is_made() {
                fields.push(field);
            } else {
                sort_kinds(field, by, held, known, &mut fields)?;
            }
        }
        let (keep, left_out) = match contract {
            Some(contract) => hold(contract, &mut fields, by, known, batch.len())?,
            None => (None, LeftOut::default()),
        };
        let (columns, arrays) = fields.into_iter().map(|field| (field.column, field.array)).unzip();
        let changes = with_columns(batch, columns, arrays)?;
        let changes = match keep {
            Some(keep) => super::tighten::without_empty(&changes.filter(&keep)?)?,
            None => changes,
        };
        Ok((changes, left_out))
    }
}

/// Gives a column the type that all of its values have together, or each kind of values a column of its own.
///
/// Where types are `held` to what the table has, each value fits or not by itself: it must not become text because of one beside it.
fn sort_kinds(field: Field, by: TypeJoin, held: bool, known: &dyn Known, fields: &mut Vec<Field>) -> Result<()> {
    let Field { column, array } = &field;
    let ty = column.ty;
    if !by.has_variants() {
        if held && known.column(&column.name).is_some_and(|has| has != LogicalType::Text) {
            fields.push(field);
            return Ok(());
        }
        let together = match ty {
            LogicalType::Json if by.becomes_text() => by.infer(cells(array, ty)).unwrap_or(ty),
            ty => ty,
        };
        let wanted = by.arriving(together, known.column(&column.name));
        fields.push(brought(field, wanted)?);
        return Ok(());
    }
    let first = || cells(array, ty).find_map(|cell| type_of(&cell));
    let own = known.column(&column.name).or_else(|| if ty == LogicalType::Json { first() } else { Some(ty) });
    let own = own.map_or(Kind::Json, Kind::of);
    // A column of JSON takes values of every kind.
    if own == Kind::Json || Kind::of(ty) == own {
        let wanted = by.arriving(ty, known.column(&column.name));
        fields.push(brought(field, wanted)?);
        return Ok(());
    }
    let name =
        |kind: Kind| if kind == own { column.name.clone() } else { identity::variant(&column.name, kind.as_str()) };
    if ty != LogicalType::Json {
        let column = Column { name: name(Kind::of(ty)), ..column.clone() };
        let wanted = by.arriving(ty, known.column(&column.name));
        fields.push(brought(Field { column, array: Arc::clone(array) }, wanted)?);
        return Ok(());
    }
    let kind = |cell: &super::cell::Cell<'_>| type_of(cell).map(Kind::of);
    let mut types: BTreeMap<Kind, LogicalType> = BTreeMap::new();
    for ty in cells(array, ty).filter_map(|cell| type_of(&cell)) {
        types.entry(Kind::of(ty)).and_modify(|joined| *joined = joined.join(ty)).or_insert(ty);
    }
    for (of, wanted) in types {
        let chosen = cells(array, ty).map(|cell| if kind(&cell) == Some(of) { cell } else { super::cell::Cell::Null });
        let name = name(of);
        // All that are chosen are of the kind; but to a double they may be rounded.
        let wanted = by.arriving(wanted, known.column(&name));
        let array = build(wanted, chosen, Strictness::AnyKind)?.array;
        fields.push(Field { column: Column::new(name, wanted), array });
    }
    Ok(())
}

/// Leaves out what the contract has no place for; returns which rows stay, unless all do.
fn hold(
    contract: Contract,
    fields: &mut Vec<Field>,
    by: TypeJoin,
    known: &dyn Known,
    rows: usize,
) -> Result<(Option<Vec<bool>>, LeftOut)> {
    let mut differences = Vec::new();
    let mut discarded = vec![false; rows];
    let mut values = BTreeMap::new();
    let mut kept = Vec::with_capacity(fields.len());
    for mut field in std::mem::take(fields) {
        let has = known.column(&field.column.name);
        let asked_for = field.column.key || identity::is_system(&field.column.name);
        let holds = has.is_some_and(|has| by.join(has, field.column.ty) == has);
        let fits = asked_for || holds || field.array.null_count() == rows;
        // A column beside another is there because of a type, unless the other would be as new as it is.
        let is_beside = |of: String| known.column(&of).is_some() || contract.columns == SchemaPolicy::Evolve;
        let of_type = has.is_some() || identity::variant_of(&field.column.name).is_some_and(is_beside);
        let policy = if of_type { contract.types } else { contract.columns };
        if fits || policy == SchemaPolicy::Evolve {
            kept.push(field);
            continue;
        }
        // Values decide, not the type that a batch happens to have: a whole number fits a column with a fraction.
        let (bad, needs) = match has {
            Some(has) => {
                let (fitting, bad, needs) = fitted(&field, has, by)?;
                field = fitting;
                (bad, needs)
            }
            None => (filled(&field.array), field.column.ty),
        };
        match policy {
            _ if bad.is_empty() => {}
            SchemaPolicy::Freeze => differences.push(difference(&field.column, has, needs)),
            SchemaPolicy::DiscardRow => bad.iter().for_each(|row| discarded[*row] = true),
            _ => bad.iter().for_each(|row| *values.entry(*row).or_insert(0) += 1),
        }
        if has.is_some() {
            kept.push(field);
        }
    }
    if !differences.is_empty() {
        return Err(frozen(&differences));
    }
    *fields = kept;
    let left_out = LeftOut {
        discarded_rows: discarded.iter().filter(|discarded| **discarded).count() as u64,
        // What went with its row is counted there.
        discarded_values: values.iter().filter(|(row, _)| !discarded[**row]).map(|(_, count)| *count).sum(),
        ..LeftOut::default()
    };
    let keep = (left_out.discarded_rows > 0).then(|| discarded.into_iter().map(|discarded| !discarded).collect());
    Ok((keep, left_out))
}

/// Returns a column with those of its values that fit a type, the rows of the others, and the type that would hold them, too.
fn fitted(field: &Field, has: LogicalType, by: TypeJoin) -> Result<(Field, Vec<usize>, LogicalType)> {
    let values = || cells(&field.array, field.column.ty);
    // Whatever stands beside it: a number is rounded where the policy says so.
    let rounds = by.arriving(LogicalType::Number, Some(has)) == LogicalType::Float64;
    let built = build(has, values().map(|cell| if rounds { rounded(cell) } else { cell }), Strictness::SameKind)?;
    let types = values()
        .enumerate()
        .filter(|(row, _)| built.bad.binary_search(row).is_ok())
        .filter_map(|(_, cell)| type_of(&cell));
    let needs = types.fold(has, |needs, ty| by.join(needs, ty));
    let column = Column { ty: has, ..field.column.clone() };
    Ok((Field { column, array: built.array }, built.bad, needs))
}

fn difference(column: &Column, has: Option<LogicalType>, needs: LogicalType) -> String {
    let name = identity::wanted(&column.name);
    match has {
        Some(has) => format!("`{name}` is {has} and would have to be {needs}"),
        None => format!("`{name}` would be a new column of type {needs}"),
    }
}

fn filled(array: &ArrayRef) -> Vec<usize> {
    (0..array.len()).filter(|row| !array.is_null(*row)).collect()
}

fn frozen(differences: &[String]) -> Error {
    let more = differences.len().saturating_sub(NAMED);
    let named = differences[..differences.len() - more].join("; ");
    let named = if more > 0 { format!("{named}; and {more} more") } else { named };
    Error::new(
        ErrorKind::SchemaConflict,
        "The table's contract is frozen, and data came that it has no place for; `contract = \"evolve\"` accepts it, \
         and can be taken back after one commit",
    )
    .with("difference", named)
}

#[cfg(test)]
mod tests;
