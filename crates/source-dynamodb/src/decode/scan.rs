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
    /// How many of the page's items come before those that are still to be read, if there are any.
    pub(super) rest: Option<usize>,
}

/// Reads a page's items from the one at `from` on into the columns, until they are full.
///
/// If items are left, the key to go on from is that of the last one that was read.
pub(super) fn read(body: &[u8], from: usize, columns: &mut Columns, documents: &mut Documents) -> Result<Envelope> {
    let mut cursor = Cursor::new(body);
    let mut envelope = Envelope::default();
    let mut has_items = false;
    let mut count = None;
    let (mut items, mut last_item) = (0, &[][..]);
    cursor.members(|cursor, name| match name {
        b"Items" => {
            if std::mem::replace(&mut has_items, true) {
                return Err(invalid("A page has its items twice", cursor.at()));
            }
            cursor.elements(|cursor| {
                items += 1;
                if items <= from || columns.is_full() {
                    return cursor.skip();
                }
                let start = cursor.at();
                item::read(cursor, columns, documents)?;
                last_item = cursor.since(start);
                Ok(())
            })
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
        && count != Some(items)
    {
        return Err(invalid("A page does not have as many items as it says", at).with("items", items));
    }
    let read = from + columns.rows();
    if read < items {
        envelope.last_key = Some(key_of(last_item, columns)?);
        envelope.rest = Some(read);
    }
    Ok(envelope)
}

/// Returns an item's key, in the form that a last evaluated key has.
#[cold]
fn key_of(item: &[u8], columns: &Columns) -> Result<String> {
    let unreadable = |e: serde_json::Error| invalid("An item's key cannot be read", 0).with_source(e);
    let mut key: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(item).map_err(unreadable)?;
    key.retain(|name, _| columns.is_key(name));
    serde_json::to_string(&key).map_err(unreadable)
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
