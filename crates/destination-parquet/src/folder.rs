//! A folder, such as one table's: read, write, create, list and delete, by names relative to it.

use bytes::Bytes;
use commutator_core::{Error, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutPayload, WriteMultipart};

use crate::client::Store;
use crate::error;

/// What readers' globs never match: manifests, and files whose rows are not part of the table yet.
pub(crate) const HIDDEN: &str = "_commutator";

/// From here on a file is uploaded in parts; a part takes one try if the network is slow.
const MULTIPART_FROM: usize = 32 << 20;
const PART: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 4;
const DELETES_AT_ONCE: usize = 16;

/// A folder on a local disk or an object store, and the files in it by their names relative to it.
#[derive(Debug, Clone)]
pub struct Folder {
    store: Store,
    root: Path,
}

/// A file in the folder, by its name relative to it.
#[derive(Debug)]
pub struct Entry {
    /// The name, with `/` between its parts.
    pub name: String,
}

impl Folder {
    pub(crate) fn new(store: &Store, table: &str) -> Self {
        Self { store: store.clone(), root: store.root.clone().join(table) }
    }

    /// The store's own root.
    pub(crate) fn of(store: &Store) -> Self {
        Self { store: store.clone(), root: store.root.clone() }
    }

    /// Returns the folder's address, for messages.
    pub(crate) fn address(&self) -> String {
        self.at("")
    }

    /// Returns where the folder lies, for programs that read it: an absolute path on a local disk, else the address.
    pub(crate) fn location(&self) -> String {
        match &self.store.local {
            Some(local) => local.join(self.root.as_ref()).display().to_string(),
            None => self.address(),
        }
    }

    /// Returns the folder's own name.
    pub(crate) fn name(&self) -> &str {
        self.root.filename().unwrap_or_default()
    }

    fn at(&self, name: &str) -> String {
        if self.root == self.store.root {
            return format!("{}/{name}", self.store.label).trim_end_matches('/').to_owned();
        }
        let folder = self.root.filename().unwrap_or_default();
        format!("{}/{folder}/{name}", self.store.label).trim_end_matches('/').to_owned()
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.root.clone(), Path::join)
    }

    /// Reads a file.
    pub async fn get(&self, name: &str) -> Result<Bytes> {
        let read = async { self.store.objects.get(&self.path(name)).await?.bytes().await };
        read.await.map_err(|e| error::storage(e, "read", &self.at(name)))
    }

    /// Writes a file under a name that nobody else uses, durably.
    pub(crate) async fn put(&self, name: &str, bytes: impl Into<PutPayload> + Send) -> Result<()> {
        let (path, bytes) = (self.path(name), bytes.into());
        let write = async {
            if bytes.content_length() < MULTIPART_FROM {
                return self.store.objects.put(&path, bytes).await.map(drop);
            }
            let upload = self.store.objects.put_multipart(&path).await?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            for block in bytes {
                upload.wait_for_capacity(PARTS_AT_ONCE).await?;
                upload.put(block);
            }
            upload.finish().await.map(drop)
        };
        write.await.map_err(|e| error::storage(e, "write", &self.at(name)))?;
        self.sync(name).await
    }

    /// Writes a file, or replaces the one of this name, atomically and durably, its name included.
    pub async fn keep(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put(name, bytes).await?;
        self.sync_folders(name).await
    }

    /// Gives a file another name, durably, in place of any file of that name; returns whether there was one to rename.
    ///
    /// On a local disk it is atomic; elsewhere the file has both names for a moment, and after an error maybe for longer.
    pub async fn rename(&self, from: &str, to: &str) -> Result<bool> {
        match self.store.objects.rename(&self.path(from), &self.path(to)).await {
            Ok(()) => {}
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(e) => return Err(error::storage(e, "rename", &self.at(from))),
        }
        self.sync_folders(to).await?;
        self.sync_folders(from).await?;
        Ok(true)
    }

    /// Writes a file if none has its name, atomically and durably; returns whether it did.
    ///
    /// It did not either if a newer owner of the folder swept away what was to become the file.
    ///
    /// An error leaves open whether it happened.
    pub(crate) async fn create(&self, name: &str, bytes: Bytes, scratch: &str) -> Result<bool> {
        let path = self.path(name);
        let created = if self.store.local.is_some() {
            // A local file gets its name only once its bytes are on the disk, so that a power failure cannot leave half of it;
            // and so are all files that it names.
            self.put(scratch, bytes).await?;
            self.sync_names().await?;
            let linked = self.store.objects.copy_if_not_exists(&self.path(scratch), &path).await;
            self.delete([scratch.to_owned()]).await?;
            linked
        } else {
            let create = PutMode::Create.into();
            self.store.objects.put_opts(&path, PutPayload::from_bytes(bytes), create).await.map(drop)
        };
        match created {
            Ok(()) => self.sync_names().await.map(|()| true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(object_store::Error::NotFound { .. }) if self.store.local.is_some() => Ok(false),
            Err(e) => Err(error::storage(e, "create", &self.at(name))),
        }
    }

    /// Lists all files whose names are greater than `after`, bytewise, in the folder or a part of it.
    pub async fn list(&self, part: &str, after: &str) -> Result<Vec<Entry>> {
        let prefix = if part.is_empty() { self.root.clone() } else { self.path(part) };
        let listed = if after.is_empty() {
            self.store.objects.list(Some(&prefix))
        } else {
            self.store.objects.list_with_offset(Some(&prefix), &self.path(after))
        };
        let name = |path: &Path| {
            path.prefix_match(&self.root)
                .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        listed
            .try_filter_map(|meta| std::future::ready(Ok(name(&meta.location).map(|name| Entry { name }))))
            .try_collect()
            .await
            .map_err(|e| error::storage(e, "list", &self.at(part)))
    }

    /// Deletes files; one that is not there any more is fine.
    pub async fn delete(&self, names: impl IntoIterator<Item = String>) -> Result<()> {
        futures_util::stream::iter(names)
            .map(|name| async move {
                match self.store.objects.delete(&self.path(&name)).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(e) => Err(error::storage(e, "delete", &self.at(&name))),
                }
            })
            .buffer_unordered(DELETES_AT_ONCE)
            .try_collect()
            .await
    }

    /// On a local disk, removes what an upload that was killed left behind, which [`list`](Self::list) does not show;
    /// `dead` tells by a file's name. In an object store such parts are invisible, and a rule of the bucket removes them.
    pub(crate) async fn remove_unfinished(&self, dead: impl Fn(&str) -> bool + Send + 'static) -> Result<()> {
        let Some(local) = &self.store.local else { return Ok(()) };
        let root = local.join(self.root.as_ref());
        let removed = tokio::task::spawn_blocking(move || {
            for part in ["", HIDDEN] {
                for entry in std::fs::read_dir(root.join(part))? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    let whole = if part.is_empty() { name.clone() } else { format!("{part}/{name}") };
                    if whole.rsplit_once('#').is_some_and(|(stem, _)| dead(stem)) {
                        match std::fs::remove_file(root.join(part).join(name)) {
                            // The upload ended just now, or another writer that takes over was faster.
                            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                            removed => removed?,
                        }
                    }
                }
            }
            Ok(())
        });
        removed.await.map_err(error::task)?.map_err(|e| self.local_error(e, "clean up", ""))
    }

    /// On a local disk, removes the folder if it is empty; elsewhere there are no folders.
    pub(crate) async fn remove_if_empty(&self) {
        if let Some(local) = &self.store.local {
            let root = local.join(self.root.as_ref());
            // That it is not empty, or not there, is fine.
            let _removed = tokio::task::spawn_blocking(move || std::fs::remove_dir(root).is_ok()).await;
        }
    }

    /// On a local disk, waits until a file is on the disk; elsewhere an answered write is durable.
    async fn sync(&self, name: &str) -> Result<()> {
        let Some(local) = &self.store.local else { return Ok(()) };
        let path = local.join(self.path(name).as_ref());
        let synced = tokio::task::spawn_blocking(move || std::fs::File::open(path)?.sync_all());
        synced.await.map_err(error::task)?.map_err(|e| self.local_error(e, "flush", name))
    }

    /// On a local disk, waits until a file's name is on the disk, and those of the folders around it.
    async fn sync_folders(&self, name: &str) -> Result<()> {
        let Some(local) = self.store.local.clone() else { return Ok(()) };
        let path = local.join(self.path(name).as_ref());
        let synced = tokio::task::spawn_blocking(move || {
            let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(&*local));
            folders.map(std::fs::File::open).try_for_each(|folder| folder?.sync_all())
        });
        synced.await.map_err(error::task)?.map_err(|e| self.local_error(e, "flush", name))
    }

    /// On a local disk, waits until the names of all files are on the disk.
    async fn sync_names(&self) -> Result<()> {
        let Some(local) = &self.store.local else { return Ok(()) };
        let root = local.join(self.root.as_ref());
        let folders = [local.to_path_buf(), root.clone(), root.join(HIDDEN)];
        let synced = tokio::task::spawn_blocking(move || {
            folders
                .iter()
                .filter(|folder| folder.is_dir())
                .try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
        });
        synced.await.map_err(error::task)?.map_err(|e| self.local_error(e, "flush", ""))
    }

    fn local_error(&self, error: std::io::Error, tried: &'static str, name: &str) -> Error {
        let error = object_store::Error::Generic { store: "local disk", source: Box::new(error) };
        error::storage(error, tried, &self.at(name))
    }
}
