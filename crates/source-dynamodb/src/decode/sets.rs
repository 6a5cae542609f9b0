//! Sets: sorted, so that equal sets are equal text.

use std::cmp::Ordering;
use std::ops::Range;

use commutator_core::Result;
use commutator_core::schema::canonical_number;

use super::cursor::{Cursor, invalid};
use super::documents::write_number;
use super::number;
use super::tag::Tag;

/// Room for the elements of a set while they are sorted; used again for each set.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// The JSON text of each element, and behind it what it is sorted by if that is something else.
    bytes: Vec<u8>,
    elements: Vec<Element>,
}

#[derive(Debug, Clone)]
struct Element {
    text: Range<usize>,
    order: Range<usize>,
}

impl Sets {
    /// Appends a set as an array: strings and binary values sorted bytewise, numbers by value.
    pub(super) fn write(&mut self, tag: Tag, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
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
        let Self { bytes, elements } = self;
        let compare = |a: &Element, b: &Element| -> Ordering {
            let (a_order, b_order) = (&bytes[a.order.clone()], &bytes[b.order.clone()]);
            match tag {
                Tag::Ns => {
                    let texts = || bytes[a.text.clone()].cmp(&bytes[b.text.clone()]);
                    number::compare(a_order, b_order).then_with(texts)
                }
                _ => a_order.cmp(b_order),
            }
        };
        elements.sort_unstable_by(compare);
        out.push(b'[');
        for (i, element) in elements.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&bytes[element.text.clone()]);
        }
        out.push(b']');
        Ok(())
    }

    /// Reads the element whose opening quote was read.
    fn read(&mut self, tag: Tag, cursor: &mut Cursor<'_>) -> Result<Element> {
        let (at, start) = (cursor.at(), self.bytes.len());
        if tag == Tag::Ns {
            write_number(cursor, &mut self.bytes)?;
            let text = start..self.bytes.len();
            let digits = str::from_utf8(&self.bytes[text.clone()]).unwrap_or_default();
            if number::is_canonical(digits) {
                return Ok(Element { text: text.clone(), order: text });
            }
            let canonical = canonical_number(digits).unwrap_or_default();
            self.bytes.extend_from_slice(canonical.as_bytes());
            return Ok(Element { order: text.end..self.bytes.len(), text });
        }
        if tag == Tag::Ss {
            cursor.json_text(&mut self.bytes)?;
        } else {
            self.bytes.push(b'"');
            let base64 = cursor.string_rest()?;
            self.bytes.extend_from_slice(&base64);
            self.bytes.push(b'"');
        }
        let text = start..self.bytes.len();
        let content = text.start + 1..text.end - 1;
        if tag == Tag::Bs {
            let base64 = self.bytes[content].to_vec();
            base64_simd::STANDARD
                .decode_append(base64, &mut self.bytes)
                .map_err(|e| invalid("A binary value is not base64", at).with_source(e))?;
        } else if self.bytes[content.clone()].contains(&b'\\') {
            cursor.moved_to(at).text(&mut self.bytes)?;
        } else {
            return Ok(Element { text, order: content });
        }
        Ok(Element { order: text.end..self.bytes.len(), text })
    }
}
