//! The connection string of a Postgres server.
#![no_main]

use commutator_destination_postgres::fuzzing;
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, fuzzing::connection));
