//! The manifest: what a table consists of, as one JSON file per commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use commutator_core::{
    Checkpoint, Epoch, Error, ErrorKind, PipelineId, Result, SyncMode, TableName, TableSchema, Target,
};
use serde::{Deserialize, Serialize};

use crate::buckets::Bucket;
use crate::evolution::Evolution;
use crate::folder::HIDDEN;
use crate::form::Forms;
use crate::replaced::Replaced;

/// Raised when an older version of this program could no longer read what a newer one wrote.
const FORMAT: u32 = 1;
/// The format of tables that have native columns.
const NATIVE_FORMAT: u32 = 2;

/// What a table consists of. The manifest with the highest version counts; it is the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// One more than that of the manifest before.
    pub(crate) version: u64,
    /// Grows with every session; only the newest session may add manifests.
    pub(crate) owner: u64,
    /// Tells two writers apart that both believe to be this owner.
    pub(crate) session: String,
    /// The version of the commit whose rows these are, if this manifest only keeps them in other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compacts: Option<u64>,
    pub(crate) pipeline: PipelineId,
    pub(crate) table: TableName,
    pub(crate) mode: SyncMode,
    pub(crate) checkpoint: Checkpoint,
    /// The schemas that files still have, by number; the last one is the table's.
    pub(crate) schemas: BTreeMap<u32, Arc<TableSchema>>,
    /// The forms of the native columns in files of these schemas, where there are any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) forms: BTreeMap<u32, Arc<Forms>>,
    /// The buckets of a `mirror` table; empty until its first snapshot has ended.
    pub(crate) buckets: Vec<Bucket>,
    /// The files that hold the table.
    pub(crate) files: Vec<DataFile>,
    /// The files whose changes are applied when the snapshot ends, in the order of their commits.
    pub(crate) pending: Vec<DataFile>,
    /// What this commit did to the columns, for as long as nobody is sure that it is kept in a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evolution: Option<Evolution>,
    /// The last epoch whose snapshot ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Epoch>,
    /// The files that compactions replaced and that are kept for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replaced: Vec<Replaced>,
}

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataFile {
    /// Its name, relative to the table's folder.
    pub(crate) name: String,
    /// The bucket that all of its rows fall into.
    pub(crate) bucket: Bucket,
    /// The number of the schema it was written with.
    pub(crate) schema: u32,
    pub(crate) rows: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// What its rows take in memory.
    pub(crate) memory: u64,
    /// The table's mode when it was written, if that is another one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written_as: Option<SyncMode>,
}

impl DataFile {
    /// Checks that a file has as many rows as it was written with.
    pub(crate) fn check_rows(&self, count: u64) -> Result<()> {
        if count == self.rows {
            return Ok(());
        }
        Err(Error::new(ErrorKind::DataInvalid, "A file does not have the rows its manifest says")
            .with("file", &self.name)
            .with("has", count)
            .with("wanted", self.rows))
    }
}

impl Manifest {
    /// Returns the first manifest of a table, not written yet.
    pub(crate) fn first(target: &Target, session: String) -> Self {
        Self {
            format: FORMAT,
            version: 1,
            owner: 1,
            session,
            compacts: None,
            pipeline: target.pipeline.clone(),
            table: target.table.clone(),
            mode: target.mode,
            checkpoint: Checkpoint::default(),
            schemas: BTreeMap::new(),
            forms: BTreeMap::new(),
            buckets: Vec::new(),
            files: Vec::new(),
            pending: Vec::new(),
            evolution: None,
            ended: None,
            replaced: Vec::new(),
        }
    }

    /// Returns the manifest by which a new session takes the table over.
    #[must_use]
    pub(crate) fn taken_over(&self, session: String) -> Self {
        Self { version: self.version + 1, owner: self.owner + 1, session, compacts: None, ..self.clone() }
    }

    /// Returns the same table in another mode that [`check`](Self::check) allows; its next commit writes the files anew.
    #[must_use]
    pub(crate) fn in_mode(mut self, mode: SyncMode) -> Self {
        if mode != self.mode {
            for file in &mut self.files {
                file.written_as.get_or_insert(self.mode);
            }
            self.mode = mode;
        }
        self
    }

    /// Returns the version of the commit whose rows these are: a compaction only keeps them in other files.
    pub(crate) fn commit(&self) -> u64 {
        self.compacts.unwrap_or(self.version)
    }

    /// Returns whether this is another manifest or a compaction of what that one holds, so that its writer still owns the table.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        self.owner == other.owner && self.session == other.session && self.commit() == other.commit()
    }

    /// Returns the table's schema and its number; `None` if it has no columns yet.
    pub(crate) fn schema(&self) -> Option<(u32, &Arc<TableSchema>)> {
        self.schemas.last_key_value().map(|(&number, schema)| (number, schema))
    }

    /// Returns the forms of the table's native columns.
    pub(crate) fn table_forms(&self) -> Arc<Forms> {
        self.schema().and_then(|(number, _)| self.forms.get(&number)).map(Arc::clone).unwrap_or_default()
    }

    /// Adds schemas and forms by their numbers; what is known stays.
    pub(crate) fn add_schemas(&mut self, schemas: &BTreeMap<u32, Arc<TableSchema>>, forms: &BTreeMap<u32, Arc<Forms>>) {
        for (number, schema) in schemas {
            self.schemas.entry(*number).or_insert_with(|| Arc::clone(schema));
        }
        for (number, forms) in forms.iter().filter(|(_, forms)| !forms.is_empty()) {
            self.forms.entry(*number).or_insert_with(|| Arc::clone(forms));
            self.format = NATIVE_FORMAT;
        }
    }

    /// Returns the last epoch whose snapshot ended; `None` if none did, or if that is not known.
    pub(crate) fn last_ended(&self) -> Option<Epoch> {
        if self.checkpoint.snapshot_ended() { Some(self.checkpoint.epoch()) } else { self.ended }
    }

    /// Removes the schemas that no file has any more, but for the table's own.
    pub(crate) fn forget_unused_schemas(&mut self) {
        let Some((last, _)) = self.schema() else { return };
        let used: BTreeSet<u32> = self.files.iter().chain(&self.pending).map(|file| file.schema).collect();
        self.schemas.retain(|number, _| *number == last || used.contains(number));
        self.forms.retain(|number, _| self.schemas.contains_key(number));
    }

    /// Returns the names of the files that belong to the table or wait to.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.pending).map(|file| file.name.as_str())
    }

    /// Returns the names of all files that may be there: those of the table, and under both their names those that were replaced.
    pub(crate) fn kept(&self) -> impl Iterator<Item = String> {
        let replaced = self.replaced.iter().flat_map(|file| [file.name.clone(), file.hidden()]);
        self.names().map(str::to_owned).chain(replaced)
    }

    pub(crate) fn to_bytes(&self) -> Result<Bytes> {
        serde_json::to_vec(self)
            .map(Bytes::from)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "A manifest cannot be written").with_source(e))
    }

    pub(crate) fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let unreadable = |message: &str| Error::new(ErrorKind::DataInvalid, message).with("manifest", name);
        let header: Header = serde_json::from_slice(bytes).map_err(|e| {
            unreadable("A manifest cannot be read; restore it or remove the table's folder").with_source(e)
        })?;
        if !(FORMAT..=NATIVE_FORMAT).contains(&header.format) {
            return Err(unreadable("A newer version of this program wrote the table; use that version")
                .with("format", header.format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| {
            unreadable("A manifest cannot be read; restore it or remove the table's folder").with_source(e)
        })?;
        if manifest.version == u64::MAX || manifest.owner == u64::MAX {
            return Err(unreadable("A manifest has the last number there is; restore it or remove the table's folder"));
        }
        Ok(manifest)
    }

    /// Checks that the table is the one a target means. A `mirror` table may become one of `soft_delete`.
    pub(crate) fn check(&self, target: &Target) -> Result<()> {
        let refuse = |message: &str, has: &str, wanted: &str| {
            Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with("table", &target.table)
                .with("folder", &target.name)
                .with("has", has)
                .with("wanted", wanted))
        };
        if self.pipeline != target.pipeline {
            let message =
                "Another pipeline writes this table; use its id, another folder, or remove the table's folder";
            return refuse(message, self.pipeline.as_str(), target.pipeline.as_str());
        }
        if self.table != target.table {
            let message = "Another source table is written to this folder; give one of them another name";
            return refuse(message, self.table.as_str(), target.table.as_str());
        }
        let marks_from_now_on = self.mode == SyncMode::Mirror && target.mode == SyncMode::SoftDelete;
        if self.mode != target.mode && !marks_from_now_on {
            let message = "The table was written in another mode; use that mode, another name, or remove the table's \
                           folder to read it anew";
            return refuse(message, self.mode.as_str(), target.mode.as_str());
        }
        Ok(())
    }
}

/// Returns the name of the manifest of a version; names are in the order of their versions.
pub(crate) fn manifest_name(version: u64) -> String {
    format!("{HIDDEN}/manifest-{version:020}.json")
}

/// Returns the version of a manifest by its name.
pub(crate) fn manifest_version(name: &str) -> Option<u64> {
    name.strip_prefix(HIDDEN)?.strip_prefix("/manifest-")?.strip_suffix(".json")?.parse().ok()
}

/// What a file that we write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is part of the table: readers' globs see it.
    Data,
    /// The same, in place of another file.
    Rewritten,
    /// Its rows are not part of the table yet.
    Pending,
    /// It becomes a manifest.
    Scratch,
}

/// How a file of rows is called while readers' globs do not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// It is not committed yet.
    Staged,
    /// A compaction replaced it.
    Replaced,
}

/// Returns the other name of a file of rows, which globs do not see.
pub(crate) fn hidden_name(name: &str, hidden: Hidden) -> String {
    let stem = name.strip_suffix(".parquet").unwrap_or(name);
    match hidden {
        Hidden::Staged => format!("{HIDDEN}/{stem}.staged"),
        Hidden::Replaced => format!("{HIDDEN}/{stem}.replaced"),
    }
}

/// Returns a name that no other file has: the owner and the version it is written for are in it, `unique` makes up the rest.
pub(crate) fn file_name(purpose: Purpose, owner: u64, version: u64, unique: &str) -> String {
    let stem = format!("{owner:010}-{version:020}-{unique}");
    match purpose {
        Purpose::Data | Purpose::Rewritten => format!("{stem}.parquet"),
        Purpose::Pending => format!("{HIDDEN}/{stem}.pending"),
        Purpose::Scratch => format!("{HIDDEN}/{stem}.scratch"),
    }
}

/// Returns the owner in a name that [`file_name`] or [`hidden_name`] gave, `None` for any other file.
pub(crate) fn file_owner(name: &str) -> Option<u64> {
    let (stem, extension) = name.rsplit_once('.')?;
    let stem = match extension {
        "parquet" => stem,
        "pending" | "scratch" | "staged" | "replaced" => stem.strip_prefix(HIDDEN)?.strip_prefix('/')?,
        _ => return None,
    };
    let mut parts = stem.splitn(3, '-');
    let (owner, version, unique) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let ours = digits(owner, 10) && digits(version, 20) && unique.bytes().all(|b| b.is_ascii_alphanumeric());
    ours.then(|| owner.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
