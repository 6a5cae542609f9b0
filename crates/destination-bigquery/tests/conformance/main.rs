//! The `BigQuery` destination: the conformance suite, and what only `BigQuery` has, over an emulator of the service.
//!
//! The emulator is `local-bigquery`, which `cargo xtask services` starts; `front` stands between it and the destination, and says what it lacks.
//! With the feature `real` the suite runs over the real service, too.

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
