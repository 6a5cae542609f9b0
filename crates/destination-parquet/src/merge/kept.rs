//! Which versions of a key each mode keeps.

use std::collections::{HashMap, HashSet};

use commutator_core::OrderKey;
use foldhash::fast::FixedState;

use super::{At, Keep, Rows};

/// What is kept of some rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    /// Rows that stay as they are.
    pub(crate) rows: Vec<At>,
    /// Rows of which a removal is made.
    pub(crate) removed: Vec<Removed>,
}

/// A removal that none of the rows is as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Removed {
    /// The row whose key it has, and in `soft_delete` its values.
    pub(crate) image: At,
    /// The row whose operation, order and times it has; `None` for one that the end of a snapshot makes.
    pub(crate) by: Option<At>,
}

impl Chosen {
    /// Returns whether every row stays as it is.
    pub(crate) fn is_all_of(&self, rows: &Rows<'_>) -> bool {
        self.removed.is_empty() && self.rows.len() == rows.count()
    }

    /// Brings everything into the order of the inputs.
    pub(crate) fn sort(&mut self) {
        self.rows.sort_unstable();
        self.removed.sort_unstable();
    }
}

type ByKey<'a, T> = HashMap<&'a [u8], T, FixedState>;

fn by_key<'a, T>(rows: &Rows<'_>) -> ByKey<'a, T> {
    HashMap::with_capacity_and_hasher(rows.count(), FixedState::default())
}

/// Returns the order key below which rows were not seen by the snapshot that ends, as text.
fn oldest(keep: Keep) -> Option<String> {
    keep.ended.map(|ended| OrderKey::snapshot(ended.epoch).to_string())
}

/// `mirror`: the newest version of each key, unless it is a removal or of an older epoch than the snapshot that ends.
pub(crate) fn newest(rows: &Rows<'_>, keep: Keep) -> Chosen {
    let mut newest: ByKey<'_, At> = by_key(rows);
    for row in rows.all() {
        let best = newest.entry(rows.key(row)).or_insert(row);
        if rows.is_newer(row, *best) {
            *best = row;
        }
    }
    let oldest = oldest(keep);
    let stays = |&row: &At| {
        (keep.interim || !rows.is_removal(row)) && oldest.as_deref().is_none_or(|oldest| rows.order(row) >= oldest)
    };
    Chosen { rows: newest.into_values().filter(stays).collect(), removed: Vec::new() }
}

/// `soft_delete`: the newest version of each key; a removal has the values that the row had last, as far as they are known.
pub(crate) fn marked(rows: &Rows<'_>, keep: Keep) -> Chosen {
    let mut newest: ByKey<'_, (At, Option<At>)> = by_key(rows);
    for row in rows.all() {
        let image = rows.versions[row.0].has_image(row.1).then_some(row);
        let (best, best_image) = newest.entry(rows.key(row)).or_insert((row, image));
        if rows.is_newer(row, *best) {
            *best = row;
        }
        if let Some(image) = image
            && best_image.is_none_or(|held| rows.is_newer(image, held))
        {
            *best_image = Some(image);
        }
    }
    let oldest = oldest(keep);
    let mut chosen = Chosen::default();
    for (newest, image) in newest.into_values() {
        let unseen = oldest.as_deref().is_some_and(|oldest| rows.order(newest) < oldest);
        match image {
            Some(image) if image != newest && keep.interim => chosen.rows.extend([newest, image]),
            Some(image) if image != newest => chosen.removed.push(Removed { image, by: Some(newest) }),
            // There is nothing that it could have removed.
            None if keep.filtered && !keep.interim => {}
            _ if unseen && !rows.is_removal(newest) => chosen.removed.push(Removed { image: newest, by: None }),
            _ => chosen.rows.push(newest),
        }
    }
    chosen
}

/// `history`: each version of each key once, and a removal for each that the snapshot which ends did not see.
pub(crate) fn versions(rows: &Rows<'_>, keep: Keep) -> Chosen {
    let mut known = HashSet::with_capacity_and_hasher(rows.count(), FixedState::default());
    let mut chosen = Chosen::default();
    chosen.rows.extend(rows.all().filter(|&row| known.insert((rows.key(row), rows.order(row)))));
    if keep.filtered && !keep.interim {
        chosen.rows = not_idle(rows, &chosen.rows);
    }
    if let Some(oldest) = oldest(keep) {
        let newest = newest(rows, Keep { interim: true, ended: None, ..keep });
        let unseen = newest.rows.into_iter().filter(|&row| rows.order(row) < oldest.as_str() && !rows.is_removal(row));
        chosen.removed.extend(unseen.map(|image| Removed { image, by: None }));
    }
    chosen
}

/// Returns the versions without the removals before which their key has none, or another removal.
fn not_idle(rows: &Rows<'_>, versions: &[At]) -> Vec<At> {
    let mut of_key: ByKey<'_, Vec<At>> = by_key(rows);
    for &row in versions {
        of_key.entry(rows.key(row)).or_default().push(row);
    }
    let mut kept = Vec::with_capacity(versions.len());
    for mut versions in of_key.into_values() {
        versions.sort_unstable_by_key(|&row| rows.order(row));
        let mut was_there = false;
        for row in versions {
            let is_there = !rows.is_removal(row);
            if is_there || was_there {
                kept.push(row);
            }
            was_there = is_there;
        }
    }
    kept
}
