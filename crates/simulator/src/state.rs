//! Everything there is in one simulated account and region, and the one way in which items change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::label;
use crate::error::{Error, Result};
use crate::item::Item;
use crate::settings::Settings;
use crate::stored::Stored;
use crate::stream::Stream;
use crate::stream::record::{Change, Origin, View};
use crate::stream::sequence::Sequences;
use crate::table::{Before, Table, TableSpec};

/// Tables and streams; a stream outlives its table by 24 hours.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) tables: BTreeMap<String, Table>,
    /// By ARN.
    pub(crate) streams: BTreeMap<String, Stream>,
    /// One counter per table name, so that a table that was made anew goes on.
    sequences: BTreeMap<String, Sequences>,
    last_label: u64,
    tables_made: u64,
    ticked: u64,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The item was as it should become, or was not there to be removed: no record, as on AWS.
    Unchanged,
    /// The item is there or changed or gone; the sequence number of its record, if the table's stream is on.
    Changed(Option<String>),
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            tables: BTreeMap::new(),
            streams: BTreeMap::new(),
            sequences: BTreeMap::new(),
            last_label: 0,
            tables_made: 0,
            ticked: 0,
        }
    }

    /// Lets time do what it has done since the last call.
    pub(crate) fn tick(&mut self, now: u64) {
        if now == self.ticked {
            return;
        }
        self.ticked = now;
        self.streams.retain(|_, stream| !stream.is_gone(now));
        for stream in self.streams.values_mut() {
            let sequences = sequences_of(&mut self.sequences, &stream.table, &self.settings);
            stream.tick(sequences, (now, &self.settings));
        }
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Table> {
        self.tables.get(name).ok_or_else(Error::no_table)
    }

    pub(crate) fn stream(&self, arn: &str) -> Result<&Stream> {
        self.streams.get(arn).ok_or_else(|| no_stream(arn))
    }

    pub(crate) fn stream_mut(&mut self, arn: &str) -> Result<&mut Stream> {
        self.streams.get_mut(arn).ok_or_else(|| no_stream(arn))
    }

    pub(crate) fn create_table(&mut self, spec: TableSpec, now: u64) -> Result<()> {
        if self.tables.contains_key(&spec.name) {
            return Err(Error::new(400, "ResourceInUseException", "Cannot create preexisting table"));
        }
        self.tables_made += 1;
        let hex = |n| self.settings.dice.hex(16, &spec.name, self.tables_made * 2 + n);
        let all = [hex(0), hex(1)].concat();
        let id = format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]);
        let (name, view) = (spec.name.clone(), spec.view);
        let table = Table {
            spec: TableSpec { view: None, ..spec },
            id,
            created: now,
            items: BTreeMap::new(),
            bytes: 0,
            recent: std::collections::VecDeque::new(),
            stream: None,
        };
        self.tables.insert(name.clone(), table);
        if let Some(view) = view {
            self.stream_on(&name, view, now)?;
        }
        Ok(())
    }

    pub(crate) fn delete_table(&mut self, name: &str, now: u64) -> Result<()> {
        if self.table(name)?.spec.view.is_some() {
            self.stream_off(name, now)?;
        }
        self.tables.remove(name);
        Ok(())
    }

    /// Switches a table's stream on: a new one, with a new ARN. Returns it.
    pub(crate) fn stream_on(&mut self, name: &str, view: View, now: u64) -> Result<String> {
        let table = self.tables.get_mut(name).ok_or_else(Error::no_table)?;
        if table.spec.view.is_some() {
            return Err(Error::validation("Table already has an enabled stream"));
        }
        self.last_label = now.max(self.last_label + 1);
        let label = label(self.last_label);
        let sequences = sequences_of(&mut self.sequences, name, &self.settings);
        let made_for = (name, label.clone(), table.spec.keys.clone());
        let stream = Stream::new(made_for, view, table.spec.shards, sequences, (now, &self.settings));
        table.spec.view = Some(view);
        table.stream = Some((stream.arn.clone(), label));
        let arn = stream.arn.clone();
        self.streams.insert(arn.clone(), stream);
        Ok(arn)
    }

    /// Switches a table's stream off; what is in it can be read for 24 hours.
    pub(crate) fn stream_off(&mut self, name: &str, now: u64) -> Result<()> {
        let table = self.tables.get_mut(name).ok_or_else(Error::no_table)?;
        let arn = table.stream.as_ref().filter(|_| table.spec.view.is_some()).map(|(arn, _)| arn);
        let stream = arn.and_then(|arn| self.streams.get_mut(arn));
        let stream = stream.ok_or_else(|| Error::validation("Table has no stream to disable"))?;
        stream.disable(sequences_of(&mut self.sequences, name, &self.settings), now);
        table.spec.view = None;
        Ok(())
    }

    /// Puts an item (`Ok`) or removes one by its key (`Err`): every change goes this way.
    pub(crate) fn write(
        &mut self,
        name: &str,
        write: Result<Item, Item>,
        origin: Origin,
        now: u64,
    ) -> Result<(Written, Option<Arc<Stored>>)> {
        let table = self.tables.get_mut(name).ok_or_else(Error::no_table)?;
        let keys = &table.spec.keys;
        let (key, new) = match write {
            Ok(item) => {
                item.check_size()?;
                (keys.key_of(&item), Some(item))
            }
            Err(key) => (key, None),
        };
        let position = keys.position(&key, self.settings.dice)?;
        keys.check_key(&key)?;
        let old = table.items.get(&position);
        if old.map(|old| &old.item) == new.as_ref() {
            return Ok((Written::Unchanged, old.map(Arc::clone)));
        }
        let new = new.map(|item| Arc::new(Stored::new(item)));
        let old = table.replace(position.clone(), new.as_ref().map(Arc::clone));
        let hash = position.hash;
        let stale = self.settings.quirks.stale_reads_ms();
        if stale > 0 {
            table.remember(Before { at: now, position, item: old.as_ref().map(Arc::clone) }, stale);
        }
        let arn = table.stream.as_ref().filter(|_| table.spec.view.is_some()).map(|(arn, _)| arn);
        let sequence = arn.and_then(|arn| self.streams.get_mut(arn)).and_then(|stream| {
            let change = Change { key: &key, old: old.as_deref(), new: new.as_deref(), origin };
            let sequences = sequences_of(&mut self.sequences, name, &self.settings);
            stream.push(hash, &change, sequences, (now, &self.settings))
        });
        Ok((Written::Changed(sequence), old))
    }

    /// Changes the shards of a table's stream.
    pub(crate) fn with_stream<T>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Stream, &mut Sequences, &Settings) -> Result<T>,
    ) -> Result<T> {
        let (arn, _) = self.table(name)?.stream.clone().ok_or_else(|| Error::validation("The table has no stream"))?;
        let stream = self.streams.get_mut(&arn).ok_or_else(|| no_stream(&arn))?;
        change(stream, sequences_of(&mut self.sequences, name, &self.settings), &self.settings)
    }
}

fn no_stream(arn: &str) -> Error {
    Error::not_found(format!("Requested resource not found: Stream: {arn} not found"))
}

fn sequences_of<'a>(
    sequences: &'a mut BTreeMap<String, Sequences>,
    table: &str,
    settings: &Settings,
) -> &'a mut Sequences {
    sequences.entry(table.to_owned()).or_insert_with(|| Sequences::new(settings.dice, table))
}
