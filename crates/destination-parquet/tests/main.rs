//! The Parquet destination against real stores and real readers.

mod compaction;
mod conformance;
mod modes;
mod native;
mod race;
mod readers;
mod s3;
mod spark;
mod table;
mod views;
