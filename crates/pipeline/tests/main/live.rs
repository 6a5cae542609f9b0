//! A source whose table goes on changing while it is read: a scan of what is there, then a log of changes, from any checkpoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use async_trait::async_trait;
use commutator_core::{
    ChangeBatch, CheckReport, Checkpoint, Column, LogicalType, Offset, Op, OrderKey, PartitionId, Permit, Position,
    Progress, ReadRequest, Result, Sequence, Source, SourceBatch, SourceEvent, SourceStream, Span, TableDescription,
    TableSchema, Until,
};

use crate::scripted::description;

/// How often the log is looked at, and how often a reader commits that it did.
const POLL: Duration = Duration::from_millis(100);
const HEARTBEAT_POLLS: u32 = 10;

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<i64, i64>,
    log: Vec<(i64, Option<i64>)>,
}

/// A table `t` of which every change is in the log, unless it is made [behind the reader's back](Self::vanish).
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Mutex<State>>);

impl Live {
    pub(crate) fn put(&self, id: i64, value: i64) {
        let mut state = self.0.lock().unwrap();
        state.items.insert(id, value);
        state.log.push((id, Some(value)));
    }

    pub(crate) fn remove(&self, id: i64) {
        let mut state = self.0.lock().unwrap();
        state.items.remove(&id);
        state.log.push((id, None));
    }

    /// Removes an item without a change that tells of it.
    pub(crate) fn vanish(&self, id: i64) {
        self.0.lock().unwrap().items.remove(&id);
    }

    pub(crate) fn items(&self) -> BTreeMap<i64, i64> {
        self.0.lock().unwrap().items.clone()
    }

    pub(crate) fn changes(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }
}

struct Reader {
    live: Live,
    request: ReadRequest,
    events: VecDeque<SourceEvent>,
    at: usize,
    idle: u32,
}

impl Reader {
    fn new(live: Live, request: ReadRequest) -> Self {
        let checkpoint = &request.from;
        let mut events = VecDeque::new();
        let at = match checkpoint.position(&stream()) {
            Some(Position::At(offset)) => offset.order.parse().unwrap(),
            _ => live.changes(),
        };
        if !checkpoint.snapshot_ended() {
            let rows: Vec<_> = live.items().into_iter().map(|(id, value)| (id, Some(value))).collect();
            let mut progress = Progress { snapshot_ended: true, ..Progress::default() };
            let from = checkpoint.position(&stream()).cloned();
            progress.spans.insert(stream(), Span { from, to: position(at) });
            events.push_back(batch(Some(changes(&rows, checkpoint, None)), progress));
        }
        Self { live, request, events, at, idle: 0 }
    }

    async fn next(&mut self) -> Option<SourceEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let change = self.live.0.lock().unwrap().log.get(self.at).copied();
            if let Some(change) = change {
                let progress = Progress::of(stream(), Some(position(self.at)), position(self.at + 1));
                self.at += 1;
                return Some(batch(Some(changes(&[change], &self.request.from, Some(self.at))), progress));
            }
            if self.request.until != Until::Stopped {
                return None;
            }
            tokio::time::sleep(POLL).await;
            self.idle += 1;
            if self.idle.is_multiple_of(HEARTBEAT_POLLS) {
                let facts = BTreeMap::from([("looked".to_owned(), self.idle.to_string())]);
                return Some(batch(None, Progress { facts, ..Progress::default() }));
            }
        }
    }
}

#[async_trait]
impl Source for Live {
    async fn check(&self) -> Result<CheckReport> {
        Ok(CheckReport::default())
    }

    async fn discover(&self) -> Result<Vec<TableDescription>> {
        Ok(vec![description("t")])
    }

    async fn read(&self, request: ReadRequest) -> Result<SourceStream> {
        let reader = Reader::new(self.clone(), request);
        Ok(Box::pin(futures_util::stream::unfold(reader, |mut reader| async {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })))
    }
}

fn stream() -> PartitionId {
    PartitionId::new("log")
}

fn position(at: usize) -> Position {
    Position::At(Offset { order: format!("{at:06}"), resume: None })
}

fn batch(changes: Option<ChangeBatch>, progress: Progress) -> SourceEvent {
    SourceEvent::Batch(SourceBatch {
        changes,
        rejected: Vec::new(),
        progress,
        wire_bytes: 0,
        permit: Permit::default(),
    })
}

/// Rows of the snapshot, or of the log up to `at`.
fn changes(rows: &[(i64, Option<i64>)], checkpoint: &Checkpoint, at: Option<usize>) -> ChangeBatch {
    let columns = vec![Column::key("id", LogicalType::Int64), Column::new("value", LogicalType::Int64)];
    let schema = Arc::new(TableSchema::new(columns).unwrap());
    let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let values: Int64Array = rows.iter().map(|row| row.1).collect();
    let batch = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(ids), Arc::new(values)]).unwrap();
    let op = |row: &(i64, Option<i64>)| match (row.1, at) {
        (None, _) => Op::Remove,
        (Some(_), None) => Op::Snapshot,
        (Some(_), Some(_)) => Op::Modify,
    };
    let sequence = at.map_or(Sequence::SNAPSHOT, |at| (at as u64).into());
    let orders = vec![OrderKey::new(checkpoint.epoch(), sequence); rows.len()];
    ChangeBatch::new(schema, batch, rows.iter().map(op).collect(), orders, vec![None; rows.len()]).unwrap()
}
