//! An object store that does what it is told to go wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use commutator_core::{Destination as _, Target};
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::client::Store;
use crate::destination::Parquet;

/// What goes wrong; each is switched off again by whoever switched it on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// A manifest is written, but its answer is lost.
    pub(crate) lose_answer: AtomicBool,
    /// A manifest is written, but its answer never comes.
    pub(crate) hang: AtomicBool,
    /// A manifest's answer is lost and the client repeats the request, which then finds the manifest.
    pub(crate) repeat_create: AtomicBool,
    /// No file but manifests can be written.
    pub(crate) refuse_files: AtomicBool,
    /// No file that readers see can be written.
    pub(crate) refuse_data: AtomicBool,
    /// Nothing can be deleted.
    pub(crate) refuse_deletes: AtomicBool,
    /// What a compaction replaced cannot be hidden.
    pub(crate) refuse_hiding: AtomicBool,
    /// Somebody opens the table just before the next manifest is created.
    pub(crate) take_over: Mutex<Option<(Parquet, Target)>>,
    /// The same just before the next file is renamed.
    pub(crate) take_over_at_rename: Mutex<Option<(Parquet, Target)>>,
}

/// A store in memory with faults.
#[derive(Debug, Default)]
pub(crate) struct BrokenStore {
    inner: InMemory,
    pub(crate) faults: Faults,
}

impl BrokenStore {
    pub(crate) fn store(self: &Arc<Self>) -> Store {
        let objects: Arc<dyn ObjectStore> = Arc::<Self>::clone(self);
        Store { objects, root: Path::default(), label: "memory://".into(), local: None }
    }
}

impl std::fmt::Display for BrokenStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken store")
    }
}

fn timed_out() -> object_store::Error {
    object_store::Error::Generic { store: "broken store", source: "operation timed out".into() }
}

#[async_trait]
impl ObjectStore for BrokenStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = matches!(options.mode, PutMode::Create);
        if !create && self.faults.refuse_files.load(Ordering::SeqCst) {
            return Err(timed_out());
        }
        if location.as_ref().ends_with(".parquet") && self.faults.refuse_data.load(Ordering::SeqCst) {
            return Err(timed_out());
        }
        let opens = if create { self.faults.take_over.lock().unwrap().take() } else { None };
        if let Some((parquet, target)) = opens {
            parquet.open(&target).await.unwrap();
        }
        if create && self.faults.repeat_create.load(Ordering::SeqCst) {
            self.inner.put_opts(location, payload.clone(), options.clone()).await?;
        }
        let result = self.inner.put_opts(location, payload, options).await;
        if create && self.faults.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if create && self.faults.lose_answer.load(Ordering::SeqCst) { Err(timed_out()) } else { result }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.faults.refuse_deletes.load(Ordering::SeqCst) {
            return Box::pin(futures_util::stream::once(async { Err(timed_out()) }));
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let opens = self.faults.take_over_at_rename.lock().unwrap().take();
        if let Some((parquet, target)) = opens {
            parquet.open(&target).await.unwrap();
        }
        let refuses = |fault: &AtomicBool, extension| fault.load(Ordering::SeqCst) && to.as_ref().ends_with(extension);
        if refuses(&self.faults.refuse_hiding, ".replaced") || refuses(&self.faults.refuse_data, ".parquet") {
            return Err(timed_out());
        }
        self.inner.copy_opts(from, to, options).await
    }
}
