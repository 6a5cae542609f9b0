//! Commutator replicates `DynamoDB` tables, a snapshot and then every change, into pluggable destinations.
//!
//! This crate is the one to depend on: the values and contracts of the core stand here by their own names, the connectors under
//! [`dynamodb`], [`parquet`], [`postgres`], [`snowflake`], [`redshift`], [`bigquery`] and [`memory`], each behind a feature of that name (`full` is all of
//! them), and what runs a source into a destination under [`pipeline`]. The feature `duckdb`, which `full` has not, adds `DuckDB`: it links a library that
//! is not Rust, and `duckdb-bundled` compiles it.
//!
//! ```no_run
//! # #[cfg(all(feature = "dynamodb", feature = "parquet"))]
//! # async fn f() -> commutator::Result<()> {
//! use std::sync::Arc;
//! use commutator::{Budget, CancellationToken, Options, Pipeline, PipelineId, dynamodb, parquet};
//!
//! let source = dynamodb::Config { tables: vec!["orders".into()], ..Default::default() };
//! let source = Arc::new(source.connect(Budget::new(256 << 20)).await?);
//! let destination = Arc::new(parquet::Config::new("./lake").connect().await?);
//! let pipeline = Pipeline::new(PipelineId::new("shop")?, source, destination, Options::default());
//! let report = pipeline.run(&CancellationToken::new()).await?;
//! assert!(report.succeeded());
//! # Ok(()) }
//! ```

pub use commutator_core::*;
pub use commutator_pipeline as pipeline;
pub use commutator_pipeline::{CancellationToken, CommitOptions, Options, Pipeline, RunReport, TableOptions};

#[cfg(feature = "dead-letters")]
pub use commutator_dead_letters::DeadLetterFiles;
#[cfg(feature = "bigquery")]
pub use commutator_destination_bigquery as bigquery;
#[cfg(feature = "duckdb")]
pub use commutator_destination_duckdb as duckdb;
#[cfg(feature = "memory")]
pub use commutator_destination_memory as memory;
#[cfg(feature = "parquet")]
pub use commutator_destination_parquet as parquet;
#[cfg(feature = "postgres")]
pub use commutator_destination_postgres as postgres;
#[cfg(feature = "redshift")]
pub use commutator_destination_redshift as redshift;
#[cfg(feature = "snowflake")]
pub use commutator_destination_snowflake as snowflake;
#[cfg(feature = "dynamodb")]
pub use commutator_source_dynamodb as dynamodb;
