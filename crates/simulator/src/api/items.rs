//! Items: written, read one by one, and scanned.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Call, object, table_name};
use crate::error::{Error, Result};
use crate::item::Item;
use crate::scan::PageRequest;
use crate::stored::Stored;
use crate::stream::record::Origin;
use crate::update::Update;
use crate::value::write_string;

/// Old forms of conditions and updates, and what nobody needs here.
const CONDITIONS: [&str; 4] = ["ConditionExpression", "Expected", "ConditionalOperator", "AttributeUpdates"];

pub(super) fn put(call: &mut Call<'_>) -> Result<String> {
    call.supports_all_but(&CONDITIONS)?;
    let table = call.table_name()?.to_owned();
    let item = call.item("Item")?;
    let (units, mut returned) = (write_units(&item), None);
    let (_, old) = call.state.write(&table, Ok(item), Origin::User, call.now)?;
    match call.text("ReturnValues") {
        None | Some("NONE") => {}
        Some("ALL_OLD") => returned = old,
        Some(_) => return Err(Error::validation("Return values set to invalid value")),
    }
    Ok(object(&[attributes(returned.as_deref()), capacity(call, &table, units)]))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<String> {
    call.supports_all_but(&CONDITIONS)?;
    let table = call.table_name()?.to_owned();
    let key = call.item("Key")?;
    call.state.table(&table)?.spec.keys.check_key(&key)?;
    let (_, old) = call.state.write(&table, Err(key), Origin::User, call.now)?;
    let units = old.as_ref().map_or(1.0, |old| write_units(&old.item));
    let returned = old.filter(|_| call.text("ReturnValues") == Some("ALL_OLD"));
    Ok(object(&[attributes(returned.as_deref()), capacity(call, &table, units)]))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<String> {
    call.supports_all_but(&CONDITIONS)?;
    let table = call.table_name()?.to_owned();
    let key = call.item("Key")?;
    let update = Update::read(call.request)?;
    let found = call.state.table(&table)?;
    found.spec.keys.check_key(&key)?;
    update.check_keys(&found.spec.keys)?;
    let position = found.spec.keys.position(&key, call.state.settings.dice)?;
    let old = found.items.get(&position).map(Arc::clone);
    let item = update.apply(old.as_ref().map_or(key, |old| old.item.clone()))?;
    let new = Stored::new(item.clone());
    call.state.write(&table, Ok(item), Origin::User, call.now)?;
    let returned = match call.text("ReturnValues") {
        Some("ALL_NEW") => Some(&new),
        Some("ALL_OLD") => old.as_deref(),
        None | Some("NONE") => None,
        Some(other) => return Err(Error::unsupported(&format!("ReturnValues {other}"))),
    };
    Ok(object(&[attributes(returned), capacity(call, &table, write_units(&new.item))]))
}

pub(super) fn get(call: &Call<'_>) -> Result<String> {
    call.supports_all_but(&["ProjectionExpression", "AttributesToGet"])?;
    let table = call.state.table(call.table_name()?)?;
    let key = call.item("Key")?;
    table.spec.keys.check_key(&key)?;
    let found = table.items.get(&table.spec.keys.position(&key, call.state.settings.dice)?);
    Ok(object(&[found.map(|stored| format!("\"Item\":{}", stored.json))]))
}

pub(super) fn batch_write(call: &mut Call<'_>) -> Result<String> {
    let requests = call.request["RequestItems"].as_object();
    let requests = requests
        .filter(|requests| !requests.is_empty() && requests.values().all(|list| list.get(0).is_some()))
        .ok_or_else(|| Error::validation("BatchWriteItem cannot have a null or no requests set"))?;
    let mut writes = Vec::new();
    for (name, list) in requests {
        let name = table_name(name)?;
        let keys = &call.state.table(name)?.spec.keys;
        for write in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            let write = match (&write["PutRequest"]["Item"], &write["DeleteRequest"]["Key"]) {
                (item, Json::Null) => Ok(Item::read(item)?),
                (Json::Null, key) => Err(Item::read(key)?),
                _ => return Err(Error::validation("Supplied AttributeValue has more than one datatypes set")),
            };
            let (Ok(item) | Err(item)) = &write;
            if write.is_err() {
                keys.check_key(item)?;
            }
            item.check_size()?;
            writes.push((name, keys.position(item, call.state.settings.dice)?, write));
        }
    }
    if writes.len() > 25 {
        return Err(Error::validation("Too many items requested for the BatchWriteItem call"));
    }
    if (1..writes.len()).any(|i| writes[..i].iter().any(|w| (w.0, &w.1) == (writes[i].0, &writes[i].1))) {
        return Err(Error::validation("Provided list of item keys contains duplicates"));
    }
    for (name, _, write) in writes {
        call.state.write(name, write, Origin::User, call.now)?;
    }
    Ok(json!({"UnprocessedItems": {}}).to_string())
}

pub(super) fn scan(call: &Call<'_>) -> Result<String> {
    call.supports_all_but(&["AttributesToGet", "FilterExpression", "IndexName", "ProjectionExpression", "ScanFilter"])?;
    let name = call.table_name()?;
    let request = page_request(call)?;
    let page = call.state.table(name)?.scan(&request, call.state.settings.dice)?;
    let count = page.items.len();
    let items = page.items.iter().map(|item| item.json.as_str()).collect::<Vec<_>>().join(",");
    let units = page.bytes.div_ceil(4096).max(1);
    let units = f64::from(u32::try_from(units).unwrap_or(u32::MAX));
    let consistent = call.request["ConsistentRead"] == true;
    let mut parts = [
        (call.text("Select") != Some("COUNT")).then(|| format!("\"Items\":[{items}]")),
        Some(format!("\"Count\":{count},\"ScannedCount\":{count}")),
        page.last.map(|key| format!("\"LastEvaluatedKey\":{}", key.to_json())),
        capacity(call, name, if consistent { units } else { units / 2.0 }),
    ];
    // The order of the fields is nobody's promise.
    let turn = usize::try_from(call.below(4, "field order")).unwrap_or(0);
    parts.rotate_left(turn);
    Ok(object(&parts))
}

fn page_request(call: &Call<'_>) -> Result<PageRequest> {
    let segments = call.count("TotalSegments", 1, 1_000_000)?;
    let segment = match (call.request["Segment"].is_null(), segments) {
        (true, None) => None,
        (true, Some(_)) => {
            return Err(Error::validation(
                "If total segments is specified, a particular segment must also be specified for this request",
            ));
        }
        (false, None) => {
            return Err(Error::validation("If segment is specified, total segment must also be specified"));
        }
        (false, Some(segments)) => call.count("Segment", 0, segments - 1)?.map(|segment| (segment, segments)),
    };
    let quirks = &call.state.settings.quirks;
    let mut limit = call.count("Limit", 1, u64::from(u32::MAX))?.unwrap_or(u64::MAX);
    if call.chance(quirks.short_pages, "short page") {
        limit = limit.min(1 + call.below(10, "items on a short page"));
    }
    let stale = quirks.stale_reads_ms();
    let stale = if call.request["ConsistentRead"] == true { 0 } else { call.below(stale + 1, "stale read") };
    Ok(PageRequest {
        segment,
        after: (!call.request["ExclusiveStartKey"].is_null()).then(|| call.item("ExclusiveStartKey")).transpose()?,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        bytes: quirks.scan_page_bytes,
        as_of: (stale > 0).then(|| call.now - stale),
    })
}

fn attributes(item: Option<&Stored>) -> Option<String> {
    item.map(|item| format!("\"Attributes\":{}", item.json))
}

/// Returns write units: one per KiB.
fn write_units(item: &Item) -> f64 {
    f64::from(u32::try_from(item.size().div_ceil(1024)).unwrap_or(u32::MAX)).max(1.0)
}

fn capacity(call: &Call<'_>, table: &str, units: f64) -> Option<String> {
    call.text("ReturnConsumedCapacity").filter(|&which| which != "NONE")?;
    let mut name = String::new();
    write_string(table, &mut name);
    Some(format!("\"ConsumedCapacity\":{{\"TableName\":{name},\"CapacityUnits\":{units:?}}}"))
}
