//! The proof: whole runs against a simulated `DynamoDB`, under faults, crashes and restarts, all of it decided by a seed.
//!
//! The real source, with the real SDK, reads a simulator in this process; the real pipeline writes to a real destination. Time is tokio's,
//! paused, so that hours of polling are over at once; nothing else is left to chance, so a failing seed replays exactly:
//! `COMMUTATOR_PROOF_SEED=17 cargo test -p commutator-tests --test proof`.

mod bent;
mod cells;
mod chaos;
mod compare;
mod defects;
mod destinations;
mod history;
mod modes;
mod named;
mod plain;
mod run;
mod said;
mod scenario;
mod seeds;
mod shown;
mod transport;
