//! Changes of the table itself, inside the transaction that needs them.

use std::sync::Arc;

use commutator_core::rules::TypeJoin;
use commutator_core::{Epoch, Error, ErrorKind, Result, SchemaAction, SyncMode, TableSchema, schema};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{changes, impact};
use crate::error;
use crate::session::{Place, State};
use crate::statements::{Layout, rewritten, tombstones_name};

/// Gives the table the wanted columns, and keeps what became of them under this epoch. What it has already is left alone, so doing it
/// again does nothing.
pub(crate) async fn evolve(
    client: &Client,
    place: &Place,
    state: &mut State,
    wanted: &TableSchema,
    epoch: Epoch,
) -> Result<()> {
    let plan = schema::plan_by(state.actual.as_deref(), wanted, TypeJoin::decided())?;
    let layout = place.layout(state.hashed);
    for statement in created(&layout, &plan.actions) {
        run(client, place, &statement, false).await?;
    }
    impact::refuse_views(client, place, &plan.actions).await?;
    if let Some(alter) = layout.alter(&plan.actions) {
        let rewrites = !rewritten(&plan.actions).is_empty();
        if rewrites {
            impact::tell_size(client, place).await?;
        }
        run(client, place, &alter, rewrites).await?;
    }
    if state.tombstones
        && let Some(alter) = layout.alter_tombstones(&plan.result, &plan.actions)
    {
        run(client, place, &alter, true).await?;
    }
    changes::record(client, place, epoch, &plan.actions).await?;
    let recorded = match &state.recorded {
        Some(recorded) => schema::merge_by(recorded, &plan.result, TypeJoin::decided())?,
        None => plan.result.clone(),
    };
    state.recorded = Some(recorded);
    state.actual = Some(Arc::new(plan.result));
    Ok(())
}

/// The statements that make the table of a plan, if it makes one.
pub(crate) fn created(layout: &Layout, actions: &[SchemaAction]) -> Vec<String> {
    let created = |action: &SchemaAction| match action {
        SchemaAction::CreateTable { schema } => layout.create(schema),
        SchemaAction::AddColumn { .. } | SchemaAction::WidenColumn { .. } => Vec::new(),
    };
    actions.iter().flat_map(created).collect()
}

/// Makes a hash of the key the primary key, because a key is too long for an entry of an index.
pub(super) async fn rekey(client: &Client, place: &Place, state: &mut State, columns: &TableSchema) -> Result<()> {
    tracing::warn!(
        table = %place.target.table,
        "a key is too long for a postgres index; from now on _ct_key, a hash of the key columns, is the primary key"
    );
    let layout = place.layout(false);
    if place.target.mode == SyncMode::History {
        run(client, place, &layout.drop_index_current(), false).await?;
    }
    rekey_table(client, place, &place.target.name, &layout.table, columns).await?;
    run(client, place, &layout.index_first_key(columns), false).await?;
    if place.target.mode == SyncMode::History {
        run(client, place, &place.layout(true).index_current(columns), false).await?;
    }
    if state.tombstones {
        rekey_table(client, place, &tombstones_name(&place.target.name), &layout.tombstones, columns).await?;
    }
    state.hashed = true;
    Ok(())
}

/// Finds the name of a table's primary key; parameters: schema, table.
pub(crate) const CONSTRAINT: &str =
    "SELECT k.conname::text FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relname = $2 AND k.contype = 'p'";

async fn rekey_table(client: &Client, place: &Place, name: &str, table: &str, columns: &TableSchema) -> Result<()> {
    let constraint = client
        .query_typed_opt(CONSTRAINT, &[(&&*place.schema, Type::TEXT), (&name, Type::TEXT)])
        .await
        .map_err(|e| error::failed(e, "The primary key cannot be found"))?;
    let constraint = constraint.ok_or_else(|| {
        Error::new(ErrorKind::SchemaConflict, "The table's primary key is gone that this pipeline had made; restore it")
    })?;
    for statement in place.layout(false).rekey(table, columns, constraint.get(0)) {
        run(client, place, &statement, true).await?;
    }
    Ok(())
}

/// A statement on a table of a thousand columns would flood the log.
const LOGGED_BYTES: usize = 1000;

async fn run(client: &Client, place: &Place, statement: &str, rewrites: bool) -> Result<()> {
    let shown = &statement[..statement.floor_char_boundary(LOGGED_BYTES)];
    tracing::info!(table = %place.target.table, rewrites, statement = shown, "changing the destination's table");
    client.batch_execute(statement).await.map_err(|e| match e.code().map(tokio_postgres::error::SqlState::code) {
        Some("42P07") => Error::new(
            ErrorKind::ConfigInvalid,
            "A table of this name exists that this pipeline did not make; drop or rename it, or set another name or schema",
        ),
        _ => error::failed(e, "The table's columns cannot be changed"),
    })
}
