//! Whole runs of a scripted source into the memory destination.

mod bad_records;
mod faults;
mod letter_store;
mod live;
mod refusing;
mod replays;
mod resync;
mod runs;
mod scripted;
mod unanswered;
mod uncommitted;
