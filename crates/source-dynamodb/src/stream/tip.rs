//! When a shard has been read to its tip: pure.

use std::collections::VecDeque;

use tokio::time::Instant;

/// So many empty pages in a row mean that there was nothing more: a single one can come in the middle of a shard.
pub(crate) const EMPTY_PAGES: usize = 3;

/// A record's creation time has a grain of a second, or of a minute with emulators, and records arrive a little late.
const CREATION_MARGIN_MS: i64 = 10 * 60 * 1000;

/// The latest empty pages of a shard, and what follows from them.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    empty: VecDeque<(Instant, i64)>,
    run: u32,
    watermark_ms: Option<i64>,
    newest_ms: Option<i64>,
}

impl Tip {
    /// Creates the state of a shard all of whose changes before `watermark_ms` are known or do not matter.
    pub(crate) fn new(watermark_ms: Option<i64>) -> Self {
        Self { empty: VecDeque::new(), run: 0, watermark_ms, newest_ms: None }
    }

    /// Notes a page without records, which was asked for at these times.
    pub(crate) fn empty_page(&mut self, begun: Instant, begun_ms: i64) {
        self.run = self.run.saturating_add(1);
        self.empty.push_back((begun, begun_ms));
        if self.empty.len() > EMPTY_PAGES {
            self.empty.pop_front();
        }
        if let (true, Some(&(_, first_ms))) = (self.empty.len() == EMPTY_PAGES, self.empty.front()) {
            self.watermark_ms = self.watermark_ms.max(Some(first_ms));
        }
    }

    /// Notes a page with records, the newest of which was created at `newest_ms`.
    pub(crate) fn records(&mut self, newest_ms: Option<i64>) {
        self.run = 0;
        self.empty.clear();
        self.newest_ms = self.newest_ms.max(newest_ms);
        self.watermark_ms = self.watermark_ms.max(newest_ms.map(|ms| ms.saturating_sub(CREATION_MARGIN_MS)));
    }

    /// Returns how many empty pages came in a row.
    pub(crate) fn empty_run(&self) -> u32 {
        self.run
    }

    /// Returns whether the shard was at its tip at a time after `since`.
    pub(crate) fn reached_after(&self, since: Option<Instant>) -> bool {
        self.empty.len() == EMPTY_PAGES
            && self.empty.front().is_some_and(|&(begun, _)| since.is_none_or(|since| begun >= since))
    }

    /// Returns the time before which every change of the shard was read.
    pub(crate) fn watermark_ms(&self) -> Option<i64> {
        self.watermark_ms
    }

    /// Returns when the newest change that was read was created.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_empty_page_is_not_the_tip() {
        let (mut tip, now) = (Tip::new(Some(1)), Instant::now());
        for begun_ms in [100, 200] {
            tip.empty_page(now, begun_ms);
            assert!(!tip.reached_after(None));
            assert_eq!(tip.watermark_ms(), Some(1));
        }
        tip.empty_page(now, 300);
        assert!(tip.reached_after(None));
        assert_eq!(tip.watermark_ms(), Some(100), "the first of the run is what is certain");
        tip.records(Some(400));
        assert!(!tip.reached_after(None));
        assert_eq!((tip.watermark_ms(), tip.newest_ms(), tip.empty_run()), (Some(100), Some(400), 0));
    }

    #[test]
    fn only_pages_asked_for_after_a_time_count_for_it() {
        let (mut tip, early) = (Tip::new(None), Instant::now());
        let late = early + std::time::Duration::from_secs(1);
        tip.empty_page(early, 0);
        for _ in 0..2 {
            tip.empty_page(late, 0);
        }
        assert!(tip.reached_after(None) && !tip.reached_after(Some(late)));
        tip.empty_page(late, 0);
        assert!(tip.reached_after(Some(late)));
    }

    #[test]
    fn a_busy_shard_moves_its_watermark_by_what_it_reads() {
        let mut tip = Tip::new(Some(0));
        tip.records(Some(3_600_000));
        assert_eq!(tip.watermark_ms(), Some(3_000_000));
        tip.records(None);
        tip.records(Some(1));
        assert_eq!(tip.watermark_ms(), Some(3_000_000), "it never goes back");
    }
}
