//! Whole runs of a scripted source into the memory destination.

mod bad_records;
mod faults;
mod live;
mod refusing;
mod replays;
mod resync;
mod runs;
mod scripted;
