//! Tests of the whole source against servers of the test's own.

mod fake;
mod read;
mod server;
mod snapshot;
