//! Everything that a commit sends, for showing.

use commutator_core::{CommitOutline, Epoch, SchemaAction, SchemaPlan, Step, SyncMode, TableSchema, Target};

use crate::encode::Shape;
use crate::session::{BEGIN, Place, catalog};
use crate::statements::{self, Layout, STAGE, changes, checkpoints};
use crate::transaction::{BACK, KEEP, SAVE, ddl, impact};

/// Only a second snapshot leaves anything behind that it did not see.
const RESYNC: Epoch = Epoch(2);
const IF_REMOVED: &str = "if items were removed";
const IF_RESYNCED: &str = "if the table was read anew; the epoch is 2 here";
const IF_TOMBSTONES: &str = "once removed keys are kept, while the snapshot goes on";
const IF_KEPT: &str = "if items were removed while the snapshot goes on";
const IF_FIRST_KEPT: &str = "if items were removed while the snapshot goes on, for the first time";
const IF_LONG_AND_TOMBSTONES: &str = "once a key is too long for an index, if removed keys are kept";
const IF_STRAIGHT: &str = "while all rows are of one snapshot, in the place of staging and applying";
const IF_LONG: &str = "once a key is too long for an index; from then on `_ct_key` stands for the key below";

/// Returns the statements in their order, for a table whose key fits into an index.
pub(super) fn of(place: &Place, plan: &SchemaPlan) -> CommitOutline {
    let mut outline = CommitOutline { files: Some(0), ..CommitOutline::default() };
    let (layout, columns, mode) = (place.layout(false), &plan.result, place.target.mode);
    open(&mut outline, place);
    outline.add(Step::Begin, place.enter());
    alter(&mut outline, place, &layout, plan);
    stage(&mut outline, &layout, mode, columns);
    apply(&mut outline, &layout, &place.target, columns);
    end(&mut outline, &layout, &place.target, columns);
    outline.add(Step::Checkpoint, checkpoints::record(&place.schema));
    outline.add(Step::Checkpoint, catalog::READ);
    outline.add(Step::Checkpoint, "COMMIT");
    outline
}

fn open(outline: &mut CommitOutline, place: &Place) {
    let (schema, new) = (&place.schema, "if the schema is new to us");
    outline.add(Step::Open, BEGIN);
    outline.add(Step::Open, checkpoints::FIND_TABLES);
    outline.add_only(Step::Open, new, checkpoints::LOCK_CREATION);
    outline.add_only(Step::Open, new, checkpoints::FIND_SCHEMA);
    outline.add_only(Step::Open, "if there is no such schema", checkpoints::create_schema(schema));
    outline.add_only(Step::Open, new, statements::create_checkpoints(schema));
    outline.add_only(Step::Open, new, changes::create(schema));
    outline.add(Step::Open, checkpoints::select_rival(schema));
    outline.add(Step::Open, checkpoints::take_over(schema));
    outline.add(Step::Open, checkpoints::end_others(place.mark()));
    outline.add_only(Step::Open, "if its mode changed", checkpoints::set_mode(schema, &place.row()));
    outline.add(Step::Open, catalog::READ);
    outline.add(Step::Open, "COMMIT");
}

fn alter(outline: &mut CommitOutline, place: &Place, layout: &Layout, plan: &SchemaPlan) {
    for statement in ddl::created(layout, &plan.actions) {
        outline.add(Step::Columns, statement);
    }
    if plan.actions.iter().any(|action| matches!(action, SchemaAction::WidenColumn { .. })) {
        outline.add(Step::Columns, impact::VIEWS);
    }
    if let Some(alter) = layout.alter(&plan.actions) {
        if !statements::rewritten(&plan.actions).is_empty() {
            outline.add(Step::Columns, impact::SIZE);
        }
        outline.add(Step::Columns, alter);
    }
    if let Some(alter) = layout.alter_tombstones(&plan.result, &plan.actions) {
        outline.add_only(Step::Columns, IF_TOMBSTONES, alter);
    }
    if !plan.actions.is_empty() {
        outline.add(Step::Columns, changes::insert(&place.schema));
    }
    if place.target.mode == SyncMode::Append {
        return;
    }
    let history = place.target.mode == SyncMode::History;
    let mut rekey = vec![ddl::CONSTRAINT.to_owned()];
    rekey.extend(layout.rekey(&layout.table, &plan.result, &format!("{}_pkey", place.target.name)));
    rekey.push(layout.index_first_key(&plan.result));
    if history {
        rekey.insert(0, layout.drop_index_current());
        rekey.push(place.layout(true).index_current(&plan.result));
    }
    for statement in rekey {
        outline.add_only(Step::Columns, IF_LONG, statement);
    }
    if tombstones_may_be(&place.target) {
        let name = format!("{}_pkey", statements::tombstones_name(&place.target.name));
        for statement in layout.rekey(&layout.tombstones, &plan.result, &name) {
            outline.add_only(Step::Columns, IF_LONG_AND_TOMBSTONES, statement);
        }
    }
}

fn stage(outline: &mut CommitOutline, layout: &Layout, mode: SyncMode, columns: &TableSchema) {
    if mode == SyncMode::Append {
        return outline.add(Step::Stage, layout.copy(columns, Shape::Changes));
    }
    let (staged, straight) = match mode {
        SyncMode::History => (Shape::StagedChanges, Shape::Changes),
        SyncMode::Mirror | SyncMode::SoftDelete | SyncMode::Append => (Shape::Stage, Shape::Items),
    };
    outline.add(Step::Stage, layout.create_stage(columns));
    outline.add(Step::Stage, layout.copy(columns, staged));
    for statement in [SAVE, &layout.copy(columns, straight), KEEP] {
        outline.add_instead(Step::Stage, IF_STRAIGHT, statement);
    }
    outline.add_instead(Step::Stage, "if one of these keys is there already; they are staged, then", BACK);
}

fn apply(outline: &mut CommitOutline, layout: &Layout, target: &Target, columns: &TableSchema) {
    let (kept, first) = (IF_KEPT, IF_FIRST_KEPT);
    match target.mode {
        SyncMode::Mirror => {
            outline.add_only(Step::Apply, first, layout.create_tombstones(columns));
            outline.add(Step::Apply, layout.apply(columns, false, false, false));
            outline.add_instead(Step::Apply, IF_REMOVED, layout.apply(columns, true, false, false));
            outline.add_instead(Step::Apply, first, layout.apply(columns, true, false, true));
            outline.add_instead(Step::Apply, IF_TOMBSTONES, layout.apply(columns, false, true, false));
            outline.add_instead(Step::Apply, kept, layout.apply(columns, true, true, true));
            let end = "if items were removed in the commit that ends the snapshot";
            outline.add_instead(Step::Apply, end, layout.apply(columns, true, true, false));
        }
        SyncMode::SoftDelete => {
            outline.add(Step::Apply, layout.apply_images(columns, false));
            if target.filtered {
                outline.add_instead(Step::Apply, IF_TOMBSTONES, layout.apply_images(columns, true));
                outline.add_only(Step::Apply, IF_REMOVED, layout.mark_known(columns));
                outline.add_only(Step::Apply, first, layout.create_tombstones(columns));
                outline.add_only(Step::Apply, kept, layout.record_removals(columns));
            } else {
                outline.add_only(Step::Apply, IF_REMOVED, layout.mark_removed(columns));
            }
        }
        SyncMode::History => {
            outline.add(Step::Apply, layout.add_versions(columns));
            if target.filtered {
                outline.add_only(Step::Apply, IF_REMOVED, layout.drop_idle(columns, false));
                outline.add_instead(Step::Apply, kept, layout.drop_idle(columns, true));
            }
            outline.add(Step::Apply, layout.set_intervals(columns));
        }
        SyncMode::Append => {}
    }
}

/// Whether removed keys are kept while a snapshot goes on.
fn tombstones_may_be(target: &Target) -> bool {
    target.mode == SyncMode::Mirror || (target.mode == SyncMode::SoftDelete && target.filtered)
}

fn end(outline: &mut CommitOutline, layout: &Layout, target: &Target, columns: &TableSchema) {
    let unseen = match target.mode {
        SyncMode::Mirror => vec![layout.delete_older(RESYNC)],
        SyncMode::SoftDelete => vec![layout.mark_older(RESYNC)],
        SyncMode::History => vec![
            format!("TRUNCATE {STAGE}"),
            layout.stage_unseen(columns, RESYNC),
            layout.add_versions(columns),
            layout.set_intervals(columns),
        ],
        SyncMode::Append => Vec::new(),
    };
    for statement in unseen {
        outline.add_only(Step::EndSnapshot, IF_RESYNCED, statement);
    }
    if target.mode == SyncMode::History && target.filtered {
        outline.add(Step::EndSnapshot, layout.create_stage(columns));
        outline.add_instead(Step::EndSnapshot, "if it is there already", format!("TRUNCATE {STAGE}"));
        outline.add(Step::EndSnapshot, layout.stage_idle(columns));
        outline.add(Step::EndSnapshot, layout.drop_staged(columns));
        outline.add(Step::EndSnapshot, layout.set_intervals_anew(columns));
    }
    if tombstones_may_be(target) {
        outline.add_only(Step::EndSnapshot, "if removed keys were kept", layout.drop_tombstones());
    }
}
