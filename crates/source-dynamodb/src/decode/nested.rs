//! Documents and sets: from `DynamoDB` JSON to plain JSON text.

use std::ops::Range;

use commutator_core::Result;
use commutator_core::schema::canonical_number;

use super::builder::write_base64;
use super::cursor::{Cursor, MAX_DEPTH, invalid};
use super::item::{boolean, null};
use super::number;
use super::tag::Tag;

/// Appends the document whose type object was read up to its content, `depth` levels deep.
pub(super) fn write(tag: Tag, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, sets: &mut Sets, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(invalid("A document is nested too deeply", cursor.at()));
    }
    match tag {
        Tag::S => cursor.json_text(out),
        Tag::N => write_number(cursor, out),
        Tag::B => {
            let at = cursor.at();
            let base64 = cursor.string_rest()?;
            write_base64(&base64, out).map_err(|e| invalid("A binary value is not base64", at).with_source(e))
        }
        Tag::Bool => {
            out.extend_from_slice(if boolean(cursor)? { b"true" } else { b"false" });
            Ok(())
        }
        Tag::Null => {
            null(cursor)?;
            out.extend_from_slice(b"null");
            Ok(())
        }
        Tag::M => write_map(cursor, out, sets, depth),
        Tag::L => write_list(cursor, out, sets, depth),
        Tag::Ss | Tag::Ns | Tag::Bs => sets.write(tag, cursor, out),
        Tag::Skipped => cursor.skip(),
    }
}

fn write_value(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, sets: &mut Sets, depth: usize) -> Result<()> {
    let tag = Tag::read(cursor)?;
    write(tag, cursor, out, sets, depth)?;
    cursor.expect(b'}')
}

fn write_map(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, sets: &mut Sets, depth: usize) -> Result<()> {
    out.push(b'{');
    if !cursor.eat(b'}') {
        loop {
            cursor.expect(b'"')?;
            cursor.json_text(out)?;
            cursor.expect(b':')?;
            out.push(b':');
            write_value(cursor, out, sets, depth + 1)?;
            if !cursor.more(b'}')? {
                break;
            }
            out.push(b',');
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_list(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, sets: &mut Sets, depth: usize) -> Result<()> {
    out.push(b'[');
    if !cursor.eat(b']') {
        loop {
            write_value(cursor, out, sets, depth + 1)?;
            if !cursor.more(b']')? {
                break;
            }
            out.push(b',');
        }
    }
    out.push(b']');
    Ok(())
}

fn write_number(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
    let at = cursor.at();
    let text = cursor.string_rest()?;
    number::write_json(&text, out).ok_or_else(|| invalid("A number is not one that DynamoDB has", at))
}

/// Room for the elements of a set while they are sorted; used again for each set.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// The JSON text of each element and what it is sorted by, one after the other.
    bytes: Vec<u8>,
    elements: Vec<Element>,
}

#[derive(Debug, Clone)]
struct Element {
    text: Range<usize>,
    order: Range<usize>,
}

impl Sets {
    /// Appends a set as a sorted array, so that equal sets are equal text: strings and binary values bytewise, numbers by value.
    fn write(&mut self, tag: Tag, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.bytes.clear();
        self.elements.clear();
        if !cursor.eat(b']') {
            loop {
                cursor.expect(b'"')?;
                let element = self.read(tag, cursor)?;
                self.elements.push(element);
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        let bytes = &self.bytes;
        let order = |element: &Element| &bytes[element.order.clone()];
        let text = |element: &Element| &bytes[element.text.clone()];
        self.elements.sort_unstable_by(|a, b| match tag {
            Tag::Ns => number::compare(order(a), order(b)).then_with(|| text(a).cmp(text(b))),
            _ => order(a).cmp(order(b)),
        });
        out.push(b'[');
        for (i, element) in self.elements.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(text(element));
        }
        out.push(b']');
        Ok(())
    }

    /// Reads the element whose opening quote was read.
    fn read(&mut self, tag: Tag, cursor: &mut Cursor<'_>) -> Result<Element> {
        let at = cursor.at();
        let start = self.bytes.len();
        let order = match tag {
            Tag::Ns => {
                write_number(cursor, &mut self.bytes)?;
                let text = str::from_utf8(&self.bytes[start..]).unwrap_or_default();
                let canonical = canonical_number(text).unwrap_or_default();
                let end = self.bytes.len();
                self.bytes.extend_from_slice(canonical.as_bytes());
                return Ok(Element { text: start..end, order: end..self.bytes.len() });
            }
            Tag::Bs => {
                let base64 = cursor.string_rest()?;
                base64_simd::STANDARD
                    .decode_append(&base64, &mut self.bytes)
                    .map_err(|e| invalid("A binary value is not base64", at).with_source(e))?;
                let order = start..self.bytes.len();
                self.bytes.push(b'"');
                self.bytes.extend_from_slice(&base64);
                self.bytes.push(b'"');
                order
            }
            _ => {
                cursor.moved_to(at).text(&mut self.bytes)?;
                let order = start..self.bytes.len();
                cursor.json_text(&mut self.bytes)?;
                order
            }
        };
        Ok(Element { text: order.end..self.bytes.len(), order })
    }
}
