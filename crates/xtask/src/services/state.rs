//! What runs, written down between one command and the next: `.services/state.json`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::process::Process;

/// One service that can be used now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Running {
    /// What is asked for by this name, such as `postgres`.
    pub(crate) name: String,
    /// Product and version, for people.
    pub(crate) version: String,
    /// None for something that is only installed.
    pub(crate) process: Option<Process>,
    /// The signal that ends it.
    pub(crate) stop_signal: String,
    /// Its data and log; removed when it is stopped.
    pub(crate) folder: Option<PathBuf>,
    /// What else it leaves behind.
    pub(crate) leftovers: Vec<PathBuf>,
    /// The variables that tell tests about it.
    pub(crate) env: Vec<(String, String)>,
    /// What a user of it should know, such as TLS that could not be set up.
    pub(crate) notes: Vec<String>,
}

impl Running {
    /// Whether it can be used: its process runs, or its folder is there.
    pub(crate) fn is_alive(&self) -> bool {
        self.process.as_ref().is_none_or(Process::is_running)
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) services: Vec<Running>,
}

impl State {
    /// Reads the state; empty where there is none.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let unreadable = || format!("{} is not a state file; stop its servers by hand and remove it", file.display());
        let value: Value = serde_json::from_str(&text).with_context(unreadable)?;
        Self::from_json(&value).with_context(unreadable)
    }

    /// Writes the state in one step.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let new = file.with_extension("new");
        fs::write(&new, format!("{:#}\n", self.to_json()))?;
        fs::rename(&new, file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The service of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Running> {
        self.services.iter().find(|service| service.name == name)
    }

    /// All variables, in order of the services.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        self.services.iter().flat_map(|service| service.env.iter().cloned()).collect()
    }

    /// The value of one variable.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.env().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The variables as a shell reads them.
    pub(crate) fn exports(&self) -> String {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        let lines = self.env().into_iter().map(|(name, value)| format!("export {name}={}\n", quoted(&value)));
        lines.collect::<Vec<_>>().concat()
    }

    fn to_json(&self) -> Value {
        let service = |service: &Running| {
            json!({
                "name": service.name,
                "version": service.version,
                "pid": service.process.as_ref().map(|process| process.pid),
                "started": service.process.as_ref().map(|process| &process.started),
                "stop_signal": service.stop_signal,
                "folder": service.folder.as_ref().map(|folder| folder.display().to_string()),
                "leftovers": service.leftovers.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
                "env": service.env.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
                "notes": service.notes,
            })
        };
        json!({ "services": self.services.iter().map(service).collect::<Vec<_>>() })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let path = |value: &Value| text(value).map(PathBuf::from);
        let service = |value: &Value| {
            let process = match &value["pid"] {
                Value::Null => None,
                pid => Some(Process { pid: u32::try_from(pid.as_u64()?).ok()?, started: text(&value["started"])? }),
            };
            let pair = |pair: &Value| Some((text(&pair[0])?, text(&pair[1])?));
            Some(Running {
                name: text(&value["name"])?,
                version: text(&value["version"])?,
                process,
                stop_signal: text(&value["stop_signal"])?,
                folder: path(&value["folder"]),
                leftovers: value["leftovers"].as_array().into_iter().flatten().map(path).collect::<Option<_>>()?,
                env: value["env"].as_array()?.iter().map(pair).collect::<Option<_>>()?,
                notes: value["notes"].as_array()?.iter().map(text).collect::<Option<_>>()?,
            })
        };
        Some(Self { services: value["services"].as_array()?.iter().map(service).collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> State {
        let server = Running {
            name: "postgres".to_owned(),
            version: "PostgreSQL 15".to_owned(),
            process: Some(Process { pid: 7, started: "123".to_owned() }),
            stop_signal: "INT".to_owned(),
            folder: Some(PathBuf::from("/tmp/data")),
            leftovers: vec![PathBuf::from("/tmp/socket")],
            env: vec![("A".to_owned(), "it's".to_owned()), ("B".to_owned(), "2".to_owned())],
            notes: vec!["no TLS".to_owned()],
        };
        let tool = Running { name: "python".to_owned(), ..Running::default() };
        State { services: vec![server, tool] }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(State::load(&file).unwrap(), State::default());
        example().save(&file).unwrap();
        assert_eq!(State::load(&file).unwrap(), example());
    }

    #[test]
    fn a_broken_file_is_an_error_and_not_an_empty_state() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        for broken in ["", "{}", r#"{"services": [{"name": "postgres", "pid": -1}]}"#] {
            fs::write(&file, broken).unwrap();
            State::load(&file).unwrap_err();
        }
    }

    #[test]
    fn exports_are_quoted_for_a_shell() {
        assert_eq!(example().exports(), "export A='it'\\''s'\nexport B='2'\n");
    }
}
