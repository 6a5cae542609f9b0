//! Rules about a source file by itself.

use super::{Problem, TextFile};

const LIMIT: usize = 400;
const TEST_LIMIT: usize = 800;

/// A file is one idea; one that outgrows the limit is two.
pub(super) fn too_long(files: &[TextFile]) -> impl Iterator<Item = Problem> {
    files.iter().filter(|file| matches!(file.extension(), "rs" | "py")).filter_map(|file| {
        let limit = if is_test(&file.path) { TEST_LIMIT } else { LIMIT };
        let lines = file.text.lines().count();
        let what = format!("{lines} lines, {limit} are allowed");
        (lines > limit).then(|| Problem { path: file.path.clone(), what })
    })
}

/// A test that does not run must say why.
pub(super) fn ignored_without_reason(files: &[TextFile]) -> impl Iterator<Item = Problem> {
    files.iter().filter(|file| file.extension() == "rs").flat_map(|file| {
        (1..).zip(file.text.lines()).filter(|(_, line)| line.trim_start().starts_with("#[ignore]")).map(|(line, _)| {
            let what = "an ignored test without a reason: #[ignore = \"…\"]".to_owned();
            Problem { path: format!("{}:{line}", file.path), what }
        })
    })
}

fn is_test(path: &str) -> bool {
    let mut components = path.split('/').rev();
    let name = components.next().unwrap_or_default();
    name == "tests.rs" || name.ends_with("_tests.rs") || components.any(|folder| folder == "tests")
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    #[test]
    fn tests_may_be_longer() {
        let long = |lines: usize| "x\n".repeat(lines);
        let files = [
            file("crates/a/src/lib.rs", &long(400)),
            file("crates/a/src/big.rs", &long(401)),
            file("crates/a/src/big/tests.rs", &long(800)),
            file("crates/a/src/big_tests.rs", &long(800)),
            file("crates/a/tests/conformance.rs", &long(801)),
            file("tests/src/lib.rs", &long(500)),
            file("docs/long.md", &long(5_000)),
        ];
        let problems: Vec<_> = too_long(&files).collect();
        assert_eq!(paths(&problems), ["crates/a/src/big.rs", "crates/a/tests/conformance.rs"]);
        assert!(problems[0].what.contains("401 lines, 400"));
    }

    #[test]
    fn ignore_needs_a_reason() {
        let files = [
            file("a.rs", "#[test]\n    #[ignore]\nfn a() {}\n#[ignore = \"slow\"]\n// not #[ignore] itself\n"),
            file("a.md", "#[ignore]\n"),
        ];
        assert_eq!(paths(&ignored_without_reason(&files).collect::<Vec<_>>()), ["a.rs:2"]);
    }
}
