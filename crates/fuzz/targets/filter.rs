//! Row filters, as a user writes them.
#![no_main]

use commutator_core::rules::Filter;
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, filter));

fn filter(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    match text.parse::<Filter>() {
        Ok(filter) => {
            let written = filter.to_string();
            let again: Filter = written.parse().expect("what is written can be read");
            assert_eq!(again, filter, "one text has one meaning");
            assert_eq!(again.to_string(), written);
        }
        Err(error) => {
            let [("at", at), ("expected", _)] = error.context() else { panic!("refused without a reason: {error}") };
            let at: usize = at.parse().expect("a place is a number");
            assert!(at > 0 && at <= text.chars().count() + 1, "{error}");
        }
    }
}
