//! x
mod auth;
mod client;
mod error;
