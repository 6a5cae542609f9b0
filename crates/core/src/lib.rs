//! Values and contracts of Commutator: what travels from a source to a destination, and what both promise.
//!
//! A [`Source`] reads a table into [`ChangeBatch`]es, each with the [`Progress`] it makes; a [`Destination`] applies them under a
//! [`Checkpoint`] that commits together with the rows. Every row carries an [`OrderKey`], and a destination applies a row only if
//! its order key is newer than what it holds for that key. That one rule makes replays harmless and lets a snapshot and
//! the stream of changes be read at the same time. Schemas are inferred and only ever widened ([`schema`]).
//!
//! There is no runtime, no network and no clock in this crate.

mod backlog;
mod budget;
mod capabilities;
mod change;
mod check;
mod checkpoint;
mod dead_letter;
mod destination;
mod error;
mod gap;
pub mod history;
mod name;
mod order;
mod outline;
pub mod rules;
pub mod schema;
mod secret;
mod source;

pub use backlog::Backlog;
pub use budget::{Budget, Permit};
pub use capabilities::{Capabilities, CheckpointHome, CommitGuarantee, CommitInterval, Limit, Slices, SyncMode};
pub use change::{ChangeBatch, Op};
pub use check::{Check, CheckReport, Outcome};
pub use checkpoint::{Checkpoint, Offset, PartitionId, Position, Progress, Span};
pub use dead_letter::{
    DEAD_LETTERS_FACT, DeadLetter, DeadLetters, LetterFile, OnBadRecord, PutId, RawForm, Rejected, Reread,
};
pub use destination::{Destination, Session, Slice, Target, Transaction};
pub use error::{Error, ErrorKind, Result, Retry};
pub use gap::{Gap, Gaps, RepairedGap};
pub use name::{PipelineId, TableName};
pub use order::{Epoch, OrderKey, SEQUENCE_DIGITS, Sequence};
pub use outline::{CommitOutline, Statement, Step};
pub use schema::{Column, IdentifierRules, LogicalType, NameMap, SchemaAction, SchemaPlan, TableSchema};
pub use secret::Secret;
pub use source::{
    Extras, Lag, ReadRequest, Source, SourceBatch, SourceEvent, SourceStream, StreamDescription, TableDescription,
    Until,
};
