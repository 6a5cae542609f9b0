//! Runs the program in a folder of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A folder to run the program in.
pub(crate) struct Folder(tempfile::TempDir);

/// What the program did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commutator"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for name in ["COMMUTATOR_CONFIG", "COMMUTATOR_LOG_FORMAT", "RUST_LOG", "AWS_PROFILE", "AWS_REGION"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().unwrap();
        Done {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// Returns the result that was printed, as JSON: all of it, but for a run's events before it.
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines();
        let (result, events) = lines.split_last().unwrap_or_else(|| panic!("{self:?}"));
        assert!(events.iter().all(|event| event["event"].is_string()), "{self:?}");
        result.clone()
    }

    /// Returns the events that a run printed before its result.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.pop();
        lines
    }

    fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.out.lines().map(parse).collect()
    }
}
