//! A position in a JSON text: punctuation, strings and values to skip.

use std::borrow::Cow;

use commutator_core::{Error, ErrorKind, Result};
use memchr::memchr2;

use super::number;

/// `DynamoDB` nests documents up to 32 levels ("Service, account, and table quotas"); twice that is no document of its.
pub(super) const MAX_DEPTH: usize = 64;

/// Each level of a document takes two levels of JSON, a type object and its content, and some surround the item.
const MAX_JSON_DEPTH: usize = 2 * MAX_DEPTH + 16;

/// Strings are looked through in blocks of this size, and copied along, before the search for long ones takes over.
const BLOCK: usize = 16;
const NEAR_BLOCKS: usize = 4;

const ONES: u64 = 0x0101_0101_0101_0101;

/// Creates the error for a body that breaks a rule at this byte.
#[cold]
#[inline(never)]
pub(super) fn invalid(message: &'static str, offset: usize) -> Error {
    Error::new(ErrorKind::DataInvalid, message).with("offset", offset)
}

/// Reads a JSON text from front to back; every read is checked against the end of the text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// Returns the offset of the next byte.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the bytes that are still to be read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// Returns the bytes from `start` up to the next one.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.body.get(start..self.at).unwrap_or_default()
    }

    /// Moves behind bytes that the caller has looked at in [`rest`](Self::rest).
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Returns a cursor on the same text at another offset.
    pub(super) fn moved_to(&self, at: usize) -> Self {
        Self { body: self.body, at }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// Skips white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads this byte of punctuation if it comes next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.peek() {
            Some(next) if next == byte => {
                self.at += 1;
                true
            }
            Some(b'!'..) => false,
            _ => self.eat_behind_space(byte),
        }
    }

    #[cold]
    #[inline(never)]
    fn eat_behind_space(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads this byte of punctuation.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected(byte)) }
    }

    #[cold]
    #[inline(never)]
    fn unexpected(&self, byte: u8) -> Error {
        if self.at >= self.body.len() {
            return self.truncated();
        }
        invalid("The body is not the JSON that was expected", self.at).with("expected", char::from(byte))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn truncated(&self) -> Error {
        invalid("The body ends too early", self.body.len())
    }

    /// After a member or element: returns whether another one follows, or reads the closing bracket.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool> {
        let next = self.peek();
        if next == Some(b',') || next == Some(close) {
            self.at += 1;
            return Ok(next == Some(b','));
        }
        self.more_behind_space(close)
    }

    /// Like [`more`](Self::more), after the closing bracket of a type object, which is read first.
    #[inline]
    pub(super) fn more_values(&mut self, close: u8) -> Result<bool> {
        if let Some(&[first, second]) = self.rest().first_chunk::<2>()
            && first == b'}'
            && (second == b',' || second == close)
        {
            self.at += 2;
            return Ok(second == b',');
        }
        self.expect(b'}')?;
        self.more(close)
    }

    #[cold]
    #[inline(never)]
    fn more_behind_space(&mut self, close: u8) -> Result<bool> {
        let more = self.eat(b',');
        if !more {
            self.expect(close)?;
        }
        Ok(more)
    }

    /// Reads an object and calls `each` with every name and the cursor at the value, which it must read.
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, &[u8]) -> Result<()>) -> Result<()> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            self.space();
            each(self, &name)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads an array and calls `each` with the cursor at every element, which it must read.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[')?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.space();
            each(self)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads this literal if it comes next.
    #[inline]
    pub(super) fn literal(&mut self, literal: &[u8]) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    /// Reads a string, decoded.
    pub(super) fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        self.string_rest()
    }

    /// Reads a string whose opening quote was read, decoded.
    pub(super) fn string_rest(&mut self) -> Result<Cow<'a, [u8]>> {
        let start = self.at;
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
        let start = self.at;
        let mut escaped = false;
        loop {
            let stop = self.stop()?;
            self.at = stop + 1;
            match self.body[stop] {
                b'"' => return Ok(Raw { bytes: &self.body[start..stop], escaped }),
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                }
                _ => return Err(control(stop)),
            }
        }
    }

    /// Returns the offset of the next quote, backslash or control character.
    #[inline]
    fn stop(&self) -> Result<usize> {
        let mut at = self.at;
        for _ in 0..NEAR_BLOCKS {
            let Some(block) = self.body.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) else { break };
            let found = special(block, 0);
            if found < BLOCK {
                return Ok(at + found);
            }
            at += BLOCK;
        }
        self.far_stop(at)
    }

    #[inline(never)]
    fn far_stop(&self, from: usize) -> Result<usize> {
        let rest = self.body.get(from..).unwrap_or_default();
        let end = memchr2(b'"', b'\\', rest).ok_or_else(|| self.truncated())?;
        let run = &rest[..end];
        // Not `any`: without an early exit the compiler looks at many bytes at once.
        if run.iter().fold(u8::MAX, |least, &b| least.min(b)) < 0x20 {
            return Ok(from + run.iter().position(|&b| b < 0x20).unwrap_or(end));
        }
        Ok(from + end)
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
        self.at -= 1;
        self.copy::<true>(out)
    }

    /// Appends the string, decoded without its quotes or as a literal with them; as a literal, the cursor stands at the opening one.
    #[inline]
    fn copy<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        // With its top bit set, the opening quote is a byte like any other.
        let mut opening = if JSON { 0x80 } else { 0 };
        for _ in 0..NEAR_BLOCKS {
            let Some(block) = self.rest().first_chunk::<BLOCK>() else { break };
            let found = special(block, opening);
            // A whole block is one store; what lies behind the end is cut off again.
            out.extend_from_slice(block);
            if found < BLOCK {
                let quote = block[found] == b'"';
                out.truncate(out.len() + found + usize::from(quote && JSON) - BLOCK);
                self.at += found + usize::from(quote);
                return if quote { Ok(()) } else { self.copy_far::<JSON>(out) };
            }
            self.at += BLOCK;
            opening = 0;
        }
        if opening != 0 {
            out.push(b'"');
            self.at += 1;
        }
        self.copy_far::<JSON>(out)
    }

    #[inline(never)]
    fn copy_far<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut stop = self.far_stop(self.at)?;
        loop {
            out.extend_from_slice(self.body.get(self.at..stop).unwrap_or_default());
            self.at = stop + 1;
            match self.body[stop] {
                b'"' => {
                    if JSON {
                        out.push(b'"');
                    }
                    return Ok(());
                }
                b'\\' => self.escape::<JSON>(out)?,
                _ => return Err(control(stop)),
            }
            stop = self.stop()?;
        }
    }

    /// Appends the character of an escape whose backslash was read.
    fn escape<const JSON: bool>(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at - 1;
        let letter = self.peek().ok_or_else(|| self.truncated())?;
        self.at += 1;
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
            code = code << 4 | value.ok_or_else(|| invalid("An escape is not four hexadecimal digits", self.at))?;
        }
        self.at += 4;
        Ok(code)
    }

    /// Reads any JSON value and forgets it.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.skip_value(0)
    }

    fn skip_value(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_JSON_DEPTH {
            return Err(invalid("The body is nested too deeply", self.at));
        }
        self.space();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.raw().map(|_| ())
            }
            Some(b'{') => self.members_raw(depth),
            Some(b'[') => self.elements(|cursor| cursor.skip_value(depth + 1)),
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            Some(_) if [b"true".as_slice(), b"false", b"null"].into_iter().any(|word| self.literal(word)) => Ok(()),
            Some(_) => Err(invalid("The body is not JSON", self.at)),
            None => Err(self.truncated()),
        }
    }

    fn members_raw(&mut self, depth: usize) -> Result<()> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.expect(b'"')?;
            self.raw()?;
            self.expect(b':')?;
            self.skip_value(depth + 1)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads a JSON number and returns its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        self.space();
        let rest = self.rest();
        let length = number::json_length(rest).ok_or_else(|| invalid("A number was expected", self.at))?;
        self.at += length;
        // A number is ASCII.
        Ok(str::from_utf8(&rest[..length]).unwrap_or_default())
    }

    /// Reads white space up to the end of the text.
    pub(super) fn end(&mut self) -> Result<()> {
        self.space();
        if self.at < self.body.len() { Err(invalid("The body goes on after its end", self.at)) } else { Ok(()) }
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
