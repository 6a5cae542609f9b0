//! How fast Commutator is, next to what people would use instead, in the same run.
//!
//! `cargo xtask bench` builds this and prints one table; `docs/BENCHMARKS.md` has the method and the results.
//!
//! | module | idea |
//! |---|---|
//! | `dataset` | tables to measure with, from a seed |
//! | `decode` | response bytes to Arrow, and the rounds |
//! | `sdk`, `visitor` | the baselines |
//! | `columns`, `document` | what both baselines write into |
//! | `same` | all ways must read the same before they are measured |
//! | `clock` | CPU time of a thread |
//! | `serve` | the load generator |
//! | `live` | how long changes take |
//! | `load`, `psql` | rows into Postgres, and the same by psql |
//! | `run` | whole runs: the product, the SDK, a bare client, DuckDB itself |
//! | `process` | a run in a process of its own, and what it took |
//! | `suite` | runs in rounds, and their tables |

pub mod clock;
mod columns;
pub mod dataset;
pub mod decode;
mod document;
pub mod live;
pub mod load;
pub mod process;
mod psql;
pub mod run;
mod same;
mod sdk;
pub mod serve;
pub mod suite;
mod visitor;
