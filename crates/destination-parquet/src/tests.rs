//! The whole destination with parts replaced: sizes so small that a few rows fill them, and a store that fails.

mod broken_store;
mod compact;
mod evolution;
mod layout;
mod native;
mod nested;
mod protocol;
mod rows;
mod small_sizes;
