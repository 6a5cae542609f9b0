//! Items: from their bytes into the columns, value by value.

use commutator_core::{Error, Result};

use super::columns::{Attribute, Columns};
use super::cursor::{Cursor, invalid};
use super::documents::Documents;
use super::hints::{Hint, Place};
use super::number::{self, General};
use super::tag::Tag;

/// Reads the item at the cursor as the next row and returns how many attributes it has.
///
/// Whatever fails leaves the row unfinished; the page is then lost.
pub(super) fn read(cursor: &mut Cursor<'_>, columns: &mut Columns, documents: &mut Documents) -> Result<usize> {
    cursor.space();
    let start = cursor.at();
    cursor.expect(b'{')?;
    let row = columns.rows();
    let mut count = 0;
    if !cursor.eat(b'}') {
        let mut place = Place::ITEM;
        loop {
            let (i, tag, hint) = match documents.hints.predicted(place, cursor) {
                Some(hint) => {
                    let (i, tag) = documents.hints.attribute(hint);
                    (i, tag, hint)
                }
                None => match documents.hints.found(place, cursor) {
                    Some(hint) => {
                        let (i, tag) = documents.hints.attribute(hint);
                        (i, tag, hint)
                    }
                    None => columns.named(place, cursor, &mut documents.hints)?,
                },
            };
            let attribute = columns.enter(i, cursor)?;
            if let Err(error) = value((tag, hint), cursor, attribute, row, documents) {
                return Err(named(error, columns.name(i)));
            }
            count += 1;
            place = hint.after();
            match another(tag, cursor) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(named(error, columns.name(i))),
            }
        }
    }
    columns.end_row(start..cursor.at())?;
    Ok(count)
}

#[cold]
fn named(error: Error, attribute: &str) -> Error {
    error.with("attribute", attribute)
}

/// Reads the end of a value's type object, and returns whether another attribute follows it.
#[inline]
fn another(tag: Tag, cursor: &mut Cursor<'_>) -> Result<bool> {
    // What is left out was read with its type object.
    if tag == Tag::Skipped { cursor.more(b'}') } else { cursor.more_values(b'}') }
}

#[inline]
fn value(
    (tag, hint): (Tag, Hint),
    cursor: &mut Cursor<'_>,
    attribute: &mut Attribute,
    row: usize,
    documents: &mut Documents,
) -> Result<()> {
    let builder = &mut attribute.builder;
    match tag {
        Tag::S => builder.push_text(row, cursor),
        Tag::N => match number::short(cursor.rest()) {
            Some((numeral, length)) => {
                cursor.advance(length);
                builder.push_numeral(row, numeral, cursor)
            }
            None => general_number(cursor, attribute, row),
        },
        Tag::Bool => {
            let value = boolean(cursor)?;
            builder.push_bool(row, value, cursor)
        }
        Tag::Null => null(cursor),
        Tag::B => {
            let base64 = cursor.string_rest()?;
            builder.push_binary(row, &base64, cursor)
        }
        Tag::M | Tag::L | Tag::Ss | Tag::Ns | Tag::Bs => {
            builder.push_json(row, cursor, |cursor, out| documents.write((tag, hint), cursor, out, 1))
        }
        Tag::Skipped => cursor.skip(),
    }
}

#[inline(never)]
fn general_number(cursor: &mut Cursor<'_>, attribute: &mut Attribute, row: usize) -> Result<()> {
    if let Some((numeral, length)) = number::long(cursor.rest()) {
        cursor.advance(length);
        return attribute.builder.push_numeral(row, numeral, cursor);
    }
    let at = cursor.at();
    let text = cursor.string_rest()?;
    match str::from_utf8(&text).ok().and_then(number::general) {
        Some(General::Numeral(numeral)) => attribute.builder.push_numeral(row, numeral, cursor),
        Some(General::Long(canonical)) => attribute.builder.push_long_number(row, &canonical, cursor),
        None => Err(invalid("A number is not one that DynamoDB has", at)),
    }
}

/// Reads `true` or `false`.
#[inline]
pub(super) fn boolean(cursor: &mut Cursor<'_>) -> Result<bool> {
    // A predicted prefix ends before white space, if there is any.
    cursor.space();
    if cursor.literal(b"true") {
        Ok(true)
    } else if cursor.literal(b"false") {
        Ok(false)
    } else {
        Err(invalid("A Boolean is neither true nor false", cursor.at()))
    }
}

/// Reads the content of `NULL`, which is always `true`.
#[inline]
pub(super) fn null(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.space();
    if cursor.literal(b"true") { Ok(()) } else { Err(invalid("The content of NULL is not true", cursor.at())) }
}
