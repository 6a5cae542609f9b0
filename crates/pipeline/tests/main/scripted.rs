//! A source that tells what a test wrote down, and goes on from any checkpoint as a real one would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use commutator_core::{
    Budget, ChangeBatch, CheckReport, Checkpoint, Column, DeadLetter, Epoch, Error, ErrorKind, Extras, Gap,
    LogicalType, Offset, Op, OrderKey, PartitionId, Position, Progress, RawForm, ReadRequest, Rejected, Reread, Result,
    Sequence, Source, SourceBatch, SourceEvent, SourceStream, TableDescription, TableName, TableSchema,
};
use serde_json::json;

/// What the source does at one place of its script.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Gives rows `(id, value)`; a value of `None` is a removal.
    Rows(Vec<(i64, Option<Value>)>),
    /// Gives rows, and records with these ids that cannot be read.
    Mixed(Vec<(i64, Option<Value>)>, Vec<i64>),
    /// Ends the snapshot.
    SnapshotEnd,
    /// Fails, once per mention.
    Fail(ErrorKind),
    /// Reports a gap, once.
    Gap,
    /// Waits for ever.
    Hang,
    /// The first one: not even the reading begins.
    Deaf,
}

/// A value of the column `value`, or of another one.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(i64),
    Text(&'static str),
    Column(&'static str, i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) tables: Arc<BTreeMap<&'static str, Vec<Step>>>,
    pub(crate) budget: Budget,
    /// The items as they are now, which a replay reads.
    pub(crate) items: Arc<Mutex<BTreeMap<i64, i64>>>,
    spent: Arc<Mutex<Vec<(TableName, usize)>>>,
}

const PARTITION: &str = "script";

/// When every change was made, in microseconds since 1970.
pub(crate) const MADE_AT: i64 = 1_000_000_000;

impl Scripted {
    pub(crate) fn new(tables: impl IntoIterator<Item = (&'static str, Vec<Step>)>) -> Self {
        let tables = Arc::new(tables.into_iter().collect());
        Self { tables, budget: Budget::new(1 << 30), items: Arc::default(), spent: Arc::default() }
    }

    /// Returns whether a step that happens once happens now.
    fn once(&self, table: &TableName, step: usize) -> bool {
        let mut spent = self.spent.lock().unwrap();
        let id = (table.clone(), step);
        let fresh = !spent.contains(&id);
        if fresh {
            spent.push(id);
        }
        fresh
    }

    async fn event(&self, table: &TableName, at: usize, from: &Checkpoint) -> Option<Result<SourceEvent>> {
        let step = self.tables[table.as_str()].get(at)?;
        let position = |n: usize| match n {
            0 => None,
            n => Some(Position::At(Offset { order: format!("{n:06}"), resume: None })),
        };
        let mut progress = Progress::of(PartitionId::new(PARTITION), position(at), position(at + 1).unwrap());
        let mut rejected = Vec::new();
        let changes = match step {
            Step::Mixed(rows, bad) => {
                rejected = bad.iter().map(|id| unreadable(*id, from, at)).collect();
                (!rows.is_empty()).then(|| changes(rows, from, at))
            }
            Step::Rows(rows) => Some(changes(rows, from, at)),
            Step::SnapshotEnd => {
                progress.snapshot_ended = true;
                None
            }
            Step::Fail(kind) if self.once(table, at) => return Some(Err(Error::new(*kind, "As the script says"))),
            Step::Gap if self.once(table, at) => {
                let partitions = vec![PartitionId::new(PARTITION)];
                return Some(Ok(SourceEvent::Gap(Gap {
                    reason: "As the script says".into(),
                    partitions,
                    facts: vec![],
                    noticed_at: 7,
                })));
            }
            Step::Hang | Step::Deaf => std::future::pending().await,
            Step::Fail(_) | Step::Gap => None,
        };
        let permit = self.budget.reserve(changes.as_ref().map_or(0, ChangeBatch::memory_size)).await;
        Some(Ok(SourceEvent::Batch(SourceBatch { changes, rejected, progress, wire_bytes: 100, permit })))
    }
}

#[async_trait]
impl Source for Scripted {
    async fn check(&self) -> Result<CheckReport> {
        Ok(CheckReport::default())
    }

    async fn discover(&self) -> Result<Vec<TableDescription>> {
        Ok(self.tables.keys().map(|name| description(name)).collect())
    }

    async fn read(&self, request: ReadRequest) -> Result<SourceStream> {
        let at = match request.from.position(&PartitionId::new(PARTITION)) {
            Some(Position::At(offset)) => offset.order.parse().unwrap(),
            _ => 0,
        };
        if let Some(Step::Deaf) = self.tables[request.table.as_str()].first() {
            return std::future::pending().await;
        }
        let state = (self.clone(), request, at);
        Ok(Box::pin(futures_util::stream::unfold(state, |(source, request, at)| async move {
            let event = source.event(&request.table, at, &request.from).await?;
            Some((event, (source, request, at + 1)))
        })))
    }

    async fn reread(
        &self,
        _: &TableName,
        letters: &[DeadLetter],
        how: Reread,
        _: Extras,
    ) -> Result<Vec<Result<ChangeBatch>>> {
        let items = self.items.lock().unwrap();
        Ok(letters.iter().map(|letter| reread(&items, letter, how)).collect())
    }
}

fn unreadable(id: i64, from: &Checkpoint, at: usize) -> Rejected {
    Rejected {
        form: RawForm::Record,
        partition: Some(PartitionId::new(PARTITION)),
        position: format!("step {at}"),
        order: OrderKey::new(from.epoch(), ((at * 1000 + 500) as u64 + id.unsigned_abs()).into()),
        op: Some(Op::Modify),
        changed_at: None,
        key: Some(json!({ "id": { "N": id.to_string() } })),
        error: "It cannot be read".into(),
        raw: json!({ "id": { "N": id.to_string() }, "value": { "N": (id * 10).to_string() } }).to_string().into_bytes(),
    }
}

/// Reads a letter again, as a source would.
fn reread(items: &BTreeMap<i64, i64>, letter: &DeadLetter, how: Reread) -> Result<ChangeBatch> {
    let number = |item: &serde_json::Value, name: &str| item[name]["N"].as_str().and_then(|n| n.parse::<i64>().ok());
    let Rejected { key, raw, order, op, .. } = &letter.rejected;
    let (id, value, op) = match how {
        Reread::Item => {
            let id = number(key.as_ref().unwrap(), "id").unwrap();
            let value = items.get(&id).copied();
            (id, value, if value.is_some() { Op::Modify } else { Op::Remove })
        }
        Reread::Raw => {
            let raw = serde_json::from_slice(raw)
                .map_err(|e| Error::new(ErrorKind::DataInvalid, "It still cannot be read").with_source(e))?;
            (number(&raw, "id").unwrap(), number(&raw, "value"), op.unwrap())
        }
    };
    let columns = vec![Column::key("id", LogicalType::Int64), Column::new("value", LogicalType::Int64)];
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    let arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![id])), Arc::new(Int64Array::from(vec![value]))];
    let rows = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    ChangeBatch::new(schema, rows, vec![op], vec![*order], vec![None])
}

pub(crate) fn description(name: &str) -> TableDescription {
    TableDescription {
        name: TableName::new(name),
        keys: vec![Column::key("id", LogicalType::Int64)],
        items: 0,
        bytes: 0,
        billing: "on demand".into(),
        stream: None,
    }
}

fn changes(rows: &[(i64, Option<Value>)], from: &Checkpoint, at: usize) -> ChangeBatch {
    let snapshot = !from.snapshot_ended() && at == 0;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let mut columns = vec![Column::key("id", LogicalType::Int64)];
    let mut arrays = vec![ids];
    let ints = |of: &str| {
        rows.iter()
            .map(|(_, value)| match value {
                Some(Value::Int(n)) if of == "value" => Some(*n),
                Some(Value::Column(name, n)) if *name == of => Some(*n),
                _ => None,
            })
            .collect::<Int64Array>()
    };
    let texts: StringArray =
        rows.iter().map(|(_, value)| if let Some(Value::Text(text)) = value { Some(*text) } else { None }).collect();
    if rows.iter().any(|(_, value)| matches!(value, Some(Value::Text(_)))) {
        columns.push(Column::new("value", LogicalType::Text));
        arrays.push(Arc::new(texts));
    } else if rows.iter().any(|(_, value)| matches!(value, Some(Value::Int(_)))) {
        columns.push(Column::new("value", LogicalType::Int64));
        arrays.push(Arc::new(ints("value")));
    }
    for (_, value) in rows {
        if let Some(Value::Column(name, _)) = value {
            columns.push(Column::new(*name, LogicalType::Int64));
            arrays.push(Arc::new(ints(name)));
        }
    }
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    let ops = rows.iter().map(|(_, value)| match value {
        None => Op::Remove,
        Some(_) if snapshot => Op::Snapshot,
        Some(_) => Op::Modify,
    });
    let order = |i: usize| {
        let sequence = if snapshot { Sequence::SNAPSHOT } else { ((at * 1000 + i + 1) as u64).into() };
        OrderKey::new(from.epoch(), sequence)
    };
    let orders = (0..rows.len()).map(order).collect();
    let batch = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    let changed_at = vec![(!snapshot).then_some(MADE_AT); rows.len()];
    ChangeBatch::new(schema, batch, ops.collect(), orders, changed_at).unwrap()
}

pub(crate) const FIRST: Epoch = Epoch::FIRST;
