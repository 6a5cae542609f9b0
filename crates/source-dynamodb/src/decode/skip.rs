//! Values that nobody asked for: read like any other, and forgotten.

use commutator_core::Result;

use super::cursor::{Cursor, MAX_DEPTH, invalid};

/// Each level of a document takes two levels of JSON, a type object and its content, and some surround the item.
const MAX_JSON_DEPTH: usize = 2 * MAX_DEPTH + 16;

impl Cursor<'_> {
    /// Reads any JSON value and forgets it.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.skip_value(0)
    }

    fn skip_value(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_JSON_DEPTH {
            return Err(invalid("The body is nested too deeply", self.at()));
        }
        self.space();
        match self.peek() {
            Some(b'"') => {
                self.advance(1);
                self.raw().map(|_| ())
            }
            Some(b'{') => self.members_raw(depth),
            Some(b'[') => self.elements(|cursor| cursor.skip_value(depth + 1)),
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            Some(_) if [b"true".as_slice(), b"false", b"null"].into_iter().any(|word| self.literal(word)) => Ok(()),
            Some(_) => Err(invalid("The body is not JSON", self.at())),
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
}
