//! A look at some items of a table: which attributes they have, of which types, and the columns that would come of them.

use std::collections::BTreeMap;

use commutator_core::schema::merge;
use commutator_core::{
    ChangeBatch, Epoch, Error, ErrorKind, Extras, OnBadRecord, Result, TableDescription, TableSchema,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{Client, ScanPageRequest};
use crate::decode::{Decoder, ScanBatches};
use crate::snapshot::start_key;

/// How much of a table is looked at: whatever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSize {
    /// Items.
    pub items: u64,
    /// Pages of up to 1 MB, each a request.
    pub pages: u64,
}

impl SampleSize {
    /// One page, however many items it has.
    pub const PAGE: Self = Self { items: u64::MAX, pages: 1 };

    /// So many items, however many pages they take.
    pub fn items(items: u64) -> Self {
        Self { items, pages: u64::MAX }
    }
}

/// What some items of a table look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The items that were looked at.
    pub items: u64,
    /// Every attribute that one of them has: the key's, then the most frequent first.
    pub attributes: Vec<SampledAttribute>,
    /// The key columns, then a column for every attribute that gives one, under the attributes' names.
    pub schema: TableSchema,
}

/// An attribute of sampled items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledAttribute {
    /// Its name.
    pub name: String,
    /// How many items have it, be it a null.
    pub items: u64,
    /// How many of these have it in each `DynamoDB` type, such as `S`, `N` or `NULL`.
    pub types: BTreeMap<String, u64>,
}

/// Reads items from the beginning of a table's first and only segment; eventually consistent, as half the read units will do.
pub(crate) async fn sample(
    client: &Client,
    table: &TableDescription,
    (size, extras): (SampleSize, Extras),
    take: &mut (dyn FnMut(&ChangeBatch) -> Result<()> + Send),
) -> Result<Sample> {
    let mut request = ScanPageRequest {
        table: table.name.clone(),
        segment: 0,
        segments: 1,
        consistent: false,
        after: None,
        limit: None,
    };
    let mut decoder = Decoder::with_extras(table.keys.clone(), extras);
    let mut tally = Tally::default();
    let mut schema = TableSchema::new(table.keys.clone())?;
    let mut pages = 0;
    while pages < size.pages && tally.items < size.items {
        // A page has far fewer items than what does not fit.
        request.limit = i32::try_from(size.items - tally.items).ok();
        let body = client.scan(&request).await?;
        pages += 1;
        tally.add(&body).map_err(|e| e.with("table", &table.name).with("page", pages))?;
        let mut batches = ScanBatches::new(body, Epoch::FIRST, OnBadRecord::Fail);
        let after = loop {
            let (batch, _) = batches
                .next(&mut decoder, &format!("of page {pages}"))
                .map_err(|e| e.with("table", &table.name).with("page", pages))?;
            if let Some(changes) = &batch.changes {
                schema = merge(&schema, changes.schema())?;
                take(changes)?;
            }
            if batch.rest.is_none() {
                break batch.last_key;
            }
        };
        match after {
            Some(key) => request.after = Some(start_key::parse(&key)?),
            None => break,
        }
    }
    let key = |name: &str| table.keys.iter().position(|key| key.name == name).unwrap_or(usize::MAX);
    tally.attributes.sort_by_cached_key(|a| (key(&a.name), std::cmp::Reverse(a.items), a.name.clone()));
    Ok(Sample { items: tally.items, attributes: tally.attributes, schema })
}

/// Counts attributes and types by walking the page as plain JSON, independent of the decoder.
#[derive(Debug, Default)]
struct Tally {
    items: u64,
    attributes: Vec<SampledAttribute>,
    places: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, body: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            items: Vec<Map<String, Value>>,
        }
        let invalid = || Error::new(ErrorKind::DataInvalid, "A page of items is not DynamoDB JSON");
        let page: Page = serde_json::from_slice(body).map_err(|e| invalid().with_source(e))?;
        for item in page.items {
            self.items += 1;
            for (name, value) in &item {
                let tag = value.as_object().and_then(|tagged| tagged.keys().next()).ok_or_else(invalid)?;
                self.count(name, tag);
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &str, tag: &str) {
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.attributes.push(SampledAttribute { name: name.to_owned(), items: 0, types: BTreeMap::new() });
            self.attributes.len() - 1
        });
        let attribute = &mut self.attributes[place];
        attribute.items += 1;
        *attribute.types.entry(tag.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_types_are_counted() {
        let mut tally = Tally::default();
        tally
            .add(br#"{"Items":[{"id":{"S":"a"},"n":{"N":"1"}},{"n":{"NULL":true},"id":{"S":"b"}}],"Count":2}"#)
            .unwrap();
        tally.add(br#"{"Count":1,"Items":[{"id":{"S":"c"},"m":{"M":{"n":{"L":[]}}}}]}"#).unwrap();
        let shown: Vec<_> = tally.attributes.iter().map(|a| format!("{} {} {:?}", a.name, a.items, a.types)).collect();
        assert_eq!(tally.items, 3);
        assert_eq!(shown, [r#"id 3 {"S": 3}"#, r#"n 2 {"N": 1, "NULL": 1}"#, r#"m 1 {"M": 1}"#]);
        for bad in [&b"{}"[..], br#"{"Items":[[]]}"#, br#"{"Items":[{"a":1}]}"#, br#"{"Items":[{"a":{}}]}"#] {
            assert_eq!(Tally::default().add(bad).unwrap_err().kind(), ErrorKind::DataInvalid);
        }
    }
}
