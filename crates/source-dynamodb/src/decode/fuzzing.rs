//! What the fuzz targets call: the decoder against the reference, on any bytes.

use std::collections::BTreeSet;
use std::fmt;

use commutator_core::{ChangeBatch, Column, Epoch, Error, ErrorKind, LogicalType, Op};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::reference::{self, Columns, render};
use super::{Decoder, RecordFilter, RecordsPage, ScanPage};

const EPOCH: Epoch = Epoch(3);

/// What the decoder refuses although the reference does not.
const STRICTER: [&str; 7] = [
    "An item lacks a key attribute",
    "A key attribute has another type than the table's key",
    "A document is nested too deeply",
    "The body is nested too deeply",
    "A removal's key has other attributes than the table's key",
    // Of the envelope's members the reference looks at none but the items.
    "A number was expected",
    "The body is not the JSON that was expected",
];

fn decoder() -> Decoder {
    Decoder::new(vec![Column::key("id", LogicalType::Text)])
}

/// Holds that a page of `Scan` is decoded as the reference does, the first time and once the decoder has learned.
///
/// # Panics
///
/// If that does not hold.
pub fn scan_page(body: &[u8]) {
    let mut decoder = decoder();
    let first = decoder.scan_page(body, EPOCH);
    let again = decoder.scan_page(body, EPOCH);
    let shown = |page: &Result<ScanPage, Error>| {
        page.as_ref().map(|p| (p.items, columns(p.changes.as_ref()), p.last_key.clone())).map_err(Error::kind)
    };
    assert_eq!(shown(&first), shown(&again), "a page is decoded differently the second time");
    if let Ok(page) = &first {
        in_small_batches(decoder, body, page);
    }
    let Some(text) = plain(body) else { return only_invalid(first.err()) };
    match (first, reference::decode(text)) {
        (Ok(page), Some((expected, items))) => {
            assert_eq!(page.items, items as u64);
            assert_eq!(columns(page.changes.as_ref()), expected);
        }
        (Ok(_), None) => panic!("the decoder takes what the reference refuses"),
        (Err(error), expected) => refused(&error, expected.is_some()),
    }
}

/// Holds that all items come, and once, where few fit a batch.
fn in_small_batches(mut decoder: Decoder, body: &[u8], whole: &ScanPage) {
    decoder.set_full_cells(6);
    let (mut items, mut from) = (0, Some(0));
    while let Some(start) = from {
        let page = decoder.scan_page_from(body, EPOCH, start).unwrap();
        items += page.items;
        from = page.rest;
        assert!(from.is_none_or(|rest| rest > start && page.last_key.is_some()));
        assert!(from.is_some() || page.last_key == whole.last_key);
    }
    assert_eq!(items, whole.items);
}

/// Holds that a page of `GetRecords` is decoded as the reference does, the first time and once the decoder has learned.
///
/// # Panics
///
/// If that does not hold.
pub fn records_page(body: &[u8]) {
    let mut decoder = decoder();
    let first = decoder.records_page(body, EPOCH, RecordFilter::default());
    let again = decoder.records_page(body, EPOCH, RecordFilter::default());
    let shown = |page: &Result<RecordsPage, Error>| {
        page.as_ref()
            .map(|p| (p.records, columns(p.changes.as_ref()), p.last_sequence, p.next_iterator.clone()))
            .map_err(Error::kind)
    };
    assert_eq!(shown(&first), shown(&again), "a page is decoded differently the second time");
    let page = match first {
        Ok(page) => page,
        Err(error) => return only_invalid(Some(error)),
    };
    assert_eq!(page.changes.as_ref().map_or(0, ChangeBatch::len) as u64, page.records - page.dropped);
    let Some(text) = plain(body) else { return };
    let tree: Value = serde_json::from_str(text).unwrap();
    let records = tree["Records"].as_array().unwrap();
    assert_eq!(page.records, records.len() as u64);
    let Some(changes) = page.changes else { return };
    let images: Vec<_> = records.iter().map(|record| image(&record["dynamodb"])).collect();
    for (op, (removed, _)) in changes.ops().iter().zip(&images) {
        assert_eq!(*removed, matches!(op, Op::Remove | Op::Expire));
    }
    let images: Vec<_> = images.into_iter().map(|(_, image)| image).collect();
    assert_eq!(columns(Some(&changes)), reference::columns(&images).unwrap());
}

/// Returns whether a record is a removal, and the image that becomes its row.
fn image(change: &Value) -> (bool, &Map<String, Value>) {
    match change.get("NewImage").and_then(Value::as_object).filter(|image| !image.is_empty()) {
        Some(image) => (false, image),
        None => (true, change["Keys"].as_object().unwrap()),
    }
}

fn columns(changes: Option<&ChangeBatch>) -> Columns {
    changes.into_iter().flat_map(render).map(|(column, cells)| (column.name, (column.ty, cells))).collect()
}

fn only_invalid(error: Option<Error>) {
    if let Some(error) = error {
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    }
}

fn refused(error: &Error, reference_takes_it: bool) {
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    assert!(!reference_takes_it || STRICTER.contains(&error.message()), "only the decoder refuses it: {error:?}");
}

/// Returns a body that both decoders must see alike: JSON in UTF-8 in which no object has a name twice.
///
/// What nobody reads the decoder does not check to the last byte, and `serde_json` keeps the last of two members.
fn plain(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    serde_json::from_str::<NoNameTwice>(text).ok()?;
    Some(text)
}

struct NoNameTwice;

impl<'de> Deserialize<'de> for NoNameTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoNameTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            // What `serde_json` makes of a number when it keeps all digits.
            if name == "$serde_json::private::Number" {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            members.next_value::<Self>()?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(self)
    }
}
