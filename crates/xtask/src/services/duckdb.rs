//! `DuckDB`'s library, ready-made: to compile it takes an hour.

use anyhow::{Result, ensure};

use super::state::Running;
use crate::packages;

pub(crate) const NAME: &str = "duckdb";

const PACKAGE: &str = "@duckdb/node-bindings-linux-x64";
const VERSION: &str = "1.5.6-r.1";
const INTEGRITY: &str =
    "sha512-IXcrZJE6kEqM0Z4wwdVnGBHX/frOS33VPNAwDXQ/Q+Fs84b058Qe94chrCCIcNJlG8Y3UHIUU4eBeCQxW5mN1Q==";

/// Installs it; nothing runs.
pub(super) fn install() -> Result<Running> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "there is a library for Linux on x86-64 only");
    let folder = packages::npm(PACKAGE, VERSION, Some(INTEGRITY))?;
    ensure!(folder.join("libduckdb.so").exists(), "the package {PACKAGE} has no libduckdb.so");
    // What an executable is looked for in while it runs; a build looks by the first.
    let variables = ["DUCKDB_LIB_DIR", "LD_LIBRARY_PATH"];
    Ok(Running {
        name: NAME.to_owned(),
        version: format!("libduckdb {VERSION}"),
        env: variables.map(|name| (name.to_owned(), folder.display().to_string())).into(),
        ..Running::default()
    })
}
