//! What the fuzz targets share; each target is named after what it parses.
//!
//! `cargo xtask fuzz` builds them with libFuzzer's coverage and runs them one after the other. A target holds properties, not only the
//! absence of panics: two decoders agree, what is printed is parsed back, and memory stays in proportion to the input.

#[cfg(feature = "fuzzing")]
mod memory;

#[cfg(feature = "fuzzing")]
pub use memory::within_memory;
