//! Whole runs of a scripted source into the memory destination.

mod bad_records;
mod faults;
mod refusing;
mod replays;
mod runs;
mod scripted;
