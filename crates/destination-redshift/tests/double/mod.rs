//! Redshift for tests: a Data API of their own, which executes on a real Postgres.
//!
//! Nothing here proves what Redshift alone does; `docs/redshift.md` says what that is.

pub(crate) mod api;
pub(crate) mod postgres;
pub(crate) mod rewrite;
