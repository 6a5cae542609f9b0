//! Tables in memory: the reference implementation of a destination, and what tests write to.
//!
//! It holds everything the contract of [`Destination`](commutator_core::Destination) asks for and nothing else, so a new destination
//! starts as a copy of this crate:
//!
//! | file | what it has | what changes in a real destination |
//! |---|---|---|
//! | `destination.rs` | what it can do, `check`, `peek`, `open` | a configuration and a connection |
//! | `session.rs` | an open, fenced table; `describe` and `evolve` | statements instead of a lock |
//! | `transaction.rs` | staging and the atomic commit | the same steps inside the destination's own transaction |
//! | `table.rs` | the rows, and how changes become rows | the merge, in the destination's own words |
//! | `view.rs` | the system columns of each mode | columns like all others |
//!
//! Nothing survives the process; every clone of a [`Memory`] sees the same tables.

mod clock;
mod destination;
mod session;
mod table;
mod transaction;
mod view;

pub use destination::Memory;
