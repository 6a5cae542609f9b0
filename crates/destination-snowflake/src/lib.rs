//! Loads tables into Snowflake: rows wait as Parquet in object storage, and one request loads them, applies them and writes the checkpoint in
//! one transaction.
//!
//! A [`Config`] says which account, who asks, and where rows wait; [`Config::connect`] makes a [`Snowflake`], which is a
//! [`Destination`](commutator_core::Destination). Sessions, transactions and changes of columns are those that all cloud warehouses have
//! (`commutator_warehouse`). What is Snowflake's own: `client`, its SQL API; `auth`, who is asking; `statements`, how files get into the
//! staging table; `error`, what it says. The page `docs/snowflake.md` describes the tables, the types
//! and the limits.

// Two versions are in use: this one is object_store's.
extern crate reqwest_012 as reqwest;

mod auth;
mod client;
mod config;
mod destination;
mod error;
mod session;
mod statements;
mod transaction;
mod types;

/// The destination that [`Config::connect`] makes.
pub use commutator_warehouse::Loader as Snowflake;
pub use commutator_warehouse::StagingConfig;
pub use config::{Config, Documents};
