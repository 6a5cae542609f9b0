//! What was recorded with a table's checkpoint, checked against what the table shall be now.

use commutator_core::{Column, Error, ErrorKind, Result, SyncMode, TableSchema, Target};

/// How a table gets another mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeChange {
    /// There is no table yet.
    Name,
    /// A mirror keeps what will be deleted from now on.
    KeepDeleted,
}

impl ModeChange {
    /// Returns how the table of a target gets the mode that it shall have now; `None` if it has it.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if its rows cannot become those of the mode: what a mirror or a table of
    /// deleted rows held before nobody knows any more, and a table of changes is read by those who expect changes.
    pub fn of(target: &Target, before: &str, made: bool) -> Result<Option<Self>> {
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
}

/// Refuses, with [`ConfigInvalid`](ErrorKind::ConfigInvalid), to write a table's later changes elsewhere than its earlier ones.
pub fn same_name(target: &Target, before: &str) -> Result<()> {
    if before == target.name {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ConfigInvalid,
        "The table was synced elsewhere before; restore the setting, or sync it anew with another pipeline id",
    )
    .with("setting", "name")
    .with("before", before)
    .with("now", &target.name))
}

/// Refuses, with [`SchemaConflict`](ErrorKind::SchemaConflict), a source table that was made anew with other keys.
pub fn same_keys(target: &Target, before: Option<&TableSchema>) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let names = |columns: &[Column]| columns.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    let (before, now) = (names(before.keys()), names(&target.keys));
    if before == now {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::SchemaConflict,
        "The source's table has another key than the destination's; sync it into another destination table",
    )
    .with("before", before.join(", "))
    .with("now", now.join(", ")))
}

/// Refuses, with [`SchemaConflict`](ErrorKind::SchemaConflict), to fill a column again that was recorded and that someone dropped: its
/// older values are gone.
pub fn nothing_dropped(wanted: &TableSchema, before: &TableSchema, actual: &TableSchema) -> Result<()> {
    let there = actual.by_name();
    let dropped = |name: &str| !there.contains_key(name) && before.get(name).is_some();
    let Some(column) = wanted.columns().iter().find(|column| dropped(&column.name)) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::SchemaConflict,
        "Someone dropped a column that still has values; drop the table and what is recorded of it (its row in _ct_checkpoints, or its table _ct_checkpoint_…) to load it anew",
    )
    .with("column", &column.name))
}
