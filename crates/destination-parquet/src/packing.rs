//! What a compaction does, as pure decisions: which files to write anew as one, and what the table consists of after that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

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
    let mut files = files_by_bucket(&manifest.files, &buckets);
    let mut nodes: Vec<Node> = Vec::new();
    for bucket in buckets {
        let files = files.remove(&bucket).unwrap_or_default();
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

/// Returns the files of each of these buckets, which are sorted and of which none holds another.
fn files_by_bucket(files: &[DataFile], buckets: &[Bucket]) -> HashMap<Bucket, Vec<DataFile>> {
    let mut of_bucket: HashMap<Bucket, Vec<DataFile>> = HashMap::new();
    for file in files {
        let after = buckets.partition_point(|bucket| bucket.starts_at() <= file.bucket.starts_at());
        if let Some(bucket) = buckets[..after].last().filter(|bucket| bucket.covers(file.bucket)) {
            of_bucket.entry(*bucket).or_default().push(file.clone());
        }
    }
    of_bucket
}

/// Returns the manifest that follows `newest` and has the packed files in the place of those that they were made of, and how many
/// groups it has: one of which a file was replaced meanwhile is left out.
///
/// Only the files change. Rows, checkpoint, owner and session stay, so that whoever owns the table goes on.
pub(crate) fn apply(newest: &Manifest, made_of: &Manifest, packed: &[Packed], until: Option<u64>) -> (Manifest, usize) {
    let mut next = newest.clone();
    next.version += 1;
    next.compacts = Some(newest.commit());
    let mut buckets: HashSet<Bucket> = next.buckets.iter().copied().collect();
    let mut files = Exchange::new(&newest.files, |file| file.name.as_str());
    let mut applied = 0;
    for pack in packed {
        let old_buckets = pack.group.buckets.as_ref().map_or(&[][..], |(children, _)| children);
        let buckets_are_there = old_buckets.iter().all(|bucket| buckets.contains(bucket));
        if !buckets_are_there || !files.exchange(&pack.group.files, &pack.files) {
            continue;
        }
        for bucket in old_buckets {
            buckets.remove(bucket);
        }
        buckets.extend(&pack.buckets);
        if let Some(until) = until {
            next.replaced.extend(pack.group.files.iter().map(|file| Replaced { name: file.name.clone(), until }));
        }
        applied += 1;
    }
    next.files = files.finish();
    next.buckets = buckets.into_iter().collect();
    next.buckets.sort_unstable();
    // The table may have got a newer schema meanwhile, and its writer put off writing the files anew.
    next.add_schemas(&made_of.schemas, &made_of.forms);
    next.forget_unused_schemas();
    (next, applied)
}

/// A list in which some come into the place of others, each found by its key, so that the whole takes time in proportion to its length.
struct Exchange<'a, T, K, F> {
    all: &'a [T],
    key: F,
    /// The places of those that are still there.
    places: HashMap<K, usize>,
    /// What comes before the place, in the order of the places.
    new: BTreeMap<usize, Vec<&'a T>>,
}

impl<'a, T: Clone + PartialEq, K: Eq + Hash, F: Fn(&'a T) -> K> Exchange<'a, T, K, F> {
    fn new(all: &'a [T], key: F) -> Self {
        let places = all.iter().enumerate().map(|(place, one)| (key(one), place)).collect();
        Self { all, key, places, new: BTreeMap::new() }
    }

    /// Puts `new` where the first of `old` is; does nothing and returns false if not all of `old` are there as they were.
    fn exchange(&mut self, old: &'a [T], new: &'a [T]) -> bool {
        let place = |one: &'a T| self.places.get(&(self.key)(one)).copied().filter(|&place| self.all[place] == *one);
        let Some(places) = old.iter().map(place).collect::<Option<Vec<_>>>() else { return false };
        for one in old {
            self.places.remove(&(self.key)(one));
        }
        self.new.entry(places.into_iter().min().unwrap_or(0)).or_default().extend(new);
        true
    }

    fn finish(mut self) -> Vec<T> {
        let mut is_there = vec![false; self.all.len()];
        for place in self.places.into_values() {
            is_there[place] = true;
        }
        let mut list = Vec::with_capacity(self.all.len());
        for (place, one) in self.all.iter().enumerate() {
            list.extend(self.new.remove(&place).into_iter().flatten().cloned());
            list.extend(is_there[place].then(|| one.clone()));
        }
        // Where the list was empty.
        list.extend(self.new.into_values().flatten().cloned());
        list
    }
}

#[cfg(test)]
mod tests;
