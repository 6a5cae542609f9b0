//! An open, fenced table.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use commutator_core::{
    Checkpoint, Epoch, Error, ErrorKind, Result, Retry, SchemaPlan, Session, TableSchema, Target, Transaction,
};

use crate::chain::{self, Appended};
use crate::config::Settings;
use crate::destination::Parquet;
use crate::files::{Files, lock};
use crate::folder::Folder;
use crate::form::{Forms, carried};
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::replaced;
use crate::sizes::Sizes;
use crate::transaction::ParquetTransaction;
use crate::views;

#[derive(Debug)]
pub(crate) struct ParquetSession {
    pub(crate) folder: Folder,
    pub(crate) target: Target,
    pub(crate) settings: Settings,
    pub(crate) sizes: Sizes,
    pub(crate) memory: Arc<Memory>,
    /// The manifest of the last commit.
    pub(crate) manifest: Manifest,
    /// The columns that the table has from the next commit on, and their number.
    schema: Option<(u32, Arc<TableSchema>)>,
    /// The forms that the native ones of them have before the next transaction's rows.
    forms: Arc<Forms>,
    /// The names of all files that this session may have written since its last commit.
    pub(crate) written: Arc<Mutex<Vec<String>>>,
    /// Whether what the last commit did to the columns is not kept yet in a file of its own.
    pub(crate) evolution_waits: bool,
    /// What the views of the current rows show that this session wrote: the number of the columns, and the last snapshot that ended.
    views: Option<(u32, Option<Epoch>)>,
    /// Why nothing can be committed any more.
    pub(crate) failed: Option<ErrorKind>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Committed,
    /// A compaction came first; the commit may be tried again on top of it.
    Again,
    /// Another writer owns the table.
    Fenced,
}

impl ParquetSession {
    pub(crate) fn new(folder: Folder, target: Target, parquet: &Parquet, manifest: Manifest) -> Self {
        let schema = manifest.schema().map(|(number, schema)| (number, Arc::clone(schema)));
        let evolution_waits = manifest.evolution.is_some();
        Self {
            folder,
            target,
            settings: parquet.settings(),
            sizes: parquet.sizes(),
            memory: Arc::clone(parquet.memory()),
            forms: manifest.table_forms(),
            manifest,
            schema,
            written: Arc::default(),
            evolution_waits,
            views: None,
            failed: None,
        }
    }

    /// Returns what a transaction's files have in common; `None` if the table has no columns yet.
    pub(crate) fn files(&self) -> Option<Files> {
        let (number, schema) = self.schema.as_ref()?;
        let level = self.settings.compression_level;
        let files = Files::new(self.folder.clone(), &self.manifest, level, (*number, schema, &self.forms));
        let (written, memory) = (Arc::clone(&self.written), Arc::clone(&self.memory));
        let filtered = self.target.filtered;
        Some(Files { written, memory, most_held: self.sizes.held, filtered, ..files })
    }

    /// Takes notice of what became of a manifest that was to be added.
    pub(crate) async fn outcome(&mut self, appended: Appended, next: Manifest) -> Result<Outcome> {
        if appended == Appended::Newest {
            self.committed(next).await;
            return Ok(Outcome::Committed);
        }
        if let Some(newest) = chain::newest(&self.folder).await? {
            if newest.holds(&next) {
                // Compactions followed at once.
                self.committed(newest).await;
                self.hide_replaced().await;
                return Ok(Outcome::Committed);
            }
            if newest.holds(&self.manifest) {
                self.failed = None;
                self.follow(newest).await;
                return Ok(Outcome::Again);
            }
        }
        self.failed = Some(ErrorKind::Fenced);
        Ok(Outcome::Fenced)
    }

    /// Goes on from a compaction of the last commit, if there is one; returns whether there is.
    pub(crate) async fn adopt(&mut self) -> Result<bool> {
        match chain::newest(&self.folder).await? {
            Some(newest) if newest.version > self.manifest.version && newest.holds(&self.manifest) => {
                self.follow(newest).await;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn follow(&mut self, compaction: Manifest) {
        self.manifest = compaction;
        self.hide_replaced().await;
    }

    /// Hides what a compaction replaced, as its writer may have died before it did.
    async fn hide_replaced(&self) {
        if let Err(error) = replaced::hide(&self.folder, &self.manifest).await {
            let folder = self.folder.address();
            tracing::warn!(%error, folder, "Replaced files cannot be hidden; readers may see rows twice until the next start");
        }
    }

    /// Takes notice of a commit, and removes what it replaced.
    ///
    /// The manifest was the newest when it was added, so every later one follows from it and none names these files again.
    async fn committed(&mut self, manifest: Manifest) {
        self.failed = None;
        let before = std::mem::replace(&mut self.manifest, manifest);
        // A transaction may have met values of wider forms, which gave the columns another number.
        self.schema = self.manifest.schema().map(|(number, schema)| (number, Arc::clone(schema)));
        self.forms = self.manifest.table_forms();
        self.evolution_waits = self.manifest.evolution.is_some();
        if let Err(error) = self.keep_evolution().await {
            let folder = self.folder.address();
            tracing::warn!(%error, folder, "A change of columns is not kept in its file yet; the next commit tries again");
        }
        let live: HashSet<String> = self.manifest.kept().collect();
        let written = std::mem::take(&mut *lock(&self.written));
        let garbage: HashSet<String> = before.kept().chain(written).filter(|name| !live.contains(name)).collect();
        self.remove(garbage).await;
        self.write_views().await;
    }

    /// Writes the views of the current rows, if they are others than before or if this session has not written them yet.
    async fn write_views(&mut self) {
        let shown = self.manifest.schema().map(|(number, _)| (number, self.manifest.last_ended()));
        if shown.is_none() || self.views == shown {
            return;
        }
        match views::write(&self.folder, &self.manifest).await {
            Ok(()) => self.views = shown,
            Err(error) => {
                tracing::warn!(%error, folder = self.folder.address(), "The views of the current rows cannot be written; the next commit tries again");
            }
        }
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
                let columns = before.as_ref().map(|(_, schema)| (&**schema, &*self.forms));
                self.forms = Arc::new(carried(columns, &plan.result));
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
