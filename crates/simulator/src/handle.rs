//! Tables without the network: the same writes, and what only AWS itself does.

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::item::Item;
use crate::simulator::Simulator;
use crate::state::Written;
use crate::stream::record::{Origin, View};
use crate::stream::shard::ShardInfo;
use crate::update::Update;
use crate::value::Value;

/// A table of a simulator.
#[derive(Debug, Clone)]
pub struct TableHandle {
    simulator: Simulator,
    name: String,
}

impl TableHandle {
    pub(crate) fn new(simulator: Simulator, name: String) -> Self {
        Self { simulator, name }
    }

    /// Returns the table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn write(&self, write: Result<Item, Item>, origin: Origin) -> Result<Written> {
        let (mut state, now) = self.simulator.state();
        Ok(state.write(&self.name, write, origin, now)?.0)
    }

    /// Puts an item in the place of the one with the same key.
    pub fn put(&self, item: Item) -> Result<Written> {
        self.write(Ok(item), Origin::User)
    }

    /// Removes an item by its key; attributes beside the key are ignored.
    pub fn delete(&self, key: &Item) -> Result<Written> {
        self.write(Err(self.key_of(key)?), Origin::User)
    }

    /// Sets attributes of an item, which is made if there is none; attributes of the key only say which.
    pub fn set(&self, item: &Item) -> Result<Written> {
        let key = self.key_of(item)?;
        let attributes = item.iter().filter(|(name, _)| key.get(name).is_none());
        let changed = attributes
            .fold(self.get(&key)?.unwrap_or(key.clone()), |item, (name, value)| item.with(name, value.clone()));
        self.put(changed)
    }

    /// Updates an item by an update expression whose values are given by name, such as `("SET a = :a", &[(":a", 1.into())])`.
    pub fn update(&self, key: &Item, expression: &str, values: &[(&str, Value)]) -> Result<Written> {
        let mut request = json!({"UpdateExpression": expression, "ExpressionAttributeValues": {}});
        for (name, value) in values {
            let mut text = String::new();
            value.write_json(&mut text);
            request["ExpressionAttributeValues"][*name] = serde_json::from_str(&text).unwrap_or(Json::Null);
        }
        let update = Update::read(&request)?;
        let key = self.key_of(key)?;
        let item = update.apply(self.get(&key)?.unwrap_or(key))?;
        self.put(item)
    }

    /// Removes an item because its time to live has passed: the record says that the service did it.
    pub fn expire(&self, key: &Item) -> Result<Written> {
        self.write(Err(self.key_of(key)?), Origin::TimeToLive)
    }

    /// Removes every item whose attribute, a number of seconds since 1970, is not after the present time; returns how many.
    pub fn expire_due(&self, attribute: &str) -> Result<usize> {
        let now = i64::try_from(self.simulator.clock().now_ms() / 1000).unwrap_or(i64::MAX);
        let is_due = |item: &Item| matches!(item.get(attribute), Some(Value::N(at)) if *at <= now.into());
        let due: Vec<_> = self.items()?.into_iter().filter(is_due).collect();
        due.iter().try_for_each(|item| self.expire(item).map(drop))?;
        Ok(due.len())
    }

    /// Puts an item as a replica does that receives it from a global table of version 2017.11.29: with the attributes `aws:rep:…`.
    ///
    /// In version 2019.11.21 a replicated write is a write like any other: use [`put`](Self::put).
    pub fn replicate_put(&self, item: Item, region: &str) -> Result<Written> {
        self.put(self.replicated(item, region, false))
    }

    /// Removes an item as such a replica does: it is marked, and then gone. Returns what the removal did.
    pub fn replicate_delete(&self, key: &Item, region: &str) -> Result<Written> {
        if let Some(item) = self.get(key)? {
            self.put(self.replicated(item, region, true))?;
        }
        self.delete(key)
    }

    fn replicated(&self, item: Item, region: &str, deleting: bool) -> Item {
        let now = self.simulator.clock().now_ms();
        let time = format!("{}.{:03}001", now / 1000, now % 1000);
        let time = time.parse().map_or(Value::Null, Value::N);
        item.with("aws:rep:deleting", deleting).with("aws:rep:updatetime", time).with("aws:rep:updateregion", region)
    }

    /// Returns an item by its key.
    pub fn get(&self, key: &Item) -> Result<Option<Item>> {
        let key = self.key_of(key)?;
        let (state, _) = self.simulator.state();
        let table = state.table(&self.name)?;
        let position = table.spec.keys.position(&key, state.settings.dice)?;
        Ok(table.items.get(&position).map(|stored| stored.item.clone()))
    }

    /// Returns all items, in the order of a Scan.
    pub fn items(&self) -> Result<Vec<Item>> {
        let (state, _) = self.simulator.state();
        Ok(state.table(&self.name)?.items.values().map(|stored| stored.item.clone()).collect())
    }

    /// Returns the number of items.
    pub fn len(&self) -> Result<usize> {
        Ok(self.simulator.state().0.table(&self.name)?.items.len())
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Returns the key of an item of this table.
    pub fn key_of(&self, item: &Item) -> Result<Item> {
        Ok(self.simulator.state().0.table(&self.name)?.spec.keys.key_of(item))
    }

    /// Deletes the table; its stream can be read for 24 hours.
    pub fn drop_table(&self) -> Result<()> {
        let (mut state, now) = self.simulator.state();
        state.delete_table(&self.name, now)
    }

    /// Switches the stream on: a new one, whose ARN is returned.
    pub fn stream_on(&self, view: View) -> Result<String> {
        let (mut state, now) = self.simulator.state();
        state.stream_on(&self.name, view, now)
    }

    /// Switches the stream off; what is in it can be read for 24 hours.
    pub fn stream_off(&self) -> Result<()> {
        let (mut state, now) = self.simulator.state();
        state.stream_off(&self.name, now)
    }

    /// Returns the ARN of the latest stream, which may be switched off.
    pub fn stream_arn(&self) -> Result<Option<String>> {
        Ok(self.simulator.state().0.table(&self.name)?.stream.as_ref().map(|(arn, _)| arn.clone()))
    }

    /// Returns the shards of the latest stream that are not gone yet, in the order of their ids.
    pub fn shards(&self) -> Result<Vec<ShardInfo>> {
        let (mut state, _) = self.simulator.state();
        state.with_stream(&self.name, |stream, _, _| {
            Ok(stream.shards.iter().map(|(id, shard)| ShardInfo::new(id, shard)).collect())
        })
    }

    /// Closes an open shard and puts two in its place, each with half of its keys; returns their ids.
    pub fn split(&self, shard: &str) -> Result<Vec<String>> {
        self.succeed(shard, 2)
    }

    /// Closes an open shard and puts another in its place; returns its id.
    pub fn roll(&self, shard: &str) -> Result<String> {
        let mut children = self.succeed(shard, 1)?;
        children.pop().ok_or_else(|| Error::validation("A rolled shard has a child"))
    }

    /// Splits every open shard.
    pub fn split_all(&self) -> Result<()> {
        self.shards()?.iter().filter(|shard| shard.open).try_for_each(|shard| self.split(&shard.id).map(drop))
    }

    /// Rolls every open shard.
    pub fn roll_all(&self) -> Result<()> {
        self.shards()?.iter().filter(|shard| shard.open).try_for_each(|shard| self.roll(&shard.id).map(drop))
    }

    fn succeed(&self, shard: &str, children: usize) -> Result<Vec<String>> {
        let (mut state, now) = self.simulator.state();
        state.with_stream(&self.name, |stream, sequences, settings| {
            stream.succeed(shard, children, sequences, (now, settings))
        })
    }

    /// Trims the oldest records of a shard before their time.
    pub fn trim(&self, shard: &str, records: usize) -> Result<()> {
        let (mut state, _) = self.simulator.state();
        state.with_stream(&self.name, |stream, _, _| {
            let shard = stream.shards.get_mut(shard).ok_or_else(|| Error::not_found("Shard does not exist"))?;
            shard.trim(records);
            Ok(())
        })
    }

    /// Makes a shard vanish with all that is in it, as if its time had come.
    pub fn forget(&self, shard: &str) -> Result<()> {
        let (mut state, _) = self.simulator.state();
        state.with_stream(&self.name, |stream, _, _| match stream.shards.get(shard) {
            Some(found) if !found.is_open() => {
                stream.shards.remove(shard);
                Ok(())
            }
            Some(_) => Err(Error::validation(format!("Shard {shard} is open"))),
            None => Err(Error::not_found("Shard does not exist")),
        })
    }
}
