//! The Redshift destination: the conformance suite, what only Redshift has, and what its API does when it is busy, slow or cut off.
//!
//! The suite runs against what `COMMUTATOR_TEST_REDSHIFT_CONFIG` names, a JSON file with the settings of a real cluster or workgroup
//! (`docs/redshift.md` says how), else against a Data API of the tests' own, which executes on a real Postgres (`tests/double`). All else runs
//! over that one.

mod cluster;
mod documents;
#[path = "../double/mod.rs"]
mod double;
mod layout;
mod place;
mod reader;
mod wire;

/// What every destination must do, with documents as text.
mod contract {
    commutator_conformance::suite!(crate::place::Text);
}

/// Those trials in which documents meet a type of their own, with documents as `SUPER`.
///
/// Those with numbers that a `SUPER` would round, which are refused (`documents.rs`), cannot be among them: random ones, `types::json_is_exact` and
/// `widening::any_number_stays_itself_when_its_column_becomes_json`.
mod contract_with_super {
    commutator_conformance::suite! {
        crate::place::Super;
        rows::a_row_is_read_back,
        rows::append_keeps_every_change,
        types::nulls_come_and_go,
        widening::any_value_stays_itself_when_its_column_becomes_json,
        schema::a_new_column_is_null_in_older_rows,
        schema::what_was_planned_is_described,
        soft_delete::a_deleted_row_keeps_its_values,
        history::every_version_is_kept,
        check::the_checks_of_a_healthy_destination_pass,
    }
}
