//! Whole runs of a scripted source into the memory destination.

mod faults;
mod live;
mod resync;
mod runs;
mod scripted;
