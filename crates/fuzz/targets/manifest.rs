//! The manifest of a Parquet table, and the names of its files.
#![no_main]

use commutator_destination_parquet::fuzzing;
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| within_memory(bytes, fuzzing::manifest));
