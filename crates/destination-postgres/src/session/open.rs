//! Taking a table over: the fence, and what the last commit left.

use std::sync::Arc;

use commutator_core::{Checkpoint, Error, ErrorKind, Result, SyncMode, TableSchema};
use commutator_sql::recorded::{ModeChange, same_keys, same_name};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{BEGIN, PgSession, Place, State, Straight, catalog, mode};
use crate::client::Pool;
use crate::error;
use crate::statements::{self, checkpoints};

/// Takes the target's row among the checkpoints over and returns the session, which knows what the table looks like.
///
/// `first_owner` is the number of the owner if nobody owned it before.
pub(crate) async fn open(pool: &Arc<Pool>, place: Place, first_owner: i64) -> Result<PgSession> {
    let lease = pool.get().await?;
    let failed = |e| error::failed(e, "The table cannot be taken over");
    let target = &place.target;
    lease.batch_execute(BEGIN).await.map_err(failed)?;
    catalog::prepare(&lease, &place.schema).await?;
    // A row of another pipeline with the same target stands in the way of the second constraint, which must not end the transaction.
    let taken = lease
        .query_typed_opt(
            &checkpoints::select_rival(&place.schema),
            &[
                (&target.name, Type::TEXT),
                (&target.slice.as_str(), Type::TEXT),
                (&target.pipeline.as_str(), Type::TEXT),
                (&target.table.as_str(), Type::TEXT),
            ],
        )
        .await
        .map_err(failed)?;
    if let Some(row) = taken {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "Another table is synced into this destination table; give one of them another destination name or schema",
        )
        .with("by_pipeline", row.get::<_, &str>(0))
        .with("by_table", row.get::<_, &str>(1)));
    }
    let row = lease
        .query_typed_one(
            &checkpoints::take_over(&place.schema),
            &[
                (&target.pipeline.as_str(), Type::TEXT),
                (&target.table.as_str(), Type::TEXT),
                (&target.slice.as_str(), Type::TEXT),
                (&target.name, Type::TEXT),
                (&target.mode.as_str(), Type::TEXT),
                (&first_owner, Type::INT8),
            ],
        )
        .await
        .map_err(failed)?;
    let recorded = parse::<TableSchema>(row.get(4))?;
    same_name(target, row.get(1))?;
    let change = ModeChange::of(target, row.get(2), recorded.is_some())?;
    end_others(&lease, place.mark()).await.map_err(failed)?;
    let checkpoint = parse::<Checkpoint>(row.get(3))?.unwrap_or_default();
    let tombstones = catalog::read(&lease, &place.schema, &statements::tombstones_name(&target.name)).await?.is_some();
    // Those of a table that was dropped would keep away rows of the one that is loaded anew.
    let left_over = tombstones && recorded.is_none();
    if left_over {
        lease.batch_execute(&place.layout(row.get(5)).drop_tombstones()).await.map_err(failed)?;
    }
    let tombstones = tombstones && !left_over;
    let tombstones = match change {
        None => tombstones,
        Some(change) => mode::make(change, &lease, &place, recorded.as_ref(), row.get(5), tombstones).await?,
    };
    let found = catalog::read(&lease, &place.schema, &target.name).await?;
    let actual = catalog::reconcile(recorded.as_ref(), found.as_deref(), target.mode)?;
    same_keys(target, recorded.as_ref())?;
    lease.batch_execute("COMMIT").await.map_err(failed)?;
    let state = State { recorded, actual, hashed: row.get(5), straight: Straight::from_column(row.get(6)), tombstones };
    let owner = row.get(0);
    lease.give_back();
    Ok(PgSession { pool: Arc::clone(pool), place, owner, checkpoint, state, wanted: None, unclear: false })
}

/// Ends open transactions of earlier sessions: they can no longer commit, but hold locks for as long as their process likes.
///
/// The owner has been raised before, so a session that loses its connection here learns why. It takes the same user.
async fn end_others(client: &Client, mark: i64) -> std::result::Result<(), tokio_postgres::Error> {
    let ended = client.query_typed(&checkpoints::end_others(mark), &[]).await?;
    if !ended.is_empty() {
        tracing::warn!(transactions = ended.len(), "ended open transactions of an earlier writer");
    }
    Ok(())
}

/// Returns the checkpoint of the last commit; `None` if the target was never opened.
pub(crate) async fn peek(pool: &Arc<Pool>, place: &Place) -> Result<Option<Checkpoint>> {
    let lease = pool.get().await?;
    let found = catalog::read(&lease, &place.schema, "_ct_checkpoints").await?;
    if found.is_none() {
        lease.give_back();
        return Ok(None);
    }
    let statement = format!("SELECT checkpoint::text FROM {} WHERE {}", checkpoints(&place.schema), place.row());
    let row =
        lease.query_typed_opt(&statement, &[]).await.map_err(|e| error::failed(e, "The checkpoint cannot be read"))?;
    lease.give_back();
    row.map(|row| Ok(parse(row.get(0))?.unwrap_or_default())).transpose()
}

/// Returns the columns that the table has, as opening it would find them; `None` if there is no table.
pub(crate) async fn peek_schema(pool: &Arc<Pool>, place: &Place) -> Result<Option<TableSchema>> {
    let lease = pool.get().await?;
    let mut actual = None;
    if catalog::read(&lease, &place.schema, "_ct_checkpoints").await?.is_some() {
        let statement =
            format!("SELECT target, mode, columns::text FROM {} WHERE {}", checkpoints(&place.schema), place.row());
        let failed = |e| error::failed(e, "The table's recorded columns cannot be read");
        if let Some(row) = lease.query_typed_opt(&statement, &[]).await.map_err(failed)? {
            same_name(&place.target, row.get(0))?;
            let recorded = parse::<TableSchema>(row.get(2))?;
            let mode = match ModeChange::of(&place.target, row.get(1), recorded.is_some())? {
                // Opening it would first give it what the mode needs.
                Some(_) => SyncMode::Mirror,
                None => place.target.mode,
            };
            let found = catalog::read(&lease, &place.schema, &place.target.name).await?;
            actual = catalog::reconcile(recorded.as_ref(), found.as_deref(), mode)?;
        }
    }
    lease.give_back();
    Ok(actual.map(Arc::unwrap_or_clone))
}

/// Returns the statements by which opening the table would give it the mode of the target.
pub(crate) async fn preview_mode(pool: &Arc<Pool>, place: &Place) -> Result<Vec<String>> {
    let lease = pool.get().await?;
    let mut statements = Vec::new();
    if catalog::read(&lease, &place.schema, "_ct_checkpoints").await?.is_some() {
        let select =
            format!("SELECT mode, columns::text, hashed FROM {} WHERE {}", checkpoints(&place.schema), place.row());
        let failed = |e| error::failed(e, "The table's recorded mode cannot be read");
        if let Some(row) = lease.query_typed_opt(&select, &[]).await.map_err(failed)? {
            let recorded = parse::<TableSchema>(row.get(1))?;
            if let Some(change) = ModeChange::of(&place.target, row.get(0), recorded.is_some())? {
                let tombstones = statements::tombstones_name(&place.target.name);
                let tombstones = catalog::read(&lease, &place.schema, &tombstones).await?.is_some();
                statements = mode::statements(change, place, recorded.as_ref(), row.get(2), tombstones);
            }
        }
    }
    lease.give_back();
    Ok(statements)
}

fn parse<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Option<T>> {
    text.map(serde_json::from_str).transpose().map_err(|e| {
        Error::new(ErrorKind::DataInvalid, "The checkpoint cannot be read; was it written by a newer version?")
            .with_source(e)
    })
}
