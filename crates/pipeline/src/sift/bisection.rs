//! Finding the bad ones among many by asking about ranges of them; pure, so that it can be tested on every case.

use std::ops::Range;

/// A search for bad rows: [`next`](Self::next) says which range to try, [`answer`](Self::answer) takes how that went.
///
/// A range that passes has no bad row. One that does not is cut in half, down to single rows. Should a range fail whose halves both
/// pass, nothing in it is bad by itself, and nothing is found there.
#[derive(Debug)]
pub(crate) struct Bisection {
    /// Ranges that are still to be tried, the next one last.
    waiting: Vec<Range<usize>>,
    /// The most rows that may be bad.
    limit: usize,
    bad: Vec<usize>,
}

impl Bisection {
    /// Begins a search among so many rows, of which no more than `limit` may be bad.
    pub(crate) fn new(rows: usize, limit: usize) -> Self {
        let whole = (rows > 0).then_some(0..rows);
        Self { waiting: whole.into_iter().collect(), limit, bad: Vec::new() }
    }

    /// Returns the range to try next; `None` once all is known or more than the limit are bad.
    pub(crate) fn next(&self) -> Option<Range<usize>> {
        if self.is_over_limit() { None } else { self.waiting.last().cloned() }
    }

    /// Takes the answer about the range that [`next`](Self::next) returned; `true` if it was bad alone, and so was found.
    pub(crate) fn answer(&mut self, passed: bool) -> bool {
        let Some(range) = self.waiting.pop() else { return false };
        if passed {
            return false;
        }
        if range.len() == 1 {
            self.bad.push(range.start);
            return true;
        }
        let middle = range.start + range.len() / 2;
        self.waiting.extend([middle..range.end, range.start..middle]);
        false
    }

    /// Returns the bad rows found so far, in ascending order.
    pub(crate) fn bad(&self) -> &[usize] {
        &self.bad
    }

    /// Returns whether more rows are bad than may be.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.bad.len() > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches with an oracle; returns what was found and how often was asked.
    fn search(rows: usize, limit: usize, passes: impl Fn(Range<usize>) -> bool) -> (Vec<usize>, usize) {
        let mut search = Bisection::new(rows, limit);
        let mut asked = 0;
        while let Some(range) = search.next() {
            assert!(!range.is_empty() && range.end <= rows);
            search.answer(passes(range));
            asked += 1;
        }
        (search.bad, asked)
    }

    #[test]
    fn every_set_of_bad_rows_is_found_exactly() {
        for rows in 0..=11_usize {
            for set in 0..1_u32 << rows {
                let bad: Vec<usize> = (0..rows).filter(|row| set >> row & 1 == 1).collect();
                let (found, asked) = search(rows, rows, |range| !range.into_iter().any(|row| bad.contains(&row)));
                assert_eq!(found, bad);
                // Each bad row is asked for with one neighbour per level, and the whole once.
                let levels = (rows.max(1)).next_power_of_two().ilog2() as usize;
                assert!(asked <= 1 + 2 * levels * bad.len(), "{rows} {bad:?}: {asked}");
            }
        }
    }

    #[test]
    fn rows_that_are_bad_only_together_are_not_found() {
        for rows in 2..=9 {
            let (found, _) = search(rows, rows, |range| range.len() < rows);
            assert_eq!(found, Vec::<usize>::new());
            let (found, _) = search(rows, rows, |range| range.len() < rows && !range.contains(&1));
            assert_eq!(found, [1]);
        }
    }

    #[test]
    fn the_search_ends_one_row_beyond_the_limit() {
        for limit in 0..5 {
            let (found, asked) = search(1000, limit, |_| false);
            assert_eq!(found, (0..=limit).collect::<Vec<_>>());
            assert!(asked < 40);
        }
    }
}
