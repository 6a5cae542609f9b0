//! Spark, which one test reads Parquet with. It is only installed; the test starts it in its own process.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::state::Running;
use crate::packages;

pub(super) const NAME: &str = "spark";

/// Installs it, with Java where there is none.
pub(super) fn install(root: &Path) -> Result<Running> {
    packages::java()?;
    let file = root.join("tests/python/requirements-spark.txt");
    let requirements = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    // PyPI has it as source only: scripts and jars, nothing is compiled.
    let python = packages::python_environment(NAME, &requirements, true)?.join("bin/python");
    let version = requirements.lines().find_map(|line| line.strip_prefix("pyspark==")).unwrap_or_default();
    Ok(Running {
        name: NAME.to_owned(),
        version: format!("pyspark {version}"),
        env: vec![("COMMUTATOR_TEST_SPARK_PYTHON".to_owned(), python.display().to_string())],
        ..Running::default()
    })
}
