//! Taking a table over: the fence, and what the last commit left.

use std::sync::{Arc, Weak};

use commutator_core::{Checkpoint, Error, ErrorKind, Result, SyncMode, TableSchema, Target};
use commutator_sql::recorded::{ModeChange, same_keys, same_name};
use commutator_sql::{Checkpoints, DUCKDB, Layout};
use duckdb::{Connection, OptionalExt, params};

use super::{DuckSession, Place, State, catalog, mode};
use crate::client::Database;
use crate::error;

/// A target's row among the checkpoints: owner, target, mode, checkpoint and columns.
type Kept = (i64, String, String, Option<String>, Option<String>);

/// Takes the target's row among the checkpoints over and returns the session, which knows what the table looks like.
///
/// `first_owner` is the number of the owner if nobody owned it before. Nothing is taken over once nobody has the `caller` any more: whoever
/// gave up waiting may have opened the table again since, and would be fenced by its own earlier call.
pub(crate) fn open(database: &Arc<Database>, place: Place, first_owner: i64, caller: &Weak<()>) -> Result<DuckSession> {
    let failed = |e| error::failed(e, "The table cannot be taken over");
    let lease = database.lease()?;
    let taken = {
        let _writing = database.write();
        if caller.strong_count() == 0 {
            return Err(Error::new(ErrorKind::Unavailable, "Nobody waits for the table to be opened any more"));
        }
        lease.execute_batch("BEGIN").map_err(failed)?;
        let taken = take(&lease, &place, first_owner)
            .and_then(|taken| lease.execute_batch("COMMIT").map(|()| taken).map_err(failed));
        if taken.is_err() {
            // Dropping the connection would do it, too, but later than the next writer.
            lease.execute_batch("ROLLBACK").ok();
        }
        taken
    };
    let (owner, checkpoint, state) = taken?;
    Ok(DuckSession { database: Arc::clone(database), place, owner, checkpoint, state, wanted: None, unclear: false })
}

fn take(connection: &Connection, place: &Place, first_owner: i64) -> Result<(i64, Checkpoint, State)> {
    let failed = |e| error::failed(e, "The table cannot be taken over");
    catalog::prepare(connection, &place.schema)?;
    let Target { pipeline, table, slice, name, mode, .. } = &place.target;
    let checkpoints = place.checkpoints();
    let rival: Option<(String, String)> = connection
        .query_row(
            &checkpoints.select_rival(),
            params![name, slice.as_str(), pipeline.as_str(), table.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(failed)?;
    if let Some((by_pipeline, by_table)) = rival {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "Another table is synced into this destination table, whose name DuckDB reads in any case; give one of them another \
             destination name or schema",
        )
        .with("by_pipeline", by_pipeline)
        .with("by_table", by_table));
    }
    let row = params![pipeline.as_str(), table.as_str(), slice.as_str()];
    if connection.execute(&checkpoints.raise(), row).map_err(failed)? == 0 {
        let row = params![pipeline.as_str(), table.as_str(), slice.as_str(), name, mode.as_str(), first_owner];
        connection.execute(&checkpoints.insert(), row).map_err(failed)?;
    }
    let (owner, target, before, checkpoint, columns) = kept(connection, place)?.ok_or_else(super::forgotten)?;
    let recorded = parse::<TableSchema>(columns.as_deref())?;
    same_name(&place.target, &target)?;
    let change = ModeChange::of(&place.target, &before, recorded.is_some())?;
    let checkpoint = parse::<Checkpoint>(checkpoint.as_deref())?.unwrap_or_default();
    let tombstones = place.look_up(connection, &Layout::tombstones_name(&DUCKDB, name))?.is_some();
    // Those of a table that was dropped would keep away rows of the one that is loaded anew.
    let left_over = tombstones && recorded.is_none();
    if left_over {
        connection.execute_batch(&place.layout().drop_tombstones()).map_err(failed)?;
    }
    let tombstones = tombstones && !left_over;
    let tombstones = match change {
        None => tombstones,
        Some(change) => mode::make(change, connection, place, recorded.as_ref(), tombstones)?,
    };
    let found = place.look_up(connection, name)?;
    let actual = catalog::reconcile(recorded.as_ref(), found.as_deref(), *mode)?;
    same_keys(&place.target, recorded.as_ref())?;
    Ok((owner, checkpoint, State { recorded, actual, tombstones }))
}

/// Returns the checkpoint of the last commit; `None` if the target was never opened.
pub(crate) fn peek(database: &Arc<Database>, place: &Place) -> Result<Option<Checkpoint>> {
    let lease = database.lease()?;
    if place.look_up(&lease, Checkpoints::NAME)?.is_none() {
        return Ok(None);
    }
    let kept = kept(&lease, place)?;
    kept.map(|(.., checkpoint, _)| Ok(parse(checkpoint.as_deref())?.unwrap_or_default())).transpose()
}

/// Returns the columns that the table has, as opening it would find them; `None` if there is no table.
pub(crate) fn peek_schema(database: &Arc<Database>, place: &Place) -> Result<Option<TableSchema>> {
    let lease = database.lease()?;
    if place.look_up(&lease, Checkpoints::NAME)?.is_none() {
        return Ok(None);
    }
    let Some((_, target, before, _, columns)) = kept(&lease, place)? else { return Ok(None) };
    same_name(&place.target, &target)?;
    let recorded = parse::<TableSchema>(columns.as_deref())?;
    let mode = match ModeChange::of(&place.target, &before, recorded.is_some())? {
        // Opening it would first give it what the mode needs.
        Some(_) => SyncMode::Mirror,
        None => place.target.mode,
    };
    let found = place.look_up(&lease, &place.target.name)?;
    Ok(catalog::reconcile(recorded.as_ref(), found.as_deref(), mode)?.map(Arc::unwrap_or_clone))
}

/// Returns the statements by which opening the table would give it the mode of the target.
pub(crate) fn preview_mode(database: &Arc<Database>, place: &Place) -> Result<Vec<String>> {
    let lease = database.lease()?;
    if place.look_up(&lease, Checkpoints::NAME)?.is_none() {
        return Ok(Vec::new());
    }
    let Some((_, _, before, _, columns)) = kept(&lease, place)? else { return Ok(Vec::new()) };
    let recorded = parse::<TableSchema>(columns.as_deref())?;
    let Some(change) = ModeChange::of(&place.target, &before, recorded.is_some())? else { return Ok(Vec::new()) };
    let tombstones = Layout::tombstones_name(&DUCKDB, &place.target.name);
    let tombstones = place.look_up(&lease, &tombstones)?.is_some();
    Ok(mode::statements(change, place, recorded.as_ref(), tombstones))
}

fn kept(connection: &Connection, place: &Place) -> Result<Option<Kept>> {
    let Target { pipeline, table, slice, .. } = &place.target;
    connection
        .query_row(&place.checkpoints().select(), params![pipeline.as_str(), table.as_str(), slice.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()
        .map_err(|e| error::failed(e, "The checkpoint cannot be read"))
}

fn parse<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Option<T>> {
    text.map(serde_json::from_str).transpose().map_err(|e| {
        Error::new(ErrorKind::DataInvalid, "The checkpoint cannot be read; was it written by a newer version?")
            .with_source(e)
    })
}
