//! Everything that a commit sends, for showing.

use commutator_core::{CommitOutline, Epoch, SchemaPlan, Step, SyncMode, TableSchema, Target};
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
const IF_KEPT: &str = "if items were removed while the snapshot goes on";
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
    apply(&mut outline, &layout, &place.target, columns);
    end(&mut outline, &layout, &place.target, columns);
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

/// Adds statements: always sent, or under a condition, and then maybe in the place of those before them.
fn each(outline: &mut CommitOutline, step: Step, only: Option<(&'static str, bool)>, statements: Vec<String>) {
    for statement in statements {
        match only {
            None => outline.add(step, statement),
            Some((only, true)) => outline.add_instead(step, only, statement),
            Some((only, false)) => outline.add_only(step, only, statement),
        }
    }
}

fn apply(outline: &mut CommitOutline, layout: &Layout, target: &Target, columns: &TableSchema) {
    let step = Step::Apply;
    let merging = layout.clone().in_place();
    match target.mode {
        SyncMode::Mirror => {
            each(outline, step, None, layout.apply(columns, false));
            each(outline, step, Some((IF_NEW, true)), merging.apply(columns, false));
            each(outline, step, Some((IF_TOMBSTONES, true)), layout.apply(columns, true));
            each(outline, step, Some((IF_NEW_AND_TOMBSTONES, true)), merging.apply(columns, true));
            keep_removals(outline, layout, columns);
        }
        SyncMode::SoftDelete => {
            each(outline, step, None, layout.apply_images(columns));
            each(outline, step, Some((IF_NEW, true)), merging.apply_images(columns));
            if target.filtered {
                each(outline, step, Some((IF_TOMBSTONES, true)), layout.apply_images_not_removed(columns));
                each(outline, step, Some((IF_NEW_AND_TOMBSTONES, true)), merging.apply_images_not_removed(columns));
                each(outline, step, Some((IF_REMOVED, false)), layout.mark_known(columns));
                keep_removals(outline, layout, columns);
            } else {
                each(outline, step, Some((IF_REMOVED, false)), layout.mark_removed(columns));
            }
        }
        SyncMode::History => {
            outline.add(step, layout.add_versions(columns));
            if target.filtered {
                outline.add_only(step, IF_REMOVED, layout.drop_idle(columns, false));
                outline.add_instead(step, IF_KEPT, layout.drop_idle(columns, true));
            }
            outline.add(step, layout.set_intervals(columns));
        }
        SyncMode::Append => outline.add(step, layout.append(columns)),
    }
}

fn keep_removals(outline: &mut CommitOutline, layout: &Layout, columns: &TableSchema) {
    let first = "if items were removed while the snapshot goes on, for the first time";
    outline.add_only(Step::Apply, first, layout.create_tombstones(columns));
    each(outline, Step::Apply, Some((IF_KEPT, false)), layout.record_removals(columns));
}

fn end(outline: &mut CommitOutline, layout: &Layout, target: &Target, columns: &TableSchema) {
    let step = Step::EndSnapshot;
    let unseen = match target.mode {
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
    each(outline, step, Some((IF_RESYNCED, false)), unseen);
    if target.mode == SyncMode::History && target.filtered {
        outline.add(step, layout.create_stage(columns));
        outline.add_instead(step, "if it is there already", layout.clear_stage());
        for statement in [layout.stage_idle(columns), layout.drop_staged(columns), layout.set_intervals(columns)] {
            outline.add(step, statement);
        }
    }
    if target.mode == SyncMode::Mirror || (target.mode == SyncMode::SoftDelete && target.filtered) {
        outline.add_only(step, "if removed keys were kept", layout.drop_tombstones());
    }
}
