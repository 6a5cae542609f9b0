//! What a compaction does, as pure decisions: which files to write anew as one, and what the table consists of after that.

use crate::buckets::Bucket;
use crate::manifest::{DataFile, Manifest};
use crate::replaced::Replaced;

/// Files that are written anew together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The files, in the order of the manifest.
    pub(crate) files: Vec<DataFile>,
    /// In a table of buckets: those that become one, and the one.
    pub(crate) buckets: Option<(Vec<Bucket>, Bucket)>,
}

/// A group that was written anew.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) group: Group,
    pub(crate) files: Vec<DataFile>,
    /// In a table of buckets: those that stand for the group's now.
    pub(crate) buckets: Vec<Bucket>,
}

/// Returns the files of an `append` table to write anew: small ones together, and each that has other columns than the table,
/// whose schema has this `number`.
///
/// A file counts as small below half of `file_bytes`. So a second compaction finds at most what is left over from the first one.
pub(crate) fn pack(files: &[DataFile], file_bytes: u64, number: u32) -> Vec<Group> {
    let is_small = |file: &&DataFile| file.bytes.saturating_mul(2) < file_bytes;
    let mut groups: Vec<Vec<DataFile>> = Vec::new();
    let mut size = u64::MAX;
    for file in files.iter().filter(is_small) {
        if let Some(group) = groups.last_mut().filter(|_| size.saturating_add(file.bytes) <= file_bytes) {
            group.push(file.clone());
        } else {
            groups.push(vec![file.clone()]);
            size = 0;
        }
        size += file.bytes;
    }
    let worth = |files: &Vec<DataFile>| files.len() > 1 || files.iter().any(|file| file.schema != number);
    groups.retain(worth);
    let outdated = files.iter().filter(|file| file.schema != number && !is_small(file));
    groups.extend(outdated.map(|file| vec![file.clone()]));
    groups.into_iter().map(|files| Group { files, buckets: None }).collect()
}

/// Returns the buckets to write anew: neighbours that together take at most half of `largest` in memory, and each whose file has
/// other columns than the table, whose schema has this `number`.
///
/// What is put together is not split again before it has doubled.
pub(crate) fn coarser(manifest: &Manifest, largest: u64, number: u32) -> Vec<Group> {
    struct Node {
        bucket: Bucket,
        children: Vec<Bucket>,
        files: Vec<DataFile>,
    }
    let memory = |node: &Node| node.files.iter().map(|file| file.memory).sum::<u64>();
    let mut buckets = manifest.buckets.clone();
    buckets.sort_unstable();
    let mut nodes: Vec<Node> = Vec::new();
    for bucket in buckets {
        let files = manifest.files.iter().filter(|file| bucket.covers(file.bucket)).cloned().collect();
        let mut node = Node { bucket, children: vec![bucket], files };
        // Siblings stand next to each other, the left one first.
        while let Some(left) = nodes.pop_if(|left| {
            left.bucket.depth() == node.bucket.depth()
                && left.bucket.parent() == node.bucket.parent()
                && memory(left) + memory(&node) <= largest / 2
        }) {
            let Some(parent) = node.bucket.parent() else { break };
            let mut merged = left;
            merged.bucket = parent;
            merged.children.append(&mut node.children);
            merged.files.append(&mut node.files);
            node = merged;
        }
        nodes.push(node);
    }
    let worth = |node: &Node| {
        node.files.len() > 1 || node.files.iter().any(|file| file.schema != number || file.written_as.is_some())
    };
    let group = |node: Node| Group { files: node.files, buckets: Some((node.children, node.bucket)) };
    nodes.into_iter().filter(worth).map(group).collect()
}

/// Returns the manifest that follows `newest` and has the packed files in the place of those that they were made of, and how many
/// groups it has: one of which a file was replaced meanwhile is left out.
///
/// Only the files change. Rows, checkpoint, owner and session stay, so that whoever owns the table goes on.
pub(crate) fn apply(newest: &Manifest, made_of: &Manifest, packed: &[Packed], until: Option<u64>) -> (Manifest, usize) {
    let mut next = newest.clone();
    next.version += 1;
    next.compacts = Some(newest.commit());
    let mut applied = 0;
    for pack in packed {
        let there = pack.group.files.iter().all(|file| next.files.contains(file));
        let old_buckets = pack.group.buckets.as_ref().map_or(&[][..], |(children, _)| children);
        if !there || !old_buckets.iter().all(|bucket| next.buckets.contains(bucket)) {
            continue;
        }
        let at = next.files.iter().position(|file| pack.group.files.contains(file)).unwrap_or(0);
        next.files.retain(|file| !pack.group.files.contains(file));
        next.files.splice(at..at, pack.files.iter().cloned());
        next.buckets.retain(|bucket| !old_buckets.contains(bucket));
        next.buckets.extend_from_slice(&pack.buckets);
        next.buckets.sort_unstable();
        if let Some(until) = until {
            next.replaced.extend(pack.group.files.iter().map(|file| Replaced { name: file.name.clone(), until }));
        }
        applied += 1;
    }
    // The table may have got a newer schema meanwhile, and its writer put off writing the files anew.
    next.add_schemas(&made_of.schemas, &made_of.forms);
    next.forget_unused_schemas();
    (next, applied)
}

#[cfg(test)]
mod tests;
