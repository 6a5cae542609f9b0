//! Loads tables into Amazon Redshift: rows wait as files on S3, and one batch of the Data API loads them, applies them and writes the checkpoint in
//! one transaction.
//!
//! A [`Config`] says which cluster or workgroup, who asks, and where rows wait; [`Config::connect`] makes a [`Redshift`], which is a
//! [`Destination`](commutator_core::Destination). Sessions, transactions and changes of columns are those that all cloud warehouses have
//! (`commutator_warehouse`). What is Redshift's own: `client`, its Data API; `credentials`, who is asking; `statements`, `COPY` and questions to the
//! catalog; `documents`, what it would cut or round; `error`, what it says. The page `docs/redshift.md` describes the tables, the types and the
//! limits, and what was never run against the real service.

mod client;
mod config;
mod credentials;
mod destination;
mod documents;
mod error;
mod session;
mod statements;
mod transaction;
mod types;

/// The destination that [`Config::connect`] makes.
pub use commutator_warehouse::Loader as Redshift;
pub use commutator_warehouse::{Patience, StagingConfig};
pub use config::{AssumeRole, Config, Documents};
