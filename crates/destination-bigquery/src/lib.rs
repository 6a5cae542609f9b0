//! Loads tables into a dataset of Google `BigQuery`: rows wait as Parquet files in Cloud Storage, and one job applies them together with
//! the checkpoint in a transaction.
//!
//! A [`Config`] says which dataset and which bucket; [`Config::connect`] makes a [`BigQuery`], which is a
//! [`Destination`](commutator_core::Destination). The page `docs/bigquery.md` describes roles, tables, types, limits and what keeps the
//! bill low. What is common to all cloud warehouses is in [`commutator_warehouse`].

mod client;
mod config;
mod destination;
mod error;
mod session;
mod statements;
mod transaction;
mod types;

/// The destination that [`Config::connect`] makes.
pub use commutator_warehouse::Loader as BigQuery;
pub use config::{Config, Json};
