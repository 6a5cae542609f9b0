//! Sets: sorted, so that equal sets are equal text.

use std::ops::Range;

use commutator_core::Result;
use commutator_core::schema::canonical_number;

use super::cursor::{Cursor, invalid};
use super::documents::write_number;
use super::number;
use super::tag::Tag;

/// Room for what a set is sorted by; used again for each set.
#[derive(Debug, Default)]
pub(super) struct Sets {
    elements: Vec<Element>,
    decoded: Vec<u8>,
    sorted: Vec<u8>,
}

#[derive(Debug)]
struct Element {
    /// Where the element stands in the text that was written.
    text: Range<usize>,
    order: Order,
}

/// What an element is sorted by.
#[derive(Debug)]
enum Order {
    /// A part of the text that was written.
    Written(Range<usize>),
    Decoded(Range<usize>),
}

impl Sets {
    /// Appends a set as an array: strings and binary values sorted bytewise, numbers by value.
    pub(super) fn write(&mut self, tag: Tag, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.elements.clear();
        self.decoded.clear();
        out.push(b'[');
        let start = out.len();
        if !cursor.eat(b']') {
            loop {
                cursor.expect(b'"')?;
                let element = self.read(tag, cursor, out)?;
                self.elements.push(element);
                if !cursor.more(b']')? {
                    break;
                }
                out.push(b',');
            }
        }
        if self.elements.len() > 1 {
            self.sort(tag, out, start);
        }
        out.push(b']');
        Ok(())
    }

    /// Appends the element whose opening quote was read.
    fn read(&mut self, tag: Tag, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<Element> {
        let (at, start, decoded) = (cursor.at(), out.len(), self.decoded.len());
        let is_written = match tag {
            Tag::Ns => {
                write_number(cursor, out)?;
                let digits = str::from_utf8(&out[start..]).unwrap_or_default();
                let is_canonical = number::is_canonical(digits);
                if !is_canonical {
                    let canonical = canonical_number(digits).unwrap_or_default();
                    self.decoded.extend_from_slice(canonical.as_bytes());
                }
                is_canonical
            }
            Tag::Bs => {
                let base64 = cursor.string_rest()?;
                base64_simd::STANDARD
                    .decode_append(&base64, &mut self.decoded)
                    .map_err(|e| invalid("A binary value is not base64", at).with_source(e))?;
                out.push(b'"');
                out.extend_from_slice(&base64);
                out.push(b'"');
                false
            }
            _ => {
                cursor.json_text(out)?;
                let is_plain = memchr::memchr(b'\\', &out[start..]).is_none();
                if !is_plain {
                    cursor.moved_to(at).text(&mut self.decoded)?;
                }
                is_plain
            }
        };
        let quote = usize::from(tag != Tag::Ns);
        let order = if is_written {
            Order::Written(start + quote..out.len() - quote)
        } else {
            Order::Decoded(decoded..self.decoded.len())
        };
        Ok(Element { text: start..out.len(), order })
    }

    /// Sorts the elements that stand behind `start`, if they are not sorted already.
    fn sort(&mut self, tag: Tag, out: &mut Vec<u8>, start: usize) {
        let Self { elements, decoded, sorted } = self;
        let order = |element: &Element| match &element.order {
            Order::Written(range) => &out[range.clone()],
            Order::Decoded(range) => &decoded[range.clone()],
        };
        let compare = |a: &Element, b: &Element| match tag {
            Tag::Ns => number::compare(order(a), order(b)).then_with(|| out[a.text.clone()].cmp(&out[b.text.clone()])),
            _ => order(a).cmp(order(b)),
        };
        if elements.is_sorted_by(|a, b| compare(a, b).is_le()) {
            return;
        }
        elements.sort_unstable_by(compare);
        sorted.clear();
        for element in elements.iter() {
            sorted.extend_from_slice(&out[element.text.clone()]);
            sorted.push(b',');
        }
        sorted.pop();
        out.truncate(start);
        out.extend_from_slice(sorted);
    }
}
