//! A simulated `DynamoDB`, with Streams and STS, that speaks the real wire protocol.
//!
//! The AWS SDK and everything above it run against it unchanged. It does on purpose what the service may do at any time and what
//! local servers never do: shards split, roll, close and vanish, records are trimmed after 24 hours, iterators and credentials expire,
//! listings are late, pages are empty or short, requests are throttled, answers are damaged or cut. Time is a [`Clock`] that a test moves,
//! and chance is a seed, so that a failure replays.
//!
//! ```
//! use commutator_simulator::{Item, KeySchema, KeyType, Simulator, TableSpec, View};
//!
//! let simulator = Simulator::new(7);
//! let keys = KeySchema::partition("id", KeyType::S);
//! let orders = simulator.create_table(TableSpec::new("orders", keys).stream(View::NewAndOldImages))?;
//! orders.put(Item::new().with("id", "a").with("total", 12))?;
//! orders.split_all()?;
//! simulator.clock().advance(std::time::Duration::from_hours(25));
//! assert!(orders.shards()?.iter().all(|shard| shard.records == 0));
//! # Ok::<(), commutator_simulator::Error>(())
//! ```
//!
//! [`Simulator::serve`] opens the endpoint. [`Replay`] serves pages that were rendered beforehand, as fast as memory allows.
//!
//! | module | idea |
//! |---|---|
//! | `simulator`, `server`, `reply` | the way of a request: hook, fault, access, answer, damage |
//! | `api` | the operations, JSON in and out |
//! | `state`, `table`, `scan`, `update` | items and how they change |
//! | `stream` | records, shards, lineage, iterators |
//! | `access`, `sts`, `signature` | who may do what |
//! | `faults`, `settings` | what goes wrong, and what is merely unusual |
//! | `replay` | pages from memory, for benchmarks |
//!
//! What is not simulated: secondary indexes, transactions, conditions, filters and projections, Query, `PartiQL`, backups and exports, Kinesis
//! streams, capacity limits (inject throttling instead), and tables or streams that are on their way from one status to another. Requests for
//! them are refused by name. It was compared with `DynamoDB` Local where that has the feature (`tests/main/parity.rs`), never with AWS.

mod access;
mod api;
mod clock;
mod error;
mod faults;
mod handle;
mod item;
mod key;
mod number;
mod operation;
mod random;
mod replay;
mod reply;
mod scan;
mod server;
mod settings;
mod signature;
mod simulator;
mod state;
mod stored;
mod stream;
mod sts;
mod table;
mod update;
mod value;

pub use access::Role;
pub use clock::Clock;
pub use error::{Error, Result};
pub use faults::{Fault, Faults, Injected};
pub use handle::TableHandle;
pub use item::Item;
pub use key::{KeySchema, KeyType};
pub use number::Number;
pub use operation::Operation;
pub use replay::Replay;
pub use reply::Payload;
pub use server::{Disconnect, Server};
pub use settings::Quirks;
pub use simulator::{Builder, Simulator};
pub use state::Written;
pub use stream::record::View;
pub use stream::shard::ShardInfo;
pub use table::TableSpec;
pub use value::Value;
