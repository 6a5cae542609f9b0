//! The operations of `DynamoDB` and its Streams: requests and answers as JSON.

mod items;
mod streams;
mod tables;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::item::Item;
use crate::operation::Operation;
use crate::state::State;

/// One request, and what it may look at.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: u64,
    pub(crate) request: &'a Json,
    /// Requests that follow each other in one lane do so in an order that the client decides, whatever else it asks meanwhile.
    pub(crate) lane: &'a str,
    /// The number of the request in its lane.
    pub(crate) number: u64,
}

/// Does what is asked; returns the body of the answer.
pub(crate) fn answer(operation: Operation, call: &mut Call<'_>) -> Result<String> {
    match operation {
        Operation::BatchWriteItem => items::batch_write(call),
        Operation::DeleteItem => items::delete(call),
        Operation::GetItem => items::get(call),
        Operation::PutItem => items::put(call),
        Operation::Scan => items::scan(call),
        Operation::UpdateItem => items::update(call),
        Operation::CreateTable => tables::create(call),
        Operation::DeleteTable => tables::delete(call),
        Operation::DescribeTable => tables::describe(call),
        Operation::ListTables => tables::list(call),
        Operation::UpdateTable => tables::update(call),
        Operation::DescribeStream => streams::describe(call),
        Operation::GetRecords => streams::records(call),
        Operation::GetShardIterator => streams::shard_iterator(call),
        Operation::ListStreams => streams::list(call),
        Operation::AssumeRole | Operation::AssumeRoleWithWebIdentity | Operation::GetCallerIdentity => {
            Err(Error::new(400, "UnknownOperationException", "An unknown operation was requested."))
        }
    }
}

/// Returns the lane of a request: what it asks about, without what varies from page to page.
pub(crate) fn lane(operation: Operation, request: &Json) -> String {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let detail = match operation {
        Operation::Scan => format!("{}/{}/{}", text("TableName"), request["Segment"], request["TotalSegments"]),
        Operation::GetRecords => {
            // The shard without the place in it.
            let iterator = crate::stream::iterator::place(text("ShardIterator"));
            iterator.map(|(stream, shard)| format!("{stream}/{shard}")).unwrap_or_default()
        }
        Operation::GetShardIterator => format!("{}/{}", text("StreamArn"), text("ShardId")),
        Operation::DescribeStream => text("StreamArn").to_owned(),
        _ => text("TableName").to_owned(),
    };
    format!("{}/{detail}", operation.name())
}

impl<'a> Call<'a> {
    /// Returns an optional string.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.request[name].as_str()
    }

    fn required(&self, name: &str) -> Result<&'a str> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// Returns the name of the table, which may be given as its ARN.
    fn table_name(&self) -> Result<&'a str> {
        table_name(self.required("TableName")?)
    }

    /// Returns a count, which must lie in a range.
    fn count(&self, name: &str, low: u64, high: u64) -> Result<Option<u64>> {
        let value = &self.request[name];
        if value.is_null() {
            return Ok(None);
        }
        let refuse = |bound: String| {
            Err(Error::validation(format!(
                "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value {bound}"
            )))
        };
        match value.as_u64() {
            Some(count) if count > high => refuse(format!("less than or equal to {high}")),
            Some(count) if count >= low => Ok(Some(count)),
            _ => refuse(format!("greater than or equal to {low}")),
        }
    }

    fn item(&self, name: &str) -> Result<Item> {
        if self.request[name].is_null() { Err(missing(name)) } else { Item::read(&self.request[name]) }
    }

    /// Returns an error if the request has something that is not simulated.
    fn supports_all_but(&self, names: &[&str]) -> Result<()> {
        match names.iter().find(|name| !self.request[**name].is_null()) {
            Some(name) => Err(Error::unsupported(name)),
            None => Ok(()),
        }
    }

    fn chance(&self, probability: f64, what: &str) -> bool {
        self.state.settings.dice.chance(probability, &format!("{what}/{}", self.lane), self.number)
    }

    fn below(&self, bound: u64, what: &str) -> u64 {
        self.state.settings.dice.below(bound, &format!("{what}/{}", self.lane), self.number)
    }
}

fn table_name(text: &str) -> Result<&str> {
    let name = text.rsplit_once(":table/").map_or(text, |(_, name)| name);
    if !(3..=255).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        return Err(Error::validation(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the \
             characters a-z, A-Z, 0-9, '_', '-', and '.'",
        ));
    }
    Ok(name)
}

fn missing(name: &str) -> Error {
    Error::validation(format!("Value null at '{name}' failed to satisfy constraint: Member must not be null"))
}

/// Returns a JSON object of parts that may be absent.
fn object(parts: &[Option<String>]) -> String {
    format!("{{{}}}", parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(","))
}
