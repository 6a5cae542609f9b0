//! The Redshift destination over the real SDK and a Data API of the tests' own, which executes on a real Postgres: the conformance suite, and
//! what the API does when it is busy, slow or cut off.
//!
//! Nothing here proves what Redshift alone does; `docs/redshift.md` says what that is.

mod api;
mod place;
mod postgres;
mod rewrite;
mod wire;

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(crate::place::Cluster);
}
