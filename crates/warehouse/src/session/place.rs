//! Where a session writes, and the questions that it asks there.

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Result, SyncMode, TableSchema, Target};
use commutator_sql::{Dialect, Layout, Owner, TargetCheckpoint};

use crate::destination::Randomness;
use crate::staging::{Staging, folder_of};
use crate::{Found, Warehouse, catalog};

/// Where a session writes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) staging: Staging,
    pub(crate) target: Target,
    pub(crate) random: Randomness,
}

impl Place {
    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.warehouse.dialect()
    }

    /// Returns the layout of the table in the mode that it shall have.
    pub(crate) fn layout(&self) -> Layout {
        self.layout_in(self.target.mode)
    }

    pub(crate) fn layout_in(&self, mode: SyncMode) -> Layout {
        Layout::new(self.dialect(), self.warehouse.schema(), &self.target.name, mode)
    }

    pub(crate) fn checkpoint(&self) -> TargetCheckpoint {
        TargetCheckpoint::new(self.dialect(), self.warehouse.schema(), &self.target)
    }

    /// Returns the target's folder in the staging area.
    pub(crate) fn folder(&self) -> String {
        folder_of(&self.warehouse.address(), self.target.pipeline.as_str(), &self.target.name)
    }

    /// Returns the columns of the table of rows, or of another one of the target's.
    pub(crate) async fn look_up(&self) -> Result<Option<Vec<Found>>> {
        self.warehouse.columns(&self.target.name).await
    }

    pub(crate) async fn look_up_tombstones(&self) -> Result<Option<Vec<Found>>> {
        self.warehouse.columns(&Layout::tombstones_name(self.dialect(), &self.target.name)).await
    }

    pub(crate) async fn look_up_checkpoint(&self) -> Result<bool> {
        let name = TargetCheckpoint::table_name(self.dialect(), &self.target.name);
        Ok(self.warehouse.columns(&name).await?.is_some())
    }

    /// Returns the columns that the table has, of those that were recorded.
    pub(crate) async fn actual(&self, recorded: Option<&TableSchema>) -> Result<Option<Arc<TableSchema>>> {
        let found = self.look_up().await?;
        catalog::reconcile(self.dialect(), recorded, found.as_deref(), self.target.mode)
    }

    /// Returns [`Fenced`](ErrorKind::Fenced) unless this owner still has the target, [`NotFound`](ErrorKind::NotFound) if nobody knows it.
    pub(crate) async fn owner_is(&self, owner: &Owner) -> Result<()> {
        let rows = match self.warehouse.query(&self.checkpoint().select_owner()).await {
            Ok(rows) => rows,
            Err(error) => return if self.look_up_checkpoint().await? { Err(error) } else { Err(forgotten()) },
        };
        match rows.as_slice() {
            [] => Err(forgotten()),
            [row] if *row == [Some(owner.number.to_string()), Some(owner.token.clone())] => Ok(()),
            _ => Err(fenced()),
        }
    }

    /// Names the table in an error.
    pub(crate) fn name(&self, error: Error) -> Error {
        error
            .with("table", &self.target.table)
            .with("target", format_args!("{}.{}", self.warehouse.schema(), self.target.name))
    }
}

pub(crate) fn fenced() -> Error {
    Error::new(ErrorKind::Fenced, "Another writer took the table over")
}

/// Whoever deletes a target's checkpoint is no other writer, and ours must not come back without the rows that it speaks of.
pub(crate) fn forgotten() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "Someone deleted the table's row in its table of checkpoints, or that table; restore it, or drop both tables to load anew",
    )
}
