//! Changes of the table itself, inside the transaction that needs them.

use std::sync::Arc;

use commutator_core::rules::TypeJoin;
use commutator_core::{Epoch, Result, SchemaAction, TableSchema, schema};
use commutator_sql::{DUCKDB, Layout, changes};
use duckdb::{Connection, params};

use crate::error;
use crate::session::{Place, State};

/// Gives the table the wanted columns, and keeps what became of them under this epoch. What it has already is left alone, so doing it
/// again does nothing.
pub(super) fn evolve(
    connection: &Connection,
    place: &Place,
    state: &mut State,
    wanted: &TableSchema,
    epoch: Epoch,
) -> Result<()> {
    let plan = schema::plan_by(state.actual.as_deref(), wanted, TypeJoin::decided())?;
    let layout = place.layout();
    for statement in statements(&layout, &plan.actions) {
        run(connection, place, &statement)?;
    }
    if state.tombstones {
        for statement in layout.alter_tombstones(&plan.result, &plan.actions) {
            run(connection, place, &statement)?;
        }
    }
    record(connection, place, epoch, &plan.actions)?;
    let recorded = match &state.recorded {
        Some(recorded) => schema::merge_by(recorded, &plan.result, TypeJoin::decided())?,
        None => plan.result.clone(),
    };
    state.recorded = Some(recorded);
    state.actual = Some(Arc::new(plan.result));
    Ok(())
}

/// What a plan's steps take.
pub(crate) fn statements(layout: &Layout, actions: &[SchemaAction]) -> Vec<String> {
    let created = actions.iter().filter_map(|action| match action {
        SchemaAction::CreateTable { schema } => Some(layout.create(schema)),
        SchemaAction::AddColumn { .. } | SchemaAction::WidenColumn { .. } => None,
    });
    created.chain(layout.alter(actions)).collect()
}

/// Adds a row for each column that a plan's steps make or widen.
fn record(connection: &Connection, place: &Place, epoch: Epoch, actions: &[SchemaAction]) -> Result<()> {
    let rows = changes::rows(&DUCKDB, actions);
    if rows.is_empty() {
        return Ok(());
    }
    let failed = |e| error::failed(e, "The change of the table's columns cannot be recorded in _ct_schema_changes");
    let target = &place.target;
    let mut insert = connection.prepare(&changes::insert(&DUCKDB, &place.schema)).map_err(failed)?;
    for row in rows {
        let values = params![
            target.pipeline.as_str(),
            target.table.as_str(),
            target.name,
            epoch.0,
            row.action,
            row.column,
            row.from.as_deref(),
            &*row.to,
        ];
        insert.execute(values).map_err(failed)?;
    }
    Ok(())
}

/// A statement on a table of a thousand columns would flood the log.
const LOGGED_BYTES: usize = 1000;

fn run(connection: &Connection, place: &Place, statement: &str) -> Result<()> {
    let shown = &statement[..statement.floor_char_boundary(LOGGED_BYTES)];
    tracing::info!(table = %place.target.table, statement = shown, "changing the destination's table");
    connection.execute_batch(statement).map_err(|e| error::failed(e, "The table's columns cannot be changed"))
}
