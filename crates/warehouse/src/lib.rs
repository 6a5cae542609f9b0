//! What the cloud warehouses have in common as effects: rows wait as files in object storage, one script applies them together with the
//! checkpoint, and a table's columns change in steps that a dead session's successor finishes.
//!
//! A warehouse is a [`Warehouse`]: a thin client that runs statements. Their text comes from [`commutator_sql`].

mod warehouse;

pub use warehouse::{Failure, Format, Found, Row, Script, StagedFile, Warehouse};
