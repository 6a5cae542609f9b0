//! Reads `DynamoDB` tables for Commutator: a snapshot by parallel Scan, and every later change from `DynamoDB` Streams.
//!
//! [`Config`] says where and as whom; [`Config::connect`] gives a [`DynamoDb`], which is a [`commutator_core::Source`].
//! Where to start reading:
//!
//! | module | idea |
//! |---|---|
//! | `read` | one table: snapshot and stream at the same time, one sequence of events |
//! | `snapshot` | segments of a parallel Scan, resumable at page grain, under a read-capacity limit |
//! | `stream` | shard lineage, polling, iterators, gaps |
//! | `raw` | response bytes in place of the SDK's parsed output |
//! | `credentials` | who calls: static keys, profile, web identity, roles with external IDs |
//! | `decode` | response bytes to Arrow |

mod capacity;
mod check;
mod client;
mod clock;
mod config;
mod credentials;
mod decode;
mod discover;
mod error;
mod facts;
mod outlet;
mod raw;
mod read;
mod renewal;
mod reread;
mod sample;
mod skew;
mod snapshot;
mod source;
mod stream;
mod tables;
mod tuning;
mod web_identity;

pub use clock::{Clock, Surroundings, SystemClock};
pub use config::{AssumeRole, Config, WebIdentity};
pub use sample::{Sample, SampleSize, SampledAttribute};
pub use source::DynamoDb;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    //! What the benchmarks call.
    pub use crate::decode::bench::PageDecoder;
}

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! What the fuzz targets call.
    pub use crate::decode::fuzzing::{records_page, scan_page};
}
#[cfg(test)]
mod tests;
