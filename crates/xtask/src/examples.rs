//! The examples: `cargo xtask test` runs every one that the `commutator-examples` package has.

use anyhow::{Context, Result};
use serde_json::Value;

/// How the examples that need more than their name are run: **the one place to list them**.
///
/// In an argument, `$NAME` alone is a variable of [`crate::services`].
pub(crate) const RUNS: &[(&str, Run)] = &[];

/// How one example is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// With these arguments; named as skipped if one of their variables is not there.
    With(&'static [&'static str]),
    /// Not by itself, for this reason; it is named as skipped.
    #[allow(dead_code, reason = "for an example that a test runs instead, because it needs a table with items")]
    Not(&'static str),
}

/// The names of a package's examples, out of what `cargo metadata` says.
pub(crate) fn names(metadata: &str) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let package = packages.iter().find(|package| package["name"] == "commutator-examples");
    let targets = package.and_then(|package| package["targets"].as_array()).context("no commutator-examples")?;
    let examples = targets.iter().filter(|target| target["kind"] == serde_json::json!(["example"]));
    Ok(examples.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// The arguments of an example, or why it cannot be run.
pub(crate) fn arguments(name: &str, env: &[(String, String)]) -> Result<Vec<String>, String> {
    let run = RUNS.iter().find(|(known, _)| *known == name).map_or(Run::With(&[]), |(_, run)| *run);
    resolve(run, env)
}

fn resolve(run: Run, env: &[(String, String)]) -> Result<Vec<String>, String> {
    let value = |argument: &&str| match argument.strip_prefix('$') {
        None => Ok((*argument).to_owned()),
        Some(name) => {
            let variable = env.iter().find(|(known, _)| known == name);
            variable.map(|(_, value)| value.clone()).ok_or_else(|| format!("needs {name}"))
        }
    };
    match run {
        Run::With(arguments) => arguments.iter().map(value).collect(),
        Run::Not(reason) => Err(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_place() {
        let run = Run::With(&["--to", "$URL"]);
        let env = [("URL".to_owned(), "postgres://".to_owned())];
        assert_eq!(resolve(run, &env).unwrap(), ["--to", "postgres://"]);
        assert_eq!(resolve(run, &[]), Err("needs URL".to_owned()));
        assert_eq!(resolve(Run::Not("a test runs it"), &env), Err("a test runs it".to_owned()));
        assert_eq!(arguments("unknown", &[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn finds_the_examples_and_no_other_target() {
        let metadata = r#"{"packages": [{"name": "other", "targets": [{"kind": ["example"], "name": "not me"}]},
            {"name": "commutator-examples", "targets": [{"kind": ["lib"], "name": "commutator_examples"},
             {"kind": ["example"], "name": "quickstart"}]}]}"#;
        assert_eq!(names(metadata).unwrap(), ["quickstart"]);
        names(r#"{"packages": []}"#).unwrap_err();
    }
}
