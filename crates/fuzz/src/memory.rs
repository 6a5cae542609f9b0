//! Memory in proportion to the input.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What any input may take, however short.
const BASE: usize = 4 << 20;
/// What each byte of an input may take: a tree of JSON values is the largest that comes of it.
const PER_BYTE: usize = 512;

/// Runs `target` on an input.
///
/// # Panics
///
/// If it takes more than a multiple of the input's length at once; and whatever `target` panics about.
pub fn within_memory<I: AsRef<[u8]> + ?Sized>(input: &I, target: impl FnOnce(&I)) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    target(input);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    let length = input.as_ref().len();
    assert!(taken <= BASE + PER_BYTE * length, "{taken} bytes of memory were taken for {length} of input");
}
