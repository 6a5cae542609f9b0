//! What rules make of items and changes, done plainly: one item at a time, from its attributes to the cells of its row.

use std::collections::BTreeMap;

use commutator_conformance::Value;
use commutator_core::rules::{ColumnRule, Constant, Flatten, HashAlgorithm, Mask, Nested};
use commutator_core::{LogicalType, SyncMode};
use commutator_simulator::{Item, Value as Sent};
use sha2::{Digest as _, Sha256};

use crate::history::Record;
use crate::plain::{Plain, quoted};
use crate::said::{SALT, Said, Test};

/// What identities of columns are made with: they are what names are kept by.
const WANTED: char = '\u{1f}';
const MEMBER: char = '\u{1e}';
const VARIANT: char = '\u{1d}';

/// A destination's table as its rules describe it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) said: Said,
    /// Which of the parts it is; `None` if the table is not split.
    pub(crate) part: Option<&'static str>,
    pub(crate) mode: SyncMode,
    /// The key attributes at the source.
    pub(crate) keys: Vec<String>,
}

/// What a row has in one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    /// What its column's name is kept by.
    pub(crate) identity: String,
    pub(crate) plain: Plain,
    /// What stands there if no policy can make anything else of it.
    pub(crate) exact: Option<Value>,
    /// Whether contracts do not concern it.
    pub(crate) is_free: bool,
}

impl Shown {
    /// Returns whether any rule is said.
    pub(crate) fn is_said(&self) -> bool {
        !self.said.names().is_empty()
    }

    /// Returns whether an item has a row.
    pub(crate) fn wants(&self, item: &Item) -> bool {
        self.belongs(item) && self.said.filter.is_none_or(|filter| filter.passes(item))
    }

    fn belongs(&self, item: &Item) -> bool {
        match self.test() {
            None if self.part.is_none() => true,
            None => !self.others().any(|test| test.passes(item)),
            Some(test) => test.passes(item),
        }
    }

    fn test(&self) -> Option<Test> {
        self.said.parts.iter().find(|(name, _)| Some(*name) == self.part).and_then(|(_, test)| *test)
    }

    fn others(&self) -> impl Iterator<Item = Test> {
        self.said.parts.iter().filter_map(|(_, test)| *test)
    }

    /// Returns whether the key alone tells that an item has no row, whatever becomes of it.
    fn is_foreign(&self, key: &Item) -> bool {
        let part = match self.test() {
            Some(test) => test.looks_at_key() && !test.passes(key),
            None => {
                self.part.is_some()
                    && self.others().all(Test::looks_at_key)
                    && self.others().any(|test| test.passes(key))
            }
        };
        part || self.said.filter.is_some_and(|filter| filter.looks_at_key() && !filter.passes(key))
    }

    /// Returns what the table is told of a change; `None` if nothing.
    pub(crate) fn change(&self, record: &Record) -> Option<Record> {
        if self.is_foreign(&record.item) {
            return None;
        }
        if record.op != "put" || self.wants(&record.item) {
            return Some(record.clone());
        }
        // An item that was there before may have a row; one that was not has none, and `append` only tells what there was.
        let was_there = record.existed && self.mode != SyncMode::Append;
        was_there.then(|| Record { op: "remove", ..record.clone() })
    }

    /// Returns the row of an item.
    pub(crate) fn cells(&self, item: &Item) -> Vec<Cell> {
        let rules = &self.said.rules;
        let mut cells = self.key_cells(item);
        let mut packed = BTreeMap::new();
        for (attribute, sent) in item.iter().filter(|(name, _)| !self.is_key(name) && self.keeps(name)) {
            let rule = rules.columns.get(attribute).cloned().unwrap_or_default();
            if rule.constant.is_some() {
                continue;
            }
            let Some(plain) = Plain::of(sent) else { continue };
            let plain = rule.cast.map_or(plain.clone(), |to| plain.cast(to));
            let hidden = hidden(&rule, &plain);
            let exact = match (&hidden, rule.cast) {
                (Some(text), _) => Some(Value::text(text.as_str())),
                (None, Some(LogicalType::Json)) => Some(Value::json(&plain.json())),
                (None, Some(_)) => Some(plain.value()),
                (None, None) => None,
            };
            let plain = hidden.map_or(plain, Plain::Text);
            let identity = identity(attribute, &rule);
            match rule.nested.as_ref().unwrap_or(&rules.nested) {
                Nested::Packed => drop(packed.insert(self.member(attribute), plain)),
                Nested::Flatten(how) if exact.is_none() => flatten(&identity, sent, how, how.depth, &mut cells),
                _ => cells.push(Cell { identity, plain, exact, is_free: false }),
            }
        }
        for (attribute, rule) in &rules.columns {
            let Some(constant) = &rule.constant else { continue };
            let plain = constant_of(constant);
            let plain = rule.cast.map_or(plain.clone(), |to| plain.cast(to));
            if rules.nested == Nested::Packed {
                packed.insert(self.member(attribute), plain);
                continue;
            }
            let is_json = rule.cast == Some(LogicalType::Json);
            let exact = Some(if is_json { Value::json(&plain.json()) } else { plain.value() });
            cells.push(Cell { identity: identity(attribute, rule), plain, exact, is_free: false });
        }
        if rules.nested == Nested::Packed {
            let members = packed.iter().map(|(name, plain)| format!("{}:{}", quoted(name), plain.json()));
            let plain = Plain::Document(format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
            let exact = Some(plain.value());
            cells.push(Cell { identity: format!("{MEMBER}{WANTED}data"), plain, exact, is_free: true });
        }
        if rules.keep_item {
            let plain = Plain::Text(item.to_json());
            let exact = Some(plain.value());
            cells.push(Cell { identity: format!("{MEMBER}item{WANTED}_ct_item"), plain, exact, is_free: true });
        }
        cells
    }

    /// Returns what a row has of its key.
    pub(crate) fn key_cells(&self, item: &Item) -> Vec<Cell> {
        let cell = |name: &String| {
            let rule = self.said.rules.columns.get(name).cloned().unwrap_or_default();
            let plain = Plain::of(item.get(name)?)?;
            let plain = hidden(&rule, &plain).map_or(plain, Plain::Text);
            let exact = Some(plain.value());
            Some(Cell { identity: identity(name, &rule), plain, exact, is_free: true })
        };
        self.keys.iter().filter_map(cell).collect()
    }

    fn is_key(&self, attribute: &str) -> bool {
        self.keys.iter().any(|key| key == attribute)
    }

    fn keeps(&self, attribute: &str) -> bool {
        let rules = &self.said.rules;
        let included = rules.include.is_empty() || rules.include.iter().any(|of| matches(of.as_str(), attribute));
        let excluded = rules.exclude.iter().any(|of| matches(of.as_str(), attribute));
        included && !excluded && rules.columns.get(attribute).is_none_or(|rule| !rule.exclude)
    }

    /// Returns the name of an attribute among those that are packed: one whose name another was given gives way.
    fn member(&self, attribute: &str) -> String {
        let columns = &self.said.rules.columns;
        match columns.get(attribute).and_then(|rule| rule.rename.clone()) {
            Some(name) => name,
            None if columns.values().any(|rule| rule.rename.as_deref() == Some(attribute)) => {
                format!("{attribute}__attribute")
            }
            None => attribute.to_owned(),
        }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let rest = |text: &str| text.chars().skip(1).collect::<String>();
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), None) => matches(&rest(pattern), name),
        (Some('*'), Some(_)) => matches(&rest(pattern), name) || matches(pattern, &rest(name)),
        (Some(wanted), Some(found)) => (wanted == '?' || wanted == found) && matches(&rest(pattern), &rest(name)),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn constant_of(constant: &Constant) -> Plain {
    match constant {
        Constant::Bool(flag) => Plain::Bool(*flag),
        Constant::Integer(number) => Plain::Number(number.to_string()),
        Constant::Text(text) => Plain::Text(text.clone()),
    }
}

/// Returns what is shown in the place of a value, if it is masked or hashed.
fn hidden(rule: &ColumnRule, plain: &Plain) -> Option<String> {
    match (&rule.mask, rule.hash) {
        (Some(Mask::Fixed(text)), _) => Some(text.clone()),
        (Some(Mask::KeepLast(kept)), _) => {
            let text: Vec<char> = plain.text().chars().collect();
            let shown = if text.len() > *kept { *kept } else { 0 };
            let stars = "*".repeat(text.len() - shown);
            Some(stars + &text[text.len() - shown..].iter().collect::<String>())
        }
        (None, Some(HashAlgorithm::Sha256)) => {
            let digest = Sha256::digest(format!("{SALT}\0{}", plain.json()));
            Some(digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hexadecimal).collect())
        }
        (None, None) => None,
    }
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap()
}

fn identity(attribute: &str, rule: &ColumnRule) -> String {
    match &rule.rename {
        Some(name) => format!("{attribute}{WANTED}{name}"),
        None => attribute.to_owned(),
    }
}

/// Returns where a column comes from, and the name that it would have.
pub(crate) fn origin_and_name(identity: &str) -> (&str, &str) {
    identity.split_once(WANTED).unwrap_or((identity, identity))
}

/// Returns the identity of the column beside another for values of this kind.
pub(crate) fn beside(identity: &str, kind: &str) -> String {
    let (origin, name) = origin_and_name(identity);
    format!("{origin}{VARIANT}{kind}{WANTED}{name}__{kind}")
}

/// Adds the cells of a map, or of anything else.
fn flatten(identity: &str, sent: &Sent, how: &Flatten, depth: usize, cells: &mut Vec<Cell>) {
    let Some(plain) = Plain::of(sent) else { return };
    match sent {
        Sent::M(map) if depth > 0 && map.values().any(|value| *value != Sent::Null) => {
            let (origin, name) = origin_and_name(identity);
            for (member, value) in map {
                let identity = format!("{origin}{MEMBER}{member}{WANTED}{name}{}{member}", how.separator);
                flatten(&identity, value, how, depth - 1, cells);
            }
        }
        _ => cells.push(Cell { identity: identity.to_owned(), plain, exact: None, is_free: false }),
    }
}
