//! What happens to a table while it is read: writes, shards that split, time that passes.

use std::collections::BTreeMap;
use std::time::Duration;

use commutator_simulator::{Clock, Item, KeyType, Simulator, TableHandle, Value, View, Written};

use crate::scenario::{Losses, Scenario};

/// The table's name.
pub(crate) const TABLE: &str = "orders";

/// What one change of the table was, as the stream has it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) op: &'static str,
    /// The item as it became, or the key of the one that is gone.
    pub(crate) item: Item,
    /// When it happened, in milliseconds since 1970.
    pub(crate) at: u64,
    /// Whether there was such an item before.
    pub(crate) existed: bool,
}

/// The course of events.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) scenario: Scenario,
    dice: fastrand::Rng,
    table: TableHandle,
    clock: Clock,
    left: usize,
    written: u64,
    /// Every change that has a record, by its sequence number.
    pub(crate) records: BTreeMap<String, Record>,
    /// Whether something happened that a reader may lose changes by.
    pub(crate) lossy: bool,
    /// Whether the stream was replaced by another one.
    pub(crate) replaced: bool,
}

impl History {
    /// Fills the table.
    pub(crate) fn begin(scenario: &Scenario, simulator: &Simulator) -> Self {
        let table = simulator.table(TABLE);
        let mut history = Self {
            scenario: scenario.clone(),
            dice: fastrand::Rng::with_seed(scenario.seed ^ 0x5EED),
            table: table.clone(),
            clock: simulator.clock().clone(),
            left: scenario.writes,
            written: 0,
            records: BTreeMap::new(),
            lossy: false,
            replaced: false,
        };
        for _ in 0..scenario.items {
            let item = history.item();
            history.put(item);
        }
        history
    }

    /// Returns whether nothing more will be written.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Lets something happen between two requests.
    pub(crate) fn go_on(&mut self, simulator: &Simulator) {
        if self.left == 0 {
            return;
        }
        let writes = [0, 0, 0, 0, 1, 1, 1, 2, 3, 8][self.dice.usize(..10)];
        for _ in 0..writes.min(self.left) {
            self.left -= 1;
            self.write();
        }
        if self.dice.u8(..30) == 0 {
            self.reshard();
        }
        if self.dice.u8(..40) == 0 {
            simulator.clock().advance(Duration::from_secs(self.dice.u64(1..1_800)));
        }
        if self.scenario.losses == Losses::Gaps && self.dice.u8(..60) == 0 {
            self.lose(simulator);
        }
    }

    /// Lets time pass between two runs.
    pub(crate) fn pause(&mut self, simulator: &Simulator) {
        let most = if self.scenario.losses == Losses::Gaps { 40 } else { 6 };
        let hours = self.dice.u64(..most);
        self.lossy |= hours >= 20;
        simulator.clock().advance(Duration::from_hours(hours));
        tracing::debug!(hours, "pause");
        for _ in 0..self.dice.usize(..8).min(self.left) {
            self.left -= 1;
            self.write();
        }
    }

    /// Writes, updates or removes an item.
    pub(crate) fn write(&mut self) {
        let existing = self.table.items().unwrap();
        let pick = |dice: &mut fastrand::Rng| {
            let some = if existing.is_empty() { None } else { Some(&existing[dice.usize(..existing.len())]) };
            some.map(|item| self.table.key_of(item).unwrap())
        };
        let table = self.table.clone();
        match (self.dice.u8(..10), pick(&mut self.dice)) {
            (0..3, Some(key)) => self.note(key.clone(), table.delete(&key).unwrap(), "remove", true),
            (3, Some(key)) => self.note(key.clone(), table.expire(&key).unwrap(), "expire", true),
            (4, Some(key)) => {
                let old = table.get(&key).unwrap().unwrap();
                let moves = self.scenario.said.looks_at_kind() && self.dice.bool();
                let item = if moves { self.of_kind(old) } else { old.with("count", i64::from(self.dice.u8(..))) };
                self.put(item);
            }
            _ => {
                let item = self.item();
                self.put(item);
            }
        }
    }

    fn put(&mut self, item: Item) {
        let key = self.table.key_of(&item).unwrap();
        let existed = self.table.get(&key).unwrap().is_some();
        let written = self.table.put(item.clone()).unwrap();
        self.note(item, written, "put", existed);
    }

    fn note(&mut self, item: Item, written: Written, op: &'static str, existed: bool) {
        if let Written::Changed(Some(sequence)) = written {
            let at = self.clock.now_ms();
            tracing::debug!(sequence, at, op, item = item.to_json(), "written");
            self.records.insert(format!("{sequence:0>40}"), Record { op, item, at, existed });
        }
    }

    /// Splits or rolls a shard.
    pub(crate) fn reshard(&mut self) {
        let open: Vec<_> = self.table.shards().unwrap().into_iter().filter(|shard| shard.open).collect();
        if open.is_empty() {
            return;
        }
        let shard = &open[self.dice.usize(..open.len())];
        if open.len() < 12 && self.dice.bool() {
            self.table.split(&shard.id).unwrap();
        } else {
            self.table.roll(&shard.id).unwrap();
        }
    }

    fn lose(&mut self, simulator: &Simulator) {
        self.lossy = true;
        tracing::debug!("losses");
        if self.dice.bool() {
            simulator.clock().advance(Duration::from_hours(self.dice.u64(20..50)));
            return;
        }
        self.replaced = true;
        self.table.stream_off().unwrap();
        for _ in 0..self.dice.usize(..4).min(self.left) {
            self.left -= 1;
            self.write();
        }
        self.table.stream_on(View::NewAndOldImages).unwrap();
    }

    fn item(&mut self) -> Item {
        self.written += 1;
        // A few keys get most of the writes.
        let number = self.dice.u64(..self.scenario.distinct).min(self.dice.u64(..self.scenario.distinct));
        let (partition, sort) = (number % 7, number / 7);
        let mut item = match self.scenario.keys {
            (kind, None) => Item::new().with("id", key(kind, number)),
            (kind, Some(second)) => Item::new().with("id", key(kind, partition)).with("part", key(second, sort)),
        };
        item = item.with("version", i64::try_from(self.written).unwrap());
        let names = if self.scenario.drift { 3 + self.written / 10 } else { 3 };
        for _ in 0..self.dice.usize(..4) {
            let name = ["total", "Total", "note", "tags", "état", "select", "a b", "deep", "blob", "x_1", "ok", "n"]
                [usize::try_from(self.dice.u64(..names)).unwrap() % 12];
            let value = self.value();
            item = item.with(name, value);
        }
        let said = &self.scenario.said;
        let (is_nested, has_kinds) = (said.is_nested(), said.looks_at_kind());
        if is_nested {
            item = self.nested(item);
        }
        if has_kinds { self.of_kind(item) } else { item }
    }

    /// Gives an item a kind, which may be none.
    fn of_kind(&mut self, item: Item) -> Item {
        match self.dice.usize(..5) {
            4 => item.without("kind"),
            at => item.with("kind", ["a", "b", "c", "a"][at]),
        }
    }

    /// Gives an item maps of maps, and an attribute that has the name of a flattened one.
    fn nested(&mut self, item: Item) -> Item {
        let deep = match self.dice.u8(..8) {
            0 => return item,
            1 => Value::M(BTreeMap::new()),
            2 => Value::map([("k", Value::Null)]),
            3 => Value::list([Value::map([("k", 1_i64)])]),
            4 => "no map".into(),
            _ => {
                let number = Value::from(i64::from(self.dice.u8(..)));
                let inner = Value::map([("c", number), ("none", Value::Null)]);
                Value::map([("k", self.value()), ("a", Value::map([("b", inner), ("d", "x".into())]))])
            }
        };
        let item = item.with("deep", deep);
        if self.dice.u8(..3) == 0 { item.with("deep_k", "an attribute's own") } else { item }
    }

    fn value(&mut self) -> Value {
        let kinds = if self.scenario.drift { 12 } else { 3 };
        match self.dice.u8(..kinds) {
            0 => i64::from(self.dice.i32(..)).into(),
            1 => Value::number(
                ["0.10", "-7.5", "12345678901234567890123456789012345678", "99.999"][self.dice.usize(..4)],
            )
            .unwrap(),
            2 => ["", "plain", "with \"quotes\" and \\", "日本語 🦀", "line\nbreak"][self.dice.usize(..5)].into(),
            3 => Value::number(
                ["1E-130", "9.9999999999999999999999999999999999999E+125", "-1E+30"][self.dice.usize(..3)],
            )
            .unwrap(),
            4 => self.dice.bool().into(),
            5 => Value::Null,
            // A contract takes or refuses text and binary by their kind, which a page that has both in one attribute does not tell.
            6 if self.scenario.said.has_contract() => "YQ==".into(),
            6 => Value::B((0..self.dice.u8(..5)).collect()),
            7 => Value::map([("k", Value::from(1_i64)), ("z", Value::list([Value::from("a"), Value::Null]))]),
            8 => Value::list([Value::from(true), Value::number("1.50").unwrap()]),
            9 => Value::Ss(["b", "a", "ü"].map(str::to_owned).into()),
            10 => Value::Ns(["10", "9", "-1.5"].map(|n| n.parse().unwrap()).into()),
            _ => Value::Bs([vec![1, 2], vec![0]].into()),
        }
    }
}

fn key(kind: KeyType, number: u64) -> Value {
    match kind {
        KeyType::S => format!("k{number}").into(),
        KeyType::N => Value::number(&format!("{}", i128::from(number) * 1_000_000_007 - 5)).unwrap(),
        KeyType::B => Value::B(number.to_be_bytes()[7 - usize::from(number > 3)..].to_vec()),
    }
}
