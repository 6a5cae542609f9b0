//! A table that shall have another mode than before.

use commutator_core::{Result, SyncMode};
use commutator_sql::recorded::ModeChange;

use super::LoaderSession;
use crate::catalog::find;

impl LoaderSession {
    /// Makes the change. Where it ends half-way, opening the table again completes it: the mode is recorded together with the last of it.
    pub(super) async fn change_mode(&mut self, change: ModeChange) -> Result<()> {
        let mut statements = Vec::new();
        if let (ModeChange::KeepDeleted, Some(recorded)) = (change, self.state.recorded.clone()) {
            let found = self.place.look_up().await?.unwrap_or_default();
            let layout = self.place.layout();
            let mut added = layout.add_deleted();
            let fill = added.split_off(1);
            if find(self.place.dialect(), &found, "_ct_deleted").is_none() {
                self.alter(added).await?;
            }
            statements.extend(fill);
            if self.state.tombstones {
                // A snapshot runs: its older rows must not bring back what was removed meanwhile.
                statements.push(layout.tombstones_to_rows(&recorded));
            }
        }
        let mode: SyncMode = self.place.target.mode;
        tracing::info!(table = %self.place.target.table, %mode, "changing the mode of the destination's table");
        self.write(&[], Some(mode), statements).await
    }
}
