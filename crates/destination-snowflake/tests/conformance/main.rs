//! The Snowflake destination: the conformance suite, and what only Snowflake has.
//!
//! It runs against what `COMMUTATOR_TEST_SNOWFLAKE_CONFIG` names, a JSON file with the settings of a real account (`docs/snowflake.md` says
//! how), else against the front in `tests/front` at `COMMUTATOR_TEST_SNOWFLAKE_FRONT`, which `cargo xtask services` starts.

mod place;

/// What every destination must do, with documents as text.
mod contract {
    commutator_conformance::suite!(crate::place::Text);
}
/// The same, with documents as `VARIANT`.
mod contract_with_variants {
    commutator_conformance::suite!(crate::place::Variant);
}
