//! The chain of manifests: reading its end, and adding to it if nobody else did.
//!
//! A manifest is created only if its version does not exist. Old ones are deleted, so a writer that slept for long may create one
//! in the hole they left; that is why after each creation the writer looks whether a higher version exists. If one does, it is not
//! the owner any more and may neither believe in its commit nor delete anything. The highest version is never deleted, and
//! several below it are kept, so that no listing, however slow, misses it.

use commutator_core::{Error, ErrorKind, Result, Target};
use uuid::Uuid;

use crate::folder::{Folder, HIDDEN};
use crate::manifest::{Manifest, Purpose, file_name, manifest_name, manifest_version};

/// How many manifests are kept, the newest one included.
pub(crate) const KEPT: u64 = 10;
/// How often the end is looked for again because it was deleted while it was looked for.
const TRIES: u32 = 8;

/// Returns the newest manifest; `None` if the table was never opened.
pub(crate) async fn newest(folder: &Folder) -> Result<Option<Manifest>> {
    let mut missed = None;
    for _ in 0..TRIES {
        let versions = versions_after(folder, 0).await?;
        let Some(&version) = versions.iter().max() else { return Ok(None) };
        let name = manifest_name(version);
        match folder.get(&name).await {
            Ok(bytes) => return Manifest::parse(&bytes, &name).map(Some),
            // A live writer went on and deleted it in between.
            Err(error) if error.kind() == ErrorKind::NotFound => missed = Some(error),
            Err(error) => return Err(error),
        }
    }
    let gone = Error::new(ErrorKind::Unavailable, "The table's manifests change too fast to be read");
    Err(missed.into_iter().fold(gone, Error::with_source).with("folder", folder.address()))
}

/// How adding a manifest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is the newest one: the writer owns the table.
    Newest,
    /// Another writer added one of this version first, so this one does not exist.
    Taken,
    /// It exists, but so does a newer one: either another writer took over just now, or the writer slept for long.
    Superseded,
}

/// Adds a manifest to the chain. An error leaves open whether it was added.
pub(crate) async fn append(folder: &Folder, manifest: &Manifest) -> Result<Appended> {
    let name = manifest_name(manifest.version);
    let bytes = manifest.to_bytes()?;
    let unique = Uuid::new_v4().simple().to_string();
    let scratch = file_name(Purpose::Scratch, manifest.owner, manifest.version, &unique);
    if !folder.create(&name, bytes.clone(), &scratch).await? {
        // The store may have repeated our own request after its answer was lost.
        let ours = match folder.get(&name).await {
            Ok(existing) => existing == bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !ours {
            return Ok(Appended::Taken);
        }
    }
    let versions = versions_after(folder, manifest.version.saturating_sub(2 * KEPT)).await?;
    if versions.iter().any(|&version| version > manifest.version) {
        return Ok(Appended::Superseded);
    }
    let old = versions.into_iter().filter(|version| version + KEPT <= manifest.version).map(manifest_name);
    if let Err(error) = folder.delete(old).await {
        tracing::warn!(%error, folder = folder.address(), "Old manifests cannot be deleted; the next commit tries again");
    }
    Ok(Appended::Newest)
}

pub(crate) fn fenced(target: &Target) -> Error {
    Error::new(ErrorKind::Fenced, "Another writer took the table over").with("table", &target.table)
}

async fn versions_after(folder: &Folder, version: u64) -> Result<Vec<u64>> {
    let entries = folder.list(HIDDEN, &manifest_name(version)).await?;
    Ok(entries.iter().filter_map(|entry| manifest_version(&entry.name)).collect())
}
