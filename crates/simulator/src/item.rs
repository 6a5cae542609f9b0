//! Items: attribute names and values.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::value::{Value, read_map, write_map};

/// The largest item, in bytes (`DynamoDB` developer guide, constraints).
const LARGEST: usize = 400 * 1024;

/// An item, or the key of one: values by attribute name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item(pub(crate) BTreeMap<String, Value>);

impl Item {
    /// Creates an item without attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// Returns an attribute.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Reads `DynamoDB` JSON, such as `{"id": {"S": "a"}}`.
    pub fn from_json(text: &str) -> Result<Self> {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| Error::new(400, "SerializationException", format!("Not JSON: {error}")))?;
        Self::read(&json)
    }

    /// Returns the item as `DynamoDB` JSON; equal items have equal texts.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_map(&self.0, &mut out);
        out
    }

    pub(crate) fn read(json: &Json) -> Result<Self> {
        Ok(Self(read_map(json, 0)?))
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.size()).sum()
    }

    pub(crate) fn check_size(&self) -> Result<()> {
        if self.size() > LARGEST {
            return Err(Error::validation("Item size has exceeded the maximum allowed size"));
        }
        Ok(())
    }
}
