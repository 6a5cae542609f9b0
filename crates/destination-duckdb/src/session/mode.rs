//! A table that shall have another mode than before.

use commutator_core::{Error, ErrorKind, Result, SyncMode, TableSchema, Target};
use duckdb::{Connection, params};

use super::{Place, catalog};
use crate::error;

/// How a table gets another mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// There is no table yet.
    Name,
    /// A mirror keeps what will be deleted from now on.
    KeepDeleted,
}

impl Change {
    /// Returns how the table of a target gets the mode that it shall have now; `None` if it has it.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if its rows cannot become those of the mode: what a mirror or a table of
    /// deleted rows held before nobody knows any more, and a table of changes is read by those who expect changes.
    pub(super) fn of(target: &Target, before: &str, made: bool) -> Result<Option<Self>> {
        if before == target.mode.as_str() {
            Ok(None)
        } else if !made {
            Ok(Some(Self::Name))
        } else if before == SyncMode::Mirror.as_str() && target.mode == SyncMode::SoftDelete {
            Ok(Some(Self::KeepDeleted))
        } else {
            Err(Error::new(
                ErrorKind::ConfigInvalid,
                "The table was synced in another mode before, and its rows cannot become those of the new one; restore the mode, or \
                 sync the table anew with another pipeline id and another `name` or schema",
            )
            .with("setting", "mode")
            .with("before", before)
            .with("now", target.mode))
        }
    }

    /// Makes the change in the transaction that takes the table over; returns whether there are tombstones afterwards.
    pub(super) fn make(
        self,
        connection: &Connection,
        place: &Place,
        recorded: Option<&TableSchema>,
        tombstones: bool,
    ) -> Result<bool> {
        let failed = |e| error::failed(e, "The table's mode cannot be changed");
        if let (Self::KeepDeleted, Some(recorded)) = (self, recorded) {
            let found = place.look_up(connection, &place.target.name)?;
            catalog::reconcile(Some(recorded), found.as_deref(), SyncMode::Mirror)?;
            let layout = place.layout();
            let mut statements = layout.add_deleted();
            if tombstones {
                // A snapshot runs: its older rows must not bring back what was removed meanwhile.
                statements.extend([layout.tombstones_to_rows(recorded), layout.drop_tombstones()]);
            }
            for statement in statements {
                tracing::info!(table = %place.target.table, statement, "changing the mode of the destination's table");
                connection.execute_batch(&statement).map_err(failed)?;
            }
        }
        let Target { pipeline, table, slice, mode, .. } = &place.target;
        let row = params![mode.as_str(), pipeline.as_str(), table.as_str(), slice.as_str()];
        connection.execute(&place.checkpoints().set_mode(), row).map_err(failed)?;
        Ok(tombstones && self == Self::Name)
    }
}
