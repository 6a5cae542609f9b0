//! Why a command did not succeed, and the exit code that says so.

use std::fmt;

use commutator::{Error, ErrorKind};
use serde::Serialize;
use serde_json::json;

/// The exit code of a command that failed.
const FAILED: u8 = 1;
/// The exit code for wrong usage or configuration; clap's, too.
const WRONG_CONFIG: u8 = 2;

/// Something wrong with the configuration, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, or the argument.
    pub place: String,
    /// The line, counted from 1, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// Creates a problem with something that has no lines, such as an argument or a file that cannot be read.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), line: None, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The usage or configuration is wrong; nothing was begun.
    Config(Vec<Problem>),
    /// Something failed.
    Failed(Error),
    /// What failed stands in the command's own output.
    Reported,
}

impl Failure {
    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => WRONG_CONFIG,
            Self::Failed(error) if error.kind() == ErrorKind::ConfigInvalid => WRONG_CONFIG,
            Self::Failed(_) | Self::Reported => FAILED,
        }
    }

    /// Returns what `--json` prints; `None` if the command already said it.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        match self {
            Self::Config(problems) => Some(json!({ "error": { "kind": "config_invalid", "problems": problems } })),
            Self::Failed(error) => Some(json!({ "error": error_json(error) })),
            Self::Reported => None,
        }
    }
}

/// Returns an error as it stands in `--json` output.
pub(crate) fn error_json(error: &Error) -> serde_json::Value {
    json!({ "kind": error.kind().as_str(), "message": error.report() })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Config(vec![problem])
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problems) => {
                for (i, problem) in problems.iter().enumerate() {
                    write!(f, "{}error: {problem}", if i == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            Self::Failed(error) => write!(f, "error: {}", error.report()),
            Self::Reported => Ok(()),
        }
    }
}
