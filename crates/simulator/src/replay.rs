//! Pages that were rendered beforehand, served from memory: the load generator of benchmarks.
//!
//! No JSON is made or parsed per page: the place is found in the request by a byte search, the body is shared, and only its short end and
//! the rest of its checksum are made anew.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use memchr::memmem::find;
use serde_json::json;

use crate::error::Error;
use crate::item::Item;
use crate::key::{KeySchema, KeyType};
use crate::operation::Operation;
use crate::random::Dice;
use crate::reply::Payload;
use crate::server::{Disconnect, Server, Service};
use crate::settings::{Quirks, Settings};
use crate::stored::Stored;
use crate::stream::record::{Change, Origin, Record, View};
use crate::stream::sequence::SequenceNumber;
use page::{Answer, Page};

mod page;

/// A table whose Scan and stream are rendered once and served again and again. It checks nothing and is for benchmarks only.
///
/// Scan pages are dealt out to the segments in turn, however many there are, so all segments together give all pages once. The shards of
/// the stream stay open: behind their last page are empty ones. Rendered pages that are fewer than those to be served come again in turn, with the same keys and sequence numbers
/// unless [`with_distinct_keys`](Self::with_distinct_keys) is called.
#[derive(Debug, Clone)]
pub struct Replay(Arc<Pages>, Duration);

#[derive(Debug, Clone)]
struct Pages {
    settings: Settings,
    table: String,
    /// How many tables there are, all alike.
    tables: u64,
    key: String,
    distinct: bool,
    scan: Vec<Page>,
    scans_served: u64,
    records: Vec<Page>,
    shards: u64,
    served_per_shard: u64,
}

impl Replay {
    /// Renders `items` as Scan pages of a table with this partition key, a string, and serves `pages` of them.
    ///
    /// Each entry of `items` is one page; it should have about 1 MB, as pages of big tables do.
    pub fn scan(table: &str, key: &str, items: impl IntoIterator<Item = Vec<Item>>, pages: u64) -> Self {
        let empty = Pages::new(table, key);
        let scan = items.into_iter().map(|items| {
            let rows: Vec<_> = items.iter().map(Item::to_json).collect();
            let count = rows.len();
            let body = format!("{{\"Count\":{count},\"Items\":[{}],\"ScannedCount\":{count}", rows.join(","));
            Page::new(body, count, key)
        });
        Self(Arc::new(Pages { scan: scan.collect(), scans_served: pages, ..empty }), Duration::ZERO)
    }

    /// Renders `items` as pages of inserts of a stream, made at a time in milliseconds since 1970, and serves `pages` of them from each
    /// of `shards` shards.
    pub fn stream(
        table: &str,
        key: &str,
        items: impl IntoIterator<Item = Vec<Item>>,
        made_at: u64,
        (shards, pages): (u64, u64),
    ) -> Self {
        let empty = Pages::new(table, key);
        let keys = empty.keys();
        let records = (0..).zip(items).map(|(page, items)| {
            let rows = (0..).zip(items).map(|(row, item)| {
                let (item_key, new) = (keys.key_of(&item), Stored::new(item));
                let change = Change { key: &item_key, old: None, new: Some(&new), origin: Origin::User };
                Record::new(&change, View::NewImage, sequence(page, row), made_at, &empty.settings).json
            });
            let rows: Vec<_> = rows.collect();
            Page::new(format!("{{\"Records\":[{}]", rows.join(",")), rows.len(), key)
        });
        let records = records.collect();
        Self(Arc::new(Pages { records, shards, served_per_shard: pages, ..empty }), Duration::ZERO)
    }

    /// Makes every key of every page and shard another one: its first eight characters, which must be letters or digits, become a number.
    ///
    /// That costs a copy and a checksum of each page when it is served.
    #[must_use]
    pub fn with_distinct_keys(self) -> Self {
        Self(Arc::new(Pages { distinct: true, ..Arc::unwrap_or_clone(self.0) }), self.1)
    }

    /// Makes so many tables of it, all alike, whose names are that of the table and a number: `orders_0`, `orders_1`.
    #[must_use]
    pub fn with_tables(self, tables: u64) -> Self {
        Self(Arc::new(Pages { tables, ..Arc::unwrap_or_clone(self.0) }), self.1)
    }

    /// Waits so long before each answer, as the service would.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self(self.0, delay)
    }

    /// Returns how many rows all pages of a table together have.
    pub fn rows(&self) -> u64 {
        self.total(|page| page.rows)
    }

    /// Returns how many bytes all pages of a table together have, without the few of each page's end.
    pub fn bytes(&self) -> u64 {
        self.total(|page| page.body.len())
    }

    /// Returns the body that answers a `Scan` request for this page.
    pub fn scan_body(&self, page: u64) -> Bytes {
        self.body(Operation::Scan, &format!("page#{page}"))
    }

    /// Returns the body that answers a `GetRecords` request for this page of a shard.
    pub fn records_body(&self, page: u64) -> Bytes {
        self.body(Operation::GetRecords, &format!("shard#0/page#{page}"))
    }

    fn body(&self, operation: Operation, request: &str) -> Bytes {
        self.0.answer(operation, request.as_bytes()).map_or_else(Bytes::new, |answer| answer.chunks.concat().into())
    }

    fn total(&self, of: impl Fn(&Page) -> usize) -> u64 {
        let pages = &self.0;
        total(&pages.scan, pages.scans_served, &of)
            + pages.shards.saturating_mul(total(&pages.records, pages.served_per_shard, &of))
    }

    /// Serves HTTP on a free port of the loopback interface, on the current tokio runtime.
    pub async fn serve(&self) -> std::io::Result<Server> {
        Server::start(self.clone(), 0).await
    }
}

impl Pages {
    fn new(table: &str, key: &str) -> Self {
        let settings = Settings {
            dice: Dice::new(0),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            quirks: Quirks::default(),
        };
        Self {
            settings,
            table: table.to_owned(),
            tables: 1,
            key: key.to_owned(),
            distinct: false,
            scan: vec![],
            scans_served: 0,
            records: vec![],
            shards: 0,
            served_per_shard: 0,
        }
    }

    fn keys(&self) -> KeySchema {
        KeySchema::partition(&self.key, KeyType::S)
    }

    /// Returns the names of all tables.
    fn tables(&self) -> Vec<String> {
        match self.tables {
            1 => vec![self.table.clone()],
            tables => (0..tables).map(|i| format!("{}_{i}", self.table)).collect(),
        }
    }

    /// Ends a page that is served for the n-th time in all.
    fn end(&self, page: &Page, time: u64, end: String) -> Answer {
        if self.distinct { page.numbered(time, end) } else { page.with_end(end) }
    }

    fn answer(&self, operation: Operation, body: &[u8]) -> Option<Answer> {
        Some(match operation {
            Operation::Scan => {
                let segments = number_after(body, b"\"TotalSegments\":").unwrap_or(1).max(1);
                let segment = number_after(body, b"\"Segment\":").unwrap_or(0);
                let page = number_after(body, b"page#").unwrap_or(segment);
                let Some(found) = at(&self.scan, page).filter(|_| page < self.scans_served) else {
                    return Some(Answer::whole(200, r#"{"Count":0,"Items":[],"ScannedCount":0}"#.to_owned()));
                };
                let units = found.body.len() / 8192;
                let capacity =
                    format!(",\"ConsumedCapacity\":{{\"TableName\":\"{}\",\"CapacityUnits\":{units}.0}}", self.table);
                let next = page + segments;
                let last = if next < self.scans_served {
                    format!(",\"LastEvaluatedKey\":{{\"{}\":{{\"S\":\"page#{next:05}\"}}}}", self.key)
                } else {
                    String::new()
                };
                self.end(found, time(&self.scan, page), format!("{capacity}{last}}}"))
            }
            Operation::GetRecords => {
                let (shard, page) = (number_after(body, b"shard#")?, number_after(body, b"page#")?);
                let Some(found) = at(&self.records, page).filter(|_| page < self.served_per_shard) else {
                    let again = format!(r#"{{"Records":[],"NextShardIterator":"shard#{shard}/page#{page:05}"}}"#);
                    return Some(Answer::whole(200, again));
                };
                let next = page + 1;
                let times = time(&self.records, self.served_per_shard) + 1;
                let end = format!(",\"NextShardIterator\":\"shard#{shard}/page#{next:05}\"}}");
                self.end(found, shard * times + time(&self.records, page), end)
            }
            Operation::GetShardIterator => {
                let shard = number_after(body, b"shardId-")?;
                let read = find(body, b"\"AFTER_SEQUENCE_NUMBER\"").is_some();
                // The first six digits after the leading one say the page, see `sequence`.
                let after =
                    || number_after(body, b"\"SequenceNumber\":\"").map(|number| number / 1_000_000 % 1_000_000);
                let page = if read { after()? + 1 } else { 0 };
                Answer::whole(200, format!("{{\"ShardIterator\":\"shard#{shard}/page#{page:05}\"}}"))
            }
            Operation::DescribeTable => {
                let request: serde_json::Value = serde_json::from_slice(body).ok()?;
                let name = request["TableName"].as_str()?.rsplit('/').next()?;
                Answer::whole(200, json!({"Table": self.describe_table(name)}).to_string())
            }
            Operation::DescribeStream => {
                let description = json!({"StreamDescription": self.describe_stream(number_after(body, b"shardId-"))});
                Answer::whole(200, description.to_string())
            }
            Operation::ListTables => Answer::whole(200, json!({"TableNames": self.tables()}).to_string()),
            _ => return None,
        })
    }

    fn describe_table(&self, name: &str) -> serde_json::Value {
        let (schema, types) = self.keys().to_json();
        let rows = total(&self.scan, self.scans_served, |page| page.rows);
        let bytes = total(&self.scan, self.scans_served, |page| page.body.len());
        json!({
            "AttributeDefinitions": types, "TableName": name, "KeySchema": schema, "TableStatus": "ACTIVE",
            "CreationDateTime": 1_735_689_600, "TableSizeBytes": bytes, "ItemCount": rows,
            "TableArn": self.settings.table_arn(name), "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
            "LatestStreamArn": self.stream_arn(), "LatestStreamLabel": "2025-01-01T00:00:00.000",
        })
    }

    fn describe_stream(&self, after: Option<u64>) -> serde_json::Value {
        let first = after.map_or(0, |shard| shard + 1);
        let end = self.shards.min(first + 100);
        let shards: Vec<_> = (first..end)
            .map(|shard| {
                json!({
                    "ShardId": format!("shardId-{shard:020}-00000000"),
                    "SequenceNumberRange": {
                        "StartingSequenceNumber": sequence(0, 0).to_string(),
                    },
                })
            })
            .collect();
        let mut description = json!({
            "StreamArn": self.stream_arn(), "StreamLabel": "2025-01-01T00:00:00.000", "StreamStatus": "ENABLED",
            "StreamViewType": "NEW_IMAGE", "TableName": self.table, "KeySchema": self.keys().to_json().0, "Shards": shards,
        });
        if end < self.shards {
            description["LastEvaluatedShardId"] = format!("shardId-{:020}-00000000", end - 1).into();
        }
        description
    }

    fn stream_arn(&self) -> String {
        format!("{}/stream/2025-01-01T00:00:00.000", self.settings.table_arn(&self.table))
    }
}

impl Service for Replay {
    async fn respond(&self, head: &Parts, body: &Bytes) -> Result<Response<Payload>, Disconnect> {
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::from_target);
        let answer = operation
            .and_then(|operation| self.0.answer(operation, body))
            .unwrap_or_else(|| Answer::whole(400, Error::unsupported("this in a replay").to_json()));
        if !self.1.is_zero() {
            tokio::time::sleep(self.1).await;
        }
        let length = answer.chunks.iter().map(Bytes::len).sum();
        let mut response = Response::new(Payload::new(answer.chunks, length));
        *response.status_mut() = hyper::StatusCode::from_u16(answer.status).map_err(|_| Disconnect)?;
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
        response.headers_mut().insert("x-amz-crc32", HeaderValue::from(answer.crc));
        response.headers_mut().insert("x-amzn-requestid", HeaderValue::from_static("REPLAYED"));
        Ok(response)
    }
}

/// Returns the n-th page served, if there is any.
fn at(pages: &[Page], n: u64) -> Option<&Page> {
    let count = u64::try_from(pages.len()).ok().filter(|&count| count > 0)?;
    pages.get(usize::try_from(n % count).ok()?)
}

/// Returns how often all pages were served before the n-th page is.
fn time(pages: &[Page], n: u64) -> u64 {
    u64::try_from(pages.len()).ok().and_then(|count| n.checked_div(count)).unwrap_or(0)
}

/// Adds up something of the pages that are served.
fn total(pages: &[Page], served: u64, of: impl Fn(&Page) -> usize) -> u64 {
    let sum = |pages: &[Page]| u64::try_from(pages.iter().map(&of).sum::<usize>()).unwrap_or(u64::MAX);
    let count = u64::try_from(pages.len()).unwrap_or(u64::MAX).max(1);
    let rest = usize::try_from(served % count).unwrap_or(0).min(pages.len());
    (served / count).saturating_mul(sum(pages)).saturating_add(sum(&pages[..rest]))
}

/// The sequence number of a row: 21 digits, of which the last twelve say page and row.
fn sequence(page: u64, row: u64) -> SequenceNumber {
    SequenceNumber::of(1_000_000_000_000 * 900 + page % 1_000_000 * 1_000_000 + row % 1_000_000)
}

/// Returns the last digits of the number that follows a text.
fn number_after(body: &[u8], text: &[u8]) -> Option<u64> {
    let rest = &body[find(body, text)? + text.len()..];
    let digits: Vec<_> = rest.iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit()).collect();
    let low = &digits[digits.len().saturating_sub(18)..];
    (!low.is_empty()).then(|| low.iter().fold(0, |number, digit| number * 10 + u64::from(**digit - b'0')))
}

#[cfg(test)]
mod tests;
