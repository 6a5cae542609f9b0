//! Looks through a table's folder when it is opened: refuses one that others changed, and removes what dead sessions left, files that
//! were written but never committed, or replaced and not deleted.

use std::collections::HashSet;

use commutator_core::{Error, ErrorKind, Result, Target};

use crate::chain::{self, KEPT};
use crate::folder::{Entry, Folder};
use crate::manifest::{Manifest, file_owner, manifest_version};
use crate::replaced;

/// Deletes every file of an older session that the manifest does not name; the manifest must be proven the newest.
///
/// Files of newer sessions, of people and of other programs are left alone.
pub(crate) async fn sweep(folder: &Folder, manifest: &Manifest) -> Result<()> {
    let entries = folder.list("", "").await?;
    let there = entries.iter().map(|entry| entry.name.as_str()).collect();
    replaced::hide_those(folder, manifest, &there).await?;
    let garbage = garbage(&entries, manifest);
    if !garbage.is_empty() {
        tracing::info!(folder = folder.address(), files = garbage.len(), "Removing files that were never committed");
    }
    folder.delete(garbage).await?;
    let owner = manifest.owner;
    folder.remove_unfinished(move |name| file_owner(name).is_some_and(|of| of < owner)).await
}

/// Refuses a folder whose files are not those of the manifest, `None` for a table that is new: readers would miss rows, or take rows
/// of something else for rows of the table.
///
/// Returns whether the folder is as it should be; if it is not, because another writer committed in between, look again.
pub(crate) async fn admit(folder: &Folder, target: &Target, manifest: Option<&Manifest>) -> Result<bool> {
    let entries = folder.list("", "").await?;
    let refused = |kind, message: &str, files: &[&str]| {
        let mut named = Error::new(kind, message).with("table", &target.table).with("folder", folder.address());
        named = named.with("files", files.len());
        Err(files.iter().min().into_iter().fold(named, |error, file| error.with("first", file)))
    };
    let foreign = foreign_files(&entries, manifest.is_none());
    if !foreign.is_empty() {
        let message = "The table's folder holds Parquet files of something else, which readers take for its rows; remove \
                       them, or choose another folder";
        return refused(ErrorKind::ConfigInvalid, message, &foreign);
    }
    let there: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let gone: Vec<&str> =
        manifest.iter().flat_map(|manifest| manifest.names()).filter(|&name| !there.contains(name)).collect();
    if gone.is_empty() {
        return Ok(true);
    }
    if chain::newest(folder).await?.map(|newest| newest.version) != manifest.map(|manifest| manifest.version) {
        return Ok(false);
    }
    refused(ErrorKind::NotFound, GONE, &gone)
}

/// What to do about a file that a manifest names and that is not there.
pub(crate) const GONE: &str = "Files of the table are gone that this pipeline had written; restore them, or remove the table's folder to load it anew";

fn garbage(entries: &[Entry], manifest: &Manifest) -> Vec<String> {
    let live: HashSet<String> = manifest.kept().collect();
    let dead = |name: &str| match manifest_version(name) {
        // A writer that was fenced may have left one in a hole of the chain.
        Some(version) => version + KEPT <= manifest.version,
        None => file_owner(name).is_some_and(|owner| owner < manifest.owner) && !live.contains(name),
    };
    entries.iter().filter(|entry| dead(&entry.name)).map(|entry| entry.name.clone()).collect()
}

/// Returns the Parquet files that this program did not write; in the folder of a table that is `new` those are all of them.
fn foreign_files(entries: &[Entry], new: bool) -> Vec<&str> {
    let foreign = |name: &&str| name.ends_with(".parquet") && (new || file_owner(name).is_none());
    entries.iter().map(|entry| entry.name.as_str()).filter(foreign).collect()
}
