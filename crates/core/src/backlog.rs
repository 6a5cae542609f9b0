//! What a source still has that a checkpoint does not: what nobody reads is lost one day.

use serde::Serialize;

/// What a source still has of a table that a checkpoint does not, and for how long it keeps it.
///
/// Times are milliseconds since 1970 by the source's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// When the source was asked.
    pub asked_at: i64,
    /// Every change created before this time was read and committed, or was seen by the snapshot; `None` if no such time is known.
    pub covered_until: Option<i64>,
    /// About when the oldest change that was not read was created; `None` if none was found.
    pub oldest_unread: Option<i64>,
    /// Partitions in which a change was found that was not read.
    pub unread_partitions: u64,
    /// Whether every partition was asked that can have the oldest change; otherwise it may be older than `oldest_unread` says.
    pub complete: bool,
    /// Milliseconds until changes that nobody reads count as lost; `None` where nothing can be lost, or where it is not known.
    pub time_left: Option<u64>,
    /// Why changes count as lost already, so that the next run meets a gap.
    pub gap: Option<String>,
}

impl Backlog {
    /// Returns how old the oldest change is that was not read, in milliseconds.
    pub fn oldest_unread_age(&self) -> Option<u64> {
        self.oldest_unread.map(|at| self.age(at))
    }

    /// Returns how long ago every change was read that there was, in milliseconds.
    pub fn behind(&self) -> Option<u64> {
        self.covered_until.map(|at| self.age(at))
    }

    fn age(&self, at: i64) -> u64 {
        u64::try_from(self.asked_at.saturating_sub(at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_count_from_when_the_source_was_asked_and_never_below_zero() {
        let backlog =
            Backlog { asked_at: 5_000, covered_until: Some(2_000), oldest_unread: Some(9_000), ..Backlog::default() };
        assert_eq!((backlog.behind(), backlog.oldest_unread_age()), (Some(3_000), Some(0)));
        assert_eq!((Backlog::default().behind(), Backlog::default().oldest_unread_age()), (None, None));
    }
}
