//! Documents: from `DynamoDB` JSON to plain JSON text.

use commutator_core::Result;

use super::builder::write_base64;
use super::cursor::{Cursor, MAX_DEPTH, invalid};
use super::hints::{Hint, Hints, Place};
use super::item::{boolean, null};
use super::number;
use super::sets::Sets;
use super::tag::Tag;

/// Writes documents, and remembers what their maps look like.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) hints: Hints,
    sets: Sets,
}

impl Documents {
    pub(super) fn new() -> Self {
        Self { hints: Hints::new(), sets: Sets::default() }
    }

    /// Appends the document whose type object was read up to its content, `depth` levels deep.
    ///
    /// Map keys keep their order, numbers their digits if JSON takes them; strings are escaped no more than JSON requires.
    pub(super) fn write(
        &mut self,
        (tag, hint): (Tag, Hint),
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        match tag {
            Tag::S => cursor.json_text(out),
            Tag::N => write_number(cursor, out),
            Tag::M => self.write_map(hint.inside(), cursor, out, depth),
            Tag::L => self.write_list(hint, cursor, out, depth),
            Tag::Bool => {
                out.extend_from_slice(if boolean(cursor)? { b"true" } else { b"false" });
                Ok(())
            }
            Tag::Null => {
                null(cursor)?;
                out.extend_from_slice(b"null");
                Ok(())
            }
            Tag::B => {
                let at = cursor.at();
                let base64 = cursor.string_rest()?;
                write_base64(&base64, out).map_err(|e| invalid("A binary value is not base64", at).with_source(e))
            }
            Tag::Ss | Tag::Ns | Tag::Bs => self.sets.write(tag, cursor, out),
            Tag::Skipped => cursor.skip(),
        }
    }

    fn write_map(&mut self, mut place: Place, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        check_depth(depth, cursor)?;
        if cursor.eat(b'}') {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        let start = out.len();
        loop {
            let (tag, hint) = match self.hints.predicted(place, cursor) {
                Some(hint) => (self.hints.write_name(hint, out), hint),
                None => self.write_name(place, cursor, out)?,
            };
            self.write((tag, hint), cursor, out, depth + 1)?;
            place = hint.after();
            if !cursor.more_values(b'}')? {
                break;
            }
        }
        // Every name was written behind a comma.
        out[start] = b'{';
        out.push(b'}');
        Ok(())
    }

    /// Reads a name and its value's type, and appends a comma, the quoted name and a colon.
    #[inline(never)]
    fn write_name(&mut self, place: Place, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(Tag, Hint)> {
        let start = cursor.at();
        let name = out.len() + 1;
        out.push(b',');
        cursor.expect(b'"')?;
        cursor.json_text(out)?;
        cursor.expect(b':')?;
        out.push(b':');
        let tag = Tag::read(cursor)?;
        Ok((tag, self.hints.learn_member(place, &out[name..], cursor.since(start), tag)))
    }

    fn write_list(&mut self, hint: Hint, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        check_depth(depth, cursor)?;
        out.push(b'[');
        if !cursor.eat(b']') {
            loop {
                let tag = Tag::read(cursor)?;
                self.write((tag, hint), cursor, out, depth + 1)?;
                if !cursor.more_values(b']')? {
                    break;
                }
                out.push(b',');
            }
        }
        out.push(b']');
        Ok(())
    }
}

#[inline]
fn check_depth(depth: usize, cursor: &Cursor<'_>) -> Result<()> {
    if depth > MAX_DEPTH { Err(invalid("A document is nested too deeply", cursor.at())) } else { Ok(()) }
}

/// Appends the number whose opening quote was read.
pub(super) fn write_number(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
    let rest = cursor.rest();
    if let Some(length) = number::plain_length(rest) {
        out.extend_from_slice(&rest[..length]);
        cursor.advance(length + 1);
        return Ok(());
    }
    let at = cursor.at();
    let text = cursor.string_rest()?;
    number::write_json(&text, out).ok_or_else(|| invalid("A number is not one that DynamoDB has", at))
}
