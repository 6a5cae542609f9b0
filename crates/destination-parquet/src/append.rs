//! The rows of one transaction on an `append` table.

use std::collections::VecDeque;
use std::thread::available_parallelism;

use arrow_array::RecordBatch;
use commutator_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::task::JoinHandle;

use crate::buckets::Bucket;
use crate::compute::compute;
use crate::encode::Encoder;
use crate::error;
use crate::files::Files;
use crate::manifest::{DataFile, Manifest, Purpose};
use crate::types::{Shape, memory_size};

/// Rows are encoded so many bytes at a time: enough to be worth a task, few enough to keep the encoder and the reader busy at once.
const ENCODED_AT_ONCE: u64 = 4 << 20;

/// Rows that are written but not committed; they are encoded on all cores while further ones are being read.
#[derive(Debug, Default)]
pub(crate) struct Append {
    /// Rows that go to an encoder together.
    waiting: Vec<RecordBatch>,
    waiting_bytes: u64,
    /// Files that are being encoded, the one that was given rows last at the end.
    open: VecDeque<Open>,
    files: Vec<DataFile>,
}

/// A file that is being encoded.
#[derive(Debug)]
struct Open {
    task: JoinHandle<Result<Encoder>>,
    /// The number of its schema.
    schema: u32,
    rows: u64,
    memory: u64,
}

impl Append {
    pub(crate) async fn write(&mut self, rows: RecordBatch, files: &Files, file_bytes: usize) -> Result<()> {
        self.waiting_bytes += memory_size(&rows);
        self.waiting.push(rows);
        let enough = ENCODED_AT_ONCE.min(file_bytes as u64);
        if self.waiting_bytes >= enough { self.encode(files, file_bytes).await } else { Ok(()) }
    }

    /// Hands the waiting rows to an encoder: one that is done with those before, or a new one while there are cores, or the one that will
    /// be done first.
    async fn encode(&mut self, files: &Files, file_bytes: usize) -> Result<()> {
        let batches = std::mem::take(&mut self.waiting);
        let Some(sample) = batches.iter().max_by_key(|rows| rows.num_rows()).cloned() else { return Ok(()) };
        let cores = available_parallelism().map_or(1, usize::from);
        let open = match self.open.iter().position(|open| open.task.is_finished()) {
            Some(idle) => self.open.remove(idle),
            None if self.open.len() < cores => None,
            None => self.open.pop_front(),
        };
        let (mut encoder, mut rows, mut memory) = (None, 0, 0);
        if let Some(open) = open {
            let done = open.task.await.map_err(error::task)??;
            // A file has one schema, and native columns may have got another form.
            if done.size() >= file_bytes || open.schema != files.number {
                self.close(done, (open.schema, open.rows, open.memory), files).await?;
            } else {
                (encoder, rows, memory) = (Some(done), open.rows, open.memory);
            }
        }
        rows += batches.iter().map(|rows| rows.num_rows() as u64).sum::<u64>();
        memory += std::mem::take(&mut self.waiting_bytes);
        let (layout, level) = (files.layout(Shape::Changes), files.compression_level);
        let task = tokio::spawn(compute(move || {
            let mut encoder = match encoder {
                Some(encoder) => encoder,
                None => Encoder::new(layout, Some(&sample), level)?,
            };
            batches.iter().try_for_each(|rows| encoder.write(rows))?;
            Ok(encoder)
        }));
        self.open.push_back(Open { task, schema: files.number, rows, memory });
        Ok(())
    }

    /// Adds the rows to the manifest that is about to be committed; once more if it is another one after all.
    ///
    /// Files of older schemas are written anew, so that all have the same columns; while the first snapshot runs that waits for
    /// its end, for else a table with many new columns would be written many times over.
    pub(crate) async fn commit(
        &mut self,
        files: &Files,
        before: &Manifest,
        next: &mut Manifest,
        snapshot_ends: bool,
    ) -> Result<()> {
        self.encode(files, usize::MAX).await?;
        while let Some(open) = self.open.pop_front() {
            let encoder = open.task.await.map_err(error::task)??;
            self.close(encoder, (open.schema, open.rows, open.memory), files).await?;
        }
        let first_load = before.buckets.is_empty() && !next.checkpoint.snapshot_ended() && !snapshot_ends;
        let first_load = first_load && next.checkpoint.epoch() == commutator_core::Epoch::FIRST;
        if !first_load {
            next.files = rewritten(files, std::mem::take(&mut next.files)).await?;
            self.files = rewritten(files, self.files.clone()).await?;
        }
        next.files.extend_from_slice(&self.files);
        Ok(())
    }

    async fn close(&mut self, encoder: Encoder, (schema, rows, memory): (u32, u64, u64), files: &Files) -> Result<()> {
        let bytes = compute(|| encoder.finish()).await?;
        let file = files.store(Purpose::Data, Bucket::ALL, bytes, rows, memory).await?;
        self.files.push(DataFile { schema, ..file });
        Ok(())
    }
}

/// Returns files of which each has the columns that the table has now.
async fn rewritten(files: &Files, old: Vec<DataFile>) -> Result<Vec<DataFile>> {
    let outdated: Vec<&DataFile> = old.iter().filter(|file| file.schema != files.number).collect();
    if !outdated.is_empty() {
        let bytes: u64 = outdated.iter().map(|file| file.bytes).sum();
        let (folder, files) = (files.folder.address(), outdated.len());
        tracing::info!(folder, files, bytes, "The table's columns changed, so its older files are written anew");
    }
    let parallel = available_parallelism().map_or(1, usize::from);
    futures_util::stream::iter(old)
        .map(|file| async move {
            if file.schema == files.number {
                return Ok(file);
            }
            let rows = files.read(&file).await?;
            let new = files.write(Purpose::Rewritten, Bucket::ALL, rows).await?;
            if new.rows == file.rows {
                return Ok(new);
            }
            Err(Error::new(ErrorKind::Unexpected, "A file that was written anew has not the same rows")
                .with("file", file.name))
        })
        .buffered(parallel)
        .try_collect()
        .await
}
