//! A table: its items in order, and what they were a moment ago.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::clock::json_seconds;
use crate::key::{KeySchema, Position};
use crate::settings::Settings;
use crate::stored::Stored;
use crate::stream::record::View;

/// How a table is made.
#[derive(Debug, Clone)]
pub struct TableSpec {
    pub(crate) name: String,
    pub(crate) keys: KeySchema,
    pub(crate) view: Option<View>,
    pub(crate) shards: u32,
    /// Read and write units; on demand without.
    pub(crate) provisioned: Option<(u64, u64)>,
}

impl TableSpec {
    /// A table on demand, without a stream.
    pub fn new(name: impl Into<String>, keys: KeySchema) -> Self {
        Self { name: name.into(), keys, view: None, shards: 1, provisioned: None }
    }

    /// Switches its stream on.
    #[must_use]
    pub fn stream(mut self, view: View) -> Self {
        self.view = Some(view);
        self
    }

    /// Sets with how many shards its streams begin. Default: 1.
    #[must_use]
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Gives it provisioned capacity, in read and write units. It is described, not enforced: throttling is a fault to inject.
    #[must_use]
    pub fn provisioned(mut self, read: u64, write: u64) -> Self {
        self.provisioned = Some((read, write));
        self
    }
}

/// What an item was before it changed.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) at: u64,
    pub(crate) position: Position,
    pub(crate) item: Option<Arc<Stored>>,
}

/// A table and its items.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) spec: TableSpec,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) items: BTreeMap<Position, Arc<Stored>>,
    pub(crate) bytes: usize,
    /// The newest changes, oldest first, as long as a stale read may not know them.
    pub(crate) recent: VecDeque<Before>,
    /// ARN and label of the latest stream; it may be disabled.
    pub(crate) stream: Option<(String, String)>,
}

impl Table {
    /// Puts an item in its place or takes it away; returns what was there.
    pub(crate) fn replace(&mut self, position: Position, new: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        self.bytes += new.as_ref().map_or(0, |new| new.size);
        let old = match new {
            Some(new) => self.items.insert(position, new),
            None => self.items.remove(&position),
        };
        self.bytes -= old.as_ref().map_or(0, |old| old.size);
        old
    }

    /// Keeps what an item was, for reads that are stale by up to `keep` milliseconds.
    pub(crate) fn remember(&mut self, before: Before, keep: u64) {
        let oldest = before.at.saturating_sub(keep);
        self.recent.push_back(before);
        while self.recent.front().is_some_and(|before| before.at < oldest) {
            self.recent.pop_front();
        }
    }

    pub(crate) fn to_json(&self, settings: &Settings) -> Json {
        let (schema, types) = self.spec.keys.to_json();
        let (read, write) = self.spec.provisioned.unwrap_or_default();
        let mut table = json!({
            "AttributeDefinitions": types,
            "TableName": self.spec.name,
            "KeySchema": schema,
            "TableStatus": "ACTIVE",
            "CreationDateTime": number(&json_seconds(self.created)),
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": read, "WriteCapacityUnits": write,
            },
            "TableSizeBytes": self.bytes,
            "ItemCount": self.items.len(),
            "TableArn": settings.table_arn(&self.spec.name),
            "TableId": self.id,
            "DeletionProtectionEnabled": false,
        });
        if self.spec.provisioned.is_none() {
            table["BillingModeSummary"] = json!({"BillingMode": "PAY_PER_REQUEST"});
        }
        if let Some(view) = self.spec.view {
            table["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": view.name()});
        }
        if let Some((arn, label)) = &self.stream {
            table["LatestStreamArn"] = arn.as_str().into();
            table["LatestStreamLabel"] = label.as_str().into();
        }
        table
    }
}

/// A JSON number with all of its digits.
pub(crate) fn number(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or(Json::Null)
}
