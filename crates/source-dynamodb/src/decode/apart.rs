//! A page that cannot be decoded, taken apart: what can be read goes on as usual, the rest is rejected one by one.
//!
//! Nothing here is fast, and nothing is guessed: the page's JSON must be whole, and each element must be bad by itself.

use commutator_core::{Column, Epoch, Error, Op, OrderKey, RawForm, Rejected, Result, Sequence};
use serde_json::Value;

use super::cursor::Cursor;
use super::{Decoder, RecordFilter};

const ITEMS: &str = "{\"Items\":[";
const RECORDS: &str = "{\"Records\":[";

/// The elements of a page, and its other members, all but `Count`.
struct Parts<'a> {
    elements: Vec<&'a [u8]>,
    others: Vec<Vec<u8>>,
    count: Option<usize>,
}

/// A page of items without what cannot be read.
#[derive(Debug)]
pub(crate) struct ItemsApart {
    /// The page without it.
    pub(crate) body: Vec<u8>,
    /// What cannot be read, each with the number of readable items before it.
    pub(crate) rejected: Vec<(usize, Rejected)>,
}

/// A page of records without what cannot be read.
#[derive(Debug)]
pub(crate) struct RecordsApart {
    /// The page without it.
    pub(crate) body: Vec<u8>,
    /// The last sequence number of the whole page.
    pub(crate) last: Option<Sequence>,
    /// What cannot be read, in its order.
    pub(crate) rejected: Vec<Rejected>,
    /// How many more cannot be read, but were read before.
    pub(crate) left_out: u64,
}

impl Decoder {
    /// Takes the body of a `Scan` response apart, of which an item after the first `from` cannot be read, as `error` says; `place` names the
    /// page.
    ///
    /// Returns `error` if no item is bad by itself.
    pub(crate) fn scan_page_apart(
        &mut self,
        body: &[u8],
        from: usize,
        epoch: Epoch,
        place: &str,
        error: Error,
    ) -> Result<ItemsApart> {
        let parts = match Parts::of(body, b"Items") {
            Some(parts) if parts.count.is_none_or(|count| count == parts.elements.len()) => parts,
            _ => return Err(error),
        };
        let mut rejected = Vec::new();
        let mut good = Vec::with_capacity(parts.elements.len());
        for (i, &item) in parts.elements.iter().enumerate() {
            if i < from {
                good.push(item);
                continue;
            }
            match self.scratch().scan_page(&wrap(ITEMS, &[item], &[]), epoch) {
                Ok(_) => good.push(item),
                Err(error) => {
                    let bad = Rejected {
                        form: RawForm::Item,
                        partition: None,
                        position: format!("item {} {place}", i + 1),
                        order: OrderKey::snapshot(epoch),
                        op: Some(Op::Snapshot),
                        changed_at: None,
                        key: self.key(item),
                        error: explain(&error, ITEMS.len()),
                        raw: item.to_vec(),
                    };
                    rejected.push((good.len(), bad));
                }
            }
        }
        if rejected.is_empty() {
            return Err(error);
        }
        Ok(ItemsApart { body: wrap(ITEMS, &good, &parts.others), rejected })
    }

    /// Takes the body of a `GetRecords` response apart, of which a record cannot be read, as `error` says.
    ///
    /// Returns `error` if no record is bad by itself, or if one that is bad has no sequence number: it could not be told apart
    /// from others, nor would a position after it be known.
    pub(crate) fn records_page_apart(
        &mut self,
        body: &[u8],
        epoch: Epoch,
        filter: RecordFilter,
        error: Error,
    ) -> Result<RecordsApart> {
        let Some(parts) = Parts::of(body, b"Records") else { return Err(error) };
        let mut good = Vec::with_capacity(parts.elements.len());
        let mut apart = RecordsApart { body: Vec::new(), last: None, rejected: Vec::new(), left_out: 0 };
        for &record in &parts.elements {
            let Some(sequence) = sequence(record) else { return Err(error) };
            apart.last = Some(sequence);
            match self.scratch().records_page(&wrap(RECORDS, &[record], &[]), epoch, filter) {
                Ok(_) => good.push(record),
                // It was read before, whatever became of it then.
                Err(_) if filter.after.is_some_and(|after| sequence <= after) => apart.left_out += 1,
                Err(error) => apart.rejected.push(Rejected {
                    form: RawForm::Record,
                    partition: None,
                    position: format!("sequence number {}", sequence.padded().trim_start_matches('0')),
                    order: OrderKey::new(epoch, sequence),
                    op: op(record),
                    changed_at: None,
                    key: self.key_of_record(record),
                    error: explain(&error, RECORDS.len()),
                    raw: record.to_vec(),
                }),
            }
        }
        if apart.rejected.is_empty() && apart.left_out == 0 {
            return Err(error);
        }
        apart.body = wrap(RECORDS, &good, &parts.others);
        Ok(apart)
    }

    /// A decoder that has seen nothing, so that what one element does to it does not touch others.
    fn scratch(&self) -> Self {
        Self::new(self.columns.keys().to_vec())
    }

    /// Returns an item's key, if it stands there once and can be read.
    fn key(&self, item: &[u8]) -> Option<Value> {
        let keys = self.columns.keys();
        let mut found: Vec<(&Column, &[u8])> = Vec::new();
        members(item, |name, value| {
            found.extend(keys.iter().filter(|key| key.name.as_bytes() == name).map(|key| (key, value)));
        })?;
        if found.len() != keys.len() || keys.iter().any(|key| !found.iter().any(|(other, _)| other.name == key.name)) {
            return None;
        }
        let mut text = b"{".to_vec();
        for (i, (key, value)) in found.iter().enumerate() {
            text.extend_from_slice(if i == 0 { b"" } else { b"," });
            text.extend_from_slice(Value::from(key.name.as_str()).to_string().as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
        }
        text.push(b'}');
        self.scratch().scan_page(&wrap(ITEMS, &[&text], &[]), Epoch::FIRST).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn key_of_record(&self, record: &[u8]) -> Option<Value> {
        let change = member(record, b"dynamodb")?;
        let own = member(change, b"Keys").and_then(|keys| self.key(keys));
        own.or_else(|| self.key(member(change, b"NewImage")?))
    }
}

impl<'a> Parts<'a> {
    fn of(body: &'a [u8], name: &[u8]) -> Option<Self> {
        let mut parts = Self { elements: Vec::new(), others: Vec::new(), count: None };
        let mut lists = 0;
        let mut cursor = Cursor::new(body);
        cursor
            .members(|cursor, member| {
                if member == name {
                    lists += 1;
                    return cursor.elements(|cursor| {
                        let start = cursor.at();
                        cursor.skip()?;
                        parts.elements.push(&body[start..cursor.at()]);
                        Ok(())
                    });
                }
                let start = cursor.at();
                cursor.skip()?;
                let value = &body[start..cursor.at()];
                if member == b"Count" {
                    parts.count = str::from_utf8(value).ok().and_then(|count| count.parse().ok());
                } else {
                    let name = Value::from(String::from_utf8_lossy(member)).to_string();
                    parts.others.push([name.as_bytes(), value].join(&b':'));
                }
                Ok(())
            })
            .ok()?;
        cursor.end().ok()?;
        (lists == 1).then_some(parts)
    }
}

/// Writes a page of these elements and members.
fn wrap(start: &str, elements: &[&[u8]], others: &[Vec<u8>]) -> Vec<u8> {
    let mut page = start.as_bytes().to_vec();
    page.extend(elements.join(&b','));
    page.push(b']');
    for other in others {
        page.push(b',');
        page.extend_from_slice(other);
    }
    page.push(b'}');
    page
}

/// Calls `each` with every member of an object; `None` if it is none.
fn members<'a>(object: &'a [u8], mut each: impl FnMut(&[u8], &'a [u8])) -> Option<()> {
    let mut cursor = Cursor::new(object);
    cursor
        .members(|cursor, name| {
            let start = cursor.at();
            cursor.skip()?;
            each(name, &object[start..cursor.at()]);
            Ok(())
        })
        .ok()
}

/// Returns the only member of this name.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = Vec::new();
    members(object, |other, content| {
        if other == name {
            found.push(content);
        }
    })?;
    if let [only] = found[..] { Some(only) } else { None }
}

fn sequence(record: &[u8]) -> Option<Sequence> {
    let text = member(member(record, b"dynamodb")?, b"SequenceNumber")?;
    Sequence::parse(&Cursor::new(text).string().ok()?).ok()
}

fn op(record: &[u8]) -> Option<Op> {
    match &*Cursor::new(member(record, b"eventName")?).string().ok()? {
        b"INSERT" => Some(Op::Insert),
        b"MODIFY" => Some(Op::Modify),
        b"REMOVE" => Some(Op::Remove),
        _ => None,
    }
}

/// Returns an error's text with the offset counted from the element's own first byte.
fn explain(error: &Error, start: usize) -> String {
    let mut own = Error::new(error.kind(), error.message());
    for (key, value) in error.context() {
        own = match value.parse::<usize>() {
            Ok(offset) if *key == "offset" => own.with(key, offset.saturating_sub(start)),
            _ => own.with(key, value),
        };
    }
    own.to_string()
}

/// Returns the item in the body of a `GetItem` response; `None` if there is none.
pub(crate) fn item_of(body: &[u8]) -> Result<Option<&[u8]>> {
    let mut item = None;
    let mut cursor = Cursor::new(body);
    cursor.members(|cursor, name| {
        let start = cursor.at();
        cursor.skip()?;
        if name == b"Item" {
            item = Some(&body[start..cursor.at()]).filter(|item| *item != b"null");
        }
        Ok(())
    })?;
    cursor.end()?;
    Ok(item)
}
