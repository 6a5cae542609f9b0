//! What becomes of the staged rows, and of what a snapshot did not see, in each mode.

use commutator_core::{Epoch, Result, SyncMode, TableSchema};
use commutator_sql::Layout;
use duckdb::Connection;

use super::commit::Job;
use crate::error;
use crate::session::State;

/// Applies the staged rows.
///
/// `others`: whether the table has columns that are not ours, whose values a row keeps.
pub(super) fn rows(
    job: &Job,
    state: &mut State,
    connection: &Connection,
    columns: &TableSchema,
    others: bool,
) -> Result<()> {
    let layout = job.place.layout();
    // New rows are cheaper to merge: nothing has to be kept of what is found.
    let layout = if others || !job.staged.replaces { layout.in_place() } else { layout };
    match job.place.target.mode {
        SyncMode::Mirror => mirror(job, state, connection, columns, &layout),
        SyncMode::SoftDelete => soft_delete(job, state, connection, columns, &layout),
        SyncMode::History => {
            let runs = job.ended.is_none() && !job.checkpoint.snapshot_ended();
            let idle = (job.place.target.filtered && job.staged.removals).then(|| layout.drop_idle(columns, runs));
            run(
                connection,
                [layout.add_versions(columns)].into_iter().chain(idle).chain([layout.set_intervals(columns)]),
            )
        }
        SyncMode::Append => run(connection, [layout.append(columns)]),
    }
}

/// Until the snapshot has ended, removals leave tombstones, so that a snapshot row read earlier and written later does not bring
/// the item back.
fn mirror(job: &Job, state: &mut State, connection: &Connection, columns: &TableSchema, layout: &Layout) -> Result<()> {
    run(connection, layout.apply(columns, state.tombstones))?;
    record(job, state, connection, columns)
}

/// In a filtered table a removal marks only what is there, and is a tombstone besides until the snapshot has ended.
fn soft_delete(
    job: &Job,
    state: &mut State,
    connection: &Connection,
    columns: &TableSchema,
    layout: &Layout,
) -> Result<()> {
    let (check, filtered) = (state.tombstones, job.place.target.filtered);
    run(connection, if check { layout.apply_images_not_removed(columns) } else { layout.apply_images(columns) })?;
    if job.staged.removals {
        run(connection, if filtered { layout.mark_known(columns) } else { layout.mark_removed(columns) })?;
    }
    if filtered { record(job, state, connection, columns) } else { Ok(()) }
}

/// Keeps removals as tombstones while a snapshot runs.
fn record(job: &Job, state: &mut State, connection: &Connection, columns: &TableSchema) -> Result<()> {
    let layout = job.place.layout();
    if job.staged.removals && job.ended.is_none() && !job.checkpoint.snapshot_ended() {
        if !state.tombstones {
            run(connection, [layout.create_tombstones(columns)])?;
            state.tombstones = true;
        }
        run(connection, layout.record_removals(columns))?;
    }
    Ok(())
}

/// Ends the snapshot: rows of older epochs are gone at the source, and tombstones have done their work.
pub(super) fn end(
    job: &Job,
    state: &mut State,
    connection: &Connection,
    epoch: Epoch,
    columns: &TableSchema,
) -> Result<()> {
    let layout = job.place.layout();
    // The first epoch has none before it, and a whole table need not be read to learn that.
    if epoch > Epoch::FIRST {
        match job.place.target.mode {
            SyncMode::Mirror => run(connection, [layout.delete_older(epoch)])?,
            SyncMode::SoftDelete => run(connection, [layout.mark_older(epoch)])?,
            SyncMode::History => {
                let empty = if job.staged.rows { layout.clear_stage() } else { layout.create_stage(columns) };
                let unseen = layout.stage_unseen(columns, epoch);
                run(connection, [empty, unseen, layout.add_versions(columns), layout.set_intervals(columns)])?;
            }
            SyncMode::Append => {}
        }
    }
    if job.place.target.mode == SyncMode::History && job.place.target.filtered {
        // The first epoch's, too: only now is it known that no row comes before them.
        let empty =
            if job.staged.rows || epoch > Epoch::FIRST { layout.clear_stage() } else { layout.create_stage(columns) };
        let idle = [layout.stage_idle(columns), layout.drop_staged(columns), layout.set_intervals(columns)];
        run(connection, [empty].into_iter().chain(idle))?;
    }
    if state.tombstones {
        run(connection, [layout.drop_tombstones()])?;
        state.tombstones = false;
    }
    Ok(())
}

fn run(connection: &Connection, statements: impl IntoIterator<Item = String>) -> Result<()> {
    for statement in statements {
        connection.execute_batch(&statement).map_err(|e| error::failed(e, "Rows cannot be applied"))?;
    }
    Ok(())
}
