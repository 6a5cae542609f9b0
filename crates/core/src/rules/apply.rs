//! Applies a table's rules to a batch: rows first, then columns. What becomes of a row depends on nothing but that row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use sha2::Digest;

use super::cell::{Cell, Cells};
use super::compiled::{Applied, Field, RefusedRow, Rules};
use super::convert::{Built, Strictness, build};
use super::flatten::flatten;
use super::pack::{Member, pack};
use super::tighten::without_empty;
use super::{ColumnRule, Nested, constant};
use crate::schema::identity;
use crate::{ChangeBatch, Column, Error, ErrorKind, LogicalType, Result, TableSchema};

impl Rules {
    /// Applies the rules to a batch whose columns have the names of their attributes.
    ///
    /// Cutting a batch anywhere and applying the rules to the parts gives the same rows.
    pub fn apply(&self, batch: &ChangeBatch) -> Result<Applied> {
        let (filtered, left_out) = self.filter(batch)?;
        let changes = filtered.as_ref().map_or(batch, |filtered| &filtered.changes);
        let (changes, bad) =
            if self.keeps_columns() { (changes.clone(), BTreeMap::new()) } else { self.columns(changes)? };
        let keep: Vec<_> = (0..changes.len()).map(|row| !bad.contains_key(&row)).collect();
        let changes = if bad.is_empty() { changes } else { without_empty(&changes.filter(&keep)?)? };
        let place = |row: usize| filtered.as_ref().map_or(row, |filtered| filtered.places[row]);
        let refused = bad.into_iter().map(|(row, error)| RefusedRow { row: place(row), error }).collect();
        Ok(Applied { changes, left_out, refused })
    }

    /// Applies the rules for columns; returns also the rows that have a value which cannot be cast.
    fn columns(&self, batch: &ChangeBatch) -> Result<(ChangeBatch, BTreeMap<usize, Error>)> {
        let live: Vec<_> = batch.ops().iter().map(|op| !op.is_removal()).collect();
        let mut bad = BTreeMap::new();
        let mut fields = Vec::new();
        let mut members = Vec::new();
        let item = identity::item_column();
        for (column, array) in batch.schema().columns().iter().zip(batch.rows().columns()) {
            let attribute = column.name.as_str();
            if attribute == item {
                fields.push(Field { column: column.clone(), array: Arc::clone(array) });
                continue;
            }
            if !column.key && !self.keeps(attribute) {
                continue;
            }
            let (ty, array) = self.value(column, array, &live, &mut bad)?;
            self.place(attribute, &Column { ty, ..column.clone() }, array, &mut fields, &mut members)?;
        }
        let present = batch.schema().by_name();
        for (attribute, rule) in &self.said.columns {
            if let (Some(value), false) = (&rule.constant, present.contains_key(attribute.as_str())) {
                let ty = constant::typed(value, rule.cast)?;
                let array = constant::column(value, ty, &live)?;
                self.place(attribute, &Column::new(attribute, ty), array, &mut fields, &mut members)?;
            }
        }
        if self.said.nested == Nested::Packed {
            let column = Column::new(identity::packed(), LogicalType::Json);
            fields.push(Field { column, array: pack(members, &live)? });
        }
        let (columns, arrays): (Vec<_>, Vec<_>) = fields.into_iter().map(|field| (field.column, field.array)).unzip();
        Ok((with_columns(batch, columns, arrays)?, bad))
    }

    /// Puts a column where it belongs: among the others, in parts, or into the packed one.
    fn place(
        &self,
        attribute: &str,
        column: &Column,
        array: ArrayRef,
        fields: &mut Vec<Field>,
        members: &mut Vec<Member>,
    ) -> Result<()> {
        let identity = self.identity(attribute);
        match self.nested(attribute) {
            Nested::Packed if !column.key => members.push((self.member_name(attribute), column.ty, array)),
            Nested::Flatten(how) if !column.key && column.ty == LogicalType::Json && !self.is_made(attribute) => {
                let parts = flatten(&identity, &array, how)?;
                fields.extend(parts.into_iter().map(|(column, array)| Field { column, array }));
            }
            _ => fields.push(Field { column: Column { name: identity, ..column.clone() }, array }),
        }
        Ok(())
    }

    /// Returns whether a column's type is what a rule says.
    pub(super) fn is_made(&self, attribute: &str) -> bool {
        self.rule(attribute).is_some_and(|rule| rule.cast.is_some() || rule.constant.is_some())
    }

    /// Returns the name of an attribute in the packed column: one whose own name was chosen for another gives way, in every row.
    fn member_name(&self, attribute: &str) -> String {
        let identity = self.identity(attribute);
        if identity == attribute && self.targets.contains(attribute) {
            return format!("{attribute}__attribute");
        }
        identity::wanted(&identity).to_owned()
    }

    /// Applies what is said of the values of one column.
    fn value(
        &self,
        column: &Column,
        array: &ArrayRef,
        live: &[bool],
        bad: &mut BTreeMap<usize, Error>,
    ) -> Result<(LogicalType, ArrayRef)> {
        let Some(rule) = self.rule(&column.name) else { return Ok((column.ty, Arc::clone(array))) };
        if let Some(value) = &rule.constant {
            let ty = constant::typed(value, rule.cast)?;
            return Ok((ty, constant::column(value, ty, live)?));
        }
        let (ty, array) = match rule.cast {
            Some(to) if to != column.ty => {
                let Built { array, bad: rows } = build(to, cells(array, column.ty), Strictness::AnyKind)?;
                for row in rows {
                    bad.entry(row).or_insert_with(|| not_castable(&column.name, to));
                }
                (to, array)
            }
            _ => (column.ty, Arc::clone(array)),
        };
        Ok(self.hidden(rule, ty, array))
    }

    /// Masks or hashes a column, if that is said.
    fn hidden(&self, rule: &ColumnRule, ty: LogicalType, array: ArrayRef) -> (LogicalType, ArrayRef) {
        use arrow_array::StringArray;
        let texts: StringArray = if let Some(mask) = &rule.mask {
            cells(&array, ty).map(|cell| cell.text().map(|text| mask.apply(&text))).collect()
        } else if rule.hash.is_some() {
            let mut json = Vec::new();
            cells(&array, ty)
                .map(|cell| {
                    cell.text()?;
                    json.clear();
                    cell.write_json(&mut json);
                    Some(self.hash(&json))
                })
                .collect()
        } else {
            return (ty, array);
        };
        (LogicalType::Text, Arc::new(texts))
    }

    fn hash(&self, value: &[u8]) -> String {
        let mut hash = self.salted.clone();
        hash.update(value);
        let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
        hash.finalize().iter().flat_map(|byte| digits(*byte)).collect()
    }
}

pub(super) fn cells(array: &ArrayRef, ty: LogicalType) -> impl Iterator<Item = Cell<'_>> {
    let cells = Cells::new(array, ty);
    (0..arrow_array::Array::len(array)).map(move |row| cells.get(row))
}

fn not_castable(column: &str, to: LogicalType) -> Error {
    Error::new(ErrorKind::DataInvalid, "A value cannot be cast to its column's type")
        .with("column", column)
        .with("cast", to)
}

/// Returns the same changes with other columns.
pub(super) fn with_columns(batch: &ChangeBatch, columns: Vec<Column>, arrays: Vec<ArrayRef>) -> Result<ChangeBatch> {
    let schema = TableSchema::new(columns)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let rows = RecordBatch::try_new_with_options(schema.to_arrow(), arrays, &options)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "Rules made columns that do not fit together").with_source(e))?;
    batch.with_rows(Arc::new(schema), rows)
}
