//! A table and its stream, as a script of pages; enough of `DynamoDB`'s answers to read them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Reply, Request};

pub(super) const ARN: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000";

/// A shard: pages of records; the last page of a closed one comes with a null iterator.
#[derive(Debug, Clone, Default)]
pub(super) struct Shard {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) pages: Vec<Vec<u64>>,
    pub(super) closed: bool,
    /// So many pages at the beginning are gone.
    pub(super) trimmed: usize,
}

impl Shard {
    pub(super) fn new(id: &str, parent: Option<&str>, pages: &[&[u64]]) -> Self {
        Self {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            pages: pages.iter().map(|page| page.to_vec()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    pub(super) fn trimmed(mut self, pages: usize) -> Self {
        self.trimmed = pages;
        self
    }
}

/// The state of the fake; tests change it while a run goes on.
#[derive(Debug)]
pub(super) struct State {
    /// Pages of each segment; a page is a list of item ids.
    pub(super) segments: Vec<Vec<Vec<String>>>,
    pub(super) arn: String,
    /// What `DescribeTable` says instead of `arn`.
    pub(super) latest_arn: Option<String>,
    /// `None` is a stream that is off.
    pub(super) view: Option<&'static str>,
    pub(super) stream_status: &'static str,
    pub(super) shards: Vec<Shard>,
    /// Creation time of all records, in seconds since 1970.
    pub(super) created_s: i64,
    /// Answers that come instead of the right one, per operation.
    pub(super) faults: VecDeque<(&'static str, Reply)>,
    /// Every request: the operation, and what it was about.
    pub(super) log: Vec<String>,
    /// Whether trimmed data shows at `GetShardIterator` (as AWS documents it) or only at `GetRecords` (as `DynamoDB` Local does it).
    pub(super) trimmed_at_iterator: bool,
    pub(super) size_bytes: u64,
    pub(super) describe_pages: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            segments: vec![vec![vec![]]],
            arn: ARN.to_owned(),
            latest_arn: None,
            view: Some("NEW_AND_OLD_IMAGES"),
            stream_status: "ENABLED",
            shards: vec![Shard::new("s0", None, &[])],
            created_s: 4_000_000_000,
            faults: VecDeque::new(),
            log: Vec::new(),
            trimmed_at_iterator: true,
            size_bytes: 0,
            describe_pages: 1,
        }
    }
}

/// The fake, shared by the server and the test.
#[derive(Debug, Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(super) fn new(change: impl FnOnce(&mut State)) -> Self {
        let fake = Self::default();
        fake.with(change);
        fake
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Returns the requests that began with this text.
    pub(super) fn requests(&self, start: &str) -> Vec<String> {
        self.with(|state| state.log.iter().filter(|line| line.starts_with(start)).cloned().collect())
    }

    pub(super) fn answer(&self, request: &Request) -> Reply {
        self.with(|state| {
            let operation = request.operation().to_owned();
            let reply = state.answer(&operation, &request.json());
            if let Some(at) = state.faults.iter().position(|(of, _)| *of == operation) {
                return state.faults.remove(at).unwrap().1;
            }
            reply
        })
    }
}

impl State {
    fn answer(&mut self, operation: &str, input: &Value) -> Reply {
        match operation {
            "ListTables" => {
                self.log.push("ListTables".to_owned());
                match input["ExclusiveStartTableName"].as_str() {
                    None => Reply::json(&json!({"TableNames": ["customers"], "LastEvaluatedTableName": "customers"})),
                    Some(_) => Reply::json(&json!({"TableNames": ["orders", "orders_old"]})),
                }
            }
            "DescribeTable" => self.describe_table(input["TableName"].as_str().unwrap()),
            "Scan" => self.scan(input),
            "DescribeStream" => self.describe_stream(input),
            "GetShardIterator" => self.shard_iterator(input),
            "GetRecords" => self.records(input["ShardIterator"].as_str().unwrap()),
            // What an item holds is up to the test, which puts another answer in this one's place.
            "GetItem" => {
                self.log.push(format!("GetItem {} {}", input["Key"], input["ConsistentRead"]));
                Reply::json(&json!({}))
            }
            other => panic!("{other} is not part of the script"),
        }
    }

    fn describe_table(&mut self, name: &str) -> Reply {
        self.log.push(format!("DescribeTable {name}"));
        if name == "missing" {
            return Reply::error(400, "ResourceNotFoundException", "Requested resource not found");
        }
        let mut table = json!({
            "TableName": name,
            "TableStatus": "ACTIVE",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "ItemCount": 7,
            "TableSizeBytes": self.size_bytes,
            "ProvisionedThroughput": {"ReadCapacityUnits": 25, "WriteCapacityUnits": 5},
        });
        if let Some(view) = self.view {
            table["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": view});
            table["LatestStreamArn"] = json!(self.latest_arn.as_ref().unwrap_or(&self.arn));
        }
        Reply::json(&json!({ "Table": table }))
    }

    fn scan(&mut self, input: &Value) -> Reply {
        let number = |name: &str| usize::try_from(input[name].as_u64().unwrap()).unwrap();
        let (segment, total) = (number("Segment"), number("TotalSegments"));
        let page = match input["ExclusiveStartKey"]["id"]["S"].as_str() {
            None => 0,
            Some(key) => key.rsplit('#').next().unwrap().parse::<usize>().unwrap() + 1,
        };
        let consistent = if input["ConsistentRead"].as_bool() == Some(true) { " consistent" } else { "" };
        self.log.push(format!("Scan {segment}/{total} {page}{consistent}"));
        // One segment reads everything, whatever the script's number is.
        let all: Vec<Vec<String>>;
        let pages = if total == 1 {
            all = self.segments.iter().flatten().cloned().collect();
            &all
        } else {
            &self.segments[segment]
        };
        let items: Vec<Value> = pages[page].iter().map(|id| json!({"id": {"S": id}, "n": {"N": "1"}})).collect();
        let mut body = json!({"Items": items, "Count": items.len(), "ScannedCount": items.len(),
            "ConsumedCapacity": {"TableName": "orders", "CapacityUnits": 2.5}});
        if page + 1 < pages.len() {
            body["LastEvaluatedKey"] = json!({"id": {"S": format!("key#{page}")}});
        }
        Reply::json(&body)
    }

    fn describe_stream(&mut self, input: &Value) -> Reply {
        let arn = input["StreamArn"].as_str().unwrap();
        self.log.push("DescribeStream".to_owned());
        if arn != self.arn {
            return Reply::error(400, "ResourceNotFoundException", "no such stream");
        }
        let per_page = self.shards.len().div_ceil(self.describe_pages).max(1);
        let from = match input["ExclusiveStartShardId"].as_str() {
            None => 0,
            Some(after) => self.shards.iter().position(|shard| shard.id == after).unwrap() + 1,
        };
        let page = &self.shards[from..(from + per_page).min(self.shards.len())];
        let shards: Vec<Value> = page
            .iter()
            .map(|shard| {
                let mut listed = json!({"ShardId": shard.id, "SequenceNumberRange": {
                    // As one emulator has it: set on open shards too.
                    "StartingSequenceNumber": "1", "EndingSequenceNumber": "9"}});
                if let Some(parent) = &shard.parent {
                    listed["ParentShardId"] = json!(parent);
                }
                listed
            })
            .collect();
        let mut description = json!({"StreamArn": arn, "StreamStatus": self.stream_status, "StreamViewType": self.view, "Shards": shards});
        if from + per_page < self.shards.len() {
            description["LastEvaluatedShardId"] = json!(page.last().unwrap().id);
        }
        Reply::json(&json!({ "StreamDescription": description }))
    }

    fn shard_iterator(&mut self, input: &Value) -> Reply {
        let id = input["ShardId"].as_str().unwrap();
        let kind = input["ShardIteratorType"].as_str().unwrap();
        let after: u64 = input["SequenceNumber"].as_str().map_or(0, |number| number.parse().unwrap());
        self.log.push(format!("GetShardIterator {id} {kind} {after}"));
        let Some(shard) = self.shards.iter().find(|shard| shard.id == id) else {
            return Reply::error(400, "ResourceNotFoundException", "no such shard");
        };
        let page = match kind {
            "TRIM_HORIZON" => shard.trimmed,
            "AFTER_SEQUENCE_NUMBER" => {
                let with = |page: &Vec<u64>| page.contains(&after);
                let page = match shard.pages.iter().position(with) {
                    Some(page) if shard.pages[page].last() == Some(&after) => page + 1,
                    Some(page) => page,
                    None => shard.pages.len(),
                };
                if page < shard.trimmed && self.trimmed_at_iterator {
                    return Reply::error(400, "TrimmedDataAccessException", "trimmed");
                }
                page
            }
            other => panic!("iterators of type {other} are never asked for"),
        };
        Reply::json(&json!({"ShardIterator": format!("{id}|{page}|{after}")}))
    }

    fn records(&mut self, iterator: &str) -> Reply {
        self.log.push(format!("GetRecords {iterator}"));
        let parts: Vec<&str> = iterator.split('|').collect();
        let (id, page, after): (_, usize, u64) = (parts[0], parts[1].parse().unwrap(), parts[2].parse().unwrap());
        let Some(shard) = self.shards.iter().find(|shard| shard.id == id) else {
            return Reply::error(400, "ResourceNotFoundException", "no such shard");
        };
        if page < shard.trimmed {
            return Reply::error(400, "TrimmedDataAccessException", "trimmed");
        }
        let numbers: &[u64] = shard.pages.get(page).map_or(&[], Vec::as_slice);
        let records: Vec<Value> = numbers.iter().filter(|&&n| n > after).map(|&n| record(n, self.created_s)).collect();
        let mut body = json!({ "Records": records });
        if page + 1 < shard.pages.len() {
            body["NextShardIterator"] = json!(format!("{id}|{}|0", page + 1));
        } else if !shard.closed {
            // An open shard goes on where it stands, so that pages that are added later are found.
            body["NextShardIterator"] = json!(format!("{id}|{}|0", shard.pages.len().max(page)));
        }
        Reply::json(&body)
    }
}

/// The record with this sequence number inserts the item `r<number>`.
fn record(number: u64, created_s: i64) -> Value {
    let id = json!({"S": format!("r{number}")});
    json!({
        "eventID": number.to_string(), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": created_s,
            "Keys": {"id": id}, "NewImage": {"id": id, "n": {"N": number.to_string()}},
            "SequenceNumber": format!("{number:021}"), "SizeBytes": 10, "StreamViewType": "NEW_AND_OLD_IMAGES"
        }
    })
}
