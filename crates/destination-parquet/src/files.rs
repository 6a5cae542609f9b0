//! Writes and reads the Parquet files of one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use commutator_core::{Error, ErrorKind, Result, SyncMode, TableSchema};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::PutPayload;
use uuid::Uuid;

use crate::buckets::Bucket;
use crate::compute::compute;
use crate::encode;
use crate::folder::Folder;
use crate::form::Forms;
use crate::manifest::{DataFile, Hidden, Manifest, Purpose, file_name, hidden_name};
use crate::memory::{HeldFile, Memory};
use crate::native::Layout;
use crate::part::{Encoded, Part};
use crate::types::{Shape, widened};

const UPLOADS_AT_ONCE: usize = 16;

/// What the files of one transaction have in common.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: Folder,
    pub(crate) owner: u64,
    /// The version of the manifest that will name the files.
    pub(crate) version: u64,
    pub(crate) mode: SyncMode,
    /// Whether removals that remove nothing leave nothing, as [`Target::filtered`](commutator_core::Target::filtered) says.
    pub(crate) filtered: bool,
    pub(crate) compression_level: i32,
    /// The number of the table's schema.
    pub(crate) number: u32,
    pub(crate) schema: Arc<TableSchema>,
    /// The forms of the table's native columns.
    pub(crate) forms: Arc<Forms>,
    /// The schemas of older files, and this one.
    pub(crate) schemas: BTreeMap<u32, Arc<TableSchema>>,
    /// The forms of native columns in files of these schemas.
    pub(crate) forms_of: BTreeMap<u32, Arc<Forms>>,
    /// Every name that was ever given, as these files may exist.
    pub(crate) written: Arc<Mutex<Vec<String>>>,
    pub(crate) held: Arc<Mutex<HashMap<String, (PutPayload, HeldFile)>>>,
    pub(crate) memory: Arc<Memory>,
    /// How many bytes of finished files wait in memory at most, of all tables.
    pub(crate) most_held: u64,
    /// The files that lie under a hidden name until [`publish`](Self::publish).
    pub(crate) staged: Arc<Mutex<HashSet<String>>>,
    /// Whether all files of the table do.
    pub(crate) stages: bool,
}

impl Files {
    /// Returns what the files of the next commit after a manifest have in common, under a schema, its number and its forms.
    pub(crate) fn new(
        folder: Folder,
        manifest: &Manifest,
        compression_level: i32,
        (number, schema, forms): (u32, &Arc<TableSchema>, &Arc<Forms>),
    ) -> Self {
        let (mut schemas, mut forms_of) = (manifest.schemas.clone(), manifest.forms.clone());
        schemas.insert(number, Arc::clone(schema));
        forms_of.insert(number, Arc::clone(forms));
        Self {
            folder,
            owner: manifest.owner,
            version: manifest.version + 1,
            mode: manifest.mode,
            filtered: false,
            compression_level,
            number,
            schema: Arc::clone(schema),
            forms: Arc::clone(forms),
            schemas,
            forms_of,
            written: Arc::default(),
            held: Arc::default(),
            memory: Arc::default(),
            most_held: 0,
            staged: Arc::default(),
            stages: false,
        }
    }

    /// The same under the schema that the table has; `None` if it has no columns yet.
    pub(crate) fn of(folder: Folder, manifest: &Manifest, compression_level: i32) -> Option<Self> {
        let (number, schema) = manifest.schema()?;
        Some(Self::new(folder, manifest, compression_level, (number, schema, &manifest.table_forms())))
    }

    /// The same for native columns of wider forms, which is another schema; what was written stays known.
    pub(crate) fn with_forms(&self, forms: Forms) -> Self {
        let (number, forms) = (self.number + 1, Arc::new(forms));
        let (mut schemas, mut forms_of) = (self.schemas.clone(), self.forms_of.clone());
        schemas.insert(number, Arc::clone(&self.schema));
        forms_of.insert(number, Arc::clone(&forms));
        Self {
            folder: self.folder.clone(),
            number,
            schema: Arc::clone(&self.schema),
            forms,
            schemas,
            forms_of,
            written: Arc::clone(&self.written),
            held: Arc::clone(&self.held),
            memory: Arc::clone(&self.memory),
            staged: Arc::clone(&self.staged),
            ..*self
        }
    }

    /// Returns the columns of the files that are written now.
    pub(crate) fn layout(&self, shape: Shape) -> Layout {
        Layout::new(&self.schema, &self.forms, shape)
    }

    /// Returns the shape of the files that readers see.
    pub(crate) fn data_shape(&self) -> Shape {
        Shape::of(self.mode)
    }

    fn shape(&self, file: &DataFile) -> Shape {
        if file.name.ends_with(".parquet") { Shape::of(file.written_as.unwrap_or(self.mode)) } else { Shape::Changes }
    }

    /// Begins a file of this table in memory.
    pub(crate) fn part(&self, purpose: Purpose) -> Part {
        let shape = if purpose == Purpose::Pending { Shape::Changes } else { self.data_shape() };
        Part::new(Arc::clone(&self.schema), self.layout(shape), shape, self.compression_level)
    }

    /// Writes rows of one bucket as a file.
    pub(crate) async fn write(&self, purpose: Purpose, bucket: Bucket, batches: Vec<RecordBatch>) -> Result<DataFile> {
        let mut part = self.part(purpose);
        let encoded = compute(move || {
            batches.into_iter().try_for_each(|rows| part.push(rows))?;
            part.finish()
        });
        self.store(purpose, bucket, encoded.await?).await
    }

    /// Gives an encoded file its name and stores it, or holds it until [`publish`](Self::publish).
    pub(crate) async fn store(
        &self,
        purpose: Purpose,
        bucket: Bucket,
        Encoded { bytes, rows, memory }: Encoded,
    ) -> Result<DataFile> {
        let unique = Uuid::new_v4().simple().to_string();
        let name = file_name(purpose, self.owner, self.version, &unique);
        lock(&self.written).push(name.clone());
        let size = bytes.content_length();
        let is_table = matches!(purpose, Purpose::Data | Purpose::Rewritten);
        let held = is_table && !self.stages && self.hold(&name, &bytes);
        if !held && (is_table && self.stages || purpose == Purpose::Rewritten) {
            let hidden = hidden_name(&name, Hidden::Staged);
            lock(&self.written).push(hidden.clone());
            self.folder.put(&hidden, bytes).await?;
            lock(&self.staged).insert(name.clone());
        } else if !held {
            self.folder.put(&name, bytes).await?;
        }
        Ok(DataFile { name, bucket, schema: self.number, rows, bytes: size as u64, memory, written_as: None })
    }

    /// Keeps a finished file in memory, if there is room; returns whether it did.
    fn hold(&self, name: &str, bytes: &PutPayload) -> bool {
        let Some(room) = self.memory.hold_file(bytes.content_length() as u64, self.most_held) else { return false };
        lock(&self.held).insert(name.to_owned(), (bytes.clone(), room));
        true
    }

    /// Makes every held or staged file that a manifest is going to name visible; doing it again does nothing.
    pub(crate) async fn publish(&self, named: &[DataFile]) -> Result<()> {
        let named: HashSet<&str> = named.iter().map(|file| file.name.as_str()).collect();
        let held: Vec<_> = lock(&self.held).extract_if(|name, _| named.contains(name.as_str())).collect();
        futures_util::stream::iter(held)
            .map(|(name, (bytes, _room))| async move { self.folder.put(&name, bytes).await })
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let staged: Vec<_> = lock(&self.staged).extract_if(|name| named.contains(name.as_str())).collect();
        futures_util::stream::iter(staged)
            .map(|name| async move {
                if self.folder.rename(&hidden_name(&name, Hidden::Staged), &name).await? {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::NotFound, "A file that was just written is gone").with("file", name))
            })
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Reads a file's rows in the columns that the table has now, with their operations.
    pub(crate) async fn read(&self, file: &DataFile) -> Result<Vec<RecordBatch>> {
        let batches = self.open(file).await?;
        let decoded = compute(move || batches.collect::<Result<Vec<_>>>());
        let rows = decoded.await.map_err(|e| e.with("file", &file.name))?;
        file.check_rows(rows.iter().map(|rows| rows.num_rows() as u64).sum())?;
        Ok(rows)
    }

    /// The same batch by batch, without a check that all rows are there.
    pub(crate) async fn open(
        &self,
        file: &DataFile,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let held = lock(&self.held).get(&file.name).map(|(bytes, _)| bytes.clone());
        let bytes = match held {
            Some(bytes) => bytes.into(),
            None => self.folder.get(&file.name).await?,
        };
        let unknown =
            || Error::new(ErrorKind::DataInvalid, "A manifest lacks a file's schema").with("file", &file.name);
        let from = self.schemas.get(&file.schema).map(Arc::clone).ok_or_else(unknown)?;
        let (shape, to) = (self.shape(file), Arc::clone(&self.schema));
        let forms = self.forms_of.get(&file.schema).map(Arc::clone).unwrap_or_default();
        let stored =
            encode::decode(bytes, Layout::new(&from, &forms, shape)).map_err(|e| e.with("file", &file.name))?;
        Ok(stored.map(move |rows| widened(&rows?, shape, &from, &to)))
    }
}

/// What these locks guard is replaced in one step, so a holder that panicked left nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
