//! The Parquet destination against real stores and real readers.

mod conformance;
mod race;
mod readers;
mod s3;
mod table;
