//! How one table of a run stands, as counters that events move.

use std::time::Duration;

use commutator::pipeline::{Event, Latencies};
use commutator::rules::LeftOut;

use super::time_left;

/// What a table is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// It was not opened yet.
    #[default]
    Waiting,
    /// Its snapshot is being read.
    Snapshot,
    /// Its changes are being followed.
    Streaming,
    /// It is done.
    Finished,
    /// It failed.
    Failed,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// Returns whether nothing more comes.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

/// Counters of one table.
#[derive(Debug, Default)]
pub(super) struct Table {
    phase: Phase,
    items: u64,
    rows: u64,
    changes: u64,
    wire_bytes: u64,
    dead_letters: u64,
    left_out: LeftOut,
    lag: Option<u64>,
    time_left: Option<u64>,
    warned: Option<u64>,
    latencies: Latencies,
    before: Option<(Duration, u64)>,
}

/// How a table stands at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) phase: Phase,
    /// Snapshot rows that were read.
    pub(super) rows: u64,
    /// Changes that were read.
    pub(super) changes: u64,
    /// Bytes over the wire per second since the glance before.
    pub(super) bytes_per_second: u64,
    /// How much of the snapshot was read, if its size is known.
    pub(super) percent: Option<u64>,
    pub(super) lag: Option<u64>,
    /// Within how many milliseconds half of the changes, and 99 of 100, were committed since the glance before.
    pub(super) latency: Option<(u64, u64)>,
    /// Milliseconds left before changes that were not read would count as lost.
    pub(super) time_left: Option<u64>,
    /// Records and rows that were set aside.
    pub(super) dead_letters: u64,
    /// What rules left out.
    pub(super) left_out: LeftOut,
}

impl Table {
    pub(super) fn apply(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { table, snapshot_ended, .. } => {
                self.items = table.items;
                self.phase = if *snapshot_ended { Phase::Streaming } else { Phase::Snapshot };
            }
            Event::Read { rows, wire_bytes, snapshot } => {
                self.wire_bytes += wire_bytes;
                *(if *snapshot { &mut self.rows } else { &mut self.changes }) += rows;
            }
            Event::Committed { latencies, .. } => self.latencies.merge(latencies),
            Event::DeadLettered { count } => self.dead_letters += count,
            Event::LeftOut(more) => self.left_out += *more,
            Event::SnapshotEnded { .. } => self.phase = Phase::Streaming,
            Event::Lag(lag) => (self.lag, self.time_left) = (Some(lag.milliseconds), lag.time_left),
            // The table is read anew, so its snapshot begins at nothing.
            Event::Gap(_) | Event::HandedOver { .. } => (self.phase, self.rows) = (Phase::Snapshot, 0),
            Event::Finished => self.phase = Phase::Finished,
            Event::Failed(_) => self.phase = Phase::Failed,
            _ => {}
        }
    }

    /// Returns the time that is left if it is time to warn of it.
    pub(super) fn warning(&mut self) -> Option<u64> {
        let (warned, warns) = time_left::warns(self.warned, self.time_left);
        self.warned = warned;
        self.time_left.filter(|_| warns)
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns how much of the snapshot was read. The item count may be hours old, so 100 only comes with the snapshot's end.
    pub(super) fn percent(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting => None,
            Phase::Streaming | Phase::Finished => Some(100),
            Phase::Snapshot | Phase::Failed => {
                (self.items > 0).then(|| (self.rows.saturating_mul(100) / self.items).min(99))
            }
        }
    }

    /// Returns how the table stands; `now` is the time since the run began.
    pub(super) fn glance(&mut self, now: Duration) -> Glance {
        let (then, bytes) = self.before.replace((now, self.wire_bytes)).unwrap_or_default();
        let millis = now.saturating_sub(then).as_millis();
        let read = u128::from(self.wire_bytes - bytes) * 1000;
        let bytes_per_second = read.checked_div(millis).and_then(|rate| u64::try_from(rate).ok()).unwrap_or(0);
        let latencies = std::mem::take(&mut self.latencies);
        let within = |share| latencies.quantile(share).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Glance {
            latency: within(0.5).zip(within(0.99)),
            phase: self.phase,
            rows: self.rows,
            changes: self.changes,
            bytes_per_second,
            percent: self.percent(),
            lag: self.lag.filter(|_| self.phase == Phase::Streaming),
            time_left: self.time_left,
            dead_letters: self.dead_letters,
            left_out: self.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator::{Epoch, Lag, TableDescription, TableName};

    #[test]
    fn events_move_the_counters() {
        let description = TableDescription {
            name: TableName::new("orders"),
            keys: Vec::new(),
            items: 200,
            bytes: 0,
            billing: String::new(),
            stream: None,
        };
        let mut table = Table::default();
        assert_eq!(table.glance(Duration::ZERO).percent, None);
        table.apply(&Event::Started { table: &description, epoch: Epoch::FIRST, snapshot_ended: false });
        table.apply(&Event::Read { rows: 50, wire_bytes: 3000, snapshot: true });
        table.apply(&Event::Read { rows: 2, wire_bytes: 1000, snapshot: false });
        table.apply(&Event::DeadLettered { count: 3 });
        let more = LeftOut { filtered_rows: 2, ..LeftOut::default() };
        table.apply(&Event::LeftOut(more));
        table.apply(&Event::LeftOut(more));
        let glance = table.glance(Duration::from_secs(2));
        let expected = Glance {
            phase: Phase::Snapshot,
            rows: 50,
            changes: 2,
            bytes_per_second: 2000,
            percent: Some(25),
            lag: None,
            latency: None,
            time_left: None,
            dead_letters: 3,
            left_out: LeftOut { filtered_rows: 4, ..LeftOut::default() },
        };
        assert_eq!(glance, expected);
        table.apply(&Event::Read { rows: 500, wire_bytes: 0, snapshot: true });
        assert_eq!(table.percent(), Some(99));
        table.apply(&Event::SnapshotEnded { epoch: Epoch::FIRST });
        table.apply(&Event::Lag(Lag { milliseconds: 7, partitions: 1, time_left: Some(3_600_000) }));
        assert_eq!((table.warning(), table.warning()), (Some(3_600_000), None));
        let glance = table.glance(Duration::from_secs(3));
        assert_eq!((glance.phase, glance.percent, glance.lag), (Phase::Streaming, Some(100), Some(7)));
        assert_eq!((glance.bytes_per_second, glance.time_left), (0, Some(3_600_000)));
        table.apply(&Event::HandedOver { epoch: Epoch(2) });
        assert_eq!((table.glance(Duration::from_secs(4)).phase, table.percent()), (Phase::Snapshot, Some(0)));
        table.apply(&Event::Finished);
        assert!(table.phase().is_over());
    }
}
