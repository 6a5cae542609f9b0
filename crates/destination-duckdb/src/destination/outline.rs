//! Everything that a commit sends, for showing.

use commutator_core::{CommitOutline, Epoch, SchemaPlan, Step, SyncMode, TableSchema};
use commutator_sql::{DUCKDB, Layout, changes};

use crate::client::Database;
use crate::session::{Place, catalog};
use crate::transaction::ddl;

/// Only a second snapshot leaves anything behind that it did not see.
const RESYNC: Epoch = Epoch(2);
const IF_REMOVED: &str = "if items were removed";
const IF_RESYNCED: &str = "if the table was read anew; the epoch is 2 here";
const IF_NEW: &str = "while all items are new, or if the table has columns of others";
const IF_NEW_AND_TOMBSTONES: &str = "both of these";
const IF_TOMBSTONES: &str = "once removed keys are kept, while the snapshot goes on";

/// Returns the statements in their order.
pub(super) fn of(place: &Place, catalog: &str, plan: &SchemaPlan) -> CommitOutline {
    let mut outline = CommitOutline { files: Some(0), ..CommitOutline::default() };
    open(&mut outline, place, catalog);
    let (layout, columns) = (place.layout(), &plan.result);
    stage(&mut outline, &layout, catalog, columns);
    let checkpoints = place.checkpoints();
    outline.add(Step::Begin, "BEGIN");
    outline.add(Step::Begin, checkpoints.select());
    outline.add(Step::Begin, catalog::READ);
    for statement in ddl::statements(&layout, &plan.actions) {
        outline.add(Step::Columns, statement);
    }
    for statement in layout.alter_tombstones(columns, &plan.actions) {
        outline.add_only(Step::Columns, IF_TOMBSTONES, statement);
    }
    for _ in changes::rows(&DUCKDB, &plan.actions) {
        outline.add(Step::Columns, changes::insert(&DUCKDB, &place.schema));
    }
    apply(&mut outline, &layout, place.target.mode, columns);
    end(&mut outline, &layout, place.target.mode, columns);
    outline.add(Step::Checkpoint, checkpoints.record());
    outline.add(Step::Checkpoint, "COMMIT");
    outline
}

fn open(outline: &mut CommitOutline, place: &Place, catalog: &str) {
    let checkpoints = place.checkpoints();
    outline.add(Step::Open, Database::enter(catalog));
    outline.add(Step::Open, "BEGIN");
    outline.add(Step::Open, catalog::prepared(&place.schema));
    outline.add(Step::Open, checkpoints.select_rival());
    outline.add(Step::Open, checkpoints.raise());
    outline.add_only(Step::Open, "if it was never opened before", checkpoints.insert());
    outline.add(Step::Open, checkpoints.select());
    outline.add_only(Step::Open, "if its mode changed", checkpoints.set_mode());
    outline.add(Step::Open, catalog::READ);
    outline.add(Step::Open, "COMMIT");
}

fn stage(outline: &mut CommitOutline, layout: &Layout, catalog: &str, columns: &TableSchema) {
    outline.add(Step::Stage, Database::enter(catalog));
    outline.add(Step::Stage, layout.create_stage(columns));
    outline.add(Step::Stage, "-- The rows are appended to temp.main._ct_stage as Arrow, without a statement.");
}

fn apply(outline: &mut CommitOutline, layout: &Layout, mode: SyncMode, columns: &TableSchema) {
    let always = |outline: &mut CommitOutline, statements: Vec<String>| {
        statements.into_iter().for_each(|statement| outline.add(Step::Apply, statement));
    };
    let removed = |outline: &mut CommitOutline, only, statements: Vec<String>| {
        statements.into_iter().for_each(|statement| outline.add_only(Step::Apply, only, statement));
    };
    let instead = |outline: &mut CommitOutline, only, statements: Vec<String>| {
        statements.into_iter().for_each(|statement| outline.add_instead(Step::Apply, only, statement));
    };
    let merging = layout.clone().in_place();
    match mode {
        SyncMode::Mirror => {
            always(outline, layout.apply(columns, false));
            instead(outline, IF_NEW, merging.apply(columns, false));
            instead(outline, IF_TOMBSTONES, layout.apply(columns, true));
            instead(outline, IF_NEW_AND_TOMBSTONES, merging.apply(columns, true));
            let first = "if items were removed while the snapshot goes on, for the first time";
            outline.add_only(Step::Apply, first, layout.create_tombstones(columns));
            removed(outline, "if items were removed while the snapshot goes on", layout.record_removals(columns));
        }
        SyncMode::SoftDelete => {
            always(outline, layout.apply_images(columns));
            instead(outline, IF_NEW, merging.apply_images(columns));
            removed(outline, IF_REMOVED, layout.mark_removed(columns));
        }
        SyncMode::History => always(outline, vec![layout.add_versions(columns), layout.set_intervals(columns)]),
        SyncMode::Append => always(outline, vec![layout.append(columns)]),
    }
}

fn end(outline: &mut CommitOutline, layout: &Layout, mode: SyncMode, columns: &TableSchema) {
    let unseen = match mode {
        SyncMode::Mirror => vec![layout.delete_older(RESYNC)],
        SyncMode::SoftDelete => vec![layout.mark_older(RESYNC)],
        SyncMode::History => vec![
            layout.clear_stage(),
            layout.stage_unseen(columns, RESYNC),
            layout.add_versions(columns),
            layout.set_intervals(columns),
        ],
        SyncMode::Append => Vec::new(),
    };
    for statement in unseen {
        outline.add_only(Step::EndSnapshot, IF_RESYNCED, statement);
    }
    if mode == SyncMode::Mirror {
        outline.add_only(Step::EndSnapshot, "if removed keys were kept", layout.drop_tombstones());
    }
}
