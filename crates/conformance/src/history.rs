//! Random histories of a source's table, and what a reader of the source sees of them.
//!
//! A [`Script`] is drawn at random; [`History::of`] plays it on a table that exists only here. Items change while a scan walks
//! over them, so the rows of the snapshot are of different moments, as with a real `Scan`. What the source's table holds at the
//! end does not come from the order rule, so it tests the [`Model`](crate::Model) too.

mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use commutator_core::{Column, Epoch, LogicalType, Op, OrderKey, PartitionId};

use crate::{Change, Item, Key, Value};

pub(crate) use script::{Pick, Script, script};

/// The scan of the suite's source has so many segments, and its stream so many shards.
const SEGMENTS: u8 = 2;
const SHARDS: u8 = 2;

/// What the key columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Number,
    /// Numbers that make the key column widen.
    AnyNumber,
    Text,
    Binary,
    TextAndNumber,
}

impl KeyKind {
    fn columns(self) -> Vec<Column> {
        let id = |ty| vec![Column::key("id", ty)];
        match self {
            Self::Number | Self::AnyNumber => id(LogicalType::Int64),
            Self::Text => id(LogicalType::Text),
            Self::Binary => id(LogicalType::Binary),
            Self::TextAndNumber => {
                vec![Column::key("group", LogicalType::Text), Column::key("id", LogicalType::Int64)]
            }
        }
    }

    fn key(self, n: u8) -> Key {
        let number = i64::from(n);
        match self {
            Self::Number => vec![Value::int(number * 1_000_003 - 7)],
            Self::AnyNumber => vec![match n % 8 {
                5 => Value::number(&format!("{n}.{n}")),
                7 => Value::number(&format!("{n}e-100")),
                _ => Value::int(number - 3),
            }],
            Self::Text => vec![Value::text(format!("{}{n}", ["k", "K", "ключ ", "'"][usize::from(n % 4)]))],
            Self::Binary => vec![Value::binary(vec![n, 0, 255 - n])],
            Self::TextAndNumber => vec![Value::text(format!("g{}", n % 3)), Value::int(number / 3)],
        }
    }
}

/// What happens at the source.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put {
        key: u8,
        item: Item,
    },
    Remove {
        key: u8,
    },
    Expire {
        key: u8,
    },
    /// The scan of a segment reads its next rows.
    Scan {
        segment: u8,
        rows: u8,
    },
    /// The reader stops, misses the next `lost` changes and reads the table anew as its next epoch. Of the epoch that ends it
    /// had read `read` changes of each partition, and if `finished`, all of the snapshot was there to read.
    Resync {
        lost: u8,
        read: u8,
        finished: bool,
    },
}

/// What a partition gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    pub(crate) is_scan: bool,
    pub(crate) changes: Vec<Change>,
    /// Whether the reader never comes to the end: the epoch is given up before.
    pub(crate) is_cut: bool,
}

/// What the source gives of one epoch.
pub(crate) type EpochFeed = BTreeMap<PartitionId, Feed>;

/// What a reader of the source sees, and what the source's table holds at the end.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) keys: Vec<Column>,
    pub(crate) epochs: Vec<EpochFeed>,
    pub(crate) truth: BTreeMap<Key, Item>,
}

impl History {
    pub(crate) fn of(script: &Script) -> Self {
        let mut source = Source::new(script.keys, &script.before);
        for step in &script.steps {
            source.step(step);
        }
        source.finish_scan();
        Self {
            keys: script.keys.columns(),
            epochs: source.epochs,
            truth: source.items.into_iter().map(|(n, item)| (script.keys.key(n), item)).collect(),
        }
    }
}

/// A table of the source while a script is played.
struct Source {
    keys: KeyKind,
    items: BTreeMap<u8, Item>,
    sequence: u64,
    /// How many of the next changes no reader will see.
    lost: u8,
    /// Per segment, the first key that was not scanned yet.
    scanned: [Option<u8>; SEGMENTS as usize],
    epochs: Vec<EpochFeed>,
}

impl Source {
    fn new(keys: KeyKind, before: &BTreeMap<u8, Item>) -> Self {
        // Sequence numbers soon get a digit more: text order is not their order.
        let mut source = Self {
            keys,
            items: before.clone(),
            sequence: 90,
            lost: 0,
            scanned: Default::default(),
            epochs: Vec::new(),
        };
        source.start_epoch();
        source
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put { key, item } => {
                let known = self.items.insert(*key, item.clone()).is_some();
                self.record(*key, if known { Op::Modify } else { Op::Insert }, item.clone());
            }
            Step::Remove { key } => self.remove(*key, Op::Remove),
            Step::Expire { key } => self.remove(*key, Op::Expire),
            Step::Scan { segment, rows } if self.lost == 0 => self.scan(*segment, usize::from(*rows)),
            Step::Scan { .. } => {}
            Step::Resync { lost, read, finished } => {
                if *finished {
                    self.finish_scan();
                }
                for feed in self.epochs.last_mut().into_iter().flat_map(BTreeMap::values_mut) {
                    if feed.changes.len() > usize::from(*read) {
                        feed.changes.truncate((*read).into());
                        feed.is_cut = true;
                    }
                    // A scan that was interrupted never knows that it has seen everything.
                    feed.is_cut |= feed.is_scan && !finished;
                }
                self.start_epoch();
                self.lost = *lost;
            }
        }
    }

    fn remove(&mut self, key: u8, op: Op) {
        // A removal of what is not there leaves no record in the stream.
        if self.items.remove(&key).is_some() {
            self.record(key, op, Item::new());
        }
    }

    fn start_epoch(&mut self) {
        let feed =
            |name: &str, n: u8, is_scan| (PartitionId::new(format!("{name}-{n}")), Feed { is_scan, ..Feed::default() });
        let scans = (0..SEGMENTS).map(|n| feed("segment", n, true));
        self.epochs.push(scans.chain((0..SHARDS).map(|n| feed("shard", n, false))).collect());
        self.scanned = [Some(0); SEGMENTS as usize];
    }

    fn epoch(&self) -> Epoch {
        Epoch(u32::try_from(self.epochs.len()).expect("few epochs"))
    }

    fn record(&mut self, key: u8, op: Op, item: Item) {
        self.sequence += 1 + u64::from(key);
        if self.lost > 0 {
            self.lost -= 1;
            return;
        }
        let order = OrderKey::new(self.epoch(), self.sequence.into());
        let change = Change::new(self.keys.key(key), order, op, item);
        self.emit("shard", key % SHARDS, change.later(self.seconds(key)));
    }

    /// The clock of the change that comes now: of one-second grain, so that several changes share a time, and now and then behind.
    fn seconds(&self, key: u8) -> i64 {
        let changes: usize = self.epochs.iter().flat_map(BTreeMap::values).map(|feed| feed.changes.len()).sum();
        let behind = if key % 3 == 1 && changes.is_multiple_of(4) { 5 } else { 0 };
        i64::try_from(changes / 3).expect("few changes") - behind
    }

    fn scan(&mut self, segment: u8, rows: usize) {
        let segment = segment % SEGMENTS;
        let Some(first) = self.scanned[usize::from(segment)] else { return };
        let mine = self.items.range(first..).filter(|(key, _)| *key / 2 % SEGMENTS == segment);
        let page: Vec<_> = mine.take(rows).map(|(&key, item)| (key, item.clone())).collect();
        if let Some((last, _)) = page.last() {
            self.scanned[usize::from(segment)] = last.checked_add(1);
        }
        for (key, item) in page {
            let order = OrderKey::snapshot(self.epoch());
            self.emit("segment", segment, Change::new(self.keys.key(key), order, Op::Snapshot, item));
        }
    }

    fn finish_scan(&mut self) {
        (0..SEGMENTS).for_each(|segment| self.scan(segment, usize::MAX));
    }

    fn emit(&mut self, name: &str, n: u8, change: Change) {
        let feeds = self.epochs.last_mut().expect("the first epoch starts at once");
        feeds.entry(PartitionId::new(format!("{name}-{n}"))).or_default().changes.push(change);
    }
}
