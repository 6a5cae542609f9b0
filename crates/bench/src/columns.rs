//! What both baselines write into: Arrow's own builders, one for each attribute, found by its name.
//!
//! They are what a careful program has that decodes with a library: the columns are guessed from the order of the last item before they are
//! looked up, rows without a value are filled in when the next one comes, and numbers are parsed once. They know what the data sets need
//! and no more: a column of several types is an error.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow_array::builder::{
    ArrayBuilder as _, BinaryBuilder, BooleanBuilder, Decimal128Builder, Int64Builder, StringBuilder,
};
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use commutator_core::schema::MAX_PRECISION;
use hashbrown::HashMap;

/// The digits before the point that every whole number of 64 bits fits in.
const INT64_DIGITS: u8 = 19;

/// The columns of a page under construction.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    all: Vec<Column>,
    index: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    /// The first column of the last item, and at `i + 1` the one that came after column `i`.
    after: Vec<usize>,
    /// The column that was asked for last, plus one; 0 at the beginning of a row.
    last: usize,
    rows: usize,
}

/// One column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    name: Box<str>,
    builder: Builder,
    /// The bytes of the last page, which the next one will about have.
    bytes: usize,
}

#[derive(Debug)]
enum Builder {
    Absent,
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Decimal(Decimals),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

#[derive(Debug)]
struct Decimals {
    values: Decimal128Builder,
    integer: u8,
    scale: u8,
}

impl Columns {
    /// Returns the index of the column of this name for the row that is being read.
    #[inline]
    pub(crate) fn find(&mut self, name: &str) -> usize {
        let guess = self.after.get(self.last).copied().unwrap_or(0);
        let i = match self.all.get(guess) {
            Some(column) if &*column.name == name => guess,
            _ => self.look_up(name),
        };
        self.last = i + 1;
        i
    }

    fn look_up(&mut self, name: &str) -> usize {
        let i = if let Some(&i) = self.index.get(name) {
            i
        } else {
            self.all.push(Column { name: name.into(), builder: Builder::Absent, bytes: 0 });
            self.index.insert(name.into(), self.all.len() - 1);
            self.all.len() - 1
        };
        self.after.resize(self.all.len() + 1, 0);
        self.after[self.last] = i;
        i
    }

    /// Returns the index of the row that is being read.
    #[inline]
    pub(crate) fn row(&self) -> usize {
        self.rows
    }

    /// Returns a column, filled up to the row that is being read.
    #[inline]
    pub(crate) fn column(&mut self, i: usize) -> &mut Column {
        self.all[i].fill(self.rows);
        &mut self.all[i]
    }

    /// Ends the row.
    #[inline]
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
        self.last = 0;
    }

    /// Takes the rows out.
    pub(crate) fn take(&mut self) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.all.len());
        for column in &mut self.all {
            column.fill(self.rows);
            if let Some(array) = column.take(self.rows)? {
                columns.push((column.name.to_string(), array, true));
            }
        }
        self.rows = 0;
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

impl Column {
    #[inline]
    fn fill(&mut self, rows: usize) {
        match &mut self.builder {
            Builder::Bool(builder) if builder.len() < rows => builder.append_nulls(rows - builder.len()),
            Builder::Int(builder) if builder.len() < rows => builder.append_nulls(rows - builder.len()),
            Builder::Decimal(builder) if builder.values.len() < rows => {
                builder.values.append_nulls(rows - builder.values.len());
            }
            Builder::Text(builder) if builder.len() < rows => builder.append_nulls(rows - builder.len()),
            Builder::Binary(builder) if builder.len() < rows => builder.append_nulls(rows - builder.len()),
            _ => {}
        }
    }

    /// Appends a text, or a document that was written.
    #[inline]
    pub(crate) fn push_text(&mut self, row: usize, text: &str) -> Result<()> {
        self.texts(row)?.append_value(text);
        Ok(())
    }

    /// Returns the builder of texts and documents; a document is written into it and then ended with an empty value.
    #[inline]
    pub(crate) fn texts(&mut self, row: usize) -> Result<&mut StringBuilder> {
        if let Builder::Absent = self.builder {
            self.builder = Builder::Text(StringBuilder::with_capacity(0, self.bytes));
            self.fill(row);
        }
        match &mut self.builder {
            Builder::Text(builder) => Ok(builder),
            _ => bail!("column {} has several types", self.name),
        }
    }

    /// Appends a Boolean.
    #[inline]
    pub(crate) fn push_bool(&mut self, row: usize, value: bool) -> Result<()> {
        if let Builder::Absent = self.builder {
            self.builder = Builder::Bool(BooleanBuilder::new());
            self.fill(row);
        }
        match &mut self.builder {
            Builder::Bool(builder) => builder.append_value(value),
            _ => bail!("column {} has several types", self.name),
        }
        Ok(())
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn push_binary(&mut self, row: usize, bytes: &[u8]) -> Result<()> {
        if let Builder::Absent = self.builder {
            self.builder = Builder::Binary(BinaryBuilder::with_capacity(0, self.bytes));
            self.fill(row);
        }
        match &mut self.builder {
            Builder::Binary(builder) => builder.append_value(bytes),
            _ => bail!("column {} has several types", self.name),
        }
        Ok(())
    }

    /// Appends a number.
    #[inline]
    pub(crate) fn push_number(&mut self, row: usize, text: &str) -> Result<()> {
        let (value, integer, scale) = parse(text).context("a number is not one that the data sets have")?;
        if scale == 0
            && let Ok(value) = i64::try_from(value)
        {
            match &mut self.builder {
                Builder::Int(builder) => {
                    builder.append_value(value);
                    return Ok(());
                }
                Builder::Absent => {
                    self.builder = Builder::Int(Int64Builder::new());
                    self.fill(row);
                    return self.push_number(row, text);
                }
                _ => return self.push_decimal(row, value.into(), INT64_DIGITS, 0),
            }
        }
        self.push_decimal(row, value, integer, scale)
    }

    #[inline]
    fn push_decimal(&mut self, row: usize, value: i128, integer: u8, scale: u8) -> Result<()> {
        if !matches!(&self.builder, Builder::Decimal(all) if integer <= all.integer && scale <= all.scale) {
            self.widen(row, integer, scale)?;
        }
        let Builder::Decimal(all) = &mut self.builder else { bail!("column {} has several types", self.name) };
        all.values.append_value(value * 10_i128.pow(u32::from(all.scale - scale)));
        Ok(())
    }

    #[cold]
    fn widen(&mut self, row: usize, integer: u8, scale: u8) -> Result<()> {
        let mut wider = Decimals { values: Decimal128Builder::new(), integer, scale };
        match &mut self.builder {
            Builder::Absent => {}
            Builder::Int(ints) => {
                wider.integer = integer.max(INT64_DIGITS);
                let factor = 10_i128.pow(u32::from(scale));
                wider.values.extend(ints.finish().iter().map(|value| Some(i128::from(value?) * factor)));
            }
            Builder::Decimal(all) => {
                wider.integer = integer.max(all.integer);
                wider.scale = scale.max(all.scale);
                let factor = 10_i128.pow(u32::from(wider.scale - all.scale));
                wider.values.extend(all.values.finish().iter().map(|value| Some(value? * factor)));
            }
            _ => bail!("column {} has several types", self.name),
        }
        self.builder = Builder::Decimal(wider);
        self.fill(row);
        Ok(())
    }

    fn take(&mut self, rows: usize) -> Result<Option<ArrayRef>> {
        let array: ArrayRef = match &mut self.builder {
            Builder::Absent => return Ok(None),
            Builder::Bool(builder) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::Decimal(all) => {
                let (precision, scale) = ((all.integer + all.scale).min(MAX_PRECISION), all.scale.cast_signed());
                Arc::new(all.values.finish().with_precision_and_scale(precision, scale)?)
            }
            Builder::Text(builder) => {
                self.bytes = builder.values_slice().len();
                Arc::new(builder.finish())
            }
            Builder::Binary(builder) => {
                self.bytes = builder.values_slice().len();
                Arc::new(builder.finish())
            }
        };
        self.builder = Builder::Absent;
        anyhow::ensure!(array.len() == rows, "column {} has {} rows of {rows}", self.name, array.len());
        Ok(Some(array))
    }
}

/// Returns `value / 10^scale`, and its digits before the point.
#[inline]
fn parse(text: &str) -> Option<(i128, u8, u8)> {
    let unsigned = text.strip_prefix('-');
    let digits = unsigned.unwrap_or(text).as_bytes();
    let (mut small, mut large) = (0_u64, 0_i128);
    let (mut point, mut count) = (None, 0_u8);
    for &digit in digits {
        match digit {
            b'0'..=b'9' => {
                if count < INT64_DIGITS {
                    small = small * 10 + u64::from(digit - b'0');
                } else {
                    large =
                        if count == INT64_DIGITS { i128::from(small) } else { large } * 10 + i128::from(digit - b'0');
                }
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return None,
        }
        if count > MAX_PRECISION {
            return None;
        }
    }
    let value = if count > INT64_DIGITS { large } else { i128::from(small) };
    let scale = point.map_or(0, |point| count - point);
    Some((if unsigned.is_some() { -value } else { value }, count - scale, scale))
}
