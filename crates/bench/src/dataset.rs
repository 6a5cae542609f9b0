//! Tables to measure with, made from a seed: the same seed gives the same bytes.

use bytes::Bytes;
use commutator_simulator::{Item, Replay, Value};
use fastrand::Rng;
use serde_json::Value as Json;

/// The name of each table's partition key, a string.
pub const KEY: &str = "id";

/// The name of the table.
pub const TABLE: &str = "bench";

/// A page of `Scan` ends at 1 MB (developer guide, "Scanning tables"); so many bytes of JSON a page has here, about.
const PAGE_BYTES: usize = 1_000_000;

/// `GetRecords` returns at most so many records (API reference, `GetRecords`).
const PAGE_RECORDS: usize = 1_000;

/// When the records of a stream were made that are only decoded, in milliseconds since 1970: the same in every run.
const MADE_AT: u64 = 1_735_689_600_000;

/// What the items of a table look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// Six attributes, 200 bytes of JSON.
    Narrow,
    /// 15 attributes and two that are sometimes there, 1 KB of JSON: texts, numbers, a map, a list, a set, bytes.
    Typical,
    /// The same, with the attributes of each item in an order of its own.
    Shuffled,
    /// 2,000 attributes, 20 of them in each item.
    Wide,
    /// Maps in lists in maps.
    Nested,
    /// 20 numbers of every length.
    Numeric,
}

impl Dataset {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Narrow, Self::Typical, Self::Shuffled, Self::Wide, Self::Nested, Self::Numeric];

    /// Returns the name that tables of results show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Typical => "typical",
            Self::Shuffled => "shuffled",
            Self::Wide => "wide",
            Self::Nested => "nested",
            Self::Numeric => "numeric",
        }
    }

    /// Makes the item of this number.
    pub fn item(self, number: u64, rng: &mut Rng) -> Item {
        let item = Item::new().with(KEY, format!("{:016x}-{number:08}", rng.u64(..)));
        match self {
            Self::Narrow => narrow(item, rng),
            Self::Typical | Self::Shuffled => typical(item, rng),
            Self::Wide => wide(item, rng),
            Self::Nested => nested(item, rng),
            Self::Numeric => numeric(item, rng),
        }
    }

    /// Makes so many pages of a scan, and serves `served` of them.
    pub fn scan(self, seed: u64, pages: u64, served: u64) -> Replay {
        Replay::scan(TABLE, KEY, self.pages(seed, pages, usize::MAX), served)
    }

    /// Makes so many pages of a stream of inserts, and serves one from each shard.
    pub fn stream(self, seed: u64, pages: u64, made_at: u64, shards: u64) -> Replay {
        Replay::stream(TABLE, KEY, self.pages(seed, pages, PAGE_RECORDS), made_at, (shards, 1))
    }

    /// Makes the bodies of so many `Scan` responses.
    pub fn scan_bodies(self, seed: u64, pages: u64) -> Vec<Bytes> {
        let replay = self.scan(seed, pages, pages);
        let bodies = (0..pages).map(|page| replay.scan_body(page));
        if self != Self::Shuffled {
            return bodies.collect();
        }
        let mut rng = Rng::with_seed(seed);
        bodies.map(|body| shuffle(&body, &mut rng)).collect()
    }

    /// Makes the bodies of so many `GetRecords` responses of inserts.
    pub fn records_bodies(self, seed: u64, pages: u64) -> Vec<Bytes> {
        let replay = Replay::stream(TABLE, KEY, self.pages(seed, pages, PAGE_RECORDS), MADE_AT, (1, pages));
        (0..pages).map(|page| replay.records_body(page)).collect()
    }

    fn pages(self, seed: u64, pages: u64, most: usize) -> Vec<Vec<Item>> {
        let mut rng = Rng::with_seed(seed);
        let mut number = 0;
        let page = |_| {
            let (mut items, mut bytes) = (Vec::new(), 0);
            while bytes < PAGE_BYTES && items.len() < most {
                let item = self.item(number, &mut rng);
                bytes += item.to_json().len() + 1;
                items.push(item);
                number += 1;
            }
            items
        };
        (0..pages).map(page).collect()
    }
}

fn narrow(item: Item, rng: &mut Rng) -> Item {
    item.with("active", rng.bool())
        .with("customer", format!("customer-{:08}", rng.u32(..100_000_000)))
        .with("price", decimal(rng.i64(1..1_000_000), 2))
        .with("status", pick(rng, &["new", "paid", "packed", "shipped", "returned"]))
        .with("updated_at", 1_735_689_600_000 + rng.i64(..10_000_000_000))
}

fn typical(item: Item, rng: &mut Rng) -> Item {
    let address = Value::map([
        ("city", Value::from(words(rng, 1))),
        ("country", pick(rng, &["DE", "FR", "IT", "ES", "PL"])),
        ("number", Value::from(rng.i64(1..300))),
        ("street", Value::from(words(rng, 2))),
        ("zip", Value::from(format!("{:05}", rng.u32(..100_000)))),
    ]);
    let line = |rng: &mut Rng| {
        let price = decimal(rng.i64(100..100_000), 2);
        Value::map([
            ("price", price),
            ("quantity", rng.i64(1..10).into()),
            ("sku", format!("S-{}", rng.u32(..)).into()),
        ])
    };
    let lines: Vec<_> = (0..rng.usize(..=3)).map(|_| line(rng)).collect();
    let tags = ["gift", "express", "fragile", "priority", "return"];
    let tags = tags.iter().filter(|_| rng.bool()).chain(["all"].iter()).map(|&tag| tag.to_owned()).collect();
    let mut item = item
        .with("active", rng.bool())
        .with("address", address)
        .with("amount", decimal(rng.i64(100..10_000_000), 2))
        .with("created_at", 1_735_689_600_000 + rng.i64(..10_000_000_000))
        .with("currency", pick(rng, &["EUR", "USD", "GBP", "PLN"]))
        .with("description", text(rng))
        .with("email", format!("{}.{}@example.com", word(rng), rng.u32(..100_000)))
        .with("lines", Value::list(lines))
        .with("name", words(rng, 2))
        .with("score", decimal(rng.i64(-5_000_000..5_000_000), 4))
        .with("signature", bytes(rng, 48))
        .with("status", pick(rng, &["new", "paid", "packed", "shipped", "returned"]))
        .with("tags", Value::Ss(tags))
        .with("version", rng.i64(1..50));
    if rng.u8(..100) < 20 {
        item = item.with("coupon", format!("C{:06}", rng.u32(..1_000_000)));
    }
    if rng.u8(..100) < 9 {
        item = item.with("deleted_at", Value::Null);
    }
    item
}

fn wide(mut item: Item, rng: &mut Rng) -> Item {
    for _ in 0..20 {
        let attribute = rng.u16(..2_000);
        let value = match attribute % 5 {
            0 | 1 => Value::from(words(rng, 2)),
            2 => Value::from(rng.i64(-1_000_000..1_000_000)),
            3 => decimal(rng.i64(..1_000_000_000), 3),
            _ => Value::from(rng.bool()),
        };
        item = item.with(format!("attribute_{attribute:04}"), value);
    }
    item
}

fn nested(item: Item, rng: &mut Rng) -> Item {
    fn level(rng: &mut Rng, depth: usize) -> Value {
        let mut members = vec![
            ("kind", pick(rng, &["leaf", "branch", "root"])),
            ("label", words(rng, 2).into()),
            ("on", rng.bool().into()),
            ("weight", decimal(rng.i64(1..1_000_000), 3)),
        ];
        if depth > 0 {
            members.push(("children", Value::list((0..rng.usize(1..=3)).map(|_| level(rng, depth - 1)))));
            members.push(("parent", Value::Null));
        }
        Value::map(members)
    }
    let set = (0..4).map(|i| i64::from(rng.u8(..)) + 1_000 * i);
    let numbers = set.map(Into::into).collect();
    item.with("history", Value::list((0..rng.usize(..4)).map(|_| level(rng, 0))))
        .with("sizes", Value::Ns(numbers))
        .with("tree", level(rng, 3))
}

fn numeric(mut item: Item, rng: &mut Rng) -> Item {
    for i in 0..20 {
        let value = match i % 10 {
            0 | 1 => Value::from(rng.i64(..100)),
            2 => Value::from(rng.i64(-100_000..100_000)),
            3 => Value::from(1_735_689_600_000 + rng.i64(..10_000_000_000)),
            4 => Value::from(rng.i64(..)),
            5 | 6 => decimal(rng.i64(-10_000_000..10_000_000), 2),
            7 => decimal(rng.i64(..1_000_000_000), 6),
            8 => decimal(rng.i64(-1_000_000_000_000..1_000_000_000_000), 9),
            // More digits than 64 bits hold.
            _ => number(&format!("{}.{:012}", rng.u64(..1_000_000_000_000), rng.u64(1..1_000_000_000_000))),
        };
        item = item.with(format!("n{i:02}"), value);
    }
    item
}

/// Puts the attributes of each item into an order of its own.
fn shuffle(body: &[u8], rng: &mut Rng) -> Bytes {
    // Members keep their order in this tree.
    let mut page: Json = serde_json::from_slice(body).unwrap_or_default();
    for item in page["Items"].as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        let mut attributes: Vec<_> = std::mem::take(item).into_iter().collect();
        rng.shuffle(&mut attributes);
        item.extend(attributes);
    }
    page.to_string().into()
}

fn number(text: &str) -> Value {
    Value::number(text).unwrap_or(Value::Null)
}

fn decimal(value: i64, scale: usize) -> Value {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    number(&format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" }))
}

fn pick(rng: &mut Rng, all: &[&str]) -> Value {
    all[rng.usize(..all.len())].into()
}

fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(count).collect()
}

fn word(rng: &mut Rng) -> &'static str {
    const WORDS: [&str; 16] = [
        "amber", "basin", "cedar", "delta", "ember", "fjord", "garden", "harbour", "island", "juniper", "kestrel",
        "lantern", "meadow", "north", "orchard", "pebble",
    ];
    WORDS[rng.usize(..WORDS.len())]
}

fn words(rng: &mut Rng, count: usize) -> String {
    std::iter::repeat_with(|| word(rng)).take(count).collect::<Vec<_>>().join(" ")
}

/// About 300 bytes; one in seven has escapes, one in ten characters that are not ASCII.
fn text(rng: &mut Rng) -> String {
    let mut text = words(rng, 47);
    if rng.u8(..100) < 15 {
        text.insert_str(100, "\n\"quoted\"\t");
    }
    if rng.u8(..100) < 10 {
        text.push_str(" žluťoučký kůň 漢字");
    }
    text
}
