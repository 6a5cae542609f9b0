//! The examples: `cargo xtask test` runs every one that the `commutator-examples` package has.

use anyhow::{Context, Result};
use serde_json::Value;

/// How the examples that need more than their name are run: **the one place to list them**.
pub(crate) const RUNS: &[Run] = &[
    Run { example: "quickstart", before: &[], arguments: &["$SCRATCH/quickstart"], after: &[] },
    Run {
        example: "dynamodb_to_parquet",
        before: FILL,
        arguments: &[
            "--region=eu-west-1",
            "--endpoint-url=$COMMUTATOR_TEST_DYNAMODB_URL",
            "--to=$SCRATCH/lake",
            "--until-caught-up",
            "$TABLE",
        ],
        after: &[&["verify.py", "parquet", "--root=$SCRATCH/lake", ENDPOINT, TABLE]],
    },
    Run {
        example: "dynamodb_to_postgres",
        before: FILL,
        arguments: &[
            "--region=eu-west-1",
            "--endpoint-url=$COMMUTATOR_TEST_DYNAMODB_URL",
            "--to=$COMMUTATOR_TEST_POSTGRES_URL",
            "--schema=$TABLE",
            "--until-caught-up",
            "$TABLE",
        ],
        after: &[&["verify.py", "postgres", "--dsn=$COMMUTATOR_TEST_POSTGRES_URL", "--schema=$TABLE", ENDPOINT, TABLE]],
    },
];

const ENDPOINT: &str = "--endpoint=$COMMUTATOR_TEST_DYNAMODB_URL";
const TABLE: &str = "--table=$TABLE";
const FILL: &[&[&str]] =
    &[&["load.py", "create", ENDPOINT, TABLE], &["load.py", "fill", ENDPOINT, TABLE, "--items=200", "--special=200"]];

/// How one example is run. `$NAME` is a variable of [`crate::services`], or `$SCRATCH`, an empty folder, or `$TABLE`, a name
/// that no other example and no other run has; an example whose variable is not there is named as skipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) example: &'static str,
    /// Programs of `tests/python` that prepare what it reads.
    pub(crate) before: &'static [&'static [&'static str]],
    pub(crate) arguments: &'static [&'static str],
    /// Programs of `tests/python` that look at what it wrote.
    pub(crate) after: &'static [&'static [&'static str]],
}

impl Run {
    /// How this example is run: without arguments, if the list has nothing else to say.
    pub(crate) fn of(example: &str) -> Self {
        let alone = Self { example: "", before: &[], arguments: &[], after: &[] };
        RUNS.iter().copied().find(|run| run.example == example).unwrap_or(alone)
    }
}

/// The names of the package's examples, out of what `cargo metadata` says.
pub(crate) fn names(metadata: &str) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let package = packages.iter().find(|package| package["name"] == "commutator-examples");
    let targets = package.and_then(|package| package["targets"].as_array()).context("no commutator-examples")?;
    let examples = targets.iter().filter(|target| target["kind"] == serde_json::json!(["example"]));
    Ok(examples.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// The words with their variables in place, or the name of a variable that is not there.
pub(crate) fn resolve(words: &[&'static str], variables: &[(String, String)]) -> Result<Vec<String>, &'static str> {
    let resolve = |word: &&'static str| {
        let Some((before, rest)) = word.split_once('$') else { return Ok((*word).to_owned()) };
        let end =
            rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (_, value) = variables.iter().find(|(known, _)| known == name).ok_or(name)?;
        Ok(format!("{before}{value}{after}"))
    };
    words.iter().map(resolve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_place() {
        let variables = [("URL".to_owned(), "postgres://".to_owned()), ("A_1".to_owned(), "/tmp".to_owned())];
        assert_eq!(
            resolve(&["--to=$URL", "$A_1/lake", "x"], &variables),
            Ok(words(&["--to=postgres://", "/tmp/lake", "x"]))
        );
        assert_eq!(resolve(&["x", "$URL_2"], &variables), Err("URL_2"));
        assert_eq!(resolve(Run::of("one that is not listed").arguments, &[]), Ok(Vec::new()));
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().copied().map(str::to_owned).collect()
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
