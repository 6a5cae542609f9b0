//! Rows on their way into the files of one transaction.
//!
//! What a warehouse does per file costs it more than what it does per row, so rows that come in small batches share files. As many files as there are
//! cores grow at a time; one is uploaded when it is large enough, when there is no memory for it to grow, or when the rows end.

use std::sync::{Arc, Mutex, PoisonError};

use commutator_core::{ChangeBatch, Error, ErrorKind, Permit, Result};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::encode::{self, File};
use super::{Form, Staging};
use crate::{Staged, StagedFile};

/// The files of one transaction. Dropping it gives up what is not uploaded.
#[derive(Debug)]
pub(crate) struct Upload {
    files: Arc<Files>,
    begun: usize,
    running: JoinSet<Result<Option<(usize, StagedFile)>>>,
    done: Vec<(usize, StagedFile)>,
}

#[derive(Debug)]
struct Files {
    staging: Staging,
    folder: String,
    form: Form,
    /// One for each file that may grow now.
    growing: Arc<Semaphore>,
    /// Those that may, and to which nobody writes.
    idle: Mutex<Vec<Growing>>,
}

/// A file that is not large enough yet.
struct Growing {
    number: usize,
    file: File,
    /// The memory that it takes.
    permit: Permit,
    bytes: usize,
}

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Growing").field("number", &self.number).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Upload {
    pub(crate) fn new(staging: &Staging, folder: String, form: Form) -> Self {
        let growing = Arc::new(Semaphore::new(encode::cores()));
        let files = Files { staging: staging.clone(), folder, form, growing, idle: Mutex::default() };
        Self { files: Arc::new(files), begun: 0, running: JoinSet::new(), done: Vec::new() }
    }

    /// Encodes rows in the background, once there is memory for them, and uploads what is large enough. All have the same columns. What went
    /// wrong with earlier ones is an error here.
    pub(crate) async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        while let Some(ended) = self.running.try_join_next() {
            self.done.extend(flat(ended)?);
        }
        let files = Arc::clone(&self.files);
        let rows = files.staging.waiting.reserve(batch.memory_size()).await;
        // Acquiring fails only for a closed semaphore, and nobody closes this one.
        let turn = Arc::clone(&files.growing).acquire_owned().await.ok();
        let growing = files.idle().pop().unwrap_or_else(|| {
            self.begun += 1;
            Growing { number: self.begun - 1, file: File::new(files.form), permit: Permit::default(), bytes: 0 }
        });
        self.running.spawn(async move {
            let (growing, has_room) = growing.write(&files.staging, batch).await?;
            if has_room {
                // Before its turn ends, so that whoever comes next finds it.
                files.idle().push(growing);
                return Ok(None);
            }
            drop(turn);
            let uploaded = growing.upload(&files).await;
            // What it could not reserve was the rows' until now.
            drop(rows);
            uploaded.map(Some)
        });
        Ok(())
    }

    /// Waits until everything is uploaded, and returns the files.
    pub(crate) async fn finish(mut self) -> Result<Staged> {
        self.ended().await?;
        for growing in std::mem::take(&mut *self.files.idle()) {
            let files = Arc::clone(&self.files);
            self.running.spawn(async move { growing.upload(&files).await.map(Some) });
        }
        self.ended().await?;
        self.done.sort_unstable_by_key(|(number, _)| *number);
        let files = std::mem::take(&mut self.done).into_iter().map(|(_, file)| file).collect();
        Ok(Staged { folder: self.files.folder.clone(), files })
    }

    async fn ended(&mut self) -> Result<()> {
        while let Some(ended) = self.running.join_next().await {
            self.done.extend(flat(ended)?);
        }
        Ok(())
    }
}

impl Files {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Growing>> {
        // Nothing is done under the lock that could leave it half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    /// Adds rows, and tells whether more may follow.
    async fn write(mut self, staging: &Staging, batch: ChangeBatch) -> Result<(Self, bool)> {
        let (mut growing, bytes) = flat(
            encode::compute(move || {
                self.file.write(&batch)?;
                let bytes = self.file.memory();
                Ok((self, bytes))
            })
            .await,
        )?;
        let more = staging.encoded.try_reserve(bytes.saturating_sub(growing.bytes));
        let has_room = more.is_some() && bytes < staging.file_bytes;
        growing.permit.merge(more.unwrap_or_default());
        growing.bytes = growing.bytes.max(bytes);
        Ok((growing, has_room))
    }

    async fn upload(self, files: &Files) -> Result<(usize, StagedFile)> {
        let Self { number, file, permit, .. } = self;
        let path = format!("{}/{number}.{}", files.folder, files.form.extension());
        let rows = file.rows();
        let bytes = flat(encode::compute(move || file.finish()).await)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        files.staging.put(&path, bytes).await?;
        drop(permit);
        Ok((number, StagedFile { path, bytes: size, rows }))
    }
}

fn flat<T>(ended: Result<Result<T>, JoinError>) -> Result<T> {
    ended.unwrap_or_else(|e| {
        Err(Error::new(ErrorKind::Unexpected, "The staging of rows ended without an answer").with_source(e))
    })
}
