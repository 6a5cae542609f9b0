//! One byte budget for the whole process, so that memory is bounded whatever the tables' sizes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const GRAIN: usize = 1024;

/// A number of bytes that all tables of a process share.
///
/// A source reserves a batch's bytes before it reads on, and the pipeline gives them back once the rows are written; so
/// back-pressure reaches the reader. Cloning shares the budget. Its grain is 1 KiB.
#[derive(Debug, Clone)]
pub struct Budget {
    semaphore: Arc<Semaphore>,
    grains: u32,
}

/// Reserved bytes, given back when dropped.
#[derive(Debug, Default)]
pub struct Permit(Option<OwnedSemaphorePermit>);

impl Permit {
    /// Takes so many of the bytes away as a permit of their own; all of them if there are fewer.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let Some(held) = &mut self.0 else { return Self::default() };
        let wanted = bytes.div_ceil(GRAIN).min(held.num_permits());
        Self(held.split(wanted))
    }

    /// Adds the bytes of another permit of the same budget.
    ///
    /// # Panics
    ///
    /// Panics if it is of another budget.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(held), Some(more)) => held.merge(more),
            (held @ None, more) => *held = more,
            (Some(_), None) => {}
        }
    }
}

impl Budget {
    /// Creates a budget of so many bytes, at least 1 KiB and at most 2 TiB.
    pub fn new(bytes: usize) -> Self {
        let grains = u32::try_from(bytes / GRAIN).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 1);
        Self { semaphore: Arc::new(Semaphore::new(grains as usize)), grains }
    }

    /// Waits until so many bytes are free and reserves them.
    ///
    /// Whoever asks for more than the whole budget gets all of it, so that one huge batch can pass, alone.
    pub async fn reserve(&self, bytes: usize) -> Permit {
        let grains = u32::try_from(bytes.div_ceil(GRAIN)).unwrap_or(u32::MAX).clamp(1, self.grains);
        // Acquiring fails only for a closed semaphore, and nobody can close this one.
        Permit(Arc::clone(&self.semaphore).acquire_many_owned(grains).await.ok())
    }

    /// Reserves so many bytes if they are free now; `None` if they are not.
    pub fn try_reserve(&self, bytes: usize) -> Option<Permit> {
        let grains = u32::try_from(bytes.div_ceil(GRAIN)).ok()?;
        Arc::clone(&self.semaphore).try_acquire_many_owned(grains).ok().map(|permit| Permit(Some(permit)))
    }

    /// Returns how many bytes there are in all.
    pub fn bytes(&self) -> usize {
        self.grains as usize * GRAIN
    }

    /// Returns how many bytes are reserved now.
    pub fn used(&self) -> usize {
        (self.grains as usize - self.semaphore.available_permits()) * GRAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_reserved_at_once_or_not_at_all() {
        let budget = Budget::new(4 * GRAIN);
        let mut held = budget.try_reserve(3 * GRAIN).unwrap();
        assert!(budget.try_reserve(GRAIN + 1).is_none());
        assert_eq!(budget.used(), 3 * GRAIN);
        held.merge(budget.try_reserve(1).unwrap());
        assert!(budget.try_reserve(1).is_none());
        let mut none = Permit::default();
        none.merge(held);
        none.merge(Permit::default());
        assert_eq!(budget.used(), 4 * GRAIN);
        drop(none);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_part_of_a_permit_is_given_back_on_its_own() {
        let budget = Budget::new(10 * GRAIN);
        let mut page = budget.reserve(8 * GRAIN).await;
        let rows = page.split(3 * GRAIN - 1);
        drop(page);
        assert_eq!(budget.used(), 3 * GRAIN);
        drop(rows);
        let mut small = budget.reserve(GRAIN).await;
        let all = small.split(5 * GRAIN);
        drop(small);
        assert_eq!(budget.used(), GRAIN, "there is no more to take than there was");
        drop(all);
        assert_eq!(budget.used(), 0);
    }
}
