//! The tests that every destination passes.
//!
//! A destination's crate has this one as a dev-dependency, says in a [`Harness`] where its tables can go and how they are read
//! back, and lets [`suite!`] make a test of every trial. What a destination must do stands in the documentation of
//! [`Destination`](commutator_core::Destination), [`Session`](commutator_core::Session) and
//! [`Transaction`](commutator_core::Transaction); each trial takes one sentence of it, and the name of the trial is that sentence.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use commutator_conformance::{Harness, Row};
//! use commutator_core::{Destination, Target};
//! # struct Db;
//! # impl Db {
//! #     async fn connect(_url: &str, _schema: &str) -> commutator_conformance::Double { Default::default() }
//! #     async fn select(_url: &str, _schema: &str, _name: &str) -> Vec<Row> { Vec::new() }
//! # }
//!
//! struct DbHarness {
//!     url: String,
//!     schema: String,
//! }
//!
//! #[async_trait]
//! impl Harness for DbHarness {
//!     async fn fresh() -> Option<Self> {
//!         // A schema that no other trial uses; its name comes from the process id and a counter.
//!         let url = std::env::var("COMMUTATOR_TEST_DB_URL").ok()?;
//!         Some(Self { url, schema: "trial_4711_1".to_owned() })
//!     }
//!
//!     async fn connect(&self) -> Arc<dyn Destination> {
//!         Arc::new(Db::connect(&self.url, &self.schema).await)
//!     }
//!
//!     async fn rows(&self, target: &Target) -> Vec<Row> {
//!         Db::select(&self.url, &self.schema, &target.name).await
//!     }
//! }
//!
//! commutator_conformance::suite!(DbHarness);
//! # fn main() {}
//! ```
//!
//! Which trials apply follows from the destination's [`Capabilities`](commutator_core::Capabilities); one that does not, or whose
//! backend is not configured, prints why and passes. Where the environment variable `CI` is `true`, a backend that is not configured is
//! a failure.
//!
//! Some trials draw random histories. They try [`CASES`] of them, or as many as the environment variable
//! `COMMUTATOR_CONFORMANCE_CASES` says; a failure is shrunk, and its message says which `COMMUTATOR_CONFORMANCE_SEED` brings it back.
//!
//! [`sql`] has further trials, for destinations whose tables others reach with SQL.
//!
//! The suite tests itself: a small destination of its own, the [`Double`], passes it, and each of a list of deliberate [`Mistake`]s in that
//! destination is caught by a trial that is named next to it (`tests/`).

mod bench;
mod change;
mod chaos;
mod compare;
mod delivery;
mod double;
mod forall;
mod harness;
mod history;
mod model;
mod row;
pub mod sql;
mod suite;
mod trials;
mod value;
mod verdict;

pub use bench::Bench;
pub use change::{Change, Item, Key, OpName, batch};
pub use double::{Double, DoubleHarness, Mistake};
pub use forall::CASES;
pub use harness::Harness;
pub use model::{Expected, Model};
pub use row::{Row, Validity, columns_of, row_of_texts, rows_of, rows_of_table};
pub use suite::{TRIALS, Trial, judge, run};
pub use value::Value;
pub use verdict::{Stop, Verdict};
