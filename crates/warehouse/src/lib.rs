//! What the cloud warehouses have in common as effects: rows wait as files in object storage, one script applies them together with the
//! checkpoint, and a table's columns change in steps that a dead session's successor finishes.
//!
//! A warehouse is a [`Warehouse`]: a thin client that runs statements. Their text comes from [`commutator_sql`]. A [`Loader`] makes a
//! [`Destination`](commutator_core::Destination) of it, of a [`Staging`] area that the warehouse can read, and of what it says of its
//! [`Capabilities`](commutator_core::Capabilities). Where to start reading:
//!
//! | module | idea |
//! |---|---|
//! | `warehouse` | what is a warehouse's own |
//! | `staging` | rows as files, on any object store |
//! | `session::open` | the fence, and what a dead session left |
//! | `columns` | which statements are missing between the columns that there are and those that were planned; pure |
//! | `documents` | numbers that a warehouse's documents would round |
//! | `transaction::script` | all statements of one commit; pure |
//! | `patience` | when a client repeats a request and asks again; pure |
//!
//! Whoever owns a target stands in the target's own table of checkpoints, with a number and a token that nobody else has. Every script
//! and every change of columns says in the same request that it is the owner's, so what was overtaken does nothing.

mod address;
mod catalog;
mod columns;
mod destination;
mod documents;
pub mod patience;
mod session;
mod staging;
mod transaction;
mod warehouse;

pub use address::is_safe;
pub use destination::{Loader, Randomness, capabilities};
pub use documents::with_plain_numbers;
pub use patience::Patience;
pub use staging::{Form, Format, Staging, StagingConfig, Texts};
pub use warehouse::{Failure, Found, Own, Row, Script, Staged, StagedFile, Warehouse};
