//! Columns of JSON text that are structs and lists in files, and back.
//!
//! In memory rows have JSON text, whatever their column's form; only what goes into a file and comes out of it is converted. The text that
//! comes back is the same value with the same digits; the members of a map may stand in another order.

mod decode;
mod encode;
mod infer;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use commutator_core::{LogicalType, Result, TableSchema};

use crate::error;
use crate::form::{Form, Forms};
use crate::types::{EXTENSION_METADATA, Shape, arrow_schema};

/// The columns of a file, and of the same rows in memory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The columns in memory.
    rows: SchemaRef,
    /// The columns in the file.
    file: SchemaRef,
    /// The place of each column that is another one in the file, and its form.
    native: Vec<(usize, Form)>,
    /// How many columns Parquet has for them.
    leaves: usize,
}

/// A layout of more columns than this is wide.
///
/// An encoder or a decoder holds a compressor, a decompressor and buffers for each column, some 300 KB: at so many columns as much as a row
/// group.
const MANY_LEAVES: usize = 128;
/// So many columns of a wide layout are encoded or decoded at a time, or those of a single field.
const LEAVES_AT_ONCE: usize = 64;

impl Layout {
    pub(crate) fn new(table: &TableSchema, forms: &Forms, shape: Shape) -> Self {
        let rows = arrow_schema(table, shape);
        let columns = table.columns().iter().enumerate();
        let native: Vec<_> = columns
            .filter_map(|(i, column)| Some((i, forms.get(&column.name)?.clone())))
            .filter(|(_, form)| !form.is_text())
            .collect();
        let mut fields: Vec<_> = rows.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (i, form) in &native {
            fields[*i] = field(rows.field(*i).name(), form);
        }
        Self::of(rows, Arc::new(Schema::new(fields)), native)
    }

    fn of(rows: SchemaRef, file: SchemaRef, native: Vec<(usize, Form)>) -> Self {
        let inside: usize = native.iter().map(|(_, form)| form.leaves()).sum();
        let leaves = rows.fields().len() - native.len() + inside;
        Self { rows, file, native, leaves }
    }

    /// Columns that are the same in memory and in the file.
    #[cfg(test)]
    pub(crate) fn plain(schema: &SchemaRef) -> Self {
        Self::of(Arc::clone(schema), Arc::clone(schema), Vec::new())
    }

    /// Returns whether rows in memory stand in the file as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.native.is_empty()
    }

    /// Returns whether there are so many columns that only a few are encoded and decoded at a time.
    pub(crate) fn is_wide(&self) -> bool {
        self.leaves > MANY_LEAVES
    }

    /// Returns the columns in order, a few at a time, each with the layout that they have alone.
    pub(crate) fn slices(&self) -> Vec<(Range<usize>, Self)> {
        let mut forms = self.native.iter().peekable();
        let (mut slices, mut start, mut leaves) = (Vec::new(), 0, 0);
        for at in 0..self.rows.fields().len() {
            let own = forms.next_if(|(place, _)| *place == at).map_or(1, |(_, form)| form.leaves());
            if leaves + own > LEAVES_AT_ONCE && at > start {
                slices.push(self.slice(start..at));
                (start, leaves) = (at, 0);
            }
            leaves += own;
        }
        slices.push(self.slice(start..self.rows.fields().len()));
        slices
    }

    fn slice(&self, range: Range<usize>) -> (Range<usize>, Self) {
        let fields = |schema: &SchemaRef| Arc::new(Schema::new(schema.fields()[range.clone()].to_vec()));
        let native = self.native.iter().filter(|(place, _)| range.contains(place));
        let native = native.map(|(place, form)| (place - range.start, form.clone())).collect();
        let slice = Self::of(fields(&self.rows), fields(&self.file), native);
        (range, slice)
    }

    /// The columns in memory.
    pub(crate) fn rows(&self) -> &SchemaRef {
        &self.rows
    }

    pub(crate) fn file(&self) -> &SchemaRef {
        &self.file
    }

    /// Returns rows in memory as they stand in the file.
    pub(crate) fn to_file(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        if self.native.is_empty() {
            return Ok(rows.clone());
        }
        let mut columns = rows.columns().to_vec();
        for (i, form) in &self.native {
            let texts = columns[*i].as_string::<i32>().iter().collect();
            columns[*i] = encode::encode(form, texts).map_err(|e| e.with("column", self.rows.field(*i).name()))?;
        }
        RecordBatch::try_new(Arc::clone(&self.file), columns).map_err(error::arrow)
    }

    /// Returns columns that were read from the file as rows in memory.
    pub(crate) fn to_rows(&self, mut columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        for (i, form) in &self.native {
            if let Some(column) = columns.get_mut(*i) {
                *column = decode::decode(form, column)?;
            }
        }
        self.to_batch(columns)
    }

    /// Returns columns that are as they are in memory already.
    pub(crate) fn to_batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        RecordBatch::try_new(Arc::clone(&self.rows), columns).map_err(error::decode)
    }
}

/// Returns the forms that hold the rows of a batch besides what they held before; `None` if they do already.
pub(crate) fn wider(forms: &Forms, rows: &RecordBatch) -> Option<Forms> {
    let mut wider = forms.clone();
    for (name, form) in &mut wider {
        let Some(column) = rows.column_by_name(name) else { continue };
        let texts = column.as_string::<i32>();
        texts.iter().flatten().for_each(|text| infer::column(form, text));
        *form = std::mem::take(form).bounded();
    }
    (wider != *forms).then_some(wider)
}

/// Returns the field of a file for values of a form; every field may be null, so that a form that grows changes nothing else.
fn field(name: &str, form: &Form) -> Field {
    let field = Field::new(name, data_type(form), true);
    if !form.is_text() {
        return field;
    }
    let json = [("ARROW:extension:name", "arrow.json"), (EXTENSION_METADATA, "")];
    field.with_metadata(
        json.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect::<HashMap<_, _>>(),
    )
}

fn data_type(form: &Form) -> DataType {
    match form {
        _ if form.is_text() => DataType::Utf8,
        Form::Scalar(LogicalType::Bool) => DataType::Boolean,
        Form::Scalar(LogicalType::Int64) => DataType::Int64,
        Form::Scalar(LogicalType::Decimal { precision, scale }) => {
            DataType::Decimal128(*precision, scale.cast_signed())
        }
        Form::List(elements) => DataType::List(element(elements)),
        Form::Struct(_) => DataType::Struct(fields(form)),
        Form::Scalar(_) | Form::Nothing | Form::Json => DataType::Utf8,
    }
}

/// Parquet's own name for what a list holds.
fn element(form: &Form) -> Arc<Field> {
    Arc::new(field("element", form))
}

fn fields(form: &Form) -> Fields {
    match form {
        Form::Struct(members) => members.iter().map(|(name, member)| field(name, &member.form)).collect(),
        _ => Fields::empty(),
    }
}

/// Widens a column's form for a test.
#[cfg(test)]
pub(crate) fn see(form: &mut Form, text: &str) {
    infer::column(form, text);
}

#[cfg(test)]
mod tests;
