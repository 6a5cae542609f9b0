//! The double's tables in `soft_delete` and `history`, in other words than the ones that they are compared with.

use std::collections::BTreeMap;

use commutator_core::{ChangeBatch, Epoch, OrderKey};

use super::Mistake;
use super::table::{Table, bend, identity, is_removal};
use crate::row::Validity;
use crate::{Row, Value};

/// When the double writes its first row.
const SYNCED_AT: i64 = 1_700_001_000_000_000;

impl Table {
    pub(super) fn apply_soft_delete(
        &mut self,
        staged: &[(ChangeBatch, Vec<Row>)],
        ended: Option<Epoch>,
        filtered: bool,
        mistake: Option<Mistake>,
    ) {
        let mut rows = bent(staged, mistake);
        if mistake != Some(Mistake::SoftDeleteByArrival) {
            rows.sort_by_key(|(_, row, _)| row.order);
        }
        if mistake == Some(Mistake::SoftDeleteForgetsNewValues) {
            let newest: BTreeMap<_, _> = rows.iter().map(|(key, row, _)| (key.clone(), row.order)).collect();
            rows.retain(|(key, row, _)| newest[key] == row.order);
        }
        for (key, row, _) in rows {
            self.put_soft(key, row, filtered, mistake);
        }
        let old = |row: &Row| ended.is_some_and(|epoch| row.order.epoch() < epoch);
        let again = mistake == Some(Mistake::SoftDeleteEndMarksAgain);
        match mistake {
            Some(Mistake::SoftDeleteEndKeeps) => {}
            Some(Mistake::SoftDeleteEndRemoves) => self.rows.retain(|_, row| !old(row)),
            _ => {
                for row in self.rows.values_mut().filter(|row| old(row) && (row.deleted == Some(false) || again)) {
                    row.deleted = Some(true);
                    row.order = ended.map_or(row.order, OrderKey::snapshot);
                }
            }
        }
        if mistake == Some(Mistake::SoftDeleteRemoves) {
            self.rows.retain(|_, row| row.deleted == Some(false));
        }
    }

    fn put_soft(&mut self, key: String, mut row: Row, filtered: bool, mistake: Option<Mistake>) {
        let removed = is_removal(&row);
        let is_idle = removed && !self.rows.contains_key(&key);
        if filtered && is_idle && mistake != Some(Mistake::IdleRemovalsAreRows) {
            let idle = self.idle.entry(key).or_insert(row.order);
            *idle = row.order.max(*idle);
            return;
        }
        if self.idle.get(&key).is_some_and(|idle| *idle > row.order) {
            return;
        }
        if filtered && removed && mistake == Some(Mistake::FilteredRemovalsDoNothing) {
            return;
        }
        let Some(held) = self.rows.get_mut(&key) else {
            if !removed || mistake != Some(Mistake::SoftDeleteIgnoresUnknown) {
                self.rows.insert(key, Row { deleted: Some(removed), ..row });
            }
            return;
        };
        let newer = row.order > held.order || mistake == Some(Mistake::SoftDeleteTakesOlder);
        let for_ever = mistake == Some(Mistake::SoftDeleteIsForEver) && held.deleted == Some(true);
        if !newer || for_ever {
            return;
        }
        if removed && mistake != Some(Mistake::SoftDeleteForgetsValues) {
            row.columns.clone_from(&held.columns);
        }
        if removed && mistake == Some(Mistake::SoftDeleteForgetsOrder) {
            row.order = held.order;
        }
        if !removed && mistake == Some(Mistake::SoftDeleteKeepsOldValues) {
            for (name, value) in &held.columns {
                if row.columns.get(name).is_none_or(|new| *new == Value::Null) {
                    row.columns.insert(name.clone(), value.clone());
                }
            }
        }
        *held = Row { deleted: Some(removed), ..row };
    }

    pub(super) fn apply_history(
        &mut self,
        staged: &[(ChangeBatch, Vec<Row>)],
        ended: Option<Epoch>,
        sorts_out: bool,
        mistake: Option<Mistake>,
    ) {
        for (key, mut row, changed_at) in bent(staged, mistake) {
            if mistake == Some(Mistake::HistoryForgetsExpiry) && is_removal(&row) {
                row.op = Some("remove".to_owned());
            }
            if mistake == Some(Mistake::HistoryRemovesKey) && is_removal(&row) {
                self.rows.retain(|other, _| of(other) != key);
                continue;
            }
            if mistake == Some(Mistake::HistoryKeepsNewest) {
                self.rows.retain(|other, held| of(other) != key || held.order > row.order);
            }
            self.put_version(&key, row, changed_at, mistake);
        }
        if let Some(epoch) = ended {
            self.close_unseen(epoch, mistake);
        }
        if sorts_out {
            self.drop_idle_versions(mistake);
        }
        let mut of_key: BTreeMap<&str, Vec<&mut Row>> = BTreeMap::new();
        for (key, row) in &mut self.rows {
            of_key.entry(of(key)).or_default().push(row);
        }
        for mut versions in of_key.into_values() {
            let by_arrival = mistake == Some(Mistake::HistoryAppendsAtEnd);
            let arrived = |row: &Row| row.validity.filter(|_| by_arrival).map(|validity| validity.synced_at);
            versions.sort_by_key(|row| (arrived(row), row.order));
            set_intervals(&mut versions, mistake);
        }
    }

    fn put_version(&mut self, key: &str, row: Row, changed_at: Option<i64>, mistake: Option<Mistake>) {
        self.written += 1;
        let synced_at = SYNCED_AT + i64::try_from(self.written).expect("few rows");
        let version = match mistake {
            Some(Mistake::HistoryIsByTime) => format!("{changed_at:?}"),
            Some(Mistake::HistoryDoublesReplays) => format!("{}-{}", row.order, self.written),
            _ => row.order.to_string(),
        };
        let key = format!("{key} {}", version.replace(' ', ""));
        let validity = Some(Validity { changed_at, synced_at, from: 0, to: None, current: false });
        if mistake == Some(Mistake::HistorySyncsReplaysAgain) {
            self.rows.remove(&key);
        }
        self.rows.entry(key).or_insert(Row { validity, ..row });
    }

    fn drop_idle_versions(&mut self, mistake: Option<Mistake>) {
        let mut versions: Vec<_> =
            self.rows.iter().map(|(key, row)| (of(key), row.order, is_removal(row), key)).collect();
        versions.sort_unstable();
        let is_idle = |at: usize| {
            let (key, _, removal, _) = versions[at];
            let before = at.checked_sub(1).map(|before| versions[before]).filter(|before| before.0 == key);
            let removed = before.map(|before| before.2);
            let too_much = mistake == Some(Mistake::EveryRemovalIsIdle);
            removal && (removed.unwrap_or(true) || too_much)
        };
        let idle: Vec<String> =
            (0..versions.len()).filter(|&at| is_idle(at)).map(|at| versions[at].3.clone()).collect();
        for key in &idle {
            self.rows.remove(key);
        }
    }

    /// Ends what the snapshot of an epoch did not see.
    fn close_unseen(&mut self, epoch: Epoch, mistake: Option<Mistake>) {
        let mut newest: BTreeMap<String, Row> = BTreeMap::new();
        for (key, row) in &self.rows {
            if newest.get(of(key)).is_none_or(|held| held.order < row.order) {
                newest.insert(of(key).to_owned(), row.clone());
            }
        }
        let again = mistake == Some(Mistake::HistoryEndClosesAgain);
        newest.retain(|_, row| row.order.epoch() < epoch && (!is_removal(row) || again));
        for (key, row) in newest {
            match mistake {
                Some(Mistake::HistoryEndLeavesOpen) => {}
                Some(Mistake::HistoryEndRemoves) => self.rows.retain(|other, _| of(other) != key),
                _ => {
                    let mut removal = Row::new(row.columns, OrderKey::snapshot(epoch));
                    removal.op = Some("remove".to_owned());
                    let keys: Vec<_> = self.schema.iter().flat_map(commutator_core::TableSchema::keys).collect();
                    removal.columns.retain(|name, _| keys.iter().any(|column| column.name == *name));
                    self.put_version(&key, removal, None, mistake);
                }
            }
        }
    }
}

/// What stands in a key of the map before the version.
fn of(key: &str) -> &str {
    key.rsplit_once(' ').map_or(key, |(key, _)| key)
}

/// Returns every staged row with its key and its time.
fn bent(staged: &[(ChangeBatch, Vec<Row>)], mistake: Option<Mistake>) -> Vec<(String, Row, Option<i64>)> {
    let mut out = Vec::new();
    for (batch, rows) in staged {
        for (row, changed_at) in rows.iter().zip(batch.changed_at()) {
            let mut row = row.clone();
            bend(&mut row, batch.schema(), mistake);
            out.push((identity(&row, batch.schema(), mistake), row, *changed_at));
        }
    }
    out
}

/// Sets the intervals of one key's versions, which are sorted.
fn set_intervals(versions: &mut [&mut Row], mistake: Option<Mistake>) {
    let raw = mistake == Some(Mistake::HistoryTakesClocksAsTheyAre);
    let times: Vec<i64> = versions
        .iter()
        .map(|row| row.validity.map_or(0, |validity| validity.changed_at.unwrap_or(validity.synced_at)))
        .collect();
    // Which is quadratic, and plain.
    let from = |i: usize| if raw { times[i] } else { times[i..].iter().copied().min().unwrap_or(0) };
    let removed: Vec<bool> = versions.iter().map(|row| is_removal(row)).collect();
    for i in 0..versions.len() {
        let next = i + 1;
        let open = next < removed.len() && removed[next] && mistake == Some(Mistake::HistoryLeavesRemovedOpen);
        let to = match () {
            () if removed[i] && mistake != Some(Mistake::HistoryHasNoHole) => Some(from(i)),
            () if next == times.len() => removed[i].then(|| from(i)),
            () if open => None,
            () => Some(from(next)),
        };
        if let Some(validity) = &mut versions[i].validity {
            *validity = Validity { from: from(i), to, current: to.is_none(), ..*validity };
        }
    }
}
