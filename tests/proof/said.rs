//! What a seed says of a table's columns and rows. `DRAWN` in `seeds.rs` tells how often each rule is said.

use std::collections::BTreeMap;

use commutator_core::rules::{
    ColumnRule, Constant, Contract, Flatten, Mask, Nested, Numbers, OnTypeConflict, SchemaPolicy, TableRules,
};
use commutator_core::{LogicalType, SyncMode};
use commutator_pipeline::Part;
use commutator_simulator::{Item, KeyType, Value};

/// What hashes are salted with.
pub(crate) const SALT: &str = "the proof's salt";

/// The attributes of which something may be said, besides the key.
const ATTRIBUTES: [&str; 10] = ["total", "Total", "note", "tags", "état", "deep", "blob", "x_1", "version", "kind"];

/// What decides whether an item has a row: a filter in its own language, and in Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// There is no note.
    NoNote,
    /// The kind is one of these.
    Kind(&'static [&'static str]),
    /// The version, which every item has, is greater.
    Newer(i64),
    /// The key, which is text, begins so.
    KeyBegins(&'static str),
    /// The key, which is a number, is less.
    KeyBelow(i64),
}

impl Test {
    pub(crate) fn text(self) -> String {
        match self {
            Self::NoNote => "not exists(note)".to_owned(),
            Self::Kind([one]) => format!("kind = '{one}'"),
            Self::Kind(several) => format!("kind in ('{}')", several.join("', '")),
            Self::Newer(version) => format!("version > {version}"),
            Self::KeyBegins(text) => format!("begins_with(id, '{text}')"),
            Self::KeyBelow(number) => format!("id < {number}"),
        }
    }

    pub(crate) fn passes(self, item: &Item) -> bool {
        let number = |name: &str| match item.get(name) {
            Some(Value::N(number)) => number.to_string().parse::<i64>().ok(),
            _ => None,
        };
        match self {
            Self::NoNote => item.get("note").is_none_or(|note| *note == Value::Null),
            Self::Kind(of) => matches!(item.get("kind"), Some(Value::S(kind)) if of.contains(&kind.as_str())),
            Self::Newer(than) => number("version").is_some_and(|version| version > than),
            Self::KeyBegins(with) => matches!(item.get("id"), Some(Value::S(key)) if key.starts_with(with)),
            Self::KeyBelow(than) => number("id").is_some_and(|key| key < than),
        }
    }

    pub(crate) fn looks_at_key(self) -> bool {
        matches!(self, Self::KeyBegins(_) | Self::KeyBelow(_))
    }
}

/// What is said of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// All but the filter.
    pub(crate) rules: TableRules,
    pub(crate) filter: Option<Test>,
    /// The tables that it is split into; the one without a test is what belongs to no other.
    pub(crate) parts: Vec<(&'static str, Option<Test>)>,
}

impl Said {
    /// Draws what is said; two of five runs have no rules.
    pub(crate) fn draw(seed: u64, mode: SyncMode, key: KeyType) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x5A1D_0000 ^ ((mode as u64) << 40));
        let mut said = Self::default();
        if dice.u8(..5) < 2 {
            return said;
        }
        said.draw_rows(&mut dice, key);
        let mut often = |of: u8| dice.u8(..of) == 0;
        let (keep_item, nested, conflict, numbers, contract) = (often(6), often(2), often(2), often(2), often(3));
        let rules = &mut said.rules;
        rules.keep_item = keep_item;
        if nested {
            rules.nested = match dice.u8(..3) {
                0 => Nested::Packed,
                _ => Nested::Flatten(flatten(&mut dice)),
            };
        }
        if conflict {
            rules.on_type_conflict =
                [OnTypeConflict::Text, OnTypeConflict::Variant, OnTypeConflict::Variant][dice.usize(..3)];
        }
        if numbers {
            rules.numbers = if dice.bool() { Numbers::Float } else { Numbers::DecimalOrText };
            if rules.numbers == Numbers::DecimalOrText {
                rules.on_type_conflict = OnTypeConflict::Text;
            }
        }
        if contract {
            let policies = [SchemaPolicy::DiscardColumn, SchemaPolicy::DiscardRow, SchemaPolicy::Evolve];
            let columns = policies[dice.usize(..3)];
            let types = policies[dice.usize(..if columns == SchemaPolicy::Evolve { 2 } else { 3 })];
            rules.contract = Contract { columns, types };
        }
        said.draw_columns(&mut dice);
        said
    }

    fn draw_rows(&mut self, dice: &mut fastrand::Rng, key: KeyType) {
        let of_key = match key {
            KeyType::S => Some(Test::KeyBegins(["k", "k1", "k2"][dice.usize(..3)])),
            KeyType::N => Some(Test::KeyBelow(dice.i64(0..12) * 1_000_000_007)),
            KeyType::B => None,
        };
        if dice.u8(..4) == 0 {
            let tests = [Test::NoNote, Test::Kind(&["a", "b"]), Test::Newer(dice.i64(0..40))];
            self.filter = Some(of_key.filter(|_| dice.u8(..3) == 0).unwrap_or(tests[dice.usize(..3)]));
        }
        if dice.u8(..3) == 0 {
            self.parts = match dice.u8(..4) {
                0 => vec![("a", Some(Test::Kind(&["a"]))), ("rest", None)],
                1 => vec![("a", Some(Test::Kind(&["a"]))), ("b", Some(Test::Kind(&["b", "c"])))],
                // An item may belong to two.
                2 => vec![("noted", Some(Test::NoNote)), ("b", Some(Test::Kind(&["b"]))), ("rest", None)],
                _ => vec![("key", Some(of_key.unwrap_or(Test::NoNote))), ("rest", None)],
            };
        }
    }

    fn draw_columns(&mut self, dice: &mut fastrand::Rng) {
        let rules = &mut self.rules;
        let shows = rules.keep_item;
        if dice.u8(..4) == 0 && !shows {
            rules.include = [&["*"][..], &["*ot*", "kind", "deep*"], &["?????", "x_?"]][dice.usize(..3)]
                .iter()
                .map(|&pattern| pattern.into())
                .collect();
        }
        if dice.u8(..4) == 0 && !shows {
            rules.exclude = vec![["tot*", "*e*", "????"][dice.usize(..3)].into()];
        }
        for attribute in ATTRIBUTES {
            if dice.u8(..5) == 0 {
                let rule = column_rule(dice, attribute, shows, rules.nested == Nested::Packed);
                rules.columns.insert(attribute.to_owned(), rule);
            }
        }
        if dice.u8(..5) == 0 {
            rules.columns.insert("origin".to_owned(), ColumnRule::constant(constant(dice)));
        }
        let key = match dice.u8(..8) {
            0 if !shows => ColumnRule::hashed(),
            1 if !shows => ColumnRule::hashed().renamed("the_key"),
            2 => ColumnRule::default().renamed("the_key"),
            _ => return,
        };
        rules.columns.insert("id".to_owned(), key);
    }

    /// Returns what a destination is told of columns and rows; where nothing else is said of them, every other run makes use of its types for
    /// maps and lists.
    pub(crate) fn rules(&self, is_native: bool) -> TableRules {
        let mut rules = self.rules.clone();
        if is_native && rules.nested == Nested::Json {
            rules.nested = Nested::Native;
        }
        rules.filter = self.filter.map(|test| test.text().parse().unwrap());
        rules
    }

    pub(crate) fn split(&self) -> Vec<Part> {
        let part = |(name, test): &(&str, Option<Test>)| match test {
            Some(test) => Part::new(*name, test.text().parse().unwrap()),
            None => Part::rest(*name),
        };
        self.parts.iter().map(part).collect()
    }

    /// Returns whether maps become columns somewhere, so that there should be some.
    pub(crate) fn is_nested(&self) -> bool {
        let flattens = |nested: &Nested| matches!(nested, Nested::Flatten(_) | Nested::Packed);
        flattens(&self.rules.nested)
            || self.rules.columns.values().filter_map(|rule| rule.nested.as_ref()).any(flattens)
    }

    /// Returns whether the kind of an item decides about its rows.
    pub(crate) fn looks_at_kind(&self) -> bool {
        let tests = self.parts.iter().filter_map(|(_, test)| *test).chain(self.filter);
        tests.into_iter().any(|test| matches!(test, Test::Kind(_)))
    }

    pub(crate) fn has_contract(&self) -> bool {
        self.rules.contract != Contract::default()
    }

    /// Returns the names of the rules that are said, for counting.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let TableRules { include, exclude, columns, nested, on_type_conflict, numbers, contract, keep_item, .. } =
            &self.rules;
        let column = |has: fn(&ColumnRule) -> bool| columns.values().any(has);
        let policy = |policy| contract.columns == policy || contract.types == policy;
        let deep = |nested: &Nested| matches!(nested, Nested::Flatten(flatten) if flatten.depth > 1);
        let all: BTreeMap<&'static str, bool> = [
            ("`hash`", column(|rule| rule.hash.is_some())),
            ("`hash` of the key", columns.get("id").is_some_and(|rule| rule.hash.is_some())),
            ("`mask`", column(|rule| rule.mask.is_some())),
            ("`rename`", column(|rule| rule.rename.is_some())),
            ("`constant`", column(|rule| rule.constant.is_some())),
            ("`cast`", column(|rule| rule.cast.is_some())),
            ("`include`", !include.is_empty()),
            ("`exclude`", !exclude.is_empty() || column(|rule| rule.exclude)),
            ("`keep_item`", *keep_item),
            ("`flatten`", matches!(nested, Nested::Flatten(_)) || column(|rule| rule.nested.is_some())),
            ("`flatten` deeper than 1", deep(nested)),
            ("`packed`", *nested == Nested::Packed),
            ("`on_type_conflict = \"variant\"`", *on_type_conflict == OnTypeConflict::Variant),
            ("`on_type_conflict = \"text\"`", *on_type_conflict == OnTypeConflict::Text),
            ("`numbers = \"float\"`", *numbers == Numbers::Float),
            ("`numbers = \"decimal_or_text\"`", *numbers == Numbers::DecimalOrText),
            ("`filter`", self.filter.is_some()),
            ("`split`", !self.parts.is_empty()),
            ("`discard_column`", policy(SchemaPolicy::DiscardColumn)),
            ("`discard_row`", policy(SchemaPolicy::DiscardRow)),
        ]
        .into();
        all.into_iter().filter_map(|(name, said)| said.then_some(name)).collect()
    }
}

fn flatten(dice: &mut fastrand::Rng) -> Flatten {
    Flatten { depth: dice.usize(1..4), separator: ["_", ".", "__"][dice.usize(..3)].to_owned() }
}

fn constant(dice: &mut fastrand::Rng) -> Constant {
    match dice.u8(..3) {
        0 => Constant::Bool(dice.bool()),
        1 => Constant::Integer(dice.i64(-5..500)),
        _ => Constant::Text("a \"constant\"".to_owned()),
    }
}

/// Returns the name that a column is given where it is renamed.
fn column_name(attribute: &str) -> &'static str {
    match attribute {
        "total" => "amount",
        "Total" => "capital",
        "note" => "remark",
        // An attribute has this name, which gives way.
        "tags" => "n",
        "état" => "etat",
        "deep" => "nested",
        "blob" => "bytes",
        "x_1" => "x_one",
        "version" => "revision",
        _ => "sort_of",
    }
}

fn column_rule(dice: &mut fastrand::Rng, attribute: &str, shows: bool, is_packed: bool) -> ColumnRule {
    let name = column_name(attribute);
    let plain = ColumnRule::default();
    let rule = match dice.u8(..8) {
        0 if !shows => return ColumnRule::excluded(),
        1 | 2 if !shows => ColumnRule::hashed(),
        3 if !shows => ColumnRule::masked(Mask::KeepLast(dice.usize(..6))),
        4 if !shows => ColumnRule::masked(Mask::Fixed("hidden".to_owned())),
        5 => ColumnRule::constant(constant(dice)),
        6 if !is_packed => {
            let nested = if dice.bool() { Nested::Json } else { Nested::Flatten(flatten(dice)) };
            plain.nested(nested)
        }
        _ => plain.renamed(name),
    };
    let casts = match attribute {
        "version" => &[
            LogicalType::Text,
            LogicalType::Number,
            LogicalType::Float64,
            LogicalType::Int64,
            LogicalType::Decimal { precision: 20, scale: 4 },
        ][..],
        _ => &[LogicalType::Text, LogicalType::Json][..],
    };
    let is_cast = rule.nested.is_none() && dice.u8(..3) == 0;
    let rule = ColumnRule { cast: if is_cast { Some(casts[dice.usize(..casts.len())]) } else { rule.cast }, ..rule };
    let is_castable = match (&rule.constant, rule.cast) {
        (Some(_), Some(to)) => matches!(to, LogicalType::Text | LogicalType::Json),
        _ => true,
    };
    let rule = if is_castable { rule } else { ColumnRule { cast: None, ..rule } };
    if dice.u8(..3) == 0 { rule.renamed(name) } else { rule }
}
