//! A configuration file as a tree of known keys: syntax, unknown keys, wrong types and missing variables, all found in one pass.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::interpolate::{Unresolved, interpolate};
use super::keys::{self, FILE, Key, Kind};
use super::nearest::{hint, list, nearest};
use crate::failure::Problem;

/// What stands in a file, known keys only, and where.
#[derive(Debug)]
pub(crate) struct Document {
    /// The values, with variables replaced.
    pub(crate) values: Table,
    /// What is wrong so far.
    pub(crate) problems: Vec<Problem>,
    /// Whether the file names a place for dead letters, right or wrong.
    pub(crate) has_place_for_dead_letters: bool,
    /// Whether the file has a salt for hashes, right or wrong.
    pub(crate) has_hash_salt: bool,
    place: String,
    lines: BTreeMap<String, usize>,
    dropped: BTreeSet<String>,
}

struct Reader<'a> {
    text: &'a str,
    variable: &'a dyn Fn(&str) -> Option<String>,
    document: Document,
}

impl Document {
    /// Reads a file's text; `place` is its name in messages.
    pub(crate) fn parse(text: &str, place: &str, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { text, variable, document: Self::of(place, Table::new()) };
        for error in &errors {
            let line = error.span().map(|span| reader.line(span.start));
            reader.document.push(line, error.message().to_owned());
        }
        let values = reader.table(table.get_ref(), FILE, "");
        Self { values, ..reader.document }
    }

    /// Creates a document of values that came from arguments; `place` is their name in messages.
    pub(crate) fn of(place: &str, values: Table) -> Self {
        let (lines, dropped) = (BTreeMap::new(), BTreeSet::new());
        Self {
            values,
            problems: Vec::new(),
            has_place_for_dead_letters: false,
            has_hash_salt: false,
            place: place.to_owned(),
            lines,
            dropped,
        }
    }

    /// Returns whether a key stands in the file with a value that a problem speaks of already.
    pub(crate) fn dropped(&self, path: &str) -> bool {
        self.dropped.contains(path)
    }

    /// Takes a key's value out of account after a problem with it.
    pub(crate) fn drop_key(&mut self, path: &str) {
        self.dropped.insert(path.to_owned());
    }

    /// Adds a problem with a key, such as `source.tables`; it stands at the line of the key or of what holds it.
    pub(crate) fn problem(&mut self, path: &str, message: impl Into<String>) {
        let mut at = path;
        let line = loop {
            match (self.lines.get(at), at.rsplit_once('.')) {
                (Some(line), _) => break Some(*line),
                (None, Some((parent, _))) => at = parent,
                (None, None) => break None,
            }
        };
        self.push(line, message.into());
    }

    /// Removes a section and returns it; absent is empty.
    pub(crate) fn take(&mut self, name: &str) -> Table {
        match self.values.remove(name) {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        }
    }

    fn push(&mut self, line: Option<usize>, message: String) {
        self.problems.push(Problem { place: self.place.clone(), line, message });
    }
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|&b| b == b'\n').count()
    }

    fn problem(&mut self, offset: usize, message: String) {
        let line = self.line(offset);
        self.document.push(Some(line), message);
    }

    fn table(&mut self, table: &DeTable<'_>, keys: &'static [Key], path: &str) -> Table {
        let mut values = Table::new();
        for (name, value) in table {
            let (offset, name) = (name.span().start, name.get_ref().as_ref());
            let Some(key) = keys::find(keys, name) else {
                self.unknown(offset, name, keys, path);
                continue;
            };
            let inside = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            self.document.lines.insert(inside.clone(), self.line(offset));
            match self.value(value, key.kind, &inside) {
                Some(value) => _ = values.insert(name.to_owned(), value),
                None => _ = self.document.dropped.insert(inside),
            }
        }
        values
    }

    fn unknown(&mut self, offset: usize, name: &str, keys: &'static [Key], path: &str) {
        let at = if path.is_empty() { "the top level".to_owned() } else { format!("[{path}]") };
        let elsewhere = keys::sections_with(name);
        let help = match nearest(name, keys::names(keys)) {
            None if !elsewhere.is_empty() => format!("it belongs in [{}]", elsewhere.join("] or [")),
            _ => hint(name, keys::names(keys)),
        };
        self.problem(offset, format!("unknown key `{name}` in {at}; {help}"));
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, kind: Kind, path: &str) -> Option<Value> {
        let offset = value.span().start;
        match (kind, value.get_ref()) {
            (Kind::Text | Kind::Value, DeValue::String(text)) => self.text(offset, text, path).map(Value::String),
            (Kind::Word(words) | Kind::WordOr(words, _), DeValue::String(text)) => self.word(offset, text, words, path),
            (Kind::Value, DeValue::Integer(number)) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                if parsed.is_none() {
                    self.problem(offset, format!("`{path}` has more than 64 bits; write it as text with a `cast`"));
                }
                parsed.map(Value::Integer)
            }
            (Kind::Integer | Kind::Number | Kind::Bool, DeValue::String(text)) if text.contains("${") => {
                let text = self.text(offset, text, path)?;
                let parsed = scalar(&text, kind);
                if parsed.is_none() {
                    self.problem(offset, format!("`{path}` takes {}; what its variable holds is not", kind.words()));
                }
                parsed
            }
            (Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().replace('_', "").parse().ok().map(Value::Float)
            }
            (Kind::Integer | Kind::Number, DeValue::Integer(number)) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let parsed = parsed.filter(|&number| number >= 0 || matches!(kind, Kind::Number));
                if parsed.is_none() {
                    self.problem(offset, format!("`{path}` takes {}, not negative and below 2^63", kind.words()));
                }
                parsed.map(Value::Integer)
            }
            (Kind::Number, DeValue::Float(number)) => number.as_str().replace('_', "").parse().ok().map(Value::Float),
            (Kind::Bool | Kind::Value, DeValue::Boolean(flag)) => Some(Value::Boolean(*flag)),
            (Kind::Texts, DeValue::Array(array)) => {
                let texts = array.iter().filter_map(|value| self.value(value, Kind::Text, path)).collect();
                Some(Value::Array(texts))
            }
            (Kind::Tables(keys), DeValue::Array(array)) => {
                let tables = array.iter().filter_map(|value| self.value(value, Kind::Table(keys), path)).collect();
                Some(Value::Array(tables))
            }
            (Kind::Table(keys) | Kind::WordOr(_, keys), DeValue::Table(table)) => {
                Some(Value::Table(self.table(table, keys, path)))
            }
            (Kind::Named(keys), DeValue::Table(table)) => {
                let mut values = Table::new();
                for (name, value) in table {
                    let inside = format!("{path}.{}", name.get_ref());
                    self.document.lines.insert(inside.clone(), self.line(name.span().start));
                    if let Some(value) = self.value(value, Kind::Table(keys), &inside) {
                        values.insert(name.get_ref().to_string(), value);
                    }
                }
                Some(Value::Table(values))
            }
            (Kind::NamedTexts, DeValue::Table(table)) => {
                let mut values = Table::new();
                for (name, value) in table {
                    let inside = format!("{path}.{}", name.get_ref());
                    if let Some(value) = self.value(value, Kind::Text, &inside) {
                        values.insert(name.get_ref().to_string(), value);
                    }
                }
                Some(Value::Table(values))
            }
            (Kind::Typed(types), DeValue::Table(table)) => self.typed(table, types, path),
            (kind, other) => {
                let message = format!("`{path}` takes {}, not {}", kind.words(), article(other.type_str()));
                if other.is_table() {
                    self.document.problem(path, message);
                } else {
                    self.problem(offset, message);
                }
                None
            }
        }
    }

    fn word(&mut self, offset: usize, text: &str, words: &'static [&'static str], path: &str) -> Option<Value> {
        let text = self.text(offset, text, path)?;
        if !words.contains(&text.as_str()) {
            self.problem(offset, format!("unknown `{path}` `{text}`; {}", hint(&text, words.iter().copied())));
            return None;
        }
        Some(Value::String(text))
    }

    fn typed(
        &mut self,
        table: &DeTable<'_>,
        types: &'static [(&'static str, &'static [Key])],
        path: &str,
    ) -> Option<Value> {
        let Some((_, given)) = table.iter().find(|(name, _)| name.get_ref() == "type") else {
            let known = list(types.iter().map(|(name, _)| *name));
            self.document.problem(path, format!("[{path}] lacks `type`; known: {known}"));
            return None;
        };
        let inside = format!("{path}.type");
        let Some(Value::String(ty)) = self.value(given, Kind::Text, &inside) else { return None };
        let Some((ty, keys)) = types.iter().find(|(name, _)| *name == ty) else {
            let help = hint(&ty, types.iter().map(|(name, _)| *name));
            self.problem(given.span().start, format!("unknown `{inside}` `{ty}`; {help}"));
            return None;
        };
        let rest = table.iter().filter(|(name, _)| name.get_ref() != "type");
        let rest: DeTable<'_> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut values = self.table(&rest, keys, path);
        values.insert("type".to_owned(), Value::String((*ty).to_owned()));
        Some(Value::Table(values))
    }

    fn text(&mut self, offset: usize, text: &str, path: &str) -> Option<String> {
        match interpolate(text, self.variable) {
            Ok(text) => Some(text),
            Err(unresolved) => {
                for problem in unresolved {
                    let message = match problem {
                        Unresolved::Missing(name) => {
                            format!("`{path}` needs the environment variable {name}, which is not set")
                        }
                        Unresolved::Malformed => {
                            format!(
                                "`{path}` has a `${{` that is not `${{NAME}}`; write `$${{` for the characters themselves"
                            )
                        }
                    };
                    self.problem(offset, message);
                }
                None
            }
        }
    }
}

/// Parses what a variable or a query parameter gives for a key that takes no text.
pub(crate) fn scalar(text: &str, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Integer => text.parse::<i64>().ok().filter(|&number| number >= 0).map(Value::Integer),
        Kind::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float),
        Kind::Bool => text.parse().ok().map(Value::Boolean),
        _ => None,
    }
}

fn article(type_name: &str) -> String {
    match type_name {
        "array" | "integer" => format!("an {type_name}"),
        "string" => "text".to_owned(),
        other => format!("a {other}"),
    }
}
