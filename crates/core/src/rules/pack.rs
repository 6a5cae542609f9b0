//! All attributes of a row as one JSON object.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};

use super::cell::Cells;
use crate::schema::write_json_string;
use crate::{Error, ErrorKind, LogicalType, Result};

/// A column to be packed: the member's name, its type and its values.
pub(crate) type Member = (String, LogicalType, ArrayRef);

/// Returns a JSON object per row that is `live`, with its values that are not null, by name.
///
/// It takes time in proportion to the values, not to rows times columns: of thousands of attributes, each item has a few.
pub(crate) fn pack(mut members: Vec<Member>, live: &[bool]) -> Result<ArrayRef> {
    // The order in which a batch has its columns depends on where it was cut.
    members.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let mut rows: Vec<Vec<u8>> = live.iter().map(|_| Vec::new()).collect();
    for (name, ty, array) in &members {
        let mut start = Vec::new();
        write_json_string(name, &mut start);
        start.push(b':');
        let cells = Cells::new(array, *ty);
        let mut add = |row: usize| {
            let out: &mut Vec<u8> = &mut rows[row];
            out.push(if out.is_empty() { b'{' } else { b',' });
            out.extend_from_slice(&start);
            match ty {
                LogicalType::Json => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
                _ => cells.get(row).write_json(out),
            }
        };
        match array.nulls() {
            Some(nulls) => nulls.valid_indices().for_each(&mut add),
            None => (0..array.len()).for_each(&mut add),
        }
    }
    let texts = rows.into_iter().zip(live).map(|(mut row, live)| {
        if !live {
            return Ok(None);
        }
        row.extend_from_slice(if row.is_empty() { b"{}" } else { b"}" });
        String::from_utf8(row)
            .map(Some)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "A packed row is no text").with_source(e))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}
