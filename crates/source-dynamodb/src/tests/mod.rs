//! Tests of the whole source against servers of the test's own.

mod backlog;
mod bad_records;
mod check;
mod dynamodb_local;
mod environment;
mod fake;
mod faults;
mod read;
mod roles;
mod server;
mod snapshot;
mod stream;
mod sts;
