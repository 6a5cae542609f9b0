//! The double's rows: plain values in a map.

use std::collections::BTreeMap;

use commutator_core::{
    ChangeBatch, Column, Epoch, Error, ErrorKind, LogicalType, OrderKey, Result, SyncMode, TableSchema, Target,
};

use super::Mistake;
use crate::{Row, Value};

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) schema: Option<TableSchema>,
    pub(super) rows: BTreeMap<String, Row>,
    pub(super) written: usize,
    /// In filtered tables of `soft_delete`, the removals of keys without a row, while a snapshot runs.
    pub(super) idle: BTreeMap<String, OrderKey>,
}

pub(super) fn is_removal(row: &Row) -> bool {
    matches!(row.op.as_deref(), Some("remove" | "expire"))
}

impl Table {
    pub(super) fn drop_tombstones(&mut self) {
        self.rows.retain(|_, row| !is_removal(row));
    }

    pub(super) fn visible(&self, mode: SyncMode) -> Vec<Row> {
        let seen = |row: &&Row| mode != SyncMode::Mirror || !is_removal(row);
        let known = |name: &String| self.schema.as_ref().is_some_and(|schema| schema.get(name).is_some());
        let mut rows: Vec<_> = self.rows.values().filter(seen).cloned().collect();
        for row in &mut rows {
            row.columns.retain(|name, _| known(name));
        }
        rows
    }

    pub(super) fn evolve(&mut self, wanted: &TableSchema, mistake: Option<Mistake>) -> Result<()> {
        let Some(known) = &self.schema else {
            self.schema = Some(wanted.clone());
            return Ok(());
        };
        let missing = wanted.columns().iter().filter(|column| known.get(&column.name).is_none()).count();
        match mistake {
            Some(Mistake::EvolvesOnce) if wanted == known => {
                return Err(Error::new(ErrorKind::SchemaConflict, "The column is there already"));
            }
            Some(Mistake::EvolvesOnlyWhatIsMissingFromFirst) if missing > 0 && missing < wanted.columns().len() - 2 => {
                return Err(Error::new(ErrorKind::SchemaConflict, "Some columns are there already"));
            }
            Some(Mistake::EvolutionDropsRows) if self.rows.len() > 100 => self.rows.clear(),
            Some(Mistake::EvolutionEmptiesTableOfKeys) if known.columns().len() == known.keys().len() => {
                self.rows.clear();
            }
            Some(Mistake::FirstSchemaOnly) if missing > 0 => return Ok(()),
            _ => {}
        }
        for column in wanted.columns() {
            let before = known.get(&column.name).map(|(_, before)| before.ty);
            for row in self.rows.values_mut() {
                if let Some(value) = row.columns.get_mut(&column.name) {
                    *value = widened(value.clone(), before.unwrap_or(column.ty), column, mistake);
                }
            }
        }
        self.schema = Some(wanted.clone());
        Ok(())
    }

    pub(super) fn apply(
        &mut self,
        target: &Target,
        staged: &[(ChangeBatch, Vec<Row>)],
        ended: Option<Epoch>,
        keeps_tombstones: bool,
        mistake: Option<Mistake>,
    ) {
        match target.mode {
            SyncMode::SoftDelete => {
                self.apply_soft_delete(staged, ended, target.filtered, mistake);
                if !keeps_tombstones || mistake == Some(Mistake::IdleRemovalsAreForgotten) {
                    self.idle.clear();
                }
                return;
            }
            SyncMode::History => {
                let sorts_out = match mistake {
                    Some(Mistake::IdleVersionsStay) => false,
                    Some(Mistake::IdleVersionsGoAtOnce) => true,
                    Some(Mistake::IdleVersionsStayAtEnd) => ended.is_none() && !keeps_tombstones,
                    _ => !keeps_tombstones,
                };
                return self.apply_history(staged, ended, target.filtered && sorts_out, mistake);
            }
            SyncMode::Mirror | SyncMode::Append => {}
        }
        let append = target.mode == SyncMode::Append;
        let before: Vec<String> = self.rows.keys().cloned().collect();
        for (batch, rows) in staged {
            let within_batch: Vec<String> = self.rows.keys().cloned().collect();
            for row in rows {
                let mut row = row.clone();
                bend(&mut row, batch.schema(), mistake);
                let mut key = identity(&row, batch.schema(), mistake);
                if append && mistake != Some(Mistake::AppendKeepsNewest) {
                    self.written += 1;
                    key = format!("{key} {}", self.written);
                }
                let anew = match mistake {
                    Some(Mistake::LaterWriteWins) => true,
                    Some(Mistake::SnapshotRowsOverwrite) => row.order.is_snapshot(),
                    Some(Mistake::LaterWriteWinsWithinTransaction) => !before.contains(&key),
                    Some(Mistake::LaterWriteWinsWithinBatch) => !within_batch.contains(&key),
                    _ => false,
                };
                self.put(key, row, anew, mistake);
            }
        }
        if let Some(epoch) = ended {
            match mistake {
                Some(Mistake::SnapshotEndKeepsOlderRows) => {}
                Some(Mistake::SnapshotEndDropsStreamedRows) if !append => {
                    self.rows.retain(|_, row| row.order.is_snapshot());
                }
                _ if !append || mistake == Some(Mistake::SnapshotEndEmptiesAppend) => {
                    self.rows.retain(|_, row| row.order.epoch() >= epoch);
                }
                _ => {}
            }
        }
        let drops = match mistake {
            Some(Mistake::TombstonesStay) => false,
            Some(Mistake::TombstonesAreOff) => true,
            _ => !keeps_tombstones,
        };
        if !append && drops {
            self.drop_tombstones();
        }
    }

    fn put(&mut self, key: String, mut row: Row, anew: bool, mistake: Option<Mistake>) {
        let held = self.rows.get(&key);
        match mistake {
            Some(Mistake::ExpiryIsIgnored) if row.op.as_deref() == Some("expire") => return,
            Some(Mistake::RemovedForEver) if held.is_some_and(is_removal) => return,
            Some(Mistake::TombstonesAreNotStaged) if is_removal(&row) && held.is_none() => return,
            Some(Mistake::AppendForgetsOp) => row.op = None,
            _ => {}
        }
        let newer = |held: &Row| match mistake {
            Some(Mistake::SequencesAreCut) => cut(row.order) > cut(held.order),
            Some(Mistake::SequencesAreText) => as_text(row.order) > as_text(held.order),
            Some(Mistake::EpochsAreIgnored) => row.order.as_bytes()[4..] > held.order.as_bytes()[4..],
            _ => row.order > held.order,
        };
        match held {
            Some(held) if !anew && !newer(held) => return,
            Some(held) if mistake == Some(Mistake::ModifyMerges) && !is_removal(&row) => {
                for (name, value) in &held.columns {
                    if row.columns.get(name).is_none_or(|new| *new == Value::Null) {
                        row.columns.insert(name.clone(), value.clone());
                    }
                }
            }
            Some(held) if mistake == Some(Mistake::NullsAreNotWritten) && filled(&row) == 1 => {
                row.columns.clone_from(&held.columns);
            }
            _ => {}
        }
        self.rows.insert(key, row);
    }
}

fn filled(row: &Row) -> usize {
    row.columns.values().filter(|value| **value != Value::Null).count()
}

/// What an order key becomes if its digits are compared as text.
fn as_text(order: OrderKey) -> (Epoch, String) {
    (order.epoch(), order.to_string()[8..].trim_start_matches('0').to_owned())
}

/// What an order key becomes if only 39 of its digits are looked at.
fn cut(order: OrderKey) -> (Epoch, String) {
    (order.epoch(), order.to_string()[9..].to_owned())
}

pub(super) fn identity(row: &Row, schema: &TableSchema, mistake: Option<Mistake>) -> String {
    let parts = schema.keys().iter().map(|column| match (&row.columns[&column.name], mistake) {
        (Value::Text(text), Some(Mistake::KeysIgnoreCase)) => text.to_lowercase(),
        (Value::Text(text) | Value::Number(text), Some(Mistake::KeysAreJoined)) => text.clone(),
        (value, Some(Mistake::WideningForgetsKeys)) => format!("{} {value:?}", column.ty),
        (value, _) => format!("{value:?}"),
    });
    let separator = if mistake == Some(Mistake::KeysAreJoined) { "" } else { "\0" };
    let fixed = mistake == Some(Mistake::KeyNamesAreFixed) && !schema.keys().iter().all(|c| c.name.is_ascii());
    if fixed { String::new() } else { parts.collect::<Vec<_>>().join(separator) }
}

fn float(text: &str) -> Value {
    let number: f64 = text.parse().unwrap();
    Value::number(&format!("{number:e}"))
}

/// Bends a row's values as they are written.
pub(super) fn bend(row: &mut Row, schema: &TableSchema, mistake: Option<Mistake>) {
    let count = schema.columns().len();
    for (i, column) in schema.columns().iter().enumerate() {
        let Some(value) = row.columns.get_mut(&column.name) else { continue };
        let bent = match (mistake, &*value) {
            (Some(Mistake::BoolsAreNumbers), Value::Bool(flag)) => Value::int((*flag).into()),
            (Some(Mistake::NumbersAreFloats), Value::Number(text)) => float(text),
            (Some(Mistake::FloatsAreSingle), Value::Number(text)) if column.ty == LogicalType::Float64 => {
                Value::number(&format!("{:e}", text.parse::<f32>().unwrap()))
            }
            (Some(Mistake::TinyNumbersAreZero), Value::Number(text)) if text.len() > 60 => Value::int(0),
            (Some(Mistake::EmptyTextIsNull), Value::Text(text)) if text.is_empty() => Value::Null,
            (Some(Mistake::BinaryIsText), Value::Binary(bytes)) => {
                Value::binary(String::from_utf8_lossy(bytes).into_owned())
            }
            (Some(Mistake::JsonNumbersAreFloats), Value::Json(text)) => Value::json(&rounded(text)),
            (Some(Mistake::ManyColumnsAreCut), _) if count > 250 && i > 250 => Value::Null,
            _ => continue,
        };
        *value = bent;
    }
    if mistake == Some(Mistake::ColumnsIgnoreCase) {
        let columns = std::mem::take(&mut row.columns);
        let is_key = |name: &str| schema.get(name).is_some_and(|(_, column)| column.key);
        let twin = |name: &String| {
            columns.keys().find(|other| *other < name && !is_key(name) && other.to_lowercase() == name.to_lowercase())
        };
        let folded = |(name, value): (&String, &Value)| (twin(name).unwrap_or(name).clone(), value.clone());
        row.columns = columns.iter().map(folded).collect();
    }
}

/// Writes every long number of a JSON text as a double would be.
fn rounded(text: &str) -> String {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(digits) {
        let end = rest[start..].find(|c| !digits(c)).map_or(rest.len(), |n| start + n);
        out.push_str(&rest[..start]);
        let number = &rest[start..end];
        match float_text(number) {
            Some(rounded) if number.len() > 17 => out.push_str(&rounded),
            _ => out.push_str(number),
        }
        rest = &rest[end..];
    }
    out + rest
}

fn float_text(number: &str) -> Option<String> {
    number.parse::<f64>().ok().map(|float| format!("{float:e}"))
}

fn widened(value: Value, before: LogicalType, column: &Column, mistake: Option<Mistake>) -> Value {
    match (mistake, &value) {
        (Some(Mistake::WideningRounds), Value::Number(text)) if before != column.ty => float(text),
        (Some(Mistake::FloatsWidenToFifteenDigits), Value::Number(text)) if before == LogicalType::Float64 => {
            let cut = Value::number(&format!("{:.14e}", text.parse::<f64>().unwrap()));
            if column.ty == LogicalType::Json { cut.into_json() } else { cut }
        }
        (Some(Mistake::JsonFromTextIsParsed), Value::Text(text)) if column.ty == LogicalType::Json => {
            if text.starts_with('{') { Value::json(text) } else { value.into_json() }
        }
        (Some(Mistake::JsonFromNothingIsNull), Value::Null)
            if before != column.ty && column.ty == LogicalType::Json =>
        {
            Value::json("null")
        }
        _ if column.ty == LogicalType::Json => value.into_json(),
        _ => value,
    }
}
