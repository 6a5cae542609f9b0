//! Streams: listed, described, and read.

use std::ops::Bound;

use serde_json::{Value as Json, json};

use super::{Call, table_name};
use crate::clock::json_seconds;
use crate::error::{Error, Result};
use crate::stream::iterator::Iterator as Place;
use crate::stream::shard::BadPosition;
use crate::table::number;

pub(super) fn list(call: &Call<'_>) -> Result<String> {
    let limit = usize::try_from(call.count("Limit", 1, 100)?.unwrap_or(100)).unwrap_or(100);
    let table = call.text("TableName").map(table_name).transpose()?;
    let after = call.text("ExclusiveStartStreamArn").unwrap_or_default();
    let rest = call.state.streams.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
    let rest: Vec<_> = rest.filter(|(_, s)| table.is_none_or(|table| s.table == table)).take(limit + 1).collect();
    let page = &rest[..rest.len().min(limit)];
    let streams: Vec<_> = page
        .iter()
        .map(|(arn, stream)| json!({"StreamArn": arn, "StreamLabel": stream.label, "TableName": stream.table}))
        .collect();
    let mut answer = json!({"Streams": streams});
    if let Some((arn, _)) = page.last().filter(|_| rest.len() > limit) {
        answer["LastEvaluatedStreamArn"] = arn.as_str().into();
    }
    Ok(answer.to_string())
}

pub(super) fn describe(call: &mut Call<'_>) -> Result<String> {
    let most = u64::try_from(call.state.settings.quirks.shards_page).unwrap_or(100);
    let limit = usize::try_from(call.count("Limit", 1, 100)?.unwrap_or(100).min(most)).unwrap_or(100);
    let arn = call.required("StreamArn")?;
    call.state.stream(arn)?;
    let after = call.text("ExclusiveStartShardId").unwrap_or_default();
    let parent = match (call.request["ShardFilter"]["Type"].as_str(), call.request["ShardFilter"]["ShardId"].as_str()) {
        (None, _) => None,
        (Some("CHILD_SHARDS"), Some(parent)) => Some(parent),
        _ => return Err(Error::validation("Invalid ShardFilter")),
    };
    if let Some(stream) = call.state.streams.get_mut(arn).filter(|_| after.is_empty()) {
        stream.listings += 1;
    }
    let stream = call.state.stream(arn)?;
    let rest = stream.shards.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
    let (dice, flickers) = (call.state.settings.dice, call.state.settings.quirks.flickers);
    let is_there = |id: &str| !dice.chance(flickers, id, stream.listings);
    let listed = rest.filter(|(id, shard)| shard.listed_from < stream.listings && is_there(id));
    let wanted = listed.filter(|(_, shard)| parent.is_none_or(|parent| shard.parent.as_deref() == Some(parent)));
    let rest: Vec<_> = wanted.take(limit + 1).collect();
    let page = &rest[..rest.len().min(limit)];
    let (keys, _) = stream.keys.to_json();
    let mut description = json!({
        "CreationRequestDateTime": number(&json_seconds(stream.created)),
        "KeySchema": keys,
        "Shards": page.iter().map(|(id, shard)| shard.to_json(id)).collect::<Vec<_>>(),
        "StreamArn": stream.arn,
        "StreamLabel": stream.label,
        "StreamStatus": stream.status(),
        "StreamViewType": stream.view.name(),
        "TableName": stream.table,
    });
    if let Some((id, _)) = page.last().filter(|_| rest.len() > limit) {
        description["LastEvaluatedShardId"] = id.as_str().into();
    }
    Ok(json!({"StreamDescription": description}).to_string())
}

pub(super) fn shard_iterator(call: &Call<'_>) -> Result<String> {
    let arn = call.required("StreamArn")?;
    let id = call.required("ShardId")?;
    let shard = call.state.stream(arn)?.shard(id)?;
    let kind = call.required("ShardIteratorType")?;
    let number = call.text("SequenceNumber");
    let index = match (kind, number) {
        ("TRIM_HORIZON" | "LATEST", Some(_)) => {
            return Err(Error::validation(
                "One or more parameter values were invalid: SequenceNumber should not be passed for this iterator type",
            ));
        }
        ("TRIM_HORIZON", None) => shard.horizon(),
        ("LATEST", None) => shard.latest(),
        ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None) => {
            return Err(Error::validation("One or more parameter values were invalid: Invalid SequenceNumber"));
        }
        ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", Some(number)) => {
            shard.index_of(number.parse()?, kind == "AFTER_SEQUENCE_NUMBER").map_err(bad_position)?
        }
        _ => return Err(Error::validation("Invalid ShardIteratorType.")),
    };
    let place = Place { stream: arn.to_owned(), shard: id.to_owned(), index, issued: call.now };
    Ok(json!({"ShardIterator": place.to_text(call.state.settings.dice)}).to_string())
}

pub(super) fn records(call: &mut Call<'_>) -> Result<String> {
    let (dice, quirks) = (call.state.settings.dice, call.state.settings.quirks.clone());
    let place = Place::from_text(call.required("ShardIterator")?, dice)?;
    let limit = call.count("Limit", 1, 1000)?.unwrap_or(1000);
    place.check_age(call.now)?;
    let empty = call.chance(quirks.empty_pages, "empty page");
    let short =
        call.chance(quirks.short_pages, "short page").then(|| 1 + call.below(limit.min(10), "short page's end"));
    let late_end = call.chance(quirks.late_ends, "late end");
    let next = |index| {
        let next = Place { index, issued: call.now, ..place.clone() };
        format!(",\"NextShardIterator\":{}", Json::from(next.to_text(dice)))
    };

    let shard = call.state.stream_mut(&place.stream)?.shard_mut(&place.shard)?;
    drop(shard.records_from(place.index).map_err(bad_position)?);
    if empty && shard.empty_row < quirks.empty_in_a_row {
        shard.empty_row += 1;
        return Ok(format!("{{\"Records\":[]{}}}", next(place.index)));
    }
    shard.empty_row = 0;
    let limit = usize::try_from(short.unwrap_or(limit)).unwrap_or(1000).min(quirks.records_page_count);
    let mut records = shard.records_from(place.index).map_err(bad_position)?.peekable();
    let (mut page, mut bytes) = (Vec::new(), 0);
    let fits = |count: usize, bytes: usize| count < limit && (count == 0 || bytes <= quirks.records_page_bytes);
    while let Some(record) = records.next_if(|record| fits(page.len(), bytes + record.size)) {
        bytes += record.size;
        page.push(record.json.as_str());
    }
    let ended = !shard.is_open() && records.peek().is_none();
    let index = place.index + u64::try_from(page.len()).unwrap_or(0);
    let next = if ended && (page.is_empty() || !late_end) { String::new() } else { next(index) };
    Ok(format!("{{\"Records\":[{}]{next}}}", page.join(",")))
}

fn bad_position(problem: BadPosition) -> Error {
    match problem {
        BadPosition::Trimmed => Error::new(
            400,
            "TrimmedDataAccessException",
            "The operation attempted to read past the oldest stream record in a shard.",
        ),
        BadPosition::Foreign => Error::validation("Invalid SequenceNumber for the shard"),
    }
}
