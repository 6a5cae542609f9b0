//! An open, fenced table.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use commutator_core::{
    Checkpoint, Error, ErrorKind, Result, Retry, SchemaPlan, Session, TableSchema, Target, Transaction,
};

use crate::chain;
use crate::config::Settings;
use crate::files::{Files, lock};
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::sizes::Sizes;
use crate::transaction::ParquetTransaction;

#[derive(Debug)]
pub(crate) struct ParquetSession {
    pub(crate) folder: Folder,
    pub(crate) target: Target,
    pub(crate) settings: Settings,
    pub(crate) sizes: Sizes,
    /// The manifest of the last commit.
    pub(crate) manifest: Manifest,
    /// The columns that the table has from the next commit on, and their number.
    schema: Option<(u32, Arc<TableSchema>)>,
    /// The names of all files that this session may have written since its last commit.
    pub(crate) written: Arc<Mutex<Vec<String>>>,
    /// Whether what the last commit did to the columns is not kept yet in a file of its own.
    pub(crate) evolution_waits: bool,
    /// Why nothing can be committed any more.
    pub(crate) failed: Option<ErrorKind>,
}

impl ParquetSession {
    pub(crate) fn new(folder: Folder, target: Target, settings: Settings, sizes: Sizes, manifest: Manifest) -> Self {
        let schema = manifest.schema().map(|(number, schema)| (number, Arc::clone(schema)));
        let evolution_waits = manifest.evolution.is_some();
        Self {
            folder,
            target,
            settings,
            sizes,
            manifest,
            schema,
            written: Arc::default(),
            evolution_waits,
            failed: None,
        }
    }

    /// Returns what a transaction's files have in common; `None` if the table has no columns yet.
    pub(crate) fn files(&self) -> Option<Files> {
        let (number, schema) = self.schema.as_ref()?;
        let mut schemas = self.manifest.schemas.clone();
        schemas.insert(*number, Arc::clone(schema));
        Some(Files {
            folder: self.folder.clone(),
            owner: self.manifest.owner,
            version: self.manifest.version + 1,
            mode: self.target.mode,
            compression_level: self.settings.compression_level,
            number: *number,
            schema: Arc::clone(schema),
            schemas,
            written: Arc::clone(&self.written),
            held: Mutex::default(),
        })
    }

    /// Takes notice of a commit, and removes what it replaced.
    ///
    /// The manifest was the newest when it was added, so every later one follows from it and none names these files again.
    pub(crate) async fn committed(&mut self, manifest: Manifest) {
        let before = std::mem::replace(&mut self.manifest, manifest);
        self.evolution_waits = self.manifest.evolution.is_some();
        if let Err(error) = self.keep_evolution().await {
            let folder = self.folder.address();
            tracing::warn!(%error, folder, "A change of columns is not kept in its file yet; the next commit tries again");
        }
        let live: HashSet<&str> = self.manifest.names().collect();
        let written = std::mem::take(&mut *lock(&self.written));
        let old = before.names().map(str::to_owned).chain(written);
        let garbage: HashSet<String> = old.filter(|name| !live.contains(name.as_str())).collect();
        self.remove(garbage).await;
    }

    /// Keeps what the last commit did to the columns in a file, if that was not done yet.
    pub(crate) async fn keep_evolution(&mut self) -> Result<()> {
        if let (true, Some(evolution)) = (self.evolution_waits, &self.manifest.evolution) {
            evolution.keep(&self.folder).await?;
        }
        self.evolution_waits = false;
        Ok(())
    }

    async fn remove(&self, garbage: impl IntoIterator<Item = String>) {
        if let Err(error) = self.folder.delete(garbage).await {
            let folder = self.folder.address();
            tracing::warn!(%error, folder, "Files cannot be deleted; readers may see rows twice until the next start");
        }
    }
}

#[async_trait]
impl Session for ParquetSession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.manifest.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        Ok(self.schema.as_ref().map(|(_, schema)| TableSchema::clone(schema)))
    }

    /// Takes effect with the next commit, which also brings older files to the new columns.
    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        match &self.schema {
            Some((_, schema)) if **schema == plan.result => {}
            // A plan after a plan of which nothing was committed gets a number of its own, too: no file has the one in between.
            before => {
                let number = before.as_ref().map_or(0, |(number, _)| number + 1);
                self.schema = Some((number, Arc::new(plan.result.clone())));
            }
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        match self.failed {
            Some(ErrorKind::Fenced) => Err(chain::fenced(&self.target)),
            Some(_) => {
                Err(Error::new(ErrorKind::Unavailable, "A commit failed or was interrupted; open the table again")
                    .with_retry(Retry::Backoff)
                    .with("table", &self.target.table))
            }
            None => Ok(Box::new(ParquetTransaction::new(self))),
        }
    }
}
