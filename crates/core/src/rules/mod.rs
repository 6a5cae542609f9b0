//! Rules for columns and rows, and what a schema may become: what a user says about one table beyond its name and mode.
//!
//! [`TableRules`] is what the user says, as values that serde reads. Which columns and rows leave the process, and in what form, is
//! decided row by row, so that it does not depend on how a table was cut into batches. A [`SchemaPolicy`] decides what happens when
//! data does not fit the columns that a table has.

mod admit;
mod apply;
pub(crate) mod cell;
mod check;
mod column;
mod compiled;
mod constant;
mod convert;
mod filter;
mod flatten;
mod float;
mod join;
pub mod json;
mod left_out;
mod nested;
mod pack;
mod pattern;
mod policy;
mod sieve;
mod table;
mod tighten;

pub use admit::Known;
pub use column::{ColumnRule, Constant, HashAlgorithm, Mask};
pub use compiled::{Applied, RefusedRow, Rules, keys};
pub use filter::Filter;
pub use join::TypeJoin;
pub use left_out::LeftOut;
pub use nested::{Flatten, Nested};
pub use pattern::Pattern;
pub use policy::{Contract, Numbers, OnTypeConflict, SchemaPolicy};
pub use table::TableRules;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
