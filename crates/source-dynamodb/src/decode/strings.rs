//! Strings of a JSON text: found, checked and copied in one go.

use std::borrow::Cow;

use commutator_core::{Error, Result};
use memchr::memchr2;

use super::cursor::{Cursor, invalid};

/// Strings are looked through in blocks of this size, and copied along, before the search for long ones takes over.
const BLOCK: usize = 16;
const NEAR_BLOCKS: usize = 4;

const ONES: u64 = 0x0101_0101_0101_0101;

impl<'a> Cursor<'a> {
    /// Reads a string, decoded.
    pub(super) fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        self.string_rest()
    }

    /// Reads a string whose opening quote was read, decoded.
    pub(super) fn string_rest(&mut self) -> Result<Cow<'a, [u8]>> {
        let start = self.at();
        let raw = self.raw()?;
        if !raw.escaped {
            return Ok(Cow::Borrowed(raw.bytes));
        }
        let mut decoded = Vec::with_capacity(raw.bytes.len());
        self.moved_to(start).text(&mut decoded)?;
        Ok(Cow::Owned(decoded))
    }

    /// Reads the rest of a string whose opening quote was read, as it stands in the text.
    ///
    /// The escapes are not checked; [`text`](Self::text) does that.
    #[inline]
    pub(super) fn raw(&mut self) -> Result<Raw<'a>> {
        let text = self.rest();
        let mut length = 0;
        let mut escaped = false;
        loop {
            let run = self.run()?;
            length += run;
            match text[length] {
                b'"' => {
                    self.advance(run + 1);
                    return Ok(Raw { bytes: &text[..length], escaped });
                }
                b'\\' => {
                    self.advance(run + 2);
                    escaped = true;
                    length += 2;
                }
                _ => return Err(control(self.at() + run)),
            }
        }
    }

    /// Returns how many bytes come before the next quote, backslash or control character.
    #[inline]
    fn run(&self) -> Result<usize> {
        let mut rest = self.rest();
        for i in 0..NEAR_BLOCKS {
            let Some((block, behind)) = rest.split_first_chunk::<BLOCK>() else { break };
            let found = special(block, 0);
            if found < BLOCK {
                return Ok(i * BLOCK + found);
            }
            rest = behind;
        }
        self.far_run()
    }

    #[inline(never)]
    fn far_run(&self) -> Result<usize> {
        let rest = self.rest();
        let end = memchr2(b'"', b'\\', rest).ok_or_else(|| self.truncated())?;
        let run = &rest[..end];
        // Not `any`: without an early exit the compiler looks at many bytes at once.
        if run.iter().fold(u8::MAX, |least, &b| least.min(b)) < 0x20 {
            return Ok(run.iter().position(|&b| b < 0x20).unwrap_or(end));
        }
        Ok(end)
    }

    /// Appends the rest of a string whose opening quote was read, decoded.
    #[inline]
    pub(super) fn text(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.copy::<false>(out)
    }

    /// Appends the rest of a string whose opening quote was read, as a JSON string literal in its canonical form: only what JSON
    /// requires is escaped.
    #[inline]
    pub(super) fn json_text(&mut self, out: &mut Vec<u8>) -> Result<()> {
        // Both quotes are copied with what stands between them.
        *self = self.moved_to(self.at() - 1);
        self.copy::<true>(out)
    }

    /// Appends the string, decoded without its quotes or as a literal with them; as a literal, the cursor stands at the opening one.
    #[inline]
    fn copy<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        // With its top bit set, the opening quote is a byte like any other.
        let mut opening = if JSON { 0x80 } else { 0 };
        for _ in 0..NEAR_BLOCKS {
            let Some((block, behind)) = self.rest().split_first_chunk::<BLOCK>() else { break };
            let found = special(block, opening);
            // A whole block is one store; what lies behind the end is cut off again.
            out.extend_from_slice(block);
            if found < BLOCK {
                let quote = block[found] == b'"';
                out.truncate(out.len() + found + usize::from(quote && JSON) - BLOCK);
                self.advance(found + usize::from(quote));
                return if quote { Ok(()) } else { self.copy_far::<JSON>(out) };
            }
            self.advance_to(behind);
            opening = 0;
        }
        if opening != 0 {
            out.push(b'"');
            self.advance(1);
        }
        self.copy_far::<JSON>(out)
    }

    #[inline(never)]
    fn copy_far<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut run = self.far_run()?;
        loop {
            let (text, rest) = self.rest().split_at(run);
            out.extend_from_slice(text);
            match rest.first() {
                Some(b'"') => {
                    self.advance(run + 1);
                    if JSON {
                        out.push(b'"');
                    }
                    return Ok(());
                }
                Some(b'\\') => {
                    self.advance(run + 1);
                    self.escape::<JSON>(out)?;
                }
                _ => return Err(control(self.at() + run)),
            }
            run = self.run()?;
        }
    }

    /// Appends the character of an escape whose backslash was read.
    fn escape<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at() - 1;
        let letter = self.peek().ok_or_else(|| self.truncated())?;
        self.advance(1);
        let plain = match letter {
            b'"' | b'\\' => letter,
            b'/' => {
                out.push(b'/');
                return Ok(());
            }
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = self.unicode(start)?;
                if JSON {
                    write_json_char(c, out);
                } else {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                return Ok(());
            }
            _ => return Err(invalid("A string has an escape that JSON does not know", start)),
        };
        if JSON {
            out.extend_from_slice(&[b'\\', letter]);
        } else {
            out.push(plain);
        }
        Ok(())
    }

    fn unicode(&mut self, start: usize) -> Result<char> {
        let first = self.four_digits()?;
        let code = match first {
            0xD800..0xDC00 if self.literal(b"\\u") => {
                let second = self.four_digits()?;
                if !(0xDC00..0xE000).contains(&second) {
                    return Err(invalid("A string has half of a surrogate pair", start));
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| invalid("A string has half of a surrogate pair", start))
    }

    fn four_digits(&mut self) -> Result<u32> {
        let digits = self.rest().first_chunk::<4>().ok_or_else(|| self.truncated())?;
        let mut code = 0;
        for &digit in digits {
            let value = char::from(digit).to_digit(16);
            code = code << 4 | value.ok_or_else(|| invalid("An escape is not four hexadecimal digits", self.at()))?;
        }
        self.advance(4);
        Ok(code)
    }
}

/// A string as it stands in the text, between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) escaped: bool,
}

#[cold]
#[inline(never)]
fn control(offset: usize) -> Error {
    invalid("A string has a control character that is not escaped", offset)
}

/// Returns the index of the first quote, backslash or control character of a block, or its length; the bits of `mask` are set in
/// the block before.
#[inline]
fn special(block: &[u8; BLOCK], mask: u64) -> usize {
    let (words, _) = block.as_chunks::<8>();
    let low = special_bits(u64::from_le_bytes(words[0]) | mask);
    let high = special_bits(u64::from_le_bytes(words[1]));
    let bits = u128::from(low) | u128::from(high) << 64;
    bits.trailing_zeros() as usize / 8
}

/// Sets the top bit of the first such byte (bits above it may be wrong).
///
/// With bit 1 flipped, the quote and the control characters are exactly the bytes below 0x21, so one subtraction finds both.
#[inline]
fn special_bits(word: u64) -> u64 {
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & (ONES * 0x80)
}

fn write_json_char(c: char, out: &mut Vec<u8>) {
    let mut quoted = Vec::with_capacity(8);
    commutator_core::schema::write_json_string(c.encode_utf8(&mut [0; 4]), &mut quoted);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
}
