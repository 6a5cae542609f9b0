//! The trials, by topic. Each takes one claim of the contract; all are listed in `suite.rs`.

pub(crate) mod check;
pub(crate) mod fencing;
pub(crate) mod filtered;
pub(crate) mod floats;
pub(crate) mod history;
pub(crate) mod identifiers;
pub(crate) mod replay;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod snapshot;
pub(crate) mod soft_delete;
pub(crate) mod transactions;
pub(crate) mod types;
pub(crate) mod widening;
