//! How a column under construction becomes one that holds more: whole numbers to decimals to text, anything to documents.

use commutator_core::schema::{MAX_PRECISION, write_json_string, write_number};

use super::builder::{Builder, Kind, bool_text};
use super::number::{POWERS, write_int};

impl Builder {
    pub(super) fn widen_numbers(&mut self, integer: u8, scale: u8) {
        if integer + scale > MAX_PRECISION {
            return self.numbers_to_text(Kind::Number);
        }
        if self.kind == Kind::Int64 {
            let factor = POWERS[usize::from(scale)];
            self.decimals.clear();
            self.decimals.reserve(self.ints.len().max(self.last_rows));
            self.decimals.extend(self.ints.drain(..).map(|value| i128::from(value) * factor));
            self.kind = Kind::Decimal;
        } else if scale > self.scale {
            let factor = POWERS[usize::from(scale - self.scale)];
            self.decimals.iter_mut().for_each(|value| *value *= factor);
        }
        (self.integer, self.scale) = (integer, scale);
    }

    pub(super) fn widen_to_json(&mut self) {
        match self.kind {
            Kind::Absent | Kind::Json => {}
            Kind::Number => self.kind = Kind::Json,
            Kind::Int64 | Kind::Decimal => self.numbers_to_text(Kind::Json),
            Kind::Bool => {
                let bools = std::mem::take(&mut self.bools);
                self.rewrite(Kind::Json, |i, _, out| out.extend_from_slice(bool_text(bools.get(i))));
            }
            Kind::Text => self.rewrite(Kind::Json, |_, old, out| {
                // Text that is not UTF-8 is still here as it was sent; the page fails in the end.
                match str::from_utf8(old) {
                    Ok(text) => write_json_string(text, out),
                    Err(_) => out.extend_from_slice(old),
                }
            }),
            Kind::Binary => self.rewrite(Kind::Json, |_, old, out| {
                out.push(b'"');
                base64_simd::STANDARD.encode_append(old, out);
                out.push(b'"');
            }),
        }
    }

    pub(super) fn numbers_to_text(&mut self, kind: Kind) {
        let scale = self.scale;
        let (ints, decimals) = (std::mem::take(&mut self.ints), std::mem::take(&mut self.decimals));
        if self.kind == Kind::Int64 {
            self.rewrite(kind, |i, _, out| write_int(ints[i], out));
        } else {
            self.rewrite(kind, |i, _, out| write_number(decimals[i], scale, out));
        }
    }

    /// Replaces each value by the text that `write` appends for its row and its bytes, if it has any.
    fn rewrite(&mut self, kind: Kind, write: impl Fn(usize, &[u8], &mut Vec<u8>)) {
        let old_offsets = std::mem::take(&mut self.offsets);
        let old_bytes = std::mem::take(&mut self.bytes);
        self.start(kind);
        for i in 0..self.len {
            if !self.has_nulls || self.valid.get(i) {
                let old = old_offsets.get(i..i + 2).map_or(&[][..], |o| &old_bytes[index(o[0])..index(o[1])]);
                write(i, old, &mut self.bytes);
            }
            // An end beyond the limit is found when the next value ends.
            self.offsets.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
        }
    }
}

fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or_default()
}
