//! Brings a table's buckets up to date: every one that changed is read, merged and written once.

use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::{Epoch, Result, SyncMode};
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};

use crate::buckets::{Bucket, MAX_DEPTH, bits_for};
use crate::compute::compute;
use crate::files::Files;
use crate::manifest::{DataFile, Purpose};
use crate::merge::{Ended, Keep, Versioned, merge_into, scatter};
use crate::part::Part;
use crate::sizes::{MOST_BITS, MOST_BITS_OF_WIDE, Sizes};
use crate::types::memory_size;

/// How many requests and merges go on at a time, as far as memory allows; they wait for the network more than they compute.
const AT_ONCE: usize = 8;

/// A file to be merged into a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) file: DataFile,
    /// Whether it is part of the table already, so that it can stay as it is if nothing changes its bucket.
    pub(crate) settled: bool,
}

/// A bucket and everything that falls into it, the oldest first.
#[derive(Debug)]
struct Node {
    bucket: Bucket,
    files: Vec<Input>,
    rows: Vec<RecordBatch>,
}

impl Node {
    fn new(bucket: Bucket) -> Self {
        Self { bucket, files: Vec::new(), rows: Vec::new() }
    }

    fn memory(&self) -> u64 {
        let files: u64 = self.files.iter().map(|input| input.file.memory).sum();
        files + self.rows.iter().map(memory_size).sum::<u64>()
    }
}

/// The buckets of a table and their files.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) files: Vec<DataFile>,
}

/// Merges files and rows into a table's buckets; `ended` is the snapshot that ends with them.
///
/// A bucket that nothing changes keeps its file. Memory is bounded: what is too large to be merged in one go is distributed over
/// smaller buckets first, through files that readers do not see.
pub(crate) async fn settle(
    files: &Arc<Files>,
    sizes: Sizes,
    buckets: &[Bucket],
    inputs: Vec<Input>,
    rows: Vec<RecordBatch>,
    ended: Option<Ended>,
) -> Result<Settled> {
    let work = Work { files, sizes, ended: ended.filter(|ended| ended.epoch > Epoch::FIRST) };
    let roots = if buckets.is_empty() { vec![Bucket::ALL] } else { buckets.to_vec() };
    let mut open = work.distribute(inputs, rows, roots).await?;
    let mut ready = Vec::new();
    while !open.is_empty() {
        let fits = |node: &Node| node.memory() <= sizes.merge || node.bucket.depth() == MAX_DEPTH;
        let (small, large): (Vec<_>, Vec<_>) = open.into_iter().partition(fits);
        ready.extend(small);
        // One at a time: its parts are encoded on all cores, and each holds two chunks.
        let mut children = Vec::new();
        for node in large {
            children.extend(work.split(node).await?);
        }
        open = children;
    }
    let mut parts: Vec<Settled> = futures_util::stream::iter(ready)
        .map(|node| work.merge_bounded(node).boxed())
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    parts.sort_by_key(|part| part.buckets.first().copied());
    let mut settled = Settled::default();
    for part in parts {
        settled.buckets.extend(part.buckets);
        settled.files.extend(part.files);
    }
    Ok(settled)
}

struct Work<'a> {
    files: &'a Arc<Files>,
    sizes: Sizes,
    ended: Option<Ended>,
}

impl Work<'_> {
    async fn split(&self, node: Node) -> Result<Vec<Node>> {
        let children = node.bucket.split(self.bits(&node));
        self.distribute(node.files, node.rows, children).await
    }

    /// Returns by how many bits to split a node: never beyond a file that lies in one of its parts as a whole.
    fn bits(&self, node: &Node) -> u8 {
        let wanted = bits_for(node.memory(), self.sizes.bucket / 2);
        let most = if self.is_wide() { MOST_BITS_OF_WIDE } else { MOST_BITS };
        let deeper = node.files.iter().filter_map(|input| input.file.bucket.depth().checked_sub(node.bucket.depth()));
        let shallowest = deeper.filter(|&bits| bits > 0).min().unwrap_or(most);
        wanted.min(shallowest).min(most).min(MAX_DEPTH - node.bucket.depth()).max(1)
    }

    /// Returns a node per bucket, in order. A file that lies in one bucket goes there as it is, others are cut up.
    async fn distribute(
        &self,
        inputs: Vec<Input>,
        rows: Vec<RecordBatch>,
        mut buckets: Vec<Bucket>,
    ) -> Result<Vec<Node>> {
        buckets.sort_unstable();
        let mut nodes: Vec<Node> = buckets.iter().copied().map(Node::new).collect();
        let mut chunk = Vec::new();
        let mut size = 0;
        let mut permit = None;
        for input in inputs {
            let after = buckets.partition_point(|bucket| bucket.starts_at() <= input.file.bucket.starts_at());
            if let Some(at) = after.checked_sub(1).filter(|&at| buckets[at].covers(input.file.bucket)) {
                nodes[at].files.push(input);
                continue;
            }
            if permit.is_none() {
                // A chunk is held once as it was read, and once by its parts.
                permit = self.files.memory.merge(2 * self.sizes.chunk).await;
            }
            for batch in self.files.read(&input.file).await? {
                size += memory_size(&batch);
                chunk.push(batch);
                if size >= self.sizes.chunk {
                    self.spill(std::mem::take(&mut chunk), &mut nodes, &buckets).await?;
                    size = 0;
                }
            }
        }
        if !chunk.is_empty() {
            self.spill(chunk, &mut nodes, &buckets).await?;
        }
        drop(permit);
        if !rows.is_empty() {
            for (node, rows) in nodes.iter_mut().zip(self.scatter(rows, &buckets).await?) {
                node.rows = rows;
            }
        }
        Ok(nodes)
    }

    fn is_wide(&self) -> bool {
        self.files.layout(self.files.data_shape()).is_wide()
    }

    async fn scatter(&self, rows: Vec<RecordBatch>, buckets: &[Bucket]) -> Result<Vec<Vec<RecordBatch>>> {
        let (schema, buckets) = (Arc::clone(&self.files.schema), buckets.to_vec());
        compute(move || scatter(&rows, &schema, &buckets)).await
    }

    /// Writes rows as files that each fall into one node.
    async fn spill(&self, rows: Vec<RecordBatch>, nodes: &mut [Node], buckets: &[Bucket]) -> Result<()> {
        let parts: Vec<_> = self.scatter(rows, buckets).await?.into_iter().enumerate().collect();
        let written: Vec<(usize, DataFile)> = futures_util::stream::iter(parts)
            .filter(|(_, rows)| std::future::ready(!rows.is_empty()))
            .map(|(at, rows)| {
                let file = self.files.write(Purpose::Pending, buckets[at], rows);
                file.map_ok(move |file| (at, file)).boxed()
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (at, file) in written {
            nodes[at].files.push(Input { file, settled: false });
        }
        Ok(())
    }

    async fn merge_bounded(&self, node: Node) -> Result<Settled> {
        // A merge holds what it reads and a file that it writes, in `history` and of very many columns both as rows.
        let both = self.files.mode == SyncMode::History || self.is_wide();
        let per_byte = if both { 8 } else { 5 };
        let _permit = self.files.memory.merge(per_byte * node.memory() / 4).await;
        self.merge(node).await
    }

    async fn merge(&self, node: Node) -> Result<Settled> {
        if self.is_settled(&node) {
            let files = node.files.into_iter().map(|input| input.file).collect();
            return Ok(Settled { buckets: vec![node.bucket], files });
        }
        let size = node.memory();
        let mut inputs: Vec<Versioned> = futures_util::stream::iter(node.files)
            .map(|input| async move { self.files.read(&input.file).await.map(|batches| Versioned { batches }) }.boxed())
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        inputs.push(Versioned { batches: node.rows });
        let (schema, bucket, largest) = (Arc::clone(&self.files.schema), node.bucket, self.sizes.bucket);
        let (mode, filtered) = (self.files.mode, self.files.filtered);
        let keep = Keep { mode, filtered, interim: false, ended: self.ended };
        let files = Arc::clone(self.files);
        let merged = compute(move || {
            let cut = |stay: usize, of: usize| {
                let stays = size.saturating_mul(stay as u64) / (of as u64).max(1);
                let bits = if stays <= largest { 0 } else { bits_for(stays, largest / 2) };
                match bits.min(MAX_DEPTH - bucket.depth()) {
                    0 => vec![bucket],
                    bits => bucket.split(bits),
                }
            };
            let (mut open, mut parts) = (None::<(usize, Part)>, Vec::new());
            let buckets = merge_into(&inputs, &schema, keep, cut, |at, rows| {
                if let Some((done, part)) = open.take_if(|(last, _)| *last != at) {
                    parts.push((done, part.finish()?));
                }
                open.get_or_insert_with(|| (at, files.part(Purpose::Data))).1.push(rows)
            })?;
            drop(inputs);
            if let Some((last, part)) = open {
                parts.push((last, part.finish()?));
            }
            Ok((buckets, parts))
        });
        let (buckets, parts) = merged.await?;
        let parts: Vec<_> = parts.into_iter().map(|(at, part)| (buckets[at], part)).collect();
        let files = futures_util::stream::iter(parts)
            .map(|(bucket, part)| self.files.store(Purpose::Data, bucket, part).boxed())
            .buffered(2)
            .try_collect()
            .await?;
        Ok(Settled { buckets, files })
    }

    /// Returns whether a node is as it shall be: at most one file, of the right size and columns, that readers see.
    fn is_settled(&self, node: &Node) -> bool {
        let as_it_is = |input: &Input| {
            let file = &input.file;
            input.settled
                && file.bucket == node.bucket
                && file.schema == self.files.number
                && file.written_as.is_none()
                && file.memory <= self.sizes.bucket
                && self.ended.is_none()
        };
        node.rows.is_empty() && node.files.len() <= 1 && node.files.iter().all(as_it_is)
    }
}
