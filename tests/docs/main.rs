//! The before-and-after tables of the documentation are what whole runs do: each is played and compared with the page.
//!
//! `COMMUTATOR_UPDATE_DOCS=1` writes them into the pages instead.

mod page;
mod runs;
mod types;
