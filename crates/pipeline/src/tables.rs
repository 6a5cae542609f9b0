//! Which tables there are, what is said of each, and what cannot be said together.

use std::collections::{BTreeMap, BTreeSet};

use commutator_core::rules::{self, Filter, Nested, Rules};
use commutator_core::schema::Names;
use commutator_core::{Error, ErrorKind, NameMap, OnBadRecord, Result, Slice, TableDescription, TableName, Target};

use crate::shape::key_columns;
use crate::{Options, Pipeline};

impl Pipeline {
    /// Returns every table that a run writes: those of the source, and in the place of one that is split, its parts.
    pub async fn tables(&self) -> Result<Vec<TableDescription>> {
        let mut tables = Vec::new();
        for table in self.source().discover().await? {
            let names = self.options().parts(&table.name);
            tables.extend(names.into_iter().map(|name| TableDescription { name, ..table.clone() }));
        }
        Ok(tables)
    }

    /// Returns what a run writes a table to, or a part of one.
    pub fn target(&self, table: &TableDescription) -> Target {
        let options = self.options().table(&table.name);
        let mut names = Names::new(self.destination().capabilities().identifiers, NameMap::new());
        Target {
            pipeline: self.id().clone(),
            table: table.name.clone(),
            name: self.options().name(&table.name),
            keys: key_columns(&rules::keys(&options.rules, &table.keys), &mut names),
            mode: options.mode,
            // Rules that cannot hold are refused before anything is opened.
            filtered: self.rules(table).is_ok_and(|rules| rules.leave_items_out()),
            slice: Slice::whole(),
            expected_bytes: table.bytes,
        }
    }

    /// Returns the rules of a table, or of a part of one.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if they cannot hold.
    pub fn rules(&self, table: &TableDescription) -> Result<Rules> {
        let options = self.options().table(&table.name);
        let rules = Rules::new(&options.rules, &table.keys, self.options().hash_salt.as_ref());
        let rules = rules.map_err(|e| e.with("table", &table.name))?.for_mode(options.mode);
        let Some((source, part)) = self.options().part(&table.name) else { return Ok(rules) };
        let parts = &self.options().splits[source];
        let others = Filter::any(parts.iter().filter_map(|part| part.filter.clone()));
        let has_rest = parts.iter().any(|part| part.filter.is_none());
        let counts = !has_rest && parts.first() == Some(part);
        let unmatched = counts.then(|| others.clone().otherwise());
        Ok(rules.for_part(part.filter.clone().unwrap_or_else(|| others.otherwise()), unmatched))
    }

    pub(crate) fn check_options(&self, tables: &[TableDescription]) -> Result<()> {
        check_splits(self.options())?;
        let capabilities = self.destination().capabilities();
        let mut targets = BTreeMap::new();
        for table in tables {
            let options = self.options().table(&table.name);
            self.rules(table)?;
            if let Some(other) = targets.insert(self.options().name(&table.name), &table.name) {
                return Err(Error::new(ErrorKind::ConfigInvalid, "Two tables have the same name in the destination")
                    .with("table", &table.name)
                    .with("and", other));
            }
            if options.on_bad_record == OnBadRecord::DeadLetter && self.dead_letters().is_none() {
                return Err(Error::new(ErrorKind::ConfigInvalid, "There is no place for the table's dead letters")
                    .with("table", &table.name));
            }
            let columns = options.rules.columns.values().filter_map(|rule| rule.nested.as_ref());
            let wants_native = columns.chain([&options.rules.nested]).any(|nested| *nested == Nested::Native);
            if wants_native && !capabilities.native_nested {
                return Err(Error::new(ErrorKind::Unsupported, "The destination has no native form of nested values")
                    .with("table", &table.name)
                    .with("destination", capabilities.name));
            }
            if !capabilities.modes.contains(&options.mode) {
                let offered: Vec<_> = capabilities.modes.iter().map(|mode| mode.as_str()).collect();
                return Err(Error::new(ErrorKind::Unsupported, "The destination does not offer this sync mode")
                    .with("table", &table.name)
                    .with("mode", options.mode)
                    .with("destination", capabilities.name)
                    .with("offered", offered.join(", ")));
            }
        }
        Ok(())
    }
}

fn check_splits(options: &Options) -> Result<()> {
    for (table, parts) in &options.splits {
        let refused = |problem| Err(Error::new(ErrorKind::ConfigInvalid, problem).with("table", table));
        let mut names = BTreeSet::new();
        if parts.is_empty() {
            return refused("A table is split into no parts");
        }
        for part in parts {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if part.name.is_empty() || !part.name.chars().all(valid) {
                return refused("The name of a part takes letters, digits, `_`, `-` and `.`");
            }
            if !names.insert(&part.name) {
                return refused("Two parts of a table have the same name");
            }
        }
        if parts.iter().filter(|part| part.filter.is_none()).count() > 1 {
            return refused("Only one part of a table can be the rest");
        }
    }
    Ok(())
}

impl Options {
    /// Returns a table's name in the destination. Parts never have the name that is said of their whole table.
    pub fn name(&self, table: &TableName) -> String {
        match self.part(table) {
            Some((whole, part)) => {
                let own = self.tables.get(table).and_then(|options| options.name.clone());
                own.unwrap_or_else(|| {
                    format!("{}_{}", self.table(whole).name.as_deref().unwrap_or(whole.as_str()), part.name)
                })
            }
            None => self.table(table).name.clone().unwrap_or_else(|| table.as_str().to_owned()),
        }
    }
}
