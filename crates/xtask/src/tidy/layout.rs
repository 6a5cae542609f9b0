//! The same file names in every destination crate: who knows one of them knows them all.

use std::collections::BTreeSet;

use super::{Problem, TextFile};

const MODULES: [&str; 8] = ["lib", "config", "client", "destination", "session", "transaction", "types", "error"];
const EITHER: [&str; 2] = ["statements", "encode"];

/// Every `crates/destination-*` has the files that its neighbours have.
pub(super) fn destinations(files: &[TextFile]) -> Vec<Problem> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let crates: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("crates/")?.split_once('/'))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("destination-"))
        .collect();
    let mut problems = Vec::new();
    for name in crates {
        let has = |file: &str| paths.contains(format!("crates/{name}/{file}").as_str());
        let mut missing = |file: String| {
            problems.push(Problem { path: format!("crates/{name}"), what: format!("{file} is missing") });
        };
        // The reference implementation is one short file, for a new author to read.
        let modules = if name == "destination-memory" { &MODULES[..1] } else { &MODULES };
        for module in modules {
            let file = format!("src/{module}.rs");
            if !has(&file) {
                missing(file);
            }
        }
        if name == "destination-memory" {
            continue;
        }
        if !EITHER.iter().any(|module| has(&format!("src/{module}.rs"))) {
            missing("src/statements.rs or src/encode.rs".to_owned());
        }
        if !has("tests/conformance.rs") && !has("tests/conformance/main.rs") {
            missing("tests/conformance.rs".to_owned());
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    #[test]
    fn a_destination_has_all_named_files() {
        let mut files = vec![file("crates/destination-memory/src/lib.rs", ""), file("crates/core/src/lib.rs", "")];
        files.extend(MODULES.map(|module| file(&format!("crates/destination-good/src/{module}.rs"), "")));
        files.push(file("crates/destination-good/src/encode.rs", ""));
        files.push(file("crates/destination-good/tests/conformance.rs", ""));
        assert_eq!(destinations(&files), []);

        files.push(file("crates/destination-bad/src/lib.rs", ""));
        let problems = destinations(&files);
        assert_eq!(problems.len(), MODULES.len() - 1 + 2);
        assert!(problems.iter().all(|problem| problem.path == "crates/destination-bad"));
    }
}
