//! What SQL warehouses have in common: statements as pure functions of names, types and a [`Dialect`].
//!
//! A dialect is data and a few functions: how names are quoted ([`Identifier`]), what each logical type is called ([`Types`]), how values
//! become those of a wider type ([`Casts`]), what `ALTER TABLE` and `MERGE` can do. From it [`Layout`] writes the statements that make,
//! alter and fill a table in each sync mode, [`Checkpoints`] those of the fence and the checkpoint, and [`changes`] those that keep how
//! columns came about. Another warehouse is another dialect, and a crate that carries statements and rows to it.
//!
//! Rows arrive in a staging table whose columns are `c0`, `c1`, … ([`Layout::create_stage`]), because not every loader takes every name, and
//! from there go into the table by statements that look at order keys only, so that doing it again changes nothing. Nothing here knows a
//! connection, and no cell's value ever stands in a statement.

pub mod changes;
mod checkpoints;
mod dialect;
mod dialects;
mod identifier;
mod layout;
pub mod recorded;
mod target_checkpoint;

pub use checkpoints::{Checkpoints, first_owner};
pub use dialect::{AlterColumns, Casts, Dialect, Found, MergeForm, NumberType, Parameters, Stage, Types, Widening};
pub use dialects::{BENT, BIGQUERY, BIGQUERY_JSON, DUCKDB, REDSHIFT, REDSHIFT_TEXT, SNOWFLAKE, SNOWFLAKE_TEXT};
pub use identifier::{Identifier, SchemaRef, TableRef, name_of};
pub use layout::{Layout, Replaced, Which, system_columns};
pub use target_checkpoint::{FENCED, Owner, Part, REHEARSED, TargetCheckpoint, Written};
