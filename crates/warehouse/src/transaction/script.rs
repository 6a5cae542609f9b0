//! All statements of one commit, as a pure function of what is to be committed.

use commutator_core::{Epoch, SyncMode, TableSchema};
use commutator_sql::{Layout, Owner, TargetCheckpoint, Written};

use crate::{Script, Staged, Warehouse};

/// A commit.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) warehouse: &'a dyn Warehouse,
    pub(crate) layout: Layout,
    pub(crate) checkpoint: TargetCheckpoint,
    pub(crate) mode: SyncMode,
    pub(crate) owner: &'a Owner,
    /// `None` if there is no table.
    pub(crate) contents: Option<Contents<'a>>,
}

/// What becomes of a table's rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contents<'a> {
    pub(crate) columns: &'a TableSchema,
    /// The rows, and whether removals are among them.
    pub(crate) staged: Option<&'a Staged>,
    pub(crate) removals: bool,
    /// Whether there is a table of tombstones, and whether removals go into it.
    pub(crate) tombstones: bool,
    pub(crate) keeps_removals: bool,
    /// Whether idle removals leave nothing, as in filtered tables.
    pub(crate) filtered: bool,
    /// Whether a snapshot goes on after this.
    pub(crate) runs: bool,
    /// The snapshot that ends.
    pub(crate) ended: Option<Epoch>,
}

impl Commit<'_> {
    /// Returns the whole script: rows, and then, as the last that is written, parts of what is kept of the target.
    pub(crate) fn script(&self, parts: &[Written<'_>]) -> Script {
        let mut script = self.rows();
        script.apply.extend(self.checkpoint.write(self.owner, parts, None));
        script
    }

    /// Returns the part of the script that is about rows.
    pub(crate) fn rows(&self) -> Script {
        let mut script = Script::default();
        let Some(contents) = self.contents else { return script };
        // The first epoch has none before it, and a whole table need not be read to learn that.
        let older = contents.ended.filter(|&epoch| epoch > Epoch::FIRST);
        let ends_idle = contents.ended.is_some() && contents.filtered && self.mode == SyncMode::History;
        let ends_older = older.is_some() && self.mode == SyncMode::History;
        if contents.staged.is_some() || ends_older || ends_idle {
            script.stage.push(self.layout.create_stage(contents.columns));
        }
        if let Some(staged) = contents.staged {
            script.stage.extend(self.warehouse.load(contents.columns, staged));
            script.files.clone_from(&staged.files);
            script.apply.extend(self.apply(&contents));
        }
        if let Some(epoch) = older {
            script.apply.extend(self.end(&contents, epoch));
        }
        if ends_idle {
            // The first epoch's, too: only now is it known that no row comes before them.
            let (layout, columns) = (&self.layout, contents.columns);
            let empty = (contents.staged.is_some() || ends_older).then(|| layout.clear_stage());
            let idle = [layout.stage_idle(columns), layout.drop_staged(columns), layout.set_intervals(columns)];
            script.apply.extend(empty.into_iter().chain(idle));
        }
        script
    }

    /// What becomes of the staged rows.
    fn apply(&self, contents: &Contents<'_>) -> Vec<String> {
        let (layout, columns) = (&self.layout, contents.columns);
        match self.mode {
            SyncMode::Mirror => {
                let mut statements = layout.apply(columns, contents.tombstones);
                statements.extend(self.record(contents));
                statements
            }
            // In a filtered table a removal marks only what is there.
            SyncMode::SoftDelete => {
                let mut statements = if contents.tombstones {
                    layout.apply_images_not_removed(columns)
                } else {
                    layout.apply_images(columns)
                };
                if contents.removals {
                    let mark = if contents.filtered { Layout::mark_known } else { Layout::mark_removed };
                    statements.extend(mark(layout, columns));
                }
                statements.extend(self.record(contents));
                statements
            }
            SyncMode::History => {
                let idle = contents.filtered && contents.removals;
                let idle = idle.then(|| layout.drop_idle(columns, contents.runs));
                [layout.add_versions(columns)].into_iter().chain(idle).chain([layout.set_intervals(columns)]).collect()
            }
            SyncMode::Append => vec![layout.append(columns)],
        }
    }

    /// Until the snapshot has ended, removals leave tombstones, so that a snapshot row read earlier and written later does not bring the item
    /// back.
    fn record(&self, contents: &Contents<'_>) -> Vec<String> {
        if contents.keeps_removals { self.layout.record_removals(contents.columns) } else { Vec::new() }
    }

    /// What becomes of rows that are only of older epochs.
    fn end(&self, contents: &Contents<'_>, epoch: Epoch) -> Vec<String> {
        let (layout, columns) = (&self.layout, contents.columns);
        match self.mode {
            SyncMode::Mirror => vec![layout.delete_older(epoch)],
            SyncMode::SoftDelete => vec![layout.mark_older(epoch)],
            SyncMode::History => {
                let empty = contents.staged.map(|_| layout.clear_stage());
                let unseen =
                    [layout.stage_unseen(columns, epoch), layout.add_versions(columns), layout.set_intervals(columns)];
                empty.into_iter().chain(unseen).collect()
            }
            SyncMode::Append => Vec::new(),
        }
    }
}
