//! What is kept of a target in its table of checkpoints.

use std::collections::HashSet;

use commutator_core::{Checkpoint, Error, ErrorKind, Result, SyncMode, TableSchema, Target};
use commutator_sql::recorded::{same_keys, same_name};
use commutator_sql::{Owner, Part};

use super::Place;
use super::place::forgotten;
use crate::Row;

/// What is kept of a target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) owner: Owner,
    pub(crate) target: String,
    pub(crate) mode: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) recorded: Option<TableSchema>,
    pub(crate) planned: Option<TableSchema>,
    pub(crate) kept: HashSet<Part>,
}

impl Record {
    /// Reads it; `None` if it is another target's table, or if nothing is in it.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if another table is synced into the same destination table, unless `peeks`.
    pub(crate) async fn read(place: &Place, peeks: bool) -> Result<Option<Self>> {
        let rows = place.warehouse.query(&place.checkpoint().select()).await?;
        let mut rows: Vec<_> = rows.iter().map(Kept::of).collect::<Result<_>>()?;
        let Target { pipeline, table, slice, .. } = &place.target;
        let ours = [pipeline.as_str(), table.as_str(), slice.as_str()];
        if let (Some(rival), false) = (rows.iter().find(|row| row.who != ours), peeks) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "Another table is synced into this destination table; give one of them another destination name or schema",
            )
            .with("by_pipeline", rival.who[0])
            .with("by_table", rival.who[1]));
        }
        rows.retain(|row| row.who == ours);
        rows.sort_by_key(|row| row.piece);
        let text = |part: Part| {
            let pieces: Vec<_> =
                rows.iter().filter(|row| row.part == part.as_str()).filter_map(|row| row.content).collect();
            (!pieces.is_empty()).then(|| pieces.concat())
        };
        let head = rows.iter().find(|row| row.part == Part::Checkpoint.as_str() && row.piece == 0);
        let Some(Kept { target: Some(target), mode: Some(mode), owner: Some(number), token: Some(token), .. }) = head
        else {
            return Ok(None);
        };
        let has_rows = |part: Part| {
            let of_part = |row: &Kept<'_>| row.part == part.as_str() && (part != Part::Checkpoint || row.piece > 0);
            rows.iter().any(of_part)
        };
        Ok(Some(Self {
            owner: Owner { number: *number, token: (*token).to_owned() },
            target: (*target).to_owned(),
            mode: (*mode).to_owned(),
            checkpoint: parse(text(Part::Checkpoint).as_deref())?.unwrap_or_default(),
            recorded: parse(text(Part::Columns).as_deref())?,
            planned: parse(text(Part::Planned).as_deref())?,
            kept: [Part::Checkpoint, Part::Columns, Part::Planned].into_iter().filter(|&part| has_rows(part)).collect(),
        }))
    }

    /// Reads it for whoever opens the target, and refuses what that cannot go on from.
    pub(crate) async fn read_and_check(place: &Place) -> Result<Self> {
        let record = Self::read(place, false).await?.ok_or_else(forgotten)?;
        same_name(&place.target, &record.target)?;
        same_keys(&place.target, record.recorded.as_ref().or(record.planned.as_ref()))?;
        Ok(record)
    }

    /// Returns the mode in which the table was synced last.
    pub(crate) fn mode(&self) -> Result<SyncMode> {
        let all = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
        all.into_iter().find(|mode| mode.as_str() == self.mode).ok_or_else(|| {
            Error::new(
                ErrorKind::DataInvalid,
                "The table of checkpoints names a mode that is not known; was it written by a newer version?",
            )
            .with("mode", &self.mode)
        })
    }
}

/// A row of the table.
struct Kept<'a> {
    who: [&'a str; 3],
    part: &'a str,
    piece: i64,
    target: Option<&'a str>,
    mode: Option<&'a str>,
    owner: Option<i64>,
    token: Option<&'a str>,
    content: Option<&'a str>,
}

impl<'a> Kept<'a> {
    fn of(row: &'a Row) -> Result<Self> {
        let [pipeline, table, slice, part, piece, target, mode, owner, token, content] = row.as_slice() else {
            return Err(unreadable());
        };
        let text = |cell: &'a Option<String>| cell.as_deref().ok_or_else(unreadable);
        Ok(Self {
            who: [text(pipeline)?, text(table)?, text(slice)?],
            part: text(part)?,
            piece: text(piece)?.parse().map_err(|_| unreadable())?,
            target: target.as_deref(),
            mode: mode.as_deref(),
            owner: owner.as_deref().map(str::parse).transpose().map_err(|_| unreadable())?,
            token: token.as_deref(),
            content: content.as_deref(),
        })
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::DataInvalid, "The checkpoint cannot be read; was it written by a newer version?")
}

fn parse<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Option<T>> {
    text.map(serde_json::from_str).transpose().map_err(|e| unreadable().with_source(e))
}

/// Returns the JSON under which a value is kept.
pub(crate) fn text_of(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "The checkpoint cannot be written").with_source(e))
}
