//! What a seed decides: the table, its history, what the service does meanwhile, and what goes wrong.

use std::time::Duration;

use commutator_core::SyncMode;
use commutator_core::rules::TableRules;
use commutator_simulator::{Fault, Faults, KeySchema, KeyType, Operation, Quirks};

use crate::said::Said;

/// What may happen to the reader's way through the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Losses {
    /// Nothing is lost: a gap would be a false one.
    None,
    /// Hours pass, streams are replaced and shards vanish: gaps are expected.
    Gaps,
}

/// One whole run, decided by a seed.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// The type of the partition key, and that of the sort key if there is one.
    pub(crate) keys: (KeyType, Option<KeyType>),
    pub(crate) mode: SyncMode,
    pub(crate) quirks: Quirks,
    pub(crate) shards: u32,
    /// Items before the first run.
    pub(crate) items: usize,
    /// Different keys that items may have.
    pub(crate) distinct: u64,
    /// Writes while runs go on.
    pub(crate) writes: usize,
    pub(crate) losses: Losses,
    pub(crate) faults: Faults,
    pub(crate) segments: u32,
    /// The limit of the scan's read units per second, if there is one.
    pub(crate) max_read_capacity: Option<f64>,
    pub(crate) stream_readers: u32,
    pub(crate) consistent: bool,
    /// Rows per commit.
    pub(crate) commit_rows: u64,
    pub(crate) commit_delay: Duration,
    /// How probably each of the destination's calls goes wrong or ends the process.
    pub(crate) mishaps: f64,
    /// How probably a process has company: a second runner, or somebody who asks for a resync.
    pub(crate) company: f64,
    /// How far the reader's clock is ahead of the service's, in milliseconds.
    pub(crate) clock_ahead_ms: i64,
    /// Whether the items have ever more attributes and types.
    pub(crate) drift: bool,
    pub(crate) said: Said,
}

impl Scenario {
    /// Decides everything about a run.
    pub(crate) fn new(seed: u64, mode: SyncMode) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let kinds = [KeyType::S, KeyType::N, KeyType::B];
        let mut kind = || kinds[dice.usize(..kinds.len())];
        let (partition, sort) = (kind(), kind());
        let keys = (partition, dice.bool().then_some(sort));
        let often = [0.0, 0.0, 0.02, 0.1];
        let fault = often[dice.usize(..often.len())];
        let mut faults = Faults::transient(fault / 3.0);
        if dice.u8(..3) == 0 {
            faults = faults.randomly_everywhere(Fault::Slow(Duration::from_secs(dice.u64(1..90))), fault);
        }
        let losses = if dice.u8(..4) == 0 { Losses::Gaps } else { Losses::None };
        let mut scenario = Self {
            seed,
            keys,
            mode,
            quirks: quirks(&mut dice),
            shards: dice.u32(1..4),
            items: dice.usize(..60),
            distinct: dice.u64(1..40),
            writes: dice.usize(..120),
            losses,
            faults,
            segments: dice.u32(1..5),
            max_read_capacity: None,
            stream_readers: dice.u32(1..5),
            consistent: dice.bool(),
            commit_rows: dice.u64(1..60),
            commit_delay: Duration::from_millis(dice.u64(1..3_000)),
            mishaps: often[dice.usize(..often.len())],
            company: if dice.u8(..4) == 0 { 0.5 } else { 0.0 },
            clock_ahead_ms: dice.i64(-20..=20) * 60_000,
            drift: dice.bool(),
            said: Said::draw(seed, mode, keys.0),
        };
        if dice.u8(..3) == 0 {
            scenario.scan_slowly(&mut dice);
        }
        if dice.u8(..4) == 0 {
            scenario.quirks.flickers = 0.03;
        }
        scenario
    }

    /// Makes the scan slow, so that much of the stream is read and committed between a page's making and its commit.
    fn scan_slowly(&mut self, dice: &mut fastrand::Rng) {
        if dice.bool() {
            self.max_read_capacity = Some(1.0 + dice.f64() * 5.0);
        }
        let slow = Fault::Slow(Duration::from_secs(dice.u64(1..50)));
        self.faults = self.faults.clone().randomly(Operation::Scan, slow, 0.5);
    }

    /// A run in which nothing goes wrong and nothing is written by chance.
    pub(crate) fn calm(items: usize) -> Self {
        Self {
            seed: 1,
            keys: (KeyType::S, None),
            mode: SyncMode::Mirror,
            quirks: Quirks::default(),
            shards: 2,
            items,
            distinct: 1 << 20,
            writes: 0,
            losses: Losses::None,
            faults: Faults::none(),
            segments: 2,
            max_read_capacity: None,
            stream_readers: 2,
            consistent: false,
            commit_rows: 1_000,
            commit_delay: Duration::from_secs(1),
            mishaps: 0.0,
            company: 0.0,
            clock_ahead_ms: 0,
            drift: false,
            said: Said::default(),
        }
    }

    /// Returns what is said of the table's columns and rows; every other run makes use of a destination's types for maps and lists.
    pub(crate) fn rules(&self, has_native: bool) -> TableRules {
        self.said.rules(has_native && !self.seed.is_multiple_of(2))
    }

    /// Returns the key schema.
    pub(crate) fn key_schema(&self) -> KeySchema {
        let keys = KeySchema::partition("id", self.keys.0);
        match self.keys.1 {
            Some(sort) => keys.sort("part", sort),
            None => keys,
        }
    }
}

fn quirks(dice: &mut fastrand::Rng) -> Quirks {
    let wild = Quirks::wild();
    let mut quirks = Quirks { roll_per_record: 0.0, ..Quirks::default() };
    // Each of them alone and all of them together.
    if dice.bool() {
        quirks.scan_page_bytes = wild.scan_page_bytes / dice.usize(1..4);
    }
    if dice.bool() {
        quirks.records_page_count = dice.usize(1..12);
        quirks.records_page_bytes = wild.records_page_bytes;
    }
    if dice.bool() {
        quirks.shards_page = dice.usize(2..9);
    }
    if dice.bool() {
        quirks.empty_pages = wild.empty_pages;
    }
    if dice.bool() {
        quirks.short_pages = wild.short_pages;
    }
    if dice.bool() {
        quirks.late_ends = wild.late_ends;
    }
    if dice.bool() {
        quirks.stale_listings = dice.u64(1..5);
    }
    if dice.bool() {
        quirks.roll_per_record = 0.08;
        quirks.splits = 0.5;
    }
    if dice.u8(..3) == 0 {
        quirks.stale_reads = Duration::from_secs(dice.u64(1..5));
    }
    quirks.trim_slack = Duration::from_hours(dice.u64(..8));
    quirks
}
