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
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

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

    /// Returns how many bytes are reserved now.
    pub fn used(&self) -> usize {
        (self.grains as usize - self.semaphore.available_permits()) * GRAIN
    }
}
