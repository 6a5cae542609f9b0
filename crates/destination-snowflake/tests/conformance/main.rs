//! The Snowflake destination: the conformance suite, and what only Snowflake has.
//!
//! It runs against what `COMMUTATOR_TEST_SNOWFLAKE_CONFIG` names, a JSON file with the settings of a real account (`docs/snowflake.md` says
//! how), else against the front in `tests/front` at `COMMUTATOR_TEST_SNOWFLAKE_FRONT`, which `cargo xtask services` starts; and, whether there
//! is an account or not, against `fakesnow` at `COMMUTATOR_TEST_SNOWFLAKE_FAKESNOW`.

// Two versions are in use: this one is object_store's.
extern crate reqwest_012 as reqwest;

mod documents;
mod layout;
mod place;
mod stages;

/// What every destination must do, with documents as text.
mod contract {
    commutator_conformance::suite!(crate::place::Text);
}

/// The same over an emulator that shares no code with ours, but for what it cannot run.
mod contract_over_fakesnow {
    commutator_conformance::suite!(crate::place::Fakesnow);
}

/// Those trials in which documents meet a type of their own, with documents as `VARIANT`.
///
/// `types::json_is_exact` and `widening::any_number_stays_itself_when_its_column_becomes_json` cannot be among them: they have numbers that a
/// `VARIANT` would round, which are refused (`documents.rs`).
mod contract_with_variants {
    commutator_conformance::suite! {
        crate::place::Variant;
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
