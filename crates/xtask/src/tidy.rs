//! `cargo xtask tidy`: the repository's own rules, those that no other tool knows.

mod direction;
mod files;
mod layout;
mod manifests;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command;

/// Prints every broken rule; an error if there is one.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = files(root)?;
    let metadata = metadata(root)?;
    let mut problems = Vec::new();
    problems.extend(files::too_long(&files));
    problems.extend(files::ignored_without_reason(&files));
    problems.extend(layout::destinations(&files));
    problems.extend(manifests::lints(&files));
    problems.extend(manifests::pins(&files));
    problems.extend(manifests::lock(&files));
    problems.extend(direction::check(&metadata)?);
    for problem in &problems {
        println!("{}: {}", problem.path, problem.what);
    }
    ensure!(problems.is_empty(), "tidy: {} problems in {} files", problems.len(), files.len());
    println!("tidy: {} files, no problem", files.len());
    Ok(())
}

/// What Cargo knows of the workspace's own packages.
pub(crate) fn metadata(root: &Path) -> Result<String> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    command::run(Command::new("cargo").args(arguments).current_dir(root))
}

/// Returns the folder that cargo builds in.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata: Value = serde_json::from_str(&metadata(root)?).context("cargo metadata")?;
    Ok(metadata["target_directory"].as_str().context("no target directory")?.into())
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    what: String,
}

/// A text file of the repository.
#[derive(Debug)]
struct TextFile {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl TextFile {
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(OsStr::to_str).unwrap_or_default()
    }
}

/// Everything that git tracks or would: what is ignored is nobody's business.
fn files(root: &Path) -> Result<Vec<TextFile>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let list = command::run(Command::new("git").args(list).current_dir(root))?;
    let read = |path: &str| {
        let text = fs::read(root.join(PathBuf::from(path))).ok()?; // Deleted but not yet committed.
        Some(TextFile { path: path.to_owned(), text: String::from_utf8(text).ok()? })
    };
    Ok(list.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect())
}

#[cfg(test)]
fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
fn paths(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.path.as_str()).collect()
}
