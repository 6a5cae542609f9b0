//! Rules about `Cargo.toml` and `Cargo.lock`, read line by line: they are formatted as Cargo's own tools do.

use super::{Problem, TextFile};

/// TLS here is rustls with ring: one crypto library to build and to audit.
const BANNED: [&str; 6] = ["aws-lc-fips-sys", "aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

/// Every crate is held to the workspace's lints.
pub(super) fn lints(files: &[TextFile]) -> impl Iterator<Item = Problem> {
    members(files)
        .filter(|file| !sections(&file.text).any(|line| line == ("lints", "workspace = true")))
        .map(|file| Problem { path: file.path.clone(), what: "no `[lints] workspace = true`".to_owned() })
}

/// A version stands once, in the root's `[workspace.dependencies]`.
pub(super) fn pins(files: &[TextFile]) -> impl Iterator<Item = Problem> {
    members(files).flat_map(|file| {
        let dependencies = sections(&file.text).filter(|(section, _)| section.contains("dependencies"));
        let foreign = dependencies.filter(|(_, line)| line.contains('=') && !line.contains("workspace = true"));
        foreign.filter(|(section, _)| section.ends_with("dependencies")).map(|(_, line)| Problem {
            path: file.path.clone(),
            what: format!("`{line}` does not take its version from the workspace"),
        })
    })
}

/// One Arrow, and none of the banned packages.
pub(super) fn lock(files: &[TextFile]) -> Vec<Problem> {
    let Some(lock) = files.iter().find(|file| file.path == "Cargo.lock") else {
        return vec![Problem { path: "Cargo.lock".to_owned(), what: "is missing".to_owned() }];
    };
    let names: Vec<&str> =
        lock.text.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let problem = |what: String| Problem { path: lock.path.clone(), what };
    let arrays = names.iter().filter(|name| **name == "arrow-array").count();
    let mut problems = Vec::new();
    if arrays > 1 {
        problems.push(problem(format!("{arrays} versions of arrow-array: batches of one are no batches of the other")));
    }
    let banned = names.iter().filter(|name| BANNED.contains(name));
    problems.extend(banned.map(|name| problem(format!("{name} must not be in here"))));
    problems
}

fn members(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| file.path.ends_with("/Cargo.toml"))
}

/// Every line with its section's name.
fn sections(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(move |line| {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => {
                section = name;
                None
            }
            None => Some((section, line)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    #[test]
    fn every_member_takes_the_lints() {
        let files = [
            file("Cargo.toml", "[workspace]\n"),
            file("crates/a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"),
            file("crates/b/Cargo.toml", "[package]\nlints.workspace = true\n[dependencies]\nworkspace = true\n"),
        ];
        assert_eq!(paths(&lints(&files).collect::<Vec<_>>()), ["crates/b/Cargo.toml"]);
    }

    #[test]
    fn versions_come_from_the_workspace() {
        let manifest = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\nc = \"1\"\n\
                        # d = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\ne = { version = \"1\" }\n[features]\nf = []\n";
        let problems: Vec<_> = pins(&[file("crates/a/Cargo.toml", manifest)]).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].what.contains("c = ") && problems[1].what.contains("e = "));
        assert_eq!(pins(&[file("Cargo.toml", "[workspace.dependencies]\na = \"1\"\n")]).count(), 0);
    }

    #[test]
    fn the_lock_has_one_arrow_and_no_other_tls() {
        let package = |name: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        let good = file("Cargo.lock", &(package("arrow-array") + &package("openssl-probe")));
        assert_eq!(lock(&[good]), []);
        let bad = package("arrow-array") + &package("arrow-array") + &package("aws-lc-sys") + &package("openssl");
        assert_eq!(lock(&[file("Cargo.lock", &bad)]).len(), 3);
        assert_eq!(lock(&[]).len(), 1);
    }
}
