//! Attribute values, read from and written as `DynamoDB` JSON.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::number::Number;

/// Lists and maps may lie in each other this deep (`DynamoDB` developer guide, constraints).
const DEPTH: usize = 32;

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A map.
    M(BTreeMap<String, Self>),
    /// A list.
    L(Vec<Self>),
    /// A set of strings.
    Ss(BTreeSet<String>),
    /// A set of numbers.
    Ns(BTreeSet<Number>),
    /// A set of byte strings.
    Bs(BTreeSet<Vec<u8>>),
}

impl Value {
    /// Makes a number from its text.
    pub fn number(text: &str) -> Result<Self> {
        text.parse().map(Self::N)
    }

    /// Makes a map.
    pub fn map<K: Into<String>, V: Into<Self>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::M(entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// Makes a list.
    pub fn list<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::L(values.into_iter().map(Into::into).collect())
    }

    /// Reads a value such as `{"S": "a"}`.
    pub fn from_json(json: &Json) -> Result<Self> {
        read(json, 0)
    }

    /// Returns the size that counts against the limits of items and pages
    /// (developer guide, item sizes and formats).
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::M(map) => 3 + map.iter().map(|(name, value)| name.len() + value.size() + 1).sum::<usize>(),
            Self::L(list) => 3 + list.iter().map(|value| value.size() + 1).sum::<usize>(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(Number::size).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }

    /// Appends `{"S":"a"}`.
    pub(crate) fn write_json(&self, out: &mut String) {
        out.push('{');
        match self {
            Self::S(text) => {
                out.push_str("\"S\":");
                write_string(text, out);
            }
            Self::N(number) => {
                out.push_str("\"N\":");
                write_string(&number.to_string(), out);
            }
            Self::B(bytes) => {
                out.push_str("\"B\":");
                write_string(&STANDARD.encode(bytes), out);
            }
            Self::Bool(value) => out.push_str(if *value { "\"BOOL\":true" } else { "\"BOOL\":false" }),
            Self::Null => out.push_str("\"NULL\":true"),
            Self::M(map) => {
                out.push_str("\"M\":");
                write_map(map, out);
            }
            Self::L(list) => write_list("\"L\":[", list, out, Self::write_json),
            Self::Ss(set) => write_list("\"SS\":[", set, out, |text, out| write_string(text, out)),
            Self::Ns(set) => write_list("\"NS\":[", set, out, |number, out| write_string(&number.to_string(), out)),
            Self::Bs(set) => write_list("\"BS\":[", set, out, |bytes, out| write_string(&STANDARD.encode(bytes), out)),
        }
        out.push('}');
    }
}

/// Appends a map of values.
pub(crate) fn write_map(map: &BTreeMap<String, Value>, out: &mut String) {
    out.push('{');
    for (i, (name, value)) in map.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        value.write_json(out);
    }
    out.push('}');
}

fn write_list<T>(start: &str, values: impl IntoIterator<Item = T>, out: &mut String, write: fn(T, &mut String)) {
    out.push_str(start);
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(value, out);
    }
    out.push(']');
}

/// Appends a text as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push_str(&Json::from(text).to_string());
}

/// Reads a map of values.
pub(crate) fn read_map(json: &Json, depth: usize) -> Result<BTreeMap<String, Value>> {
    let object = json.as_object().ok_or_else(|| malformed("a map of attribute values"))?;
    object.iter().map(|(name, value)| Ok((name.clone(), read(value, depth)?))).collect()
}

fn read(json: &Json, depth: usize) -> Result<Value> {
    if depth > DEPTH {
        return Err(Error::validation("Nesting Levels have exceeded supported limits"));
    }
    let object = json.as_object().ok_or_else(|| malformed("an attribute value"))?;
    if object.len() > 1 {
        return Err(Error::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ));
    }
    let empty =
        || Error::validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    let (kind, value) = object.iter().next().ok_or_else(empty)?;
    match kind.as_str() {
        "S" => Ok(Value::S(text(value)?.to_owned())),
        "N" => Ok(Value::N(text(value)?.parse()?)),
        "B" => Ok(Value::B(binary(value)?)),
        "BOOL" => Ok(Value::Bool(value.as_bool().ok_or_else(|| malformed("a Boolean"))?)),
        "NULL" if value.as_bool() == Some(true) => Ok(Value::Null),
        "NULL" => Err(invalid("Null attribute value types must have the value of true")),
        "M" => Ok(Value::M(read_map(value, depth + 1)?)),
        "L" => Ok(Value::L(array(value)?.iter().map(|value| read(value, depth + 1)).collect::<Result<_>>()?)),
        "SS" => Ok(Value::Ss(set(value, "string", |value| Ok(text(value)?.to_owned()))?)),
        "NS" => Ok(Value::Ns(set(value, "number", |value| text(value)?.parse())?)),
        "BS" => Ok(Value::Bs(set(value, "binary", binary)?)),
        _ => Err(empty()),
    }
}

fn set<T: Ord>(json: &Json, what: &str, read: impl Fn(&Json) -> Result<T>) -> Result<BTreeSet<T>> {
    let values = array(json)?;
    if values.is_empty() {
        return Err(invalid(&format!("An {what} set  may not be empty")));
    }
    let set = values.iter().map(read).collect::<Result<BTreeSet<_>>>()?;
    if set.len() < values.len() {
        return Err(invalid("Input collection contains duplicates"));
    }
    Ok(set)
}

fn text(json: &Json) -> Result<&str> {
    json.as_str().ok_or_else(|| malformed("a string"))
}

fn array(json: &Json) -> Result<&Vec<Json>> {
    json.as_array().ok_or_else(|| malformed("a list"))
}

fn binary(json: &Json) -> Result<Vec<u8>> {
    STANDARD.decode(text(json)?).map_err(|_| malformed("Base64"))
}

fn invalid(what: &str) -> Error {
    Error::validation(format!("One or more parameter values were invalid: {what}"))
}

fn malformed(expected: &str) -> Error {
    Error::new(400, "SerializationException", format!("Expected {expected}"))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::S(text)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::N(value.into())
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        i64::from(value).into()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::B(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Result<String> {
        let value = Value::from_json(&serde_json::from_str(text).unwrap())?;
        let mut out = String::new();
        value.write_json(&mut out);
        Ok(out)
    }

    #[test]
    fn values_are_kept_as_dynamodb_keeps_them() {
        for (sent, kept) in [
            (r#"{"S":"a\"\u0000\ud83d\ude00"}"#, r#"{"S":"a\"\u0000😀"}"#),
            (r#"{"N":"1.10"}"#, r#"{"N":"1.1"}"#),
            (r#"{"B":"AAE="}"#, r#"{"B":"AAE="}"#),
            (r#"{"SS":["b","a"]}"#, r#"{"SS":["a","b"]}"#),
            (r#"{"NS":["10","2.0"]}"#, r#"{"NS":["2","10"]}"#),
            (r#"{"BS":["AQ==","AA=="]}"#, r#"{"BS":["AA==","AQ=="]}"#),
            (
                r#"{"M":{"z":{"L":[{"BOOL":true},{"NULL":true}]},"e":{"M":{}}}}"#,
                r#"{"M":{"e":{"M":{}},"z":{"L":[{"BOOL":true},{"NULL":true}]}}}"#,
            ),
            (r#"{"S":""}"#, r#"{"S":""}"#),
        ] {
            assert_eq!(round(sent).unwrap(), kept);
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [
            r#"{"SS":[]}"#,
            r#"{"SS":["a","a"]}"#,
            r#"{"NS":["1","1.0"]}"#,
            r#"{"NULL":false}"#,
            "{}",
            r#"{"S":"a","N":"1"}"#,
            r#"{"X":"a"}"#,
        ] {
            assert_eq!(round(bad).unwrap_err().code(), "ValidationException", "{bad}");
        }
        let deep = format!("{}{{\"NULL\":true}}{}", r#"{"L":["#.repeat(33), "]}".repeat(33));
        assert_eq!(round(&deep).unwrap_err().message(), "Nesting Levels have exceeded supported limits");
        assert_eq!(round(r#"{"B":"!!"}"#).unwrap_err().code(), "SerializationException");
    }
}
