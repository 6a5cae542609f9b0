//! How large things may get, in bytes of rows in memory.

use crate::buckets::bits_for;

const MB: u64 = 1 << 20;

/// The sizes that bound a transaction's memory and shape a `mirror` table's files; tests make them small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Rows beyond this, of all tables, are written before the commit; writing them takes as much memory again.
    pub(crate) buffer: u64,
    /// A file that is to be merged later is not made smaller than this by cutting rows up.
    pub(crate) file: u64,
    /// A bucket larger than this is split.
    pub(crate) bucket: u64,
    /// What is merged in one go; more is first distributed over smaller buckets.
    pub(crate) merge: u64,
    /// What is distributed in one go.
    pub(crate) chunk: u64,
    /// All merges that run at a time, of all tables, in MB.
    pub(crate) parallel_mb: u32,
    /// Finished files of all tables wait in memory up to so many bytes, so that readers' globs see them as late as possible before the commit.
    pub(crate) held: u64,
}

/// What they hold, together with what is being read and encoded, is below the default budget of 256 MB, whatever the table's size; an
/// allocator that keeps freed memory for each thread comes on top (`docs/BENCHMARKS.md`, "Growth").
impl Default for Sizes {
    fn default() -> Self {
        Self {
            buffer: 32 * MB,
            file: MB,
            bucket: 32 * MB,
            merge: 64 * MB,
            chunk: 24 * MB,
            parallel_mb: 64,
            held: 16 * MB,
        }
    }
}

/// Distributing over more buckets at a time would make too many small files.
pub(crate) const MOST_BITS: u8 = 6;

/// The same for a table with very many columns, where each column of each file costs as much as a hundred of its rows.
pub(crate) const MOST_BITS_OF_WIDE: u8 = 2;

impl Sizes {
    /// Returns into how many buckets, as bits, to cut `size` bytes of rows that are merged only when the snapshot ends.
    ///
    /// A table of the expected size can then be merged bucket by bucket. One that is so large that it must be distributed again
    /// anyway is cut into as few parts as will do, since every manifest of the load names every file.
    pub(crate) fn load_bits(&self, size: u64, expected: u64) -> u8 {
        let needed = bits_for(expected, self.merge);
        let passes = needed.saturating_sub(1) / MOST_BITS;
        let wanted = (needed - passes * MOST_BITS).max(bits_for(size, 8 * self.file));
        let files = (size / self.file.max(1)).max(1);
        let most = u8::try_from(files.ilog2()).unwrap_or(MOST_BITS);
        wanted.min(most).min(MOST_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_as_far_as_the_table_needs_but_not_into_crumbs() {
        let sizes = Sizes::default();
        for (size, expected, bits) in [
            (MB, 0, 0),
            (20 * MB, 20 * MB, 2),
            (128 * MB, 0, 4),
            (128 * MB, 4 << 30, 6),
            (128 * MB, 10 << 30, 4),
            (8 * MB, 10 << 30, 2),
            (128 * MB, 100 << 30, 5),
            (512 * MB, 400 << 30, 6),
            (128 * MB, 1 << 40, 4),
            (0, 1 << 40, 0),
        ] {
            assert_eq!(sizes.load_bits(size, expected), bits, "{size} of {expected}");
        }
    }
}
