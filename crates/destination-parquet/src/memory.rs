//! What the tables of a destination hold in memory together, so that many take no more than one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::sizes::Sizes;

const MB: u64 = 1 << 20;

/// What is less than this is not worth a file, however many tables there are.
const LEAST: u64 = MB;

/// What all tables of a destination hold.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What transactions hold that is not written yet.
    unwritten: AtomicU64,
    /// How many transactions hold something.
    holders: AtomicU64,
    /// Finished files that wait for their commit.
    files: AtomicU64,
    /// MB that merges may take.
    merges: Semaphore,
    merges_mb: u32,
}

impl Memory {
    pub(crate) fn new(sizes: Sizes) -> Self {
        Self {
            unwritten: AtomicU64::new(0),
            holders: AtomicU64::new(0),
            files: AtomicU64::new(0),
            merges: Semaphore::new(sizes.parallel_mb as usize),
            merges_mb: sizes.parallel_mb,
        }
    }

    /// Waits until a merge may take so many bytes; one that wants more than there is takes everything.
    pub(crate) async fn merge(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let wanted = u32::try_from(bytes / MB).unwrap_or(u32::MAX).clamp(1, self.merges_mb);
        // Acquiring fails only for a closed semaphore, and nobody closes this one.
        self.merges.acquire_many(wanted).await.ok()
    }

    /// Takes room for a finished file, if all of them stay within `most` bytes.
    pub(crate) fn hold_file(self: &Arc<Self>, bytes: u64, most: u64) -> Option<HeldFile> {
        let room = |held: u64| held.checked_add(bytes).filter(|all| *all <= most);
        self.files.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(HeldFile { memory: Arc::clone(self), bytes })
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Sizes::default())
    }
}

/// Room that a finished file takes, given back when dropped.
#[derive(Debug)]
pub(crate) struct HeldFile {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.memory.files.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one transaction holds, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Share {
    pub(crate) fn new(memory: &Arc<Memory>) -> Self {
        Self { memory: Arc::clone(memory), bytes: 0 }
    }

    /// Notes how many bytes it holds now.
    pub(crate) fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.memory.unwritten.fetch_add(bytes, Ordering::Relaxed);
        self.memory.unwritten.fetch_sub(before, Ordering::Relaxed);
        match (before > 0, bytes > 0) {
            (false, true) => self.memory.holders.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.memory.holders.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// Returns how many transactions hold something.
    pub(crate) fn holders(&self) -> u64 {
        self.memory.holders.load(Ordering::Relaxed)
    }

    /// Returns an equal part of what all may hold.
    pub(crate) fn of(&self, most: u64) -> u64 {
        most / self.holders().max(1)
    }

    /// Returns whether it is to write what it holds: `alone` bytes, or an equal part of those that all `together` hold, if they do
    /// and there are others.
    pub(crate) fn is_full(&self, alone: u64, together: u64) -> bool {
        let held = self.memory.unwritten.load(Ordering::Relaxed);
        let crowded = held >= together && held > self.bytes;
        self.bytes >= alone || (crowded && self.bytes >= self.of(together).max(LEAST))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_a_table_has_everything_and_many_have_equal_parts() {
        let memory = Arc::new(Memory::default());
        let mut shares: Vec<_> = (0..10).map(|_| Share::new(&memory)).collect();
        shares[0].set(99 * MB);
        assert!(!shares[0].is_full(100 * MB, 100 * MB) && shares[0].is_full(99 * MB, 1));
        for share in &mut shares[1..] {
            share.set(5 * MB);
        }
        // Together they hold more than 100 MB, and the first one more than its part.
        assert!(shares[0].is_full(100 * MB, 100 * MB) && !shares[1].is_full(100 * MB, 100 * MB));
        shares[0].set(0);
        assert!(!shares[1].is_full(100 * MB, 100 * MB) && shares[1].is_full(100 * MB, 45 * MB));
        drop(shares);
        assert_eq!([&memory.unwritten, &memory.holders].map(|held| held.load(Ordering::Relaxed)), [0, 0]);
    }

    #[test]
    fn crumbs_are_not_written_however_many_tables_there_are() {
        let memory = Arc::new(Memory::default());
        let mut shares: Vec<_> = (0..1000).map(|_| Share::new(&memory)).collect();
        for share in &mut shares {
            share.set(MB - 1);
        }
        assert!(!shares[0].is_full(100 * MB, 100 * MB));
        shares[0].set(MB);
        assert!(shares[0].is_full(100 * MB, 100 * MB));
    }

    #[test]
    fn finished_files_wait_as_long_as_there_is_room() {
        let memory = Arc::new(Memory::default());
        let first = memory.hold_file(6, 10).unwrap();
        assert!(memory.hold_file(5, 10).is_none() && memory.hold_file(4, 10).is_some());
        drop(first);
        assert!(memory.hold_file(10, 10).is_some());
    }
}
