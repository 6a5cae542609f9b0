//! The Postgres destination against a real server: the conformance suite, and what only Postgres has.
//!
//! The server's address stands in `COMMUTATOR_TEST_POSTGRES_URL`, the certificate of who issued its own in
//! `COMMUTATOR_TEST_POSTGRES_CA`; `cargo xtask services start` sets both.

mod changes;
mod connection;
mod first_load;
mod foreign;
mod layout;
mod modes;
mod outline;
mod policies;
mod server;
mod widening;

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(crate::server::Server);
}
/// What every destination must do whose tables others reach with SQL.
mod sql {
    commutator_conformance::sql_suite!(crate::server::Server);
}
