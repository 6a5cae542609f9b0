//! What holds for every table, for one, and for the parts that one is split into.

use std::collections::BTreeMap;

use commutator::pipeline::{OnGap, Part};
use commutator::{SyncMode, TableName, TableOptions};
use glob_match::glob_match;
use toml::{Table, Value};

use super::document::Document;
use super::nearest::{self, hint};
use super::{Destination, dead_letters, rules};

pub(super) const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

/// What a file says of tables.
pub(super) struct Tables {
    pub(super) defaults: TableOptions,
    pub(super) each: BTreeMap<TableName, TableOptions>,
    pub(super) splits: BTreeMap<TableName, Vec<Part>>,
}

/// Reads `[defaults]` and every `[tables.<name>]`; `patterns` are those of `[source]`.
pub(super) fn read(document: &mut Document, destination: Option<&Destination>, patterns: Option<&[String]>) -> Tables {
    let defaults = document.take("defaults");
    let defaults = one_table(document, "defaults", &defaults, &TableOptions::default(), destination);
    let (mut tables, mut splits) = (BTreeMap::new(), BTreeMap::new());
    for (name, values) in document.take("tables") {
        let path = format!("tables.{name}");
        if patterns.is_some_and(|patterns| !patterns.iter().any(|pattern| glob_match(pattern, &name))) {
            document.problem(&path, format!("[{path}] is a table that `source.tables` does not select"));
        }
        let Value::Table(values) = values else { continue };
        let options = one_table(document, &path, &values, &defaults, destination);
        let parts = rules::parts(document, &path, &values);
        for (part, values) in &parts {
            let path = format!("{path}.split.{}", part.name);
            tables.insert(rules::part_name(&name, part), one_table(document, &path, values, &options, destination));
        }
        let parts: Vec<_> = parts.into_iter().map(|(part, _)| part).collect();
        if !parts.is_empty() {
            splits.insert(TableName::new(name.as_str()), parts);
        }
        tables.insert(TableName::new(name), options);
    }
    Tables { defaults, each: tables, splits }
}

fn one_table(
    document: &mut Document,
    path: &str,
    values: &Table,
    defaults: &TableOptions,
    destination: Option<&Destination>,
) -> TableOptions {
    let mut options = defaults.clone();
    let text = |key: &str| values.get(key).and_then(Value::as_str);
    if let Some(text) = text("mode") {
        let at = format!("{path}.mode");
        match MODES.into_iter().find(|mode| mode.as_str() == text) {
            None => {
                let help = hint(text, MODES.iter().map(|mode| mode.as_str()));
                document.problem(&at, format!("unknown mode `{text}` in `{at}`; {help}"));
            }
            Some(mode) => match destination.map(Destination::modes) {
                Some(offered) if !offered.contains(&mode) => {
                    let offered = nearest::list(offered.iter().map(|mode| mode.as_str()));
                    document
                        .problem(&at, format!("the destination does not offer the mode `{mode}`; it offers {offered}"));
                }
                _ => options.mode = mode,
            },
        }
    }
    match text("on_gap") {
        None => {}
        Some("resync") => options.on_gap = OnGap::Resync,
        Some("fail") => options.on_gap = OnGap::Fail,
        Some(other) => {
            let at = format!("{path}.on_gap");
            document.problem(&at, format!("unknown `{at}` `{other}`; {}", hint(other, ["resync", "fail"])));
        }
    }
    dead_letters::on_bad_record(document, path, text("on_bad_record"), &mut options);
    options.rules = rules::read(document, path, values, &defaults.rules, destination);
    match text("name") {
        Some("") => document.problem(&format!("{path}.name"), format!("`{path}.name` is empty")),
        name => options.name = name.map(str::to_owned),
    }
    options
}
