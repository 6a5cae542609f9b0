//! The built program: exit codes, what it writes and prints, and a whole life of a pipeline against an embedded `DynamoDB`.

mod commands;
mod compact;
mod demo;
mod init;
mod program;
mod resync;
mod usage;
