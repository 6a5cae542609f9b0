//! `cargo xtask sql`: every statement that a snapshot shows is parsed in its dialect by programs that share no code with ours.
//!
//! `sqlfluff` parses all dialects; Google's own analyzer also looks at names and types of what is for `BigQuery`. Neither runs anything.
//! What Redshift refuses and `sqlfluff` does not is looked for here.

mod gathered;
mod redshift;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use self::gathered::{Dialect, Statement};
use crate::{packages, services};

const FLUFF: &str = include_str!("sql/fluff.py");
const FLUFF_REQUIREMENTS: &str = include_str!("sql/fluff.txt");
const GOOGLESQL: &str = include_str!("sql/googlesql.js");
const GOOGLESQL_PACKAGE: (&str, &str) = ("@fivetrandevelopers/zetasql", "1.13.0");

/// Looks at them all; an error if one of the programs has found something.
pub(crate) fn run(root: &Path) -> Result<()> {
    let statements = gathered::all(root)?;
    ensure!(!statements.is_empty(), "there are no snapshots of statements");
    let scratch = services::scratch("sql")?;
    let outcome = [fluff(&statements, &scratch), googlesql(&statements, &scratch), own(&statements)];
    fs::remove_dir_all(&scratch)?;
    let problems: Vec<String> =
        outcome.into_iter().filter_map(Result::err).map(|problem| format!("{problem:#}")).collect();
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

fn fluff(statements: &[Statement], scratch: &Path) -> Result<()> {
    let python = packages::python_environment("sqlfluff", FLUFF_REQUIREMENTS, false)?.join("bin/python");
    let mut texts: Vec<(Dialect, &str, String)> = Vec::new();
    for statement in statements {
        let line = format!("{};\n", statement.dialect.for_parsing(&statement.text));
        match texts.last_mut() {
            Some((dialect, name, text)) if (*dialect, *name) == (statement.dialect, statement.name.as_str()) => {
                text.push_str(&line);
            }
            _ => texts.push((statement.dialect, &statement.name, line)),
        }
    }
    let texts: Vec<_> = texts.iter().map(|(dialect, name, text)| json!([dialect.word(), name, text])).collect();
    let (script, input) = (scratch.join("fluff.py"), scratch.join("texts.json"));
    fs::write(&script, FLUFF)?;
    fs::write(&input, json!(texts).to_string())?;
    judge("sqlfluff", Command::new(python).arg(script).arg(input))
}

fn googlesql(statements: &[Statement], scratch: &Path) -> Result<()> {
    let folder = packages::npm_with_dependencies(GOOGLESQL_PACKAGE.0, GOOGLESQL_PACKAGE.1)?;
    let ours = statements.iter().filter(|statement| statement.dialect == Dialect::BigQuery);
    let ours: Vec<_> = ours.map(|statement| json!([statement.name, statement.text])).collect();
    let (script, input) = (scratch.join("googlesql.js"), scratch.join("statements.json"));
    fs::write(&script, GOOGLESQL)?;
    fs::write(&input, json!(ours).to_string())?;
    let [port] = services::free_ports()?;
    let mut node = Command::new("node");
    node.env("NODE_PATH", folder.join("node_modules")).arg(script).arg(input).arg(port.to_string());
    judge("GoogleSQL", &mut node)
}

fn own(statements: &[Statement]) -> Result<()> {
    let ours = statements.iter().filter(|statement| statement.dialect == Dialect::Redshift);
    let problems: Vec<String> = ours
        .filter_map(|statement| redshift::refused(&statement.text).map(|why| format!("{}: {why}", statement.name)))
        .collect();
    ensure!(problems.is_empty(), "Redshift would refuse: {}", problems.join(", "));
    println!("Redshift's own rules: no problems");
    Ok(())
}

/// Runs a program that says what it has found, and fails if it found something.
fn judge(name: &str, command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{name} cannot be run"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{name}: {said}");
    ensure!(output.status.success(), "{name} has found problems");
    Ok(())
}
