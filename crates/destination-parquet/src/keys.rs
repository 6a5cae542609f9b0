//! Keys in a form that outlives the types of their columns: equal keys have equal bytes, and so a stable hash.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use commutator_core::schema::{canonical_number, write_float, write_number};
use commutator_core::{Column, LogicalType};

/// The keys of a batch's rows.
///
/// A number is its canonical text, so that 5 has the same bytes in an `Int64`, a `Decimal` and a `Number` column: a key column
/// that is widened moves no row to another bucket.
#[derive(Debug)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    /// Reads the key columns, which are the first ones of the batch.
    pub(crate) fn of(rows: &RecordBatch, columns: &[Column]) -> Self {
        let mut keys = Self { bytes: Vec::new(), ends: Vec::with_capacity(rows.num_rows()) };
        for row in 0..rows.num_rows() {
            for (array, column) in rows.columns().iter().zip(columns) {
                append_value(array.as_ref(), column.ty, row, &mut keys.bytes);
            }
            keys.ends.push(keys.bytes.len());
        }
        keys
    }

    /// Returns the key of a row.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[row]]
    }

    /// Returns the hash of a row's key.
    pub(crate) fn hash(&self, row: usize) -> u64 {
        hash(self.get(row))
    }
}

/// Appends a value's kind, its length and its bytes.
fn append_value(array: &dyn Array, ty: LogicalType, row: usize, out: &mut Vec<u8>) {
    let kind = match ty {
        LogicalType::Int64 | LogicalType::Decimal { .. } | LogicalType::Number | LogicalType::Float64 => b'n',
        LogicalType::Text => b's',
        LogicalType::Binary => b'b',
        LogicalType::Bool => b't',
        LogicalType::Json => b'j',
        LogicalType::Timestamp => b'u',
    };
    out.push(kind);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    match ty {
        LogicalType::Int64 => write_number(array.as_primitive::<Int64Type>().value(row).into(), 0, out),
        LogicalType::Decimal { scale, .. } => {
            write_number(array.as_primitive::<Decimal128Type>().value(row), scale, out);
        }
        LogicalType::Float64 => write_float(array.as_primitive::<Float64Type>().value(row), out),
        LogicalType::Number => {
            let text = array.as_string::<i32>().value(row);
            match canonical_number(text) {
                Some(canonical) => out.extend_from_slice(canonical.as_bytes()),
                None => out.extend_from_slice(text.as_bytes()),
            }
        }
        LogicalType::Text | LogicalType::Json => {
            out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
        }
        LogicalType::Binary => out.extend_from_slice(array.as_binary::<i32>().value(row)),
        LogicalType::Bool => out.push(u8::from(array.as_boolean().value(row))),
        LogicalType::Timestamp => {
            out.extend_from_slice(&array.as_primitive::<TimestampMicrosecondType>().value(row).to_be_bytes());
        }
    }
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
}

/// FNV-1a with the finisher of `MurmurHash3`, which brings every bit of the key into the leading ones.
///
/// Files depend on it: it must give the same for ever.
fn hash(bytes: &[u8]) -> u64 {
    let mut h = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ h >> 33
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn keys(columns: Vec<(LogicalType, ArrayRef)>) -> Keys {
        let described: Vec<_> = columns.iter().enumerate().map(|(i, c)| Column::key(i.to_string(), c.0)).collect();
        let named = columns.into_iter().enumerate().map(|(i, c)| (i.to_string(), c.1));
        Keys::of(&RecordBatch::try_from_iter(named).unwrap(), &described)
    }

    fn text(values: Vec<String>) -> (LogicalType, ArrayRef) {
        (LogicalType::Text, Arc::new(StringArray::from(values)))
    }

    proptest! {
        #[test]
        fn a_widened_number_keeps_its_key(value in any::<i64>(), scale in 0u8..10) {
            let int = keys(vec![(LogicalType::Int64, Arc::new(Int64Array::from(vec![value])))]);
            let scaled = i128::from(value) * 10_i128.pow(scale.into());
            let array = Decimal128Array::from(vec![scaled]).with_precision_and_scale(38, scale.cast_signed()).unwrap();
            let decimal = keys(vec![(LogicalType::Decimal { precision: 38, scale }, Arc::new(array))]);
            let plain = StringArray::from(vec![format!("{value}.0")]);
            let number = keys(vec![(LogicalType::Number, Arc::new(plain))]);
            prop_assert_eq!(int.get(0), decimal.get(0));
            prop_assert_eq!(int.get(0), number.get(0));
            prop_assert_eq!(int.hash(0), number.hash(0));
        }

        #[test]
        fn keys_are_equal_only_if_all_columns_are(a in ("[ab]{0,3}", "[ab]{0,3}"), b in ("[ab]{0,3}", "[ab]{0,3}")) {
            let both = keys(vec![text(vec![a.0.clone(), b.0.clone()]), text(vec![a.1.clone(), b.1.clone()])]);
            prop_assert_eq!(both.get(0) == both.get(1), a == b);
        }
    }

    #[test]
    fn the_hash_never_changes_and_spreads() {
        assert_eq!([hash(b""), hash(b"order-1")], [0xefd0_1f60_ba99_2926, 0x491b_422e_3af0_d9a5]);
        let names: Vec<_> = (0..4096).map(|i| format!("user#{i}")).collect();
        let keys = keys(vec![text(names)]);
        let mut counts = [0_u32; 16];
        for row in 0..4096 {
            counts[usize::try_from(keys.hash(row) >> 60).unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| (192..=320).contains(&count)), "{counts:?}");
    }
}
