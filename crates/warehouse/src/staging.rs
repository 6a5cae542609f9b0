//! Rows as files in object storage, where the warehouse reads them, and from where they go once they are in a table.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;
use commutator_core::{Budget, Error, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};

mod config;
mod encode;
mod form;
mod lines;
mod store;
mod upload;

pub use config::StagingConfig;
pub use form::{Form, Format, Texts};
pub(crate) use upload::Upload;

/// The most bytes of rows in memory that wait for being encoded, for all tables of a destination.
const WAITING_BYTES: usize = 32 << 20;

/// The most bytes of encoded rows in memory, for all tables of a destination.
const ENCODED_BYTES: usize = 32 << 20;

/// A file has about so many bytes, compressed, unless the rows end before or memory does.
const FILE_BYTES: usize = 8 << 20;

/// The folder in which everything is that is staged.
const FOLDER: &str = "_ct_staging";

/// An area in object storage for rows that wait to be loaded.
///
/// Nothing in it is needed once a commit has ended: files are removed then, and what a dead session left when its successor opens the table.
#[derive(Clone)]
pub struct Staging {
    objects: Arc<dyn ObjectStore>,
    root: Path,
    url: Arc<str>,
    waiting: Budget,
    encoded: Budget,
    file_bytes: usize,
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Staging {
    /// Connects to the area, with the credentials of an AWS provider if it is on S3, has no keys of its own, and there is one. Nothing is
    /// asked over the network.
    ///
    /// Returns [`ConfigInvalid`](commutator_core::ErrorKind::ConfigInvalid) for a setting that cannot be right.
    pub fn connect(config: &StagingConfig, credentials: Option<SharedCredentialsProvider>) -> Result<Self> {
        let (objects, root) = store::open(config, credentials)?;
        Ok(Self::over(objects, root, &config.url))
    }

    /// Makes an area of a store that a warehouse connects to in a way of its own; files go below `root`, which the address names.
    pub fn over(objects: Arc<dyn ObjectStore>, root: Path, url: &str) -> Self {
        let (waiting, encoded) = (Budget::new(WAITING_BYTES), Budget::new(ENCODED_BYTES));
        Self { objects, root, url: url.trim_end_matches('/').into(), waiting, encoded, file_bytes: FILE_BYTES }
    }

    /// Uploads files once they have so many bytes, compressed, in place of 8 MB; with 1, each batch is a file.
    #[must_use]
    pub fn with_file_bytes(self, file_bytes: usize) -> Self {
        Self { file_bytes, ..self }
    }

    /// Returns how many bytes a file has at most, about.
    pub(crate) fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// Returns the area's address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Writes a file at a path below the area's address.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let at = self.at(path)?;
        self.objects.put(&at, bytes.into()).await.map(drop).map_err(|e| self.failed(e, "write"))
    }

    /// Reads a file.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let at = self.at(path)?;
        let read = async { self.objects.get(&at).await?.bytes().await };
        read.await.map(|bytes| bytes.to_vec()).map_err(|e| self.failed(e, "read"))
    }

    /// Removes all files in a folder for which `doomed` holds; it is given the path below the folder.
    pub(crate) async fn remove(&self, folder: &str, doomed: impl Fn(&str) -> bool + Send) -> Result<usize> {
        let folder = self.at(folder)?;
        let prefix = format!("{folder}/");
        let found: Vec<_> = self.objects.list(Some(&folder)).try_collect().await.map_err(|e| self.failed(e, "list"))?;
        let doomed: Vec<_> = found
            .into_iter()
            .map(|object| object.location)
            .filter(|path| path.as_ref().strip_prefix(&prefix).is_some_and(&doomed))
            .collect();
        let count = doomed.len();
        let paths = futures_util::stream::iter(doomed.into_iter().map(Ok)).boxed();
        let mut removed = self.objects.delete_stream(paths);
        while let Some(one) = removed.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(self.failed(e, "delete")),
            }
        }
        Ok(count)
    }

    fn at(&self, path: &str) -> Result<Path> {
        let all = if self.root.as_ref().is_empty() { path.to_owned() } else { format!("{}/{path}", self.root) };
        Path::parse(all).map_err(|e| self.failed(e.into(), "name"))
    }

    fn failed(&self, error: object_store::Error, call: &'static str) -> Error {
        store::failed(error, call).with("staging", &self.url)
    }
}

/// Returns the folder of a target, below which each transaction has one. Two targets never share one, whatever warehouse they are in.
pub(crate) fn folder_of(warehouse: &str, pipeline: &str, target: &str) -> String {
    let mut digest = Sha256::new();
    for part in [warehouse, "\0", pipeline, "\0", target] {
        digest.update(part.as_bytes());
    }
    let number = digest.finalize().iter().take(8).fold(0, |number: u64, &byte| number << 8 | u64::from(byte));
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let readable: String = target.chars().take(64).map(plain).collect();
    format!("{FOLDER}/{pipeline}/{readable}-{number:016x}")
}

/// Removes what owners before this one left in a target's folder; what a newer one stages stays.
pub(crate) async fn sweep(staging: &Staging, folder: &str, owner: i64) -> Result<usize> {
    let of_older = |path: &str| {
        let number = path.split(['-', '/']).next().and_then(|number| number.parse::<i64>().ok());
        number.is_some_and(|number| number < owner)
    };
    staging.remove(folder, of_older).await
}

#[cfg(test)]
mod tests;
