//! Loads tables into Amazon Redshift: rows as files on S3, applied together with the checkpoint by one transaction of the Data API.
//!
//! A [`Config`] says which cluster or workgroup; [`Config::connect`] makes a [`Redshift`], which is a
//! [`Destination`](commutator_core::Destination). How tables are opened, changed and filled is the path that warehouses share
//! (`commutator-warehouse`); here is only what is Redshift's own: its API, `COPY`, its catalog and its errors.
//!
//! It has never been run against the real service; `docs/redshift.md` says what was proven, and how.

mod client;
mod config;
mod credentials;
mod destination;
mod error;
mod statements;
mod types;

/// The destination that [`Config::connect`] makes.
pub use commutator_warehouse::Loader as Redshift;
pub use commutator_warehouse::StagingConfig;
pub use config::{AssumeRole, Config};
