//! The envelope of a `Scan` page.

use commutator_core::Result;

use super::columns::Columns;
use super::cursor::{Cursor, invalid};
use super::documents::Documents;
use super::item;

/// What a page says besides its items.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) last_key: Option<String>,
    pub(super) read_units: Option<f64>,
}

/// Reads a page's items into the columns.
pub(super) fn read(body: &[u8], columns: &mut Columns, documents: &mut Documents) -> Result<Envelope> {
    let mut cursor = Cursor::new(body);
    let mut envelope = Envelope::default();
    let mut has_items = false;
    let mut count = None;
    cursor.members(|cursor, name| match name {
        b"Items" => {
            if std::mem::replace(&mut has_items, true) {
                return Err(invalid("A page has its items twice", cursor.at()));
            }
            cursor.elements(|cursor| item::read(cursor, columns, documents).map(|_| ()))
        }
        b"LastEvaluatedKey" => {
            envelope.last_key = last_key(cursor)?;
            Ok(())
        }
        b"ConsumedCapacity" => {
            envelope.read_units = read_units(cursor)?;
            Ok(())
        }
        b"Count" => {
            count = Some((cursor.at(), cursor.number()?.parse::<usize>().ok()));
            Ok(())
        }
        _ => cursor.skip(),
    })?;
    cursor.end()?;
    if !has_items {
        return Err(invalid("A page has no items member", cursor.at()));
    }
    if let Some((at, count)) = count
        && count != Some(columns.rows())
    {
        return Err(invalid("A page does not have as many items as it says", at).with("items", columns.rows()));
    }
    Ok(envelope)
}

/// Reads the key to go on from, exactly as it was sent; an empty one is none.
fn last_key(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.literal(b"null") {
        return Ok(None);
    }
    let start = cursor.at();
    let mut empty = true;
    cursor.members(|cursor, _| {
        empty = false;
        cursor.skip()
    })?;
    let text = str::from_utf8(cursor.since(start));
    let text = text.map_err(|e| invalid("The last evaluated key is not UTF-8", start).with_source(e))?;
    Ok((!empty).then(|| text.to_owned()))
}

fn read_units(cursor: &mut Cursor<'_>) -> Result<Option<f64>> {
    if cursor.literal(b"null") {
        return Ok(None);
    }
    let mut units = None;
    cursor.members(|cursor, name| {
        if name == b"CapacityUnits" && !cursor.literal(b"null") {
            units = cursor.number()?.parse().ok();
            return Ok(());
        }
        cursor.skip()
    })?;
    Ok(units)
}
