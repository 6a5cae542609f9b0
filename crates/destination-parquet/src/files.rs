//! Writes and reads the Parquet files of one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;
use commutator_core::{Error, ErrorKind, Result, SyncMode, TableSchema};
use futures_util::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use crate::buckets::Bucket;
use crate::encode;
use crate::error;
use crate::folder::Folder;
use crate::manifest::{DataFile, Purpose, file_name};
use crate::types::{Shape, arrow_schema, memory_size, widened, without_ops};

/// Finished files wait in memory up to so many bytes, so that readers' globs see them as late as possible before the commit.
const HELD: usize = 64 << 20;
const UPLOADS_AT_ONCE: usize = 16;

/// What the files of one transaction have in common.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: Folder,
    pub(crate) owner: u64,
    /// The version of the manifest that will name the files.
    pub(crate) version: u64,
    pub(crate) mode: SyncMode,
    pub(crate) compression_level: i32,
    /// The number of the table's schema.
    pub(crate) number: u32,
    pub(crate) schema: Arc<TableSchema>,
    /// The schemas of older files.
    pub(crate) schemas: BTreeMap<u32, Arc<TableSchema>>,
    /// Every name that was ever given, as these files may exist.
    pub(crate) written: Arc<Mutex<Vec<String>>>,
    pub(crate) held: Mutex<HashMap<String, Bytes>>,
}

impl Files {
    /// Returns the shape of the files that readers see.
    pub(crate) fn data_shape(&self) -> Shape {
        if self.mode == SyncMode::Append { Shape::Changes } else { Shape::Items }
    }

    fn shape(&self, name: &str) -> Shape {
        if name.ends_with(".parquet") { self.data_shape() } else { Shape::Changes }
    }

    /// Writes rows of one bucket as a file.
    pub(crate) async fn write(&self, purpose: Purpose, bucket: Bucket, batches: Vec<RecordBatch>) -> Result<DataFile> {
        let (schema, level) = (Arc::clone(&self.schema), self.compression_level);
        let shape = if purpose == Purpose::Data { self.data_shape() } else { Shape::Changes };
        let encoded = tokio::task::spawn_blocking(move || {
            let batches = match shape {
                Shape::Changes => batches,
                Shape::Items => batches.iter().map(|rows| without_ops(rows, &schema)).collect::<Result<_>>()?,
            };
            let rows = batches.iter().map(|rows| rows.num_rows() as u64).sum();
            let memory = batches.iter().map(memory_size).sum();
            let bytes = encode::encode(&arrow_schema(&schema, shape), &batches, level)?;
            Ok((bytes, rows, memory))
        });
        let (bytes, rows, memory) = encoded.await.map_err(error::task)??;
        self.store(purpose, bucket, bytes, rows, memory).await
    }

    /// Gives an encoded file its name and stores it, or holds it until [`publish`](Self::publish).
    pub(crate) async fn store(
        &self,
        purpose: Purpose,
        bucket: Bucket,
        bytes: Bytes,
        rows: u64,
        memory: u64,
    ) -> Result<DataFile> {
        let unique = Uuid::new_v4().simple().to_string();
        let name = file_name(purpose, self.owner, self.version, &unique);
        lock(&self.written).push(name.clone());
        let size = bytes.len();
        let hold = purpose == Purpose::Data && {
            let mut held = lock(&self.held);
            let fits = held.values().map(Bytes::len).sum::<usize>() + size <= HELD;
            if fits {
                held.insert(name.clone(), bytes.clone());
            }
            fits
        };
        if !hold {
            self.folder.put(&name, bytes).await?;
        }
        Ok(DataFile { name, bucket, schema: self.number, rows, bytes: size as u64, memory })
    }

    /// Makes every held file that a manifest is going to name visible; the others are dropped.
    pub(crate) async fn publish(&self, named: &[DataFile]) -> Result<()> {
        let named: HashSet<&str> = named.iter().map(|file| file.name.as_str()).collect();
        let held = std::mem::take(&mut *lock(&self.held));
        futures_util::stream::iter(held.into_iter().filter(|(name, _)| named.contains(name.as_str())))
            .map(|(name, bytes)| async move { self.folder.put(&name, bytes).await })
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Reads a file's rows in the columns that the table has now, with their operations.
    pub(crate) async fn read(&self, file: &DataFile) -> Result<Vec<RecordBatch>> {
        let held = lock(&self.held).get(&file.name).cloned();
        let bytes = match held {
            Some(bytes) => bytes,
            None => self.folder.get(&file.name).await?,
        };
        let unknown =
            || Error::new(ErrorKind::DataInvalid, "A manifest lacks a file's schema").with("file", &file.name);
        let from = self.schemas.get(&file.schema).map(Arc::clone).ok_or_else(unknown)?;
        let (shape, to) = (self.shape(&file.name), Arc::clone(&self.schema));
        let decoded = tokio::task::spawn_blocking(move || {
            let stored = encode::decode(bytes, &arrow_schema(&from, shape))?;
            stored.map(|rows| widened(&rows?, shape, &from, &to)).collect::<Result<Vec<_>>>()
        });
        let rows = decoded.await.map_err(error::task)?.map_err(|e| e.with("file", &file.name))?;
        let count: u64 = rows.iter().map(|rows| rows.num_rows() as u64).sum();
        if count != file.rows {
            return Err(Error::new(ErrorKind::DataInvalid, "A file does not have the rows its manifest says")
                .with("file", &file.name)
                .with("has", count)
                .with("wanted", file.rows));
        }
        Ok(rows)
    }
}

/// What these locks guard is replaced in one step, so a holder that panicked left nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
