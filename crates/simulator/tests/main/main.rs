//! The simulator as the AWS SDK sees it.

mod access;
mod client;
mod faults;
mod lineage;
mod parity;
mod scans;
mod streams;
