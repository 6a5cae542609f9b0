//! Files that a compaction replaced: out of the sight of globs at once, and removed after a while.
//!
//! Until then they lie in the hidden folder, for whoever still works by an older manifest. On a local disk a file that is open stays
//! readable, whatever becomes of its name.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use commutator_core::Result;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::manifest::{Hidden, Manifest, hidden_name};

const RENAMES_AT_ONCE: usize = 16;

/// A file whose rows stand in another one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// The name it had as a file of the table.
    pub(crate) name: String,
    /// When it may be removed, in seconds since 1970.
    pub(crate) until: u64,
}

impl Replaced {
    /// Returns the name it has now, which globs do not see.
    pub(crate) fn hidden(&self) -> String {
        hidden_name(&self.name, Hidden::Replaced)
    }
}

/// Returns the time in seconds since 1970, `after` from now.
pub(crate) fn seconds(after: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_add(after).as_secs()
}

/// Forgets the files whose time is over, so that the commit of this manifest removes them.
pub(crate) fn forget(manifest: &mut Manifest, now: u64) {
    manifest.replaced.retain(|file| file.until > now);
}

/// Takes every replaced file out of the sight of globs; the manifest must be proven the newest. Doing it again is harmless.
pub(crate) async fn hide(folder: &Folder, manifest: &Manifest) -> Result<()> {
    hide_some(folder, manifest, |_| true).await
}

/// The same for a folder of which it is known what is in it.
pub(crate) async fn hide_those(folder: &Folder, manifest: &Manifest, there: &HashSet<&str>) -> Result<()> {
    hide_some(folder, manifest, |name| there.contains(name)).await
}

async fn hide_some(folder: &Folder, manifest: &Manifest, chosen: impl Fn(&str) -> bool) -> Result<()> {
    let chosen: Vec<Replaced> = manifest.replaced.iter().filter(|file| chosen(&file.name)).cloned().collect();
    futures_util::stream::iter(chosen)
        .map(|file| async move { folder.rename(&file.name, &file.hidden()).await.map(drop) })
        .buffer_unordered(RENAMES_AT_ONCE)
        .try_collect()
        .await
}
