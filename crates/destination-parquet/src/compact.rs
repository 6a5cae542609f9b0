//! Compaction: many small files become few, beside whoever writes the table.
//!
//! A compaction adds one manifest, as a commit does, but under the owner and session that it found, with the same checkpoint and the
//! same rows. A writer that meets such a manifest knows it by [`Manifest::holds`] and puts its commit on top of it; a compaction
//! that meets a commit does the same as far as its files are still the table's. So neither can undo what the other did, and
//! neither stops the other. A compaction that finds another owner gives its files up, as that owner may remove them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result, SyncMode, TableName, Target};
use serde::Serialize;

use crate::buckets::Bucket;
use crate::chain::{self, Appended};
use crate::compute::compute;
use crate::destination::Parquet;
use crate::encode::Encoder;
use crate::files::{Files, lock};
use crate::folder::Folder;
use crate::manifest::{DataFile, Manifest, Purpose};
use crate::packing::{Group, Packed, apply, coarser, pack};
use crate::part::Encoded;
use crate::replaced;
use crate::settle::{Input, settle};
use crate::types::Shape;

/// How often a compaction starts over because a writer had replaced all that it had written anew.
const ROUNDS: u32 = 4;
/// How often it tries to add its manifest.
const TRIES: u32 = 16;

/// How tables are compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// How long the files that were replaced are kept, where globs do not see them; zero removes them at once.
    pub grace: Duration,
}

impl Default for Compaction {
    /// Keeps replaced files for an hour.
    fn default() -> Self {
        Self { grace: Duration::from_hours(1) }
    }
}

/// What a compaction did to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The table.
    pub table: TableName,
    /// The files that it has now.
    pub files: usize,
    /// The files that were replaced.
    pub replaced: usize,
    /// Their size in bytes.
    pub replaced_bytes: u64,
    /// The files that were written in their place.
    pub written: usize,
    /// Their size in bytes.
    pub written_bytes: u64,
    /// Whether the table has to wait for the end of its first snapshot, which puts its files together anyway.
    pub waits: bool,
}

impl Parquet {
    /// Puts small files of a table together, and gives files that were written before a column came or was widened the columns that
    /// the table has now, in one commit that changes neither rows nor checkpoint.
    ///
    /// It may run beside whoever writes the table. In `append` small are files below half of `file_bytes`; in the other modes
    /// buckets are put together of which a table has more than it needs, once its first snapshot has ended.
    ///
    /// Returns [`NotFound`](ErrorKind::NotFound) for a table that was never written.
    pub async fn compact(&self, target: &Target, compaction: Compaction) -> Result<Compacted> {
        let folder = self.folder(target)?;
        for _ in 0..ROUNDS {
            let base = chain::newest(&folder).await?;
            let base = base.filter(|base| base.schema().is_some()).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "The table has no files yet; `commutator run` loads it")
                    .with("table", &target.table)
            })?;
            base.check(target)?;
            let waits = target.mode != SyncMode::Append && base.buckets.is_empty();
            let work = Work::new(self, folder.clone(), base, compaction)?;
            let groups = if waits { Vec::new() } else { work.groups() };
            if let Some(now) = work.run(groups).await? {
                return Ok(work.report(&now, target, waits));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "The table changes too fast to be compacted now; nothing was changed")
            .with("table", &target.table))
    }
}

/// One round: what was found and what is made of it.
struct Work<'a> {
    parquet: &'a Parquet,
    folder: Folder,
    base: Manifest,
    files: Arc<Files>,
    grace: Duration,
}

impl<'a> Work<'a> {
    fn new(parquet: &'a Parquet, folder: Folder, base: Manifest, compaction: Compaction) -> Result<Self> {
        let level = parquet.settings().compression_level;
        let mut files = Files::of(folder.clone(), &base, level)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "A table without columns cannot be compacted"))?;
        files.stages = true;
        files.memory = Arc::clone(parquet.memory());
        Ok(Self { parquet, folder, base, files: Arc::new(files), grace: compaction.grace })
    }

    fn groups(&self) -> Vec<Group> {
        match self.base.mode {
            SyncMode::Append => pack(&self.base.files, self.parquet.settings().file_bytes as u64, self.files.number),
            _ => coarser(&self.base, self.parquet.sizes().bucket, self.files.number),
        }
    }

    /// Returns the manifest that holds then; `None` to start over.
    async fn run(&self, groups: Vec<Group>) -> Result<Option<Manifest>> {
        let nothing = groups.is_empty();
        let mut packed = Vec::new();
        for group in groups {
            match self.pack(group).await {
                Ok(pack) => packed.push(pack),
                // Its writer replaced a file meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.discard(&HashSet::new()).await;
                    return Err(error);
                }
            }
        }
        if nothing && self.base.replaced.iter().all(|file| file.until > replaced::seconds(Duration::ZERO)) {
            // One that died may have left something to hide.
            replaced::hide(&self.folder, &self.base).await?;
            return Ok(Some(self.base.clone()));
        }
        self.commit(&packed, nothing).await
    }

    /// Adds the manifest, on top of whatever was committed meanwhile.
    async fn commit(&self, packed: &[Packed], nothing: bool) -> Result<Option<Manifest>> {
        let mut newest = self.base.clone();
        for _ in 0..TRIES {
            let until = (!self.grace.is_zero()).then(|| replaced::seconds(self.grace));
            let (mut next, applied) = apply(&newest, &self.base, packed, until);
            if newest.owner != self.base.owner || (applied == 0 && !nothing) {
                break;
            }
            replaced::forget(&mut next, replaced::seconds(Duration::ZERO));
            match self.files.publish(&next.files).await {
                Ok(()) => {}
                // A new owner removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => {
                    self.discard(&HashSet::new()).await;
                    return Err(error);
                }
            }
            let appended = chain::append(&self.folder, &next).await;
            if let Ok(Appended::Newest) = appended {
                self.finish(&newest, &next).await;
                return Ok(Some(next));
            }
            let Some(found) = chain::newest(&self.folder).await? else { break };
            let written: HashSet<String> = lock(&self.files.written).iter().cloned().collect();
            if found.names().any(|name| written.contains(name)) {
                // It was added; its answer was lost, or something else came after it.
                self.finish(&newest, &found).await;
                return Ok(Some(found));
            }
            match appended {
                // The manifest may still come into being, so its files stay; the next start removes them if it does not.
                Err(error) if found.version < next.version => return Err(error),
                _ => newest = found,
            }
        }
        self.discard(&HashSet::new()).await;
        Ok(None)
    }

    /// Hides or removes what was replaced. What cannot be is left to the next commit or the next start.
    async fn finish(&self, before: &Manifest, now: &Manifest) {
        let live: HashSet<String> = now.kept().collect();
        self.discard(&live).await;
        let hidden = replaced::hide(&self.folder, now).await;
        let gone: Vec<String> = before.kept().filter(|name| !live.contains(name)).collect();
        if let Err(error) = hidden.and(self.folder.delete(gone).await) {
            let folder = self.folder.address();
            tracing::warn!(%error, folder, "Replaced files cannot be removed; readers may see rows twice until the next start");
        }
    }

    /// Removes what this round wrote, but for what is live.
    async fn discard(&self, live: &HashSet<String>) {
        let written = lock(&self.files.written).clone();
        if let Err(error) = self.folder.delete(written.into_iter().filter(|name| !live.contains(name))).await {
            tracing::warn!(%error, folder = self.folder.address(), "Files of a compaction cannot be deleted");
        }
    }

    async fn pack(&self, group: Group) -> Result<Packed> {
        let Some((_, bucket)) = &group.buckets else {
            let file = self.concatenate(&group.files).await?;
            return Ok(Packed { group, files: vec![file], buckets: Vec::new() });
        };
        let inputs = group.files.iter().map(|file| Input { file: file.clone(), settled: true }).collect();
        let settled = settle(&self.files, self.parquet.sizes(), &[*bucket], inputs, Vec::new(), None).await?;
        Ok(Packed { group, files: settled.files, buckets: settled.buckets })
    }

    /// Writes the rows of files as one file, a file at a time.
    async fn concatenate(&self, files: &[DataFile]) -> Result<DataFile> {
        let layout = self.files.layout(Shape::Changes);
        let level = self.files.compression_level;
        let (mut encoder, mut rows, mut memory) = (None, 0, 0);
        for file in files {
            let batches = self.files.open(file).await?;
            let layout = layout.clone();
            let written = compute(move || {
                let mut count = 0;
                for batch in batches {
                    let batch = batch?;
                    let mut open = match encoder {
                        Some(encoder) => encoder,
                        None => Encoder::new(layout.clone(), Some(&batch), level)?,
                    };
                    open.write(&batch)?;
                    count += batch.num_rows() as u64;
                    encoder = Some(open);
                }
                Ok((encoder, count))
            });
            let count;
            (encoder, count) = written.await?;
            file.check_rows(count)?;
            rows += count;
            memory += file.memory;
        }
        let encoder = match encoder {
            Some(encoder) => encoder,
            None => Encoder::new(layout, None, level)?,
        };
        let bytes = compute(|| encoder.finish()).await?;
        self.files.store(Purpose::Data, Bucket::ALL, Encoded { bytes, rows, memory }).await
    }

    fn report(&self, now: &Manifest, target: &Target, waits: bool) -> Compacted {
        let names: BTreeSet<&str> = now.names().collect();
        let written: HashSet<String> = lock(&self.files.written).iter().cloned().collect();
        let written: Vec<&DataFile> = now.files.iter().filter(|file| written.contains(&file.name)).collect();
        let replaced = self.base.files.iter().filter(|file| !written.is_empty() && !names.contains(file.name.as_str()));
        let replaced: Vec<&DataFile> = replaced.collect();
        let bytes = |files: &[&DataFile]| files.iter().map(|file| file.bytes).sum();
        Compacted {
            table: target.table.clone(),
            files: now.files.len(),
            replaced: replaced.len(),
            replaced_bytes: bytes(&replaced),
            written: written.len(),
            written_bytes: bytes(&written),
            waits,
        }
    }
}
