//! Whole runs of a scripted source into the memory destination.

mod faults;
mod runs;
mod scripted;
