//! A table that shall have another mode than before.

use commutator_core::{Result, SyncMode, TableSchema, Target};
use commutator_sql::Owner;
use commutator_sql::recorded::ModeChange;

use super::{LoaderSession, Place};
use crate::Found;
use crate::catalog::find;

/// Returns whether a table of this mode keeps removals as tombstones while a snapshot runs.
pub(crate) fn keeps_removals(target: &Target) -> bool {
    match target.mode {
        SyncMode::Mirror => true,
        // Elsewhere a removal is a row.
        SyncMode::SoftDelete => target.filtered,
        SyncMode::History | SyncMode::Append => false,
    }
}

/// What a change of the mode does to the table, in this order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The columns that it gets.
    columns: Vec<String>,
    /// What becomes of its rows, together with the record of the mode.
    rows: Vec<String>,
    /// What is not needed any more; whoever opens a table drops it where it finds it.
    dropped: Vec<String>,
}

impl Steps {
    /// Returns what is left to do, given the table's columns and whether it has tombstones.
    pub(super) fn of(
        change: ModeChange,
        place: &Place,
        recorded: Option<&TableSchema>,
        found: &[Found],
        tombstones: bool,
    ) -> Self {
        let (ModeChange::KeepDeleted, Some(recorded)) = (change, recorded) else { return Self::default() };
        let layout = place.layout();
        let mut columns = layout.add_deleted();
        let rows = columns.split_off(1);
        let mut steps = Self { columns, rows, dropped: Vec::new() };
        if find(place.dialect(), found, "_ct_deleted").is_some() {
            steps.columns.clear();
        }
        // A filtered table goes on with them.
        if tombstones && !keeps_removals(&place.target) {
            // A snapshot runs: its older rows must not bring back what was removed meanwhile.
            steps.rows.push(layout.tombstones_to_rows(recorded));
            steps.dropped.push(layout.drop_tombstones());
        }
        steps
    }

    /// Returns everything that is sent, as the owner with this number and this token would send it.
    pub(super) fn shown(self, place: &Place, owner: &Owner) -> Vec<String> {
        let (checkpoint, own) = (place.checkpoint(), place.warehouse.own());
        let fenced = |statements: Vec<String>| {
            let check = (!statements.is_empty()).then(|| checkpoint.check(owner));
            check.into_iter().chain(statements)
        };
        let framed = |edge: Option<&str>| edge.map(str::to_owned);
        let mode = checkpoint.write(owner, &[], Some(place.target.mode));
        let rows = framed(own.begin).into_iter().chain(self.rows).chain(mode).chain(framed(own.commit));
        fenced(self.columns).chain(rows).chain(fenced(self.dropped)).collect()
    }
}

impl LoaderSession {
    /// Makes the change. Where it ends half-way, opening the table again completes it: the mode is recorded together with the last of it.
    pub(super) async fn change_mode(&mut self, change: ModeChange) -> Result<()> {
        let found = self.place.look_up().await?.unwrap_or_default();
        let recorded = self.state.recorded.as_ref();
        let steps = Steps::of(change, &self.place, recorded, &found, self.state.tombstones);
        if !steps.columns.is_empty() {
            self.alter(steps.columns).await?;
        }
        let mode: SyncMode = self.place.target.mode;
        tracing::info!(table = %self.place.target.table, %mode, "changing the mode of the destination's table");
        self.write(&[], Some(mode), steps.rows).await
    }
}
