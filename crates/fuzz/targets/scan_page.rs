//! The body of a `Scan` response.
#![no_main]

use commutator_fuzz::within_memory;
use commutator_source_dynamodb::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| within_memory(body, fuzzing::scan_page));
