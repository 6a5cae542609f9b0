//! One column under construction: values are appended in their narrowest form and widened in place when they must be.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Int64Array, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::ArrowError;
use commutator_core::schema::write_number;
use commutator_core::{LogicalType, Result};

use super::bits::Bits;
use super::cursor::{Cursor, invalid};
use super::number::{Numeral, POWERS, write_int};

/// The digits before the point that every whole number of 64 bits fits in.
const INT64_DIGITS: u8 = 19;

/// What a column holds so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: no row had a value yet.
    Absent,
    Bool,
    Int64,
    Decimal,
    Number,
    Text,
    Binary,
    Json,
}

/// A column under construction.
///
/// Rows without a value are filled in when the next value comes, so they cost nothing while a page is read.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) kind: Kind,
    /// Rows so far, up to the last value.
    pub(super) len: usize,
    pub(super) bools: Bits,
    pub(super) ints: Vec<i64>,
    pub(super) decimals: Vec<i128>,
    /// Digits of the decimals before and behind the point.
    pub(super) integer: u8,
    pub(super) scale: u8,
    /// Texts, bytes and documents one after the other, and where each begins and ends.
    pub(super) bytes: Vec<u8>,
    pub(super) offsets: Vec<i32>,
    /// Which rows have a value; only kept once one has none.
    pub(super) valid: Bits,
    pub(super) has_nulls: bool,
    /// The sizes of the last page, which the next one will about have.
    pub(super) last_rows: usize,
    last_bytes: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            kind: Kind::Absent,
            len: 0,
            bools: Bits::default(),
            ints: Vec::new(),
            decimals: Vec::new(),
            integer: 0,
            scale: 0,
            bytes: Vec::new(),
            offsets: Vec::new(),
            valid: Bits::default(),
            has_nulls: false,
            last_rows: 0,
            last_bytes: 0,
        }
    }

    /// Returns the rows up to the last one with a value.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        self.kind = Kind::Absent;
        self.len = 0;
        self.bools.clear();
        self.ints.clear();
        self.decimals.clear();
        self.bytes.clear();
        self.offsets.clear();
        self.valid.clear();
        self.has_nulls = false;
    }

    /// Appends the string whose opening quote the cursor has read.
    #[inline]
    pub(super) fn push_text(&mut self, row: usize, cursor: &mut Cursor<'_>) -> Result<()> {
        self.enter(Kind::Text);
        self.ready(row);
        if self.kind == Kind::Text {
            cursor.text(&mut self.bytes)?;
        } else {
            cursor.json_text(&mut self.bytes)?;
        }
        self.end(cursor)
    }

    pub(super) fn push_bool(&mut self, row: usize, value: bool, cursor: &Cursor<'_>) -> Result<()> {
        self.enter(Kind::Bool);
        self.ready(row);
        if self.kind == Kind::Bool {
            if value {
                self.bools.set(row);
            }
            return Ok(());
        }
        self.bytes.extend_from_slice(bool_text(value));
        self.end(cursor)
    }

    /// Appends the bytes that a base64 text stands for.
    pub(super) fn push_binary(&mut self, row: usize, base64: &[u8], cursor: &Cursor<'_>) -> Result<()> {
        self.enter(Kind::Binary);
        self.ready(row);
        let decoded = if self.kind == Kind::Binary {
            base64_simd::STANDARD.decode_append(base64, &mut self.bytes)
        } else {
            write_base64(base64, &mut self.bytes)
        };
        decoded.map_err(|e| invalid("A binary value is not base64", cursor.at()).with_source(e))?;
        self.end(cursor)
    }

    /// Appends the document that `write` writes.
    #[inline]
    pub(super) fn push_json<'a>(
        &mut self,
        row: usize,
        cursor: &mut Cursor<'a>,
        write: impl FnOnce(&mut Cursor<'a>, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.enter(Kind::Json);
        self.ready(row);
        write(cursor, &mut self.bytes)?;
        self.end(cursor)
    }

    #[inline]
    pub(super) fn push_numeral(&mut self, row: usize, value: Numeral, cursor: &Cursor<'_>) -> Result<()> {
        match (self.kind, value) {
            (Kind::Int64, Numeral::Int(value)) => {
                self.ready(row);
                self.ints.push(value);
                Ok(())
            }
            (Kind::Decimal, Numeral::Decimal { value, integer, scale })
                if integer <= self.integer && scale <= self.scale =>
            {
                self.ready(row);
                self.decimals.push(value * POWERS[usize::from(self.scale - scale)]);
                Ok(())
            }
            _ => self.push_numeral_widening(row, value, cursor),
        }
    }

    #[inline(never)]
    fn push_numeral_widening(&mut self, row: usize, value: Numeral, cursor: &Cursor<'_>) -> Result<()> {
        let (unscaled, integer, scale) = match value {
            Numeral::Int(value) => (i128::from(value), INT64_DIGITS, 0),
            Numeral::Decimal { value, integer, scale } => (value, integer, scale),
        };
        match (self.kind, value) {
            (Kind::Absent, Numeral::Int(_)) => self.enter(Kind::Int64),
            (Kind::Absent, Numeral::Decimal { .. }) => {
                self.enter(Kind::Decimal);
                (self.integer, self.scale) = (integer, scale);
            }
            (Kind::Int64, Numeral::Decimal { .. }) => self.widen_numbers(INT64_DIGITS.max(integer), scale),
            (Kind::Decimal, _) => self.widen_numbers(self.integer.max(integer), self.scale.max(scale)),
            (Kind::Number, _) => {}
            _ => self.enter(Kind::Json),
        }
        self.ready(row);
        match (self.kind, value) {
            (Kind::Int64, Numeral::Int(value)) => self.ints.push(value),
            (Kind::Decimal, _) => self.decimals.push(unscaled * POWERS[usize::from(self.scale - scale)]),
            (_, Numeral::Int(value)) => {
                write_int(value, &mut self.bytes);
                return self.end(cursor);
            }
            (_, Numeral::Decimal { .. }) => {
                write_number(unscaled, scale, &mut self.bytes);
                return self.end(cursor);
            }
        }
        Ok(())
    }

    /// Appends a number that has more digits than a decimal, in its canonical form.
    pub(super) fn push_long_number(&mut self, row: usize, canonical: &str, cursor: &Cursor<'_>) -> Result<()> {
        match self.kind {
            Kind::Int64 | Kind::Decimal => self.numbers_to_text(Kind::Number),
            Kind::Absent | Kind::Number => self.enter(Kind::Number),
            _ => self.enter(Kind::Json),
        }
        self.ready(row);
        self.bytes.extend_from_slice(canonical.as_bytes());
        self.end(cursor)
    }

    /// Makes the column one that takes values of this kind: as it is, this kind if it had none, else a column of documents.
    #[inline]
    fn enter(&mut self, kind: Kind) {
        if self.kind != kind {
            self.enter_other(kind);
        }
    }

    #[inline(never)]
    fn enter_other(&mut self, kind: Kind) {
        match self.kind {
            Kind::Absent => self.start(kind),
            Kind::Json => {}
            _ => self.widen_to_json(),
        }
    }

    #[cold]
    pub(super) fn start(&mut self, kind: Kind) {
        self.kind = kind;
        match kind {
            Kind::Absent | Kind::Bool => {}
            Kind::Int64 => self.ints.reserve(self.last_rows),
            Kind::Decimal => self.decimals.reserve(self.last_rows),
            Kind::Number | Kind::Text | Kind::Binary | Kind::Json => {
                self.offsets.reserve(self.last_rows + 1);
                self.offsets.push(0);
                self.bytes.reserve(self.last_bytes + self.last_bytes / 8);
            }
        }
    }

    /// Prepares for a value in this row: rows that were left out are null.
    #[inline]
    fn ready(&mut self, row: usize) {
        if self.len != row {
            self.fill(row);
        }
        if self.has_nulls {
            self.valid.set(row);
        }
        self.len = row + 1;
    }

    #[inline(never)]
    fn fill(&mut self, rows: usize) {
        if rows > self.len && !self.has_nulls {
            self.has_nulls = true;
            self.valid.set_all(self.len, self.last_rows);
        }
        match self.kind {
            Kind::Absent | Kind::Bool => {}
            Kind::Int64 => self.ints.resize(rows, 0),
            Kind::Decimal => self.decimals.resize(rows, 0),
            Kind::Number | Kind::Text | Kind::Binary | Kind::Json => {
                let end = self.offsets.last().copied().unwrap_or(0);
                self.offsets.resize(rows + 1, end);
            }
        }
        self.len = rows;
    }

    /// Ends the value whose bytes were appended.
    #[inline]
    fn end(&mut self, cursor: &Cursor<'_>) -> Result<()> {
        match i32::try_from(self.bytes.len()) {
            Ok(end) => {
                self.offsets.push(end);
                Ok(())
            }
            Err(e) => Err(invalid("A column of one page is longer than 2 GiB", cursor.at()).with_source(e)),
        }
    }

    /// Takes the column out, filled up to `rows`, if it has any value; the builder knows how large the next page may be.
    pub(super) fn take(&mut self, rows: usize) -> Result<Option<(LogicalType, ArrayRef)>, ArrowError> {
        if self.kind != Kind::Absent && self.len < rows {
            self.fill(rows);
        }
        (self.last_rows, self.last_bytes) = (rows, self.bytes.len());
        self.len = 0;
        let valid = std::mem::take(&mut self.has_nulls).then(|| NullBuffer::new(self.valid.take(rows)));
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        let ends = std::mem::take(&mut self.offsets);
        let column: (LogicalType, ArrayRef) = match std::mem::replace(&mut self.kind, Kind::Absent) {
            Kind::Absent => return Ok(None),
            Kind::Bool => (LogicalType::Bool, Arc::new(BooleanArray::new(self.bools.take(rows), valid))),
            Kind::Int64 => {
                let ints = std::mem::take(&mut self.ints);
                (LogicalType::Int64, Arc::new(Int64Array::try_new(ints.into(), valid)?))
            }
            Kind::Decimal => {
                let (precision, scale) = ((self.integer + self.scale).max(1), self.scale);
                let array = Decimal128Array::try_new(std::mem::take(&mut self.decimals).into(), valid)?
                    .with_precision_and_scale(precision, scale.cast_signed())?;
                (LogicalType::Decimal { precision, scale }, Arc::new(array))
            }
            Kind::Number => (LogicalType::Number, strings(ends, bytes, valid)?),
            Kind::Text => (LogicalType::Text, strings(ends, bytes, valid)?),
            Kind::Json => (LogicalType::Json, strings(ends, bytes, valid)?),
            Kind::Binary => {
                let array = BinaryArray::try_new(OffsetBuffer::new(ends.into()), bytes, valid)?;
                (LogicalType::Binary, Arc::new(array))
            }
        };
        Ok(Some(column))
    }
}

fn strings(ends: Vec<i32>, bytes: Buffer, valid: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(ends.into()), bytes, valid)?))
}

pub(super) fn bool_text(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Appends a JSON string of a base64 text, which is checked.
pub(super) fn write_base64(base64: &[u8], out: &mut Vec<u8>) -> Result<(), base64_simd::Error> {
    base64_simd::STANDARD.check(base64)?;
    out.push(b'"');
    out.extend_from_slice(base64);
    out.push(b'"');
    Ok(())
}
