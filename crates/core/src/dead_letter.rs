//! Dead letters: what could not be read or stored, set aside with everything that is known of it.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Error, ErrorKind, Op, OrderKey, PartitionId, Result, TableName};

mod put;

pub use put::PutId;

/// The fact in a table's checkpoint that counts its dead letters: those put aside, less those replayed.
pub const DEAD_LETTERS_FACT: &str = "dead_letters";

/// What happens to a record that cannot be read, and to a row that the destination refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRecord {
    /// Stop the table with an error.
    #[default]
    Fail,
    /// Set it aside as a dead letter and go on.
    DeadLetter,
}

/// What a dead letter's raw bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawForm {
    /// An item of a snapshot that could not be read, as the source sent it.
    Item,
    /// A record of a stream that could not be read, as the source sent it.
    Record,
    /// A row that the destination refused, written as an item again; of a removal only the key.
    Row,
}

/// Something that was set aside: where it stood, what is wrong with it, and its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What `raw` is.
    pub form: RawForm,
    /// The part of the table it was read from, where that is known.
    pub partition: Option<PartitionId>,
    /// Its place there, for people.
    pub position: String,
    /// The order key that its row would have had.
    pub order: OrderKey,
    /// What happened to the row, if that could be read.
    pub op: Option<Op>,
    /// The time of the change in microseconds since 1970, if that could be read.
    pub changed_at: Option<i64>,
    /// The key of its row as `DynamoDB` JSON, if it could be read.
    pub key: Option<Value>,
    /// What is wrong; names and positions, never a value.
    pub error: String,
    /// The bytes.
    pub raw: Vec<u8>,
}

/// Shows no values.
impl Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("form", &self.form)
            .field("partition", &self.partition)
            .field("position", &self.position)
            .field("order", &self.order)
            .field("op", &self.op)
            .field("error", &self.error)
            .field("has_key", &self.key.is_some())
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names the letter: the same trouble with the same version of a row has the same id, however often it is met.
    pub id: String,
    /// The source's table.
    pub table: TableName,
    /// When it was set aside, in milliseconds since 1970.
    pub seen_at_ms: u64,
    /// What was set aside.
    pub rejected: Rejected,
}

impl DeadLetter {
    /// Returns the letter as the JSON object that stands on its line of a file.
    ///
    /// Bytes that are UTF-8 stand as text under `raw`, others in base64 under `raw_base64`.
    pub fn to_json(&self) -> Value {
        let Rejected { form, partition, position, order, op, changed_at, key, error, raw } = &self.rejected;
        let mut line = json!({
            "id": self.id,
            "table": self.table,
            "seen_at_ms": self.seen_at_ms,
            "form": form,
            "partition": partition,
            "position": position,
            "epoch": order.epoch(),
            "order": order.to_string(),
            "op": op.map(Op::as_str),
            "changed_at_us": changed_at,
            "error": error,
            "key": key,
        });
        let (name, text) = match str::from_utf8(raw) {
            Ok(text) => ("raw", text.to_owned()),
            Err(_) => ("raw_base64", BASE64_STANDARD.encode(raw)),
        };
        line[name] = Value::String(text);
        line
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// Returns [`DataInvalid`](ErrorKind::DataInvalid) naming the member that is not as it should be.
    pub fn from_json(line: Value) -> Result<Self> {
        let Value::Object(mut members) = line else { return Err(malformed("a line")) };
        let raw = match (take::<Option<String>>(&mut members, "raw")?, members.remove("raw_base64")) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(Value::String(text))) => {
                BASE64_STANDARD.decode(text).map_err(|e| malformed("raw_base64").with_source(e))?
            }
            _ => return Err(malformed("raw")),
        };
        let op = take::<Option<String>>(&mut members, "op")?;
        let op = op.map(|op| Op::parse(&op).ok_or_else(|| malformed("op"))).transpose()?;
        Ok(Self {
            id: take(&mut members, "id")?,
            table: take(&mut members, "table")?,
            seen_at_ms: take(&mut members, "seen_at_ms")?,
            rejected: Rejected {
                form: take(&mut members, "form")?,
                partition: take(&mut members, "partition")?,
                position: take(&mut members, "position")?,
                order: take::<String>(&mut members, "order")?.parse()?,
                op,
                changed_at: take(&mut members, "changed_at_us")?,
                key: members.remove("key").filter(|key| !key.is_null()),
                error: take(&mut members, "error")?,
                raw,
            },
        })
    }
}

fn take<T: serde::de::DeserializeOwned>(members: &mut Map<String, Value>, name: &'static str) -> Result<T> {
    let value = members.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|e| malformed(name).with_source(e))
}

fn malformed(member: &str) -> Error {
    Error::new(ErrorKind::DataInvalid, "A dead letter is not one that was written here").with("member", member)
}

/// A file of one table's letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterFile {
    /// The source's table.
    pub table: TableName,
    /// The put that wrote it, if that is not [confirmed](DeadLetters::confirm): the file counts only if the table's checkpoint says so.
    pub pending: Option<PutId>,
    /// The file's name, which is the store's own business.
    pub name: String,
}

/// Where dead letters are kept, in files of the letters that one commit set aside.
///
/// A put is pending until it is confirmed, which happens once its commit has happened: after the commit, or when the table is opened
/// next. A put whose commit never happens stays pending, counts for nothing, and is removed once a later put is confirmed.
#[async_trait]
pub trait DeadLetters: Debug + Send + Sync + 'static {
    /// Keeps the letters that one commit sets aside, before it; once it returns they are durable, and pending.
    async fn put(&self, table: &TableName, id: PutId, letters: &[DeadLetter]) -> Result<()>;

    /// Takes the last put that the table's checkpoint [names](PutId::committed) as one that counts, and removes those that
    /// [cannot count any more](PutId::is_dead). Doing it again, or late, changes nothing.
    async fn confirm(&self, table: &TableName, committed: PutId) -> Result<()>;

    /// Returns the files of letters that wait, of one table or of all, by table and then in the order in which they were set aside,
    /// and after a table's files those of its puts that are pending. It reads no letter.
    async fn files(&self, table: Option<&TableName>) -> Result<Vec<LetterFile>>;

    /// Reads a file's letters, by order key and id; none if it is not there any more.
    async fn read(&self, file: &LetterFile) -> Result<Vec<DeadLetter>>;

    /// Moves a file's letters of these ids to those that were replayed; one that is not there any more is fine.
    async fn archive(&self, file: &LetterFile, ids: &BTreeSet<&str>) -> Result<()>;
}

/// How a source shall read dead letters again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reread {
    /// The item as it is now, under the letter's order key; a removal if there is none.
    Item,
    /// The letter's own bytes.
    Raw,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    fn letter(raw: &[u8]) -> DeadLetter {
        DeadLetter {
            id: "1f".to_owned(),
            table: TableName::new("orders"),
            seen_at_ms: 1_700_000_000_000,
            rejected: Rejected {
                form: RawForm::Record,
                partition: Some(PartitionId::new("shard/1")),
                position: "sequence number 7".to_owned(),
                order: OrderKey::new(Epoch(2), 7.into()),
                op: Some(Op::Modify),
                changed_at: Some(-5),
                key: Some(json!({"id": {"N": "12345678901234567890123456789012345678"}})),
                error: "A number is not one".to_owned(),
                raw: raw.to_vec(),
            },
        }
    }

    #[test]
    fn a_letter_comes_back_from_its_line_byte_by_byte() {
        let mut bare = letter(b"");
        (bare.rejected.partition, bare.rejected.op) = (None, None);
        (bare.rejected.key, bare.rejected.changed_at) = (None, None);
        for letter in [letter(b"{\"a\": 1, \"a\":\n2}"), letter(b"\"\xff\0"), bare] {
            let line = serde_json::to_string(&letter.to_json()).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(DeadLetter::from_json(serde_json::from_str(&line).unwrap()).unwrap(), letter);
        }
    }

    #[test]
    fn a_line_that_is_no_letter_is_refused_by_name() {
        let whole = letter(b"x").to_json();
        for name in ["id", "table", "seen_at_ms", "form", "position", "order", "error", "raw"] {
            let mut line = whole.clone();
            line.as_object_mut().unwrap().remove(name);
            let error = DeadLetter::from_json(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataInvalid);
            assert_eq!(error.context()[0].1, name);
        }
        for (name, wrong) in [("op", "flip"), ("order", "7"), ("form", "page")] {
            let mut line = whole.clone();
            line[name] = wrong.into();
            assert_eq!(DeadLetter::from_json(line).unwrap_err().kind(), ErrorKind::DataInvalid);
        }
        assert!(DeadLetter::from_json(json!([])).is_err());
    }

    #[test]
    fn debug_output_has_no_values() {
        let shown = format!("{:?}", letter(b"hunter2"));
        assert!(!shown.contains("hunter2") && !shown.contains("12345678901234567890"), "{shown}");
    }
}
