//! The load generator: a data set's pages, served over HTTP on the loopback interface by a process of its own.

use std::io::{Read as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::dataset::Dataset;

/// What is served.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What the items look like.
    pub dataset: Dataset,
    /// Pages of about 1 MB that the scan of each table gives; 0 for a table that has only a stream.
    pub pages: u64,
    /// So many pages are made; further ones are these with other keys.
    pub made: u64,
    /// Tables, all alike.
    pub tables: u64,
    /// Shards of the stream, each with one page of 1,000 records; 0 for a table that is only scanned.
    pub shards: u64,
    /// Milliseconds before each answer.
    pub delay: u64,
}

impl Load {
    /// Returns what is served if nothing else is said: a scan of so many pages.
    pub fn scan(dataset: Dataset, pages: u64) -> Self {
        Self { dataset, pages, made: pages.min(32), tables: 1, shards: 0, delay: 0 }
    }

    /// Returns the words that make the program serve it.
    pub fn words(&self) -> Vec<String> {
        let Self { dataset, pages, made, tables, shards, delay } = self;
        let numbers =
            [("--pages", pages), ("--made", made), ("--tables", tables), ("--shards", shards), ("--delay", delay)];
        let numbers = numbers.iter().flat_map(|(name, number)| [(*name).to_owned(), number.to_string()]);
        ["serve".to_owned(), dataset.name().to_owned()].into_iter().chain(numbers).collect()
    }

    /// Serves until its standard input ends; says first where, and how much there is.
    pub fn serve(self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let replay = if self.shards == 0 {
            self.dataset.scan(1, self.made, self.pages)
        } else {
            self.dataset.stream(1, self.made, u64::try_from(now)?, self.shards)
        };
        let replay = replay.with_distinct_keys().with_tables(self.tables).with_delay(Duration::from_millis(self.delay));
        // One thread: where two cores are measured, the client should have most of them.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let server = replay.serve().await?;
            let (rows, bytes) = (replay.rows() * self.tables, replay.bytes() * self.tables);
            let mut out = std::io::stdout();
            writeln!(out, "{}", json!({"url": server.url(), "rows": rows, "bytes": bytes}))?;
            out.flush()?;
            tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
            server.stop().await;
            Ok(())
        })
    }
}

/// Where a load is served.
#[derive(Debug, Clone)]
pub struct Served {
    /// The endpoint.
    pub url: String,
    /// Items or records in all.
    pub rows: u64,
    /// Bytes of JSON in all.
    pub bytes: u64,
}

impl Served {
    /// Reads what [`Load::serve`] says.
    pub fn read(line: &str) -> Result<Self> {
        let said: Json = serde_json::from_str(line)?;
        let number =
            |name: &str| said[name].as_u64().ok_or_else(|| anyhow::anyhow!("the server does not say `{name}`"));
        let url = said["url"].as_str().unwrap_or_default().to_owned();
        Ok(Self { url, rows: number("rows")?, bytes: number("bytes")? })
    }
}
