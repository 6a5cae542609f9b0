//! The addresses of `--from` and `--to`, one per line.
#![no_main]

use commutator_cli::config::{Destination, Settings};
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, address));

fn address(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let (from, to) = text.split_once('\n').unwrap_or((text, "./lake"));
    match Settings::from_addresses(from, to, None, None) {
        Ok(settings) => {
            assert!(from.starts_with("dynamodb://") && !settings.source.tables.is_empty());
            let is_postgres = to.starts_with("postgres://") || to.starts_with("postgresql://");
            assert_eq!(is_postgres, matches!(settings.destination, Destination::Postgres(_)));
            // An address may hold a password, and nothing of it is shown.
            let secret = to.split_once("hunter2").is_some() && is_postgres;
            let shown = format!("{:?}", settings.destination);
            assert!(!secret || to.contains("schema=") || !shown.contains("hunter2"), "{shown}");
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
}
