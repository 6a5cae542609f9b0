//! Removes what dead sessions left: files that were written but never committed, or replaced and not deleted.

use std::collections::HashSet;

use commutator_core::{Error, ErrorKind, Result};

use crate::chain::KEPT;
use crate::folder::{Entry, Folder};
use crate::manifest::{Manifest, file_owner, manifest_version};

/// Deletes every file of an older session that the manifest does not name; the manifest must be proven the newest.
///
/// Files of newer sessions, of people and of other programs are left alone.
pub(crate) async fn sweep(folder: &Folder, manifest: &Manifest) -> Result<()> {
    let entries = folder.list("", "").await?;
    let foreign = foreign_files(&entries).count();
    if foreign > 0 {
        let folder = folder.address();
        tracing::warn!(
            folder,
            foreign,
            "Parquet files that are not part of the table lie in its folder; readers see them"
        );
    }
    let garbage = garbage(&entries, manifest);
    if !garbage.is_empty() {
        tracing::info!(folder = folder.address(), files = garbage.len(), "Removing files that were never committed");
    }
    folder.delete(garbage).await?;
    let owner = manifest.owner;
    folder.remove_unfinished(move |name| file_owner(name).is_some_and(|of| of < owner)).await
}

/// Refuses a folder that holds Parquet files but no manifest: readers would take them for rows of the table.
pub(crate) async fn refuse_foreign(folder: &Folder) -> Result<()> {
    let entries = folder.list("", "").await?;
    let files = entries.iter().filter(|entry| entry.name.ends_with(".parquet")).count();
    if files == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ConfigInvalid,
        "The table's folder holds Parquet files of something else; choose another folder or remove them",
    )
    .with("folder", folder.address())
    .with("files", files))
}

fn garbage(entries: &[Entry], manifest: &Manifest) -> Vec<String> {
    let live: HashSet<&str> = manifest.names().collect();
    let dead = |name: &str| match manifest_version(name) {
        // A writer that was fenced may have left one in a hole of the chain.
        Some(version) => version + KEPT <= manifest.version,
        None => file_owner(name).is_some_and(|owner| owner < manifest.owner) && !live.contains(name),
    };
    entries.iter().filter(|entry| dead(&entry.name)).map(|entry| entry.name.clone()).collect()
}

fn foreign_files(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.name.ends_with(".parquet") && file_owner(&entry.name).is_none())
}
