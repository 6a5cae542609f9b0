//! One error type for the whole product: what a caller can do about it, whether to try again, and where it happened.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error; each kind is a different action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong: correct it.
    ConfigInvalid,
    /// An identity lacks a right: grant it.
    PermissionDenied,
    /// A table, stream, bucket or file does not exist: create or name it.
    NotFound,
    /// Another writer took the table over: stop.
    Fenced,
    /// The destination's table cannot take the wanted schema: change one of them.
    SchemaConflict,
    /// A value or page cannot be read or stored as it is: repair it or set it aside.
    DataInvalid,
    /// The other side asked to slow down: wait.
    Throttled,
    /// The other side does not answer now: wait.
    Unavailable,
    /// The wanted combination is not offered: choose another.
    Unsupported,
    /// None of the others: report it.
    Unexpected,
}

impl ErrorKind {
    /// Returns the name of the kind as it stands in logs and `--json` output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigInvalid => "config_invalid",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Fenced => "fenced",
            Self::SchemaConflict => "schema_conflict",
            Self::DataInvalid => "data_invalid",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call fails again.
    Never,
    /// Try again after a growing pause.
    Backoff,
    /// Try again after this time, which the other side named.
    After(Duration),
}

/// An error: a kind, a retry hint, a sentence, ordered context and the error that caused it.
///
/// The context holds names, counts and positions; never a cell's value, never a secret.
/// `Display` is one line without the sources; `Debug` is a block with the whole chain.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error; it is retried with back-off if its kind is [`Throttled`](ErrorKind::Throttled) or
    /// [`Unavailable`](ErrorKind::Unavailable), and never otherwise.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Throttled | ErrorKind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        Self(Box::new(Inner { kind, retry, message: message.into(), context: Vec::new(), source: None }))
    }

    /// Adds a name, count or position; the order of the calls is kept.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Attaches the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Replaces the retry hint.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the retry hint.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Returns the sentence without context or sources.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the context in the order it was added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Returns the sentence, the context and every source on one line, for people.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.0.kind, self.0.message)?;
        writeln!(f, "  retry: {:?}", self.0.retry)?;
        for (key, value) in &self.0.context {
            writeln!(f, "  {key}: {value}")?;
        }
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            writeln!(f, "  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_debug_is_a_block() {
        let error = Error::new(ErrorKind::NotFound, "The table does not exist")
            .with("table", "orders")
            .with("region", "eu-west-1")
            .with_source(std::io::Error::other("no such thing"));
        assert_eq!(error.to_string(), "The table does not exist (table: orders, region: eu-west-1)");
        assert_eq!(
            format!("{error:?}"),
            "not_found: The table does not exist\n  retry: Never\n  table: orders\n  region: eu-west-1\n  caused by: no such thing\n"
        );
        assert_eq!(error.report(), "The table does not exist (table: orders, region: eu-west-1): no such thing");
    }

    #[test]
    fn only_throttled_and_unavailable_are_retried_by_default() {
        assert_eq!(Error::new(ErrorKind::Throttled, "x").retry(), Retry::Backoff);
        assert_eq!(Error::new(ErrorKind::Unavailable, "x").retry(), Retry::Backoff);
        assert_eq!(Error::new(ErrorKind::Unexpected, "x").retry(), Retry::Never);
    }
}
