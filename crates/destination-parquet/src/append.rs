//! The rows of one transaction on an `append` table.

use std::collections::VecDeque;
use std::thread::available_parallelism;

use arrow_array::RecordBatch;
use commutator_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use tokio::task::JoinHandle;

use crate::buckets::Bucket;
use crate::compute::compute;
use crate::encode::{File, Format, ROW_GROUP_BYTES, RowGroup};
use crate::error;
use crate::files::Files;
use crate::manifest::{DataFile, Manifest, Purpose};
use crate::memory::Share;
use crate::part::Encoded;
use crate::types::{Shape, memory_size};

/// Rows are encoded so many bytes at a time: enough to be worth a task, few enough to keep the encoder and the reader busy at once.
const ENCODED_AT_ONCE: u64 = 4 << 20;

/// So many bytes of rows of all tables wait for that, and no table need wait with less than the second.
const WAITING: (u64, u64) = (32 << 20, 256 << 10);

/// The same where row groups are encoded in one go: what waits becomes one.
const WAITING_IN_A_CROWD: (u64, u64) = (48 << 20, 512 << 10);

/// So many bytes all tables hold together.
const TOGETHER: u64 = 64 << 20;

/// So many row groups are encoded at a time, of one file on as many cores or of as many tables. One that waits for more rows holds a page and
/// a compressor for each column, so where more tables have rows none waits.
const GROUPS: usize = 4;

/// Rows that are written but not committed; they are encoded on several cores while further ones are being read.
#[derive(Debug)]
pub(crate) struct Append {
    /// A file ends with so many bytes.
    file_bytes: usize,
    share: Share,
    /// Rows that go to an encoder together.
    waiting: Vec<RecordBatch>,
    waiting_bytes: u64,
    /// How the file is encoded, and the number of its schema.
    format: Option<(u32, Format)>,
    /// Row groups that are being encoded, the one that was given rows last at the end.
    open: VecDeque<Open>,
    file: Option<Growing>,
    files: Vec<DataFile>,
}

/// A row group that is being encoded.
#[derive(Debug)]
struct Open {
    task: JoinHandle<Result<Group>>,
    /// How many bytes it held before it was given the last rows.
    held: usize,
    rows: u64,
    memory: u64,
}

#[derive(Debug)]
enum Group {
    Open(RowGroup),
    Closed(Vec<ArrowColumnChunk>),
}

/// A row group that is complete.
#[derive(Debug)]
struct Closed {
    columns: Vec<ArrowColumnChunk>,
    rows: u64,
    memory: u64,
}

impl Open {
    async fn closed(self) -> Result<Closed> {
        let columns = match self.task.await.map_err(error::task)?? {
            Group::Open(group) => compute(|| group.close()).await?,
            Group::Closed(columns) => columns,
        };
        Ok(Closed { columns, rows: self.rows, memory: self.memory })
    }
}

/// The file that complete row groups go into.
#[derive(Debug)]
struct Growing {
    file: File,
    rows: u64,
    memory: u64,
}

impl Append {
    pub(crate) fn new(file_bytes: usize, share: Share) -> Self {
        Self {
            file_bytes,
            share,
            waiting: Vec::new(),
            waiting_bytes: 0,
            format: None,
            open: VecDeque::new(),
            file: None,
            files: Vec::new(),
        }
    }

    pub(crate) async fn write(&mut self, rows: RecordBatch, files: &Files) -> Result<()> {
        self.waiting_bytes += memory_size(&rows);
        self.waiting.push(rows);
        let enough = if self.is_crowded() {
            self.share.of(WAITING_IN_A_CROWD.0).max(WAITING_IN_A_CROWD.1)
        } else {
            self.share.of(WAITING.0).max(WAITING.1).min(ENCODED_AT_ONCE)
        };
        if self.waiting_bytes >= enough.min(self.file_bytes as u64) {
            self.encode(files).await?;
        }
        let open = self.open.iter().map(|open| open.held).sum::<usize>();
        let file = self.file.as_ref().map_or(0, |growing| growing.file.size());
        self.share.set(self.waiting_bytes + (open + file) as u64);
        let alone = self.file_bytes.saturating_add(GROUPS * ROW_GROUP_BYTES);
        if self.share.is_full(alone as u64, (self.file_bytes as u64).min(TOGETHER)) {
            self.cut(files).await
        } else {
            Ok(())
        }
    }

    /// Whether more tables have rows than row groups shall wait for some.
    fn is_crowded(&self) -> bool {
        self.share.holders() > GROUPS as u64
    }

    /// Hands the waiting rows to an encoder: one that is done with those before, or a new one while there are cores, or the one that will
    /// be done first.
    async fn encode(&mut self, files: &Files) -> Result<()> {
        if self.format.as_ref().is_some_and(|(number, _)| *number != files.number) {
            // A file has one schema, and native columns have got another form.
            self.close(files).await?;
            self.format = None;
        }
        let batches = std::mem::take(&mut self.waiting);
        let Some(sample) = batches.iter().max_by_key(|rows| rows.num_rows()) else { return Ok(()) };
        let (_, format) = if let Some(format) = &self.format {
            format
        } else {
            let format = Format::new(files.layout(Shape::Changes), Some(sample), files.compression_level)?;
            self.format.insert((files.number, format))
        };
        // Other tables keep the other cores busy.
        let most = self.share.of(available_parallelism().map_or(1, usize::from).min(GROUPS) as u64).max(1);
        let open = match self.open.iter().position(|open| open.task.is_finished()) {
            Some(idle) => self.open.remove(idle),
            None if (self.open.len() as u64) < most => None,
            None => self.open.pop_front(),
        };
        let (mut group, mut rows, mut memory) = (None, 0, 0);
        let mut complete = None;
        if let Some(Open { task, rows: given, memory: bytes, .. }) = open {
            match task.await.map_err(error::task)?? {
                Group::Open(begun) => (group, rows, memory) = (Some(begun), given, bytes),
                Group::Closed(columns) => complete = Some(Closed { columns, rows: given, memory: bytes }),
            }
        }
        let mut group = match group {
            Some(group) => group,
            None => format.row_group()?,
        };
        if let Some(complete) = complete {
            self.add(complete, files, self.file_bytes).await?;
        }
        rows += batches.iter().map(|rows| rows.num_rows() as u64).sum::<u64>();
        memory += std::mem::take(&mut self.waiting_bytes);
        let (held, file_bytes, crowded) = (group.memory_size(), self.file_bytes, self.is_crowded());
        let task = tokio::spawn(compute(move || {
            batches.iter().try_for_each(|rows| group.write(rows))?;
            let is_full = crowded || group.is_full() || group.size() >= file_bytes;
            if is_full { group.close().map(Group::Closed) } else { Ok(Group::Open(group)) }
        }));
        self.open.push_back(Open { task, held, rows, memory });
        Ok(())
    }

    /// Adds a row group to the file, and stores the file once it is large enough.
    async fn add(&mut self, group: Closed, files: &Files, enough: usize) -> Result<()> {
        let mut growing = match self.file.take() {
            Some(growing) => growing,
            None => Growing { file: self.format()?.1.file()?, rows: 0, memory: 0 },
        };
        growing.rows += group.rows;
        growing.memory += group.memory;
        let growing = compute(move || growing.file.append(group.columns).map(|()| growing)).await?;
        if growing.file.size() >= enough {
            return self.store(growing, files).await;
        }
        self.file = Some(growing);
        Ok(())
    }

    async fn store(&mut self, Growing { file, rows, memory }: Growing, files: &Files) -> Result<()> {
        let bytes = compute(|| file.finish()).await?;
        let schema = self.format()?.0;
        let file = files.store(Purpose::Data, Bucket::ALL, Encoded { bytes, rows, memory }).await?;
        self.files.push(DataFile { schema, ..file });
        Ok(())
    }

    fn format(&self) -> Result<&(u32, Format)> {
        self.format.as_ref().ok_or_else(|| Error::new(ErrorKind::Unexpected, "A row group has no file"))
    }

    /// Ends the file with all rows that there are, of whatever size it is.
    async fn cut(&mut self, files: &Files) -> Result<()> {
        self.encode(files).await?;
        self.close(files).await
    }

    /// The same with the rows that an encoder has.
    async fn close(&mut self, files: &Files) -> Result<()> {
        let open = std::mem::take(&mut self.open);
        let closed = futures_util::stream::iter(open).map(Open::closed).buffered(GROUPS).try_collect::<Vec<_>>();
        for group in closed.await? {
            self.add(group, files, usize::MAX).await?;
        }
        if let Some(file) = self.file.take() {
            self.store(file, files).await?;
        }
        self.share.set(0);
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
        self.cut(files).await?;
        let first_load = before.buckets.is_empty() && !next.checkpoint.snapshot_ended() && !snapshot_ends;
        let first_load = first_load && next.checkpoint.epoch() == commutator_core::Epoch::FIRST;
        if !first_load {
            next.files = rewritten(files, std::mem::take(&mut next.files)).await?;
            // Native columns may have got another form since the transaction's first files.
            self.files = rewritten(files, self.files.clone()).await?;
        }
        next.files.extend_from_slice(&self.files);
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
    // One at a time, batch by batch: a file is as large as the rest of a transaction's memory.
    let mut current = Vec::with_capacity(old.len());
    for file in old {
        current.push(if file.schema == files.number { file } else { anew(files, &file).await? });
    }
    Ok(current)
}

/// Writes a file's rows anew, under the columns that the table has now.
async fn anew(files: &Files, old: &DataFile) -> Result<DataFile> {
    let batches = files.open(old).await?;
    let mut part = files.part(Purpose::Rewritten);
    let encoded = compute(move || {
        for rows in batches {
            part.push(rows?)?;
        }
        part.finish()
    });
    let encoded = encoded.await.map_err(|e| e.with("file", &old.name))?;
    old.check_rows(encoded.rows)?;
    files.store(Purpose::Rewritten, Bucket::ALL, encoded).await
}
