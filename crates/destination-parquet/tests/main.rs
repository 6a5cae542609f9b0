//! The Parquet destination against real stores and real readers.

mod conformance;
mod readers;
mod table;
