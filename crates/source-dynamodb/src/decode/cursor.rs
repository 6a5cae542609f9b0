//! A position in a JSON text, and the punctuation there.

use commutator_core::{Error, ErrorKind, Result};

use super::number;

/// `DynamoDB` nests documents up to 32 levels ("Service, account, and table quotas"); twice that is no document of its.
pub(super) const MAX_DEPTH: usize = 64;

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
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, rest: body }
    }

    /// Returns the offset of the next byte.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.body.len() - self.rest.len()
    }

    /// Returns the bytes that are still to be read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the bytes from `start` up to the next one.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.body.get(start..self.at()).unwrap_or_default()
    }

    /// Moves behind bytes that the caller has looked at in [`rest`](Self::rest).
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Moves to what is left of [`rest`](Self::rest).
    #[inline]
    pub(super) fn advance_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Returns a cursor on the same text at another offset.
    #[inline]
    pub(super) fn moved_to(&self, at: usize) -> Self {
        Self { body: self.body, rest: self.body.get(at..).unwrap_or_default() }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Skips white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.advance(1);
        }
    }

    /// Reads this byte of punctuation if it comes next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.peek() {
            Some(next) if next == byte => {
                self.advance(1);
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
        self.advance(usize::from(found));
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
        if self.rest.is_empty() {
            return self.truncated();
        }
        invalid("The body is not the JSON that was expected", self.at()).with("expected", char::from(byte))
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
            self.advance(1);
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
            self.advance(2);
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
            self.advance(literal.len());
        }
        found
    }

    /// Reads a JSON number and returns its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        self.space();
        let rest = self.rest();
        let length = number::json_length(rest).ok_or_else(|| invalid("A number was expected", self.at()))?;
        self.advance(length);
        // A number is ASCII.
        Ok(str::from_utf8(&rest[..length]).unwrap_or_default())
    }

    /// Reads white space up to the end of the text.
    pub(super) fn end(&mut self) -> Result<()> {
        self.space();
        if self.at() < self.body.len() { Err(invalid("The body goes on after its end", self.at())) } else { Ok(()) }
    }
}
