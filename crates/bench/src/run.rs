//! One run of one way from a server to a destination, in a process of its own: `commutator-bench run`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value as Json, json};
use tokio::runtime::Builder;

mod bare;
#[cfg(feature = "duckdb")]
mod duckdb;
mod ours;
mod sdk;
#[cfg(feature = "duckdb")]
mod staged;

pub(crate) use ours::{postgres, postgres_url, source};

/// The region that requests are signed for.
const REGION: &str = "eu-west-1";

/// The access key that requests are signed with; nothing checks it.
const ACCESS_KEY: &str = "BENCH";

/// How many segments each way scans at a time, which is our default.
const SEGMENTS: u32 = 8;

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Items or records that arrived.
    pub rows: u64,
    /// Bytes of the files that were written.
    pub bytes: u64,
}

/// Runs a way, `commutator mirror http://127.0.0.1:1234 /tmp/lake`, and returns what it did.
pub fn run(words: &[&str]) -> Result<Json> {
    // As the program does it: as many workers as there are cores that this process may use, and not many more threads.
    let cores = std::thread::available_parallelism()?.get();
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(cores.max(2)).build()?;
    let done = runtime.block_on(async {
        match *words {
            ["commutator", "arrow", url] => ours::arrow(url).await,
            #[cfg(feature = "duckdb")]
            ["commutator", "duckdb", mode, url, out] => duckdb::pipeline(mode, url, out).await,
            #[cfg(feature = "duckdb")]
            ["commutator", "staged", area, url, out] => staged::pipeline(area, url, out).await,
            #[cfg(feature = "duckdb")]
            ["duckdb", "lines", lines, url] => duckdb::lines(lines, url).await,
            #[cfg(feature = "duckdb")]
            ["duckdb", types, lines, _, out] => duckdb::read_json(types, lines, out),
            ["commutator", to, url, out] => ours::pipeline(to, url, out).await,
            ["sdk", "arrow", url] => sdk::arrow(url).await,
            ["sdk", "parquet", url, out] => sdk::parquet(url, out).await,
            ["bare", "arrow", url] => bare::arrow(url).await,
            _ => bail!("there is no way `{}`", words.join(" ")),
        }
    })?;
    Ok(json!({"rows": done.rows, "bytes": done.bytes}))
}

/// Returns the bytes of all Parquet files below a folder.
fn parquet_bytes(folder: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).context("the destination's folder")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += parquet_bytes(&entry.path())?;
        } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
