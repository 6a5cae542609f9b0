//! Work that keeps a core busy: as much of it at a time as there are cores.

use std::sync::LazyLock;
use std::thread::available_parallelism;

use commutator_core::Result;
use tokio::sync::Semaphore;

use crate::error;

/// More threads than cores would finish nothing sooner, and each holds what it works on, and what its allocator keeps for it.
static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from).min(Semaphore::MAX_PERMITS)));

/// Runs work on a thread of its own once a core is free for it.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    // Acquiring fails only for a closed semaphore, and nobody closes this one.
    let permit = CORES.acquire().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(error::task)?
}
