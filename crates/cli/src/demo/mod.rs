//! A small shop on an embedded `DynamoDB`, and a look at what arrived in a folder: what `commutator demo` and the quickstart
//! example have in common.

mod embedded;
mod items;
pub mod lake;
mod shop;

pub use embedded::Embedded;
pub use shop::Shop;

use std::path::{Path, PathBuf};

/// Returns the first of `name`, `name-2`, `name-3`, … that does not exist: each demonstration has its own shop, and so its own folder.
pub fn free_folder(name: &str) -> PathBuf {
    let numbered = (2..u32::MAX).map(|n| format!("{name}-{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).map(PathBuf::from);
    names.find(|path| !path.exists()).unwrap_or_else(|| PathBuf::from(name))
}

/// Returns a command that looks further into a table's files.
pub fn look_further(folder: &Path) -> String {
    let files = folder.join("orders").join("**").join("*.parquet");
    let query = format!(
        "SELECT status, count(*) AS orders, sum(total) AS total FROM read_parquet('{}') GROUP BY ALL ORDER BY ALL",
        files.display()
    );
    format!(
        "duckdb -c \"{query}\"\nor: pip install duckdb && python3 -c \"import duckdb; duckdb.sql(\\\"{query}\\\").show()\""
    )
}
