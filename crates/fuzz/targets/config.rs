//! A configuration file.
#![no_main]

use commutator_cli::config::Settings;
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, config));

fn config(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let variable = |name: &str| match name {
        "EMPTY" => Some(String::new()),
        "NUMBER" => Some("12".to_owned()),
        "SECRET" => Some("hunter2-hunter2".to_owned()),
        _ => None,
    };
    match Settings::parse(text, "commutator.toml", &variable) {
        Ok(settings) => {
            // What came from the environment as a secret is not shown, wherever it was put.
            let secret_keys = ["password", "secret_access_key", "session_token", "azure_access_key"];
            let only_secrets = text.lines().filter(|line| line.contains("${SECRET}")).all(|line| {
                secret_keys.iter().any(|key| line.trim_start().starts_with(key)) && line.matches('=').count() == 1
            });
            let shown = format!("{settings:?}");
            assert!(!only_secrets || text.contains("hunter2") || !shown.contains("hunter2"), "{shown}");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            let lines = text.lines().count().max(1) + 1;
            assert!(problems.iter().all(|problem| problem.line.is_none_or(|line| line <= lines)), "{problems:?}");
        }
    }
}
