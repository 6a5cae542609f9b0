//! The `BigQuery` destination: the conformance suite, and what only `BigQuery` has, over an emulator of the service.
//!
//! The emulator is `local-bigquery`, which `cargo xtask services` starts; `front` stands between it and the destination, and says what it lacks.
//! With the feature `real` the suite runs over the real service, too.

mod documents;
mod emulator;
mod front;
mod place;
mod read;
#[cfg(feature = "real")]
mod real;
mod table;

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(crate::place::Emulated);
}

/// Those trials in which documents meet a type of their own, with documents as `JSON`.
///
/// `types::json_is_exact` and `widening::any_number_stays_itself_when_its_column_becomes_json` cannot be among them: they have numbers that
/// `JSON` would round, which are refused (`documents.rs`).
mod contract_with_json {
    commutator_conformance::suite! {
        crate::place::EmulatedJson;
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
