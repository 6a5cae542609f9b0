//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod compact;
pub(crate) mod dead_letter;
pub(crate) mod demo;
pub(crate) mod discover;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod resync;
pub(crate) mod run;
pub(crate) mod status;
