//! The stream of a table's changes: which shards may be read, reading them, and noticing when something was lost.

mod backlog;
mod begin;
mod cursor;
mod follow;
mod lineage;
mod poll;
mod retention;
mod shards;
mod tip;

pub(crate) use backlog::backlog;
pub(crate) use begin::{Beginning, begin, changes_since, goes_on, lacks_shards};
pub(crate) use follow::{CONFIRMATIONS, Follower, Outcome, listed_shards};
pub(crate) use lineage::Shard;
pub(crate) use retention::covered_until;
