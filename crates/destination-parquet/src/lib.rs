//! Tables as Parquet files on a local disk, S3, GCS or Azure, with a manifest that makes every commit atomic.
//!
//! A table is a folder. Plain globs such as `read_parquet('lake/orders/**/*.parquet')` see its rows; the newest
//! `_commutator/manifest-*.json` names the files of the last commit, and holds checkpoint and schema.
//!
//! A commit writes files under names that nobody else uses, then *creates* the manifest of the next version, which fails if it
//! exists. So the manifest is the commit, and it is the fence too: opening a table adds a manifest with a new owner, after which
//! an older session's commit meets a version that is taken. A manifest of which it is unclear whether it was written is
//! settled by opening the table again.
//!
//! `append` tables keep every change. `mirror` tables hold the current items, in buckets by the hash of the key: a commit
//! rewrites the buckets it changes, and a bucket that grows is split. While the first snapshot runs its rows are only ever
//! appended, and changes from the stream wait in files that globs do not see; they are merged once, when the snapshot ends.

mod append;
mod buckets;
mod chain;
mod client;
mod compact;
mod compute;
mod config;
mod destination;
mod encode;
mod error;
mod evolution;
mod files;
mod folder;
mod form;
mod keys;
mod manifest;
mod memory;
mod merge;
mod mirror;
mod native;
mod packing;
mod part;
mod probe;
mod properties;
mod read;
mod replaced;
mod session;
mod settle;
mod sink;
mod sizes;
mod sweep;
mod transaction;
mod types;
mod validity;
mod views;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod tests;

pub use compact::{Compacted, Compaction};
pub use config::Config;
pub use destination::Parquet;
pub use folder::{Entry, Folder};
