//! Loads tables into `PostgreSQL` 13 and newer: rows and checkpoint in one transaction, at the speed of COPY.
//!
//! A [`Config`] holds the settings with the meaning `libpq` gives them; [`Config::connect`] makes a [`Postgres`], which is a
//! [`Destination`](commutator_core::Destination).
//!
//! Per commit, rows are encoded from their Arrow columns into the binary COPY format and sent to a temporary table; one statement
//! then keeps the newest version of each key and applies it where its order key is newer than the table's. While a table is new
//! and only its first snapshot was written to it, rows are copied straight into it. The page `docs/postgres.md` describes the
//! tables, the types, the policies and the limits.

mod client;
mod config;
mod destination;
mod encode;
mod error;
mod session;
mod statements;
mod transaction;
mod types;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use config::{Config, NulPolicy, SslMode};
pub use destination::Postgres;
