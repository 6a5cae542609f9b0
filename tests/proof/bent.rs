//! Defects that are switched on: what a reader, or a rule, would get wrong.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use commutator_core::rules::Nested;
use commutator_core::{ChangeBatch, LogicalType, Result, TableName, TableSchema};
use commutator_pipeline::Transform;

use crate::said::{SALT, Said};
use crate::transport::ReaderDefect;

/// Something that is done wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    Reader(ReaderDefect),
    Rule(RuleDefect),
}

/// Something that a rule may get wrong. What it does to what the rules are given makes the real ones behave so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleDefect {
    /// Hashes are made without the table's salt.
    HashesWithoutSalt,
    /// An item that moves from one part to another, or passes a filter no more, stays where it was.
    MovedItemsStay,
    /// A packed row has all attributes but one.
    PackedDropsAnAttribute,
    /// A flattened map takes the column of an attribute that has its name.
    FlattenOverwritesAColumn,
}

impl Defect {
    /// Returns what the reader does wrong.
    pub(crate) fn of_reader(self) -> Option<ReaderDefect> {
        match self {
            Self::Reader(defect) => Some(defect),
            Self::Rule(RuleDefect::MovedItemsStay) => Some(ReaderDefect::ModifiesAreInserts),
            Self::Rule(_) => None,
        }
    }
}

/// Returns what the pipeline is told to salt hashes with.
pub(crate) fn salt(defect: Option<Defect>) -> &'static str {
    if defect == Some(Defect::Rule(RuleDefect::HashesWithoutSalt)) { "no salt" } else { SALT }
}

/// Returns what becomes of items before the rules see them.
pub(crate) fn transform(defect: Option<Defect>, said: &Said) -> Option<Arc<dyn Transform>> {
    match defect {
        Some(Defect::Rule(RuleDefect::PackedDropsAnAttribute)) if said.rules.nested == Nested::Packed => {
            Some(Arc::new(Drops { attribute: "note", beside: None }))
        }
        Some(Defect::Rule(RuleDefect::FlattenOverwritesAColumn)) if matches!(said.rules.nested, Nested::Flatten(_)) => {
            Some(Arc::new(Drops { attribute: "deep_k", beside: Some("deep") }))
        }
        _ => None,
    }
}

/// Drops an attribute, where another one is a map.
#[derive(Debug)]
struct Drops {
    attribute: &'static str,
    beside: Option<&'static str>,
}

impl Transform for Drops {
    fn transform(&self, _: &TableName, batch: ChangeBatch) -> Result<ChangeBatch> {
        let by_name = batch.schema().by_name();
        let Some(&(at, _)) = by_name.get(self.attribute) else { return Ok(batch) };
        let beside = self.beside.map(|name| by_name.get(name).copied());
        let is_map = |row: usize| match beside {
            None => true,
            Some(Some((at, column))) if column.ty == LogicalType::Json => {
                let array = batch.rows().column(at);
                array.is_valid(row) && array.as_string::<i32>().value(row).starts_with('{')
            }
            Some(_) => false,
        };
        let kept: UInt32Array =
            (0_u32..).zip(0..batch.len()).map(|(index, row)| (!is_map(row)).then_some(index)).collect();
        let mut arrays: Vec<ArrayRef> = batch.rows().columns().to_vec();
        arrays[at] = arrow_select::take::take(&arrays[at], &kept, None).unwrap();
        let schema: Arc<TableSchema> = Arc::clone(batch.schema());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let rows = RecordBatch::try_new_with_options(schema.to_arrow(), arrays, &options).unwrap();
        batch.with_rows(schema, rows)
    }
}
