//! The random part of a history: what is drawn, and how likely.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{KeyKind, Step};
use crate::chaos::{Crash, Fault};
use crate::{Item, Value};

/// Everything that is random about one case.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) keys: KeyKind,
    /// The items that were there before the reader came.
    pub(crate) before: BTreeMap<u8, Item>,
    pub(crate) steps: Vec<Step>,
    /// How the reader cuts what the partitions give into batches and transactions; begun again when it is used up.
    pub(crate) picks: Vec<Pick>,
    pub(crate) crashes: Vec<Crash>,
    /// For each crash, whether the broken session stays and tries to go on.
    pub(crate) zombies: Vec<bool>,
    /// How large the destination is told the table will be; wrong, as such numbers are.
    pub(crate) expected_bytes: u64,
}

/// One batch: the next rows of one partition, and whether the transaction is committed after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    pub(crate) partition: u8,
    pub(crate) rows: u8,
    pub(crate) commit: bool,
}

/// Draws scripts.
///
/// Without `widening` every attribute has one type and the key never widens; with `crashing` calls to the destination break.
pub(crate) fn script(widening: bool, crashing: bool) -> impl Strategy<Value = Script> {
    let keys = if widening {
        prop_oneof![
            3 => Just(KeyKind::Number),
            1 => Just(KeyKind::AnyNumber),
            2 => Just(KeyKind::Text),
            1 => Just(KeyKind::Binary),
            1 => Just(KeyKind::TextAndNumber),
        ]
        .boxed()
    } else {
        prop_oneof![Just(KeyKind::Number), Just(KeyKind::Text), Just(KeyKind::TextAndNumber)].boxed()
    };
    let pick = (any::<u8>(), 1..6_u8, prop::bool::weighted(0.4));
    let pick = pick.prop_map(|(partition, rows, commit)| Pick { partition, rows, commit });
    let crash = (0..14_u8, fault()).prop_map(|(after, fault)| Crash { after, fault });
    let crashes = if crashing { prop::collection::vec(crash, 1..10).boxed() } else { Just(Vec::new()).boxed() };
    (
        keys,
        prop::collection::btree_map(key(), item(widening), 0..12),
        prop::collection::vec(step(widening), 0..60),
        prop::collection::vec(pick, 1..30),
        crashes,
        prop::collection::vec(prop::bool::weighted(0.2), 10),
        prop::sample::select(vec![0, 64 << 20, 8 << 30]),
    )
        .prop_map(|(keys, before, steps, picks, crashes, zombies, expected_bytes)| Script {
            keys,
            before,
            steps,
            picks,
            crashes,
            zombies,
            expected_bytes,
        })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Before), Just(Fault::After), (1..8_u8).prop_map(Fault::During)]
}

/// A few keys are used all the time.
fn key() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0..4_u8, 1 => 0..24_u8]
}

fn step(widening: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (key(), item(widening)).prop_map(|(key, item)| Step::Put { key, item }),
        4 => key().prop_map(|key| Step::Remove { key }),
        1 => key().prop_map(|key| Step::Expire { key }),
        5 => (any::<u8>(), 1..4_u8).prop_map(|(segment, rows)| Step::Scan { segment, rows }),
        1 => (0..4_u8, prop_oneof![Just(u8::MAX), 0..6_u8], any::<bool>())
            .prop_map(|(lost, read, finished)| Step::Resync { lost, read, finished }),
    ]
}

fn item(widening: bool) -> impl Strategy<Value = Item> {
    prop::collection::btree_map("[a-e]|late_[0-2]", any::<(u8, u32)>(), 0..4).prop_map(move |attributes| {
        let value = |name: &str, (kind, seed): (u8, u32)| match (name, kind) {
            (_, 0..16) => Value::Null,
            (_, 16..40) if widening => odd(seed),
            ("a", _) => Value::int(i64::from(seed) - (1 << 31)),
            ("b" | "late_0", _) => Value::text(format!("text {seed}")),
            ("c", _) => Value::Bool(seed % 2 == 0),
            ("d", _) => Value::binary(seed.to_be_bytes()),
            ("e", _) => Value::json(&format!(r#"{{"n":{seed}.5,"list":[null,true,"x"]}}"#)),
            // Two digits behind the point: the type does not change with the value.
            _ => Value::number(&format!("{}.{}5", seed % 9 + 1, seed % 10)),
        };
        attributes.into_iter().map(|(name, drawn)| (name.clone(), value(&name, drawn))).collect()
    })
}

/// A value that may be of another type than the attribute had so far.
fn odd(seed: u32) -> Value {
    match seed % 8 {
        0 => Value::number(&format!("{seed}.{seed}")),
        1 => Value::number(&format!("{seed}0000000000000000")),
        2 => Value::number(&format!("{seed}e-60")),
        3 => Value::text("odd"),
        4 => Value::Bool(true),
        5 => Value::json("[1.10]"),
        6 => Value::binary(*b"odd"),
        _ => Value::int(seed.into()),
    }
}
