//! A source of items that a test wrote down as JSON, with attributes of any kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use commutator_core::{
    ChangeBatch, CheckReport, Column, DeadLetter, Error, ErrorKind, Extras, LogicalType, Offset, Op, OrderKey,
    PartitionId, Permit, Position, Progress, ReadRequest, Reread, Result, Source, SourceBatch, SourceEvent,
    SourceStream, TableDescription, TableName, TableSchema,
};
use commutator_destination_memory::Memory;
use serde_json::{Value, json};

/// Items of a snapshot, and then batches of changes; the key is the number `id`. A change that is only a key is a removal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Items {
    pub(crate) snapshot: Vec<Value>,
    pub(crate) changes: Vec<Vec<Value>>,
    /// The table as it is now.
    pub(crate) now: BTreeMap<i64, Value>,
}

const PARTITION: &str = "items";

#[async_trait]
impl Source for Items {
    async fn check(&self) -> Result<CheckReport> {
        Ok(CheckReport::default())
    }

    async fn discover(&self) -> Result<Vec<TableDescription>> {
        Ok(vec![crate::scripted::description("t")])
    }

    async fn read(&self, request: ReadRequest) -> Result<SourceStream> {
        if request.table != TableName::new("t") {
            return Err(Error::new(ErrorKind::NotFound, "There is no such table").with("table", &request.table));
        }
        let position = |n: usize| (n > 0).then(|| Position::At(Offset { order: format!("{n:06}"), resume: None }));
        let done = match request.from.position(&PartitionId::new(PARTITION)) {
            Some(Position::At(offset)) => offset.order.parse().unwrap(),
            _ => 0,
        };
        let epoch = request.from.epoch();
        let steps = std::iter::once(&self.snapshot).chain(&self.changes);
        let events: Vec<_> = steps
            .enumerate()
            .skip(done)
            .map(|(at, items)| {
                let order = |row: usize| {
                    if at == 0 {
                        OrderKey::snapshot(epoch)
                    } else {
                        OrderKey::new(epoch, ((at * 1000 + row) as u64).into())
                    }
                };
                let op = |item: &Value| match item.as_object().unwrap().len() {
                    1 if at > 0 => Op::Remove,
                    _ if at == 0 => Op::Snapshot,
                    _ => Op::Modify,
                };
                let changes: Vec<_> =
                    items.iter().enumerate().map(|(row, item)| (op(item), order(row), item)).collect();
                let mut progress = Progress::of(PartitionId::new(PARTITION), position(at), position(at + 1).unwrap());
                progress.snapshot_ended = at == 0;
                let changes = (!changes.is_empty()).then(|| batch(&changes));
                Ok(SourceEvent::Batch(SourceBatch {
                    changes,
                    rejected: Vec::new(),
                    progress,
                    wire_bytes: 0,
                    permit: Permit::default(),
                }))
            })
            .collect();
        Ok(Box::pin(futures_util::stream::iter(events)))
    }

    async fn reread(
        &self,
        table: &TableName,
        letters: &[DeadLetter],
        how: Reread,
        _: Extras,
    ) -> Result<Vec<Result<ChangeBatch>>> {
        assert_eq!(table.as_str(), "t");
        let again = |letter: &DeadLetter| {
            let rejected = &letter.rejected;
            let key = rejected.key.clone().unwrap();
            let id: Value = key["id"]["N"].as_str().unwrap().parse::<i64>().unwrap().into();
            let (op, item) = match how {
                Reread::Raw => (rejected.op.unwrap(), plain(&serde_json::from_slice(&rejected.raw).unwrap())),
                Reread::Item => match self.now.get(&id.as_i64().unwrap()) {
                    Some(item) => (Op::Modify, item.clone()),
                    None => (Op::Remove, json!({ "id": id })),
                },
            };
            Ok(batch(&[(op, rejected.order, &item)]))
        };
        Ok(letters.iter().map(again).collect())
    }
}

/// An item of `DynamoDB` JSON with text and numbers.
fn plain(item: &Value) -> Value {
    let value = |value: &Value| match (value["N"].as_str(), value["S"].as_str()) {
        (Some(number), _) => serde_json::from_str(number).unwrap(),
        (_, Some(text)) => json!(text),
        _ => panic!("neither text nor a number"),
    };
    item.as_object().unwrap().iter().map(|(name, of)| (name.clone(), value(of))).collect()
}

fn batch(changes: &[(Op, OrderKey, &Value)]) -> ChangeBatch {
    let mut names: Vec<&str> = Vec::new();
    for name in changes.iter().flat_map(|(.., item)| item.as_object().unwrap().keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let (mut columns, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for name in names {
        let values: Vec<_> = changes.iter().map(|(.., item)| item.get(name)).collect();
        let all = |is: fn(&Value) -> bool| values.iter().flatten().all(|value| is(value));
        let (ty, array): (_, ArrayRef) = if all(Value::is_i64) {
            (LogicalType::Int64, Arc::new(values.iter().map(|v| v.and_then(Value::as_i64)).collect::<Int64Array>()))
        } else if all(Value::is_string) {
            (LogicalType::Text, Arc::new(values.iter().map(|v| v.and_then(Value::as_str)).collect::<StringArray>()))
        } else {
            (LogicalType::Json, Arc::new(values.iter().map(|v| v.map(Value::to_string)).collect::<StringArray>()))
        };
        columns.push(Column { key: name == "id", ..Column::new(name, ty) });
        arrays.push(array);
    }
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    // `id` stands first in every item.
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    let (ops, orders) = changes.iter().map(|(op, order, _)| (*op, *order)).unzip();
    ChangeBatch::new(schema, rows, ops, orders, vec![None; changes.len()]).unwrap()
}

/// Returns what a reader sees of a table: each row without what is null, in the order of its text.
pub(crate) fn seen(memory: &Memory, table: &str) -> Vec<Value> {
    let rows = memory.rows(table).unwrap();
    let mut seen: Vec<Value> = (0..rows.len())
        .map(|row| {
            let values = rows.schema().columns().iter().zip(rows.rows().columns());
            values
                .filter(|(_, array)| !arrow_array::Array::is_null(array, row))
                .map(|(column, array)| {
                    let value: Value = match column.ty {
                        LogicalType::Int64 => array.as_primitive::<arrow_array::types::Int64Type>().value(row).into(),
                        LogicalType::Float64 => {
                            array.as_primitive::<arrow_array::types::Float64Type>().value(row).into()
                        }
                        LogicalType::Json => serde_json::from_str(array.as_string::<i32>().value(row)).unwrap(),
                        _ => array.as_string::<i32>().value(row).into(),
                    };
                    (column.name.clone(), value)
                })
                .collect()
        })
        .collect();
    seen.sort_by_key(Value::to_string);
    seen
}
