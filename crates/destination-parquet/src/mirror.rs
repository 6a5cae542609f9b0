//! The rows of one transaction on a table of buckets: `mirror`, `soft_delete` and `history`.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use commutator_core::{Epoch, Result};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use crate::buckets::Bucket;
use crate::compute::compute;
use crate::error;
use crate::files::Files;
use crate::manifest::{DataFile, Manifest, Purpose};
use crate::memory::Share;
use crate::merge::{Ended, Keep, Versioned, merge};
use crate::settle::{Input, settle};
use crate::sizes::Sizes;
use crate::types::{Versions, memory_size};

/// Rows that are written but not committed.
#[derive(Debug)]
pub(crate) struct Mirror {
    sizes: Sizes,
    /// About how many bytes the table has at the source.
    expected_bytes: u64,
    rows: Vec<RecordBatch>,
    share: Share,
    size: u64,
    files: Vec<DataFile>,
    pending: Vec<DataFile>,
}

impl Mirror {
    pub(crate) fn new(sizes: Sizes, expected_bytes: u64, share: Share) -> Self {
        Self { sizes, expected_bytes, rows: Vec::new(), share, size: 0, files: Vec::new(), pending: Vec::new() }
    }

    pub(crate) async fn write(&mut self, rows: RecordBatch, files: &Files, before: &Manifest) -> Result<()> {
        self.size += memory_size(&rows);
        self.share.set(self.size);
        self.rows.push(rows);
        if self.share.is_full(self.sizes.buffer, self.sizes.buffer) { self.flush(files, before).await } else { Ok(()) }
    }

    /// Adds the rows to the manifest that is about to be committed; once more if it is another one after all.
    pub(crate) async fn commit(
        &mut self,
        files: &Arc<Files>,
        before: &Manifest,
        next: &mut Manifest,
        ended: Option<Ended>,
    ) -> Result<()> {
        let steady = before.checkpoint.snapshot_ended() && next.checkpoint.snapshot_ended();
        if ended.is_none() && !steady {
            self.flush(files, before).await?;
            next.files.extend_from_slice(&self.files);
            next.pending.extend_from_slice(&self.pending);
            return Ok(());
        }
        let untouched = self.rows.is_empty() && self.files.is_empty() && self.pending.is_empty();
        let current = before.files.iter().all(|file| file.schema == files.number && file.written_as.is_none());
        if ended.is_none() && untouched && current {
            return Ok(());
        }
        let table = before.files.iter().chain(&self.files).filter(|file| file.rows > 0);
        let waiting = before.pending.iter().chain(&self.pending);
        let inputs = table
            .map(|file| Input { file: file.clone(), settled: true })
            .chain(waiting.map(|file| Input { file: file.clone(), settled: false }))
            .collect();
        let settled = settle(files, self.sizes, &before.buckets, inputs, self.rows.clone(), ended).await?;
        next.buckets = settled.buckets;
        next.files = settled.files;
        next.pending = Vec::new();
        Ok(())
    }

    /// Writes the buffered rows as files.
    ///
    /// While the first snapshot runs, its rows are files of the table at once. Everything else waits, tombstones included: a
    /// change may be older than what the table holds, or its row may come later.
    async fn flush(&mut self, files: &Files, before: &Manifest) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        self.size = 0;
        let first_load = before.checkpoint.epoch() == Epoch::FIRST
            && !before.checkpoint.snapshot_ended()
            && before.buckets.is_empty();
        let (mut snapshot, mut changes) = (Vec::new(), Vec::new());
        for batch in rows {
            if !first_load {
                changes.push(batch);
                continue;
            }
            let direct = Versions::of(&batch, &files.schema).read_by_snapshot(Epoch::FIRST);
            if direct.true_count() == batch.num_rows() {
                snapshot.push(batch);
                continue;
            }
            let waiting = direct.iter().map(|direct| direct.map(|direct| !direct)).collect();
            for (chosen, mask) in [(&mut snapshot, direct), (&mut changes, waiting)] {
                let rows = filter_record_batch(&batch, &mask).map_err(error::arrow)?;
                if rows.num_rows() > 0 {
                    chosen.push(rows);
                }
            }
        }
        self.files.extend(self.write_buckets(files, Purpose::Data, snapshot).await?);
        self.pending.extend(self.write_buckets(files, Purpose::Pending, changes).await?);
        self.share.set(0);
        Ok(())
    }

    /// Writes what the mode keeps of each key, one file per bucket; how many buckets depends on how much there is.
    async fn write_buckets(&self, files: &Files, purpose: Purpose, rows: Vec<RecordBatch>) -> Result<Vec<DataFile>> {
        let size = rows.iter().map(memory_size).sum();
        let buckets = Bucket::ALL.split(self.sizes.load_bits(size, self.expected_bytes));
        let (schema, targets) = (Arc::clone(&files.schema), buckets.clone());
        let keep = Keep { mode: files.mode, filtered: files.filtered, interim: true, ended: None };
        let parts = compute(move || merge(&[Versioned { batches: rows }], &schema, keep, &targets)).await?;
        let parallel = std::thread::available_parallelism().map_or(1, usize::from);
        let full: Vec<_> = buckets.into_iter().zip(parts).filter(|(_, rows)| !rows.is_empty()).collect();
        futures_util::stream::iter(full)
            .map(|(bucket, rows)| files.write(purpose, bucket, rows).boxed())
            .buffered(parallel)
            .try_collect()
            .await
    }
}
