//! Whole runs of a scripted source into the memory destination.

mod bad_records;
mod faults;
mod floats;
mod items;
mod letter_store;
mod live;
mod native;
mod refusing;
mod replays;
mod resync;
mod rules;
mod runs;
mod scripted;
mod splits;
mod unanswered;
mod uncommitted;
