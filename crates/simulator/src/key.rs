//! Keys: which attributes they are, and where in a table an item lies.

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::item::Item;
use crate::number::Number;
use crate::random::Dice;
use crate::value::Value;

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// A string.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl KeyType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Self> {
        match name {
            "S" => Ok(Self::S),
            "N" => Ok(Self::N),
            "B" => Ok(Self::B),
            _ => Err(Error::validation(format!("Member must satisfy enum value set: [B, N, S], not {name}"))),
        }
    }
}

/// The key attributes of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    pub(crate) partition: (String, KeyType),
    pub(crate) sort: Option<(String, KeyType)>,
}

impl KeySchema {
    /// A key of a partition key alone.
    pub fn partition(name: impl Into<String>, kind: KeyType) -> Self {
        Self { partition: (name.into(), kind), sort: None }
    }

    /// Adds a sort key.
    #[must_use]
    pub fn sort(mut self, name: impl Into<String>, kind: KeyType) -> Self {
        self.sort = Some((name.into(), kind));
        self
    }

    fn attributes(&self) -> impl Iterator<Item = &(String, KeyType)> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.attributes().any(|(key, _)| key == name)
    }

    /// Returns the key attributes of an item.
    pub(crate) fn key_of(&self, item: &Item) -> Item {
        Item(self.attributes().filter_map(|(name, _)| Some((name.clone(), item.get(name)?.clone()))).collect())
    }

    /// Returns an error unless these are exactly the key attributes.
    pub(crate) fn check_key(&self, key: &Item) -> Result<()> {
        if key.iter().count() != self.attributes().count() {
            return Err(Error::validation("The number of conditions on the keys is invalid"));
        }
        Ok(())
    }

    /// Returns where an item with this key lies.
    pub(crate) fn position(&self, item: &Item, dice: Dice) -> Result<Position> {
        let partition = part(item, &self.partition)?;
        let sort = self.sort.as_ref().map(|attribute| part(item, attribute)).transpose()?;
        let hash = match &partition {
            Part::S(text) => dice.hash(text.as_bytes()),
            Part::N(number) => dice.hash(number.to_string().as_bytes()),
            Part::B(bytes) => dice.hash(bytes),
        };
        Ok(Position { hash, partition, sort })
    }

    /// Returns `KeySchema` and `AttributeDefinitions`.
    pub(crate) fn to_json(&self) -> (Json, Json) {
        let names = ["HASH", "RANGE"].iter().zip(self.attributes());
        let schema = names.map(|(kind, (name, _))| json!({"AttributeName": name, "KeyType": kind})).collect();
        let types =
            self.attributes().map(|(name, t)| json!({"AttributeName": name, "AttributeType": t.name()})).collect();
        (Json::Array(schema), Json::Array(types))
    }

    /// Reads `KeySchema` and `AttributeDefinitions` of a request.
    pub(crate) fn read(request: &Json) -> Result<Self> {
        let list = |name: &str| request[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let find = |kind: &str| {
            let part = list("KeySchema").iter().find(|part| part["KeyType"] == kind)?;
            part["AttributeName"].as_str()
        };
        let typed = |name: &str, role: &str| {
            let definition = list("AttributeDefinitions").iter().find(|definition| definition["AttributeName"] == name);
            let kind = definition.and_then(|definition| definition["AttributeType"].as_str()).ok_or_else(|| {
                Error::validation(format!("{role} Key not specified in Attribute Definitions.  Type unknown."))
            })?;
            Ok((name.to_owned(), KeyType::from_name(kind)?))
        };
        let partition = find("HASH").ok_or_else(|| Error::validation("No Hash Key specified in schema."))?;
        Ok(Self {
            partition: typed(partition, "Hash")?,
            sort: find("RANGE").map(|name| typed(name, "Range")).transpose()?,
        })
    }
}

/// A key attribute's value, in the order in which `DynamoDB` sorts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    S(String),
    N(Number),
    B(Vec<u8>),
}

/// Where an item lies in its table: items are in the order of the partition key's hash, then of the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) hash: u64,
    partition: Part,
    sort: Option<Part>,
}

impl Position {
    /// Returns the position before everything with this hash; no key attribute can be an empty binary.
    pub(crate) fn first_of(hash: u64) -> Self {
        Self { hash, partition: Part::S(String::new()), sort: None }
    }
}

fn part(item: &Item, (name, kind): &(String, KeyType)) -> Result<Part> {
    let empty = |what| {
        let text = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty";
        Err(Error::validation(format!("{text} {what} value. Key: {name}")))
    };
    match (item.get(name), kind) {
        (None, _) => Err(Error::validation("One of the required keys was not given a value")),
        (Some(Value::S(text)), KeyType::S) if text.is_empty() => empty("string"),
        (Some(Value::B(bytes)), KeyType::B) if bytes.is_empty() => empty("binary"),
        (Some(Value::S(text)), KeyType::S) => Ok(Part::S(text.clone())),
        (Some(Value::N(number)), KeyType::N) => Ok(Part::N(number.clone())),
        (Some(Value::B(bytes)), KeyType::B) => Ok(Part::B(bytes.clone())),
        _ => Err(Error::validation("One or more parameter values were invalid: Type mismatch for key".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_as_dynamodb_does() {
        let schema = KeySchema::partition("pk", KeyType::S).sort("sk", KeyType::N);
        let dice = Dice::new(0);
        let message = |item: Item| schema.position(&item, dice).unwrap_err().message().to_owned();
        assert_eq!(message(Item::new().with("pk", "a")), "One of the required keys was not given a value");
        assert!(message(Item::new().with("pk", "").with("sk", 1)).contains("empty string value. Key: pk"));
        assert!(message(Item::new().with("pk", 1).with("sk", 1)).contains("Type mismatch"));
    }

    #[test]
    fn one_partition_lies_together_and_in_numeric_order() {
        let schema = KeySchema::partition("pk", KeyType::S).sort("sk", KeyType::N);
        let at = |pk: &str, sk: i32| schema.position(&Item::new().with("pk", pk).with("sk", sk), Dice::new(0)).unwrap();
        assert!(at("a", 9) < at("a", 10));
        assert_eq!(at("a", 1).hash, at("a", 2).hash);
        assert_ne!(at("a", 1).hash, at("b", 1).hash);
        assert!(Position::first_of(at("a", 1).hash) < at("a", -5));
    }
}
