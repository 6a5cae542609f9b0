//! What a warehouse shows of its commits, for tests that ask no service.

use commutator_core::schema::plan;
use commutator_core::{Column, CommitOutline, Destination, LogicalType, Step, SyncMode, TableSchema};

use super::target_in;

/// Returns what is shown for a new table, and for one of which a column becomes one of documents and another is added.
///
/// # Panics
///
/// Panics if one of both cannot be planned.
pub fn outlines(destination: &dyn Destination, mode: SyncMode) -> [CommitOutline; 2] {
    let target = target_in(mode, "orders");
    let columns = |more: Vec<Column>| {
        TableSchema::new(target.keys.iter().cloned().chain(more).collect()).expect("names that differ")
    };
    let first = columns(vec![Column::new("price", LogicalType::Int64)]);
    let second = columns(vec![Column::new("price", LogicalType::Json), Column::new("more", LogicalType::Bool)]);
    [plan(None, &first), plan(Some(&first), &second)]
        .map(|plan| destination.outline(&target, &plan.expect("columns only become wider")))
}

/// Returns the statements of a step, without what only speaks of one.
pub fn texts(outline: &CommitOutline, step: Step) -> Vec<&str> {
    let of_step = outline.statements.iter().filter(|it| it.step == step && !it.is_comment());
    of_step.map(|it| it.text.as_str()).collect()
}

/// Makes sure that the second of the [`outlines`] shows how a column makes room for a wider one.
///
/// # Panics
///
/// Panics if a part of that is missing.
pub fn shows_a_replacement(changed: &CommitOutline) {
    let parts =
        ["ADD COLUMN _ct_wider_1", "SET _ct_wider_1", "TO _ct_narrow_1", "_ct_wider_1 TO", "DROP COLUMN _ct_narrow_1"];
    let texts = texts(changed, Step::Columns);
    for part in parts {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:#?}");
    }
}
