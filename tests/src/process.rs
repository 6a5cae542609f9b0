//! Processes that end with the test that started them.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Waits until something holds.
///
/// # Panics
///
/// If it does not within `limit`, with what `explain` says.
pub fn until(limit: Duration, mut holds: impl FnMut() -> bool, explain: impl FnOnce() -> String) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "not within {limit:?}: {}", explain());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running process; it is killed when dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Takes a process over.
    pub fn new(child: Child) -> Self {
        Self(child)
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns the process' standard output, once.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.0.stdout.take()
    }

    /// Kills the process at once, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// If the process cannot be waited for.
    pub fn kill(mut self) {
        // An error means that it ended before, which is as good.
        drop(self.0.kill());
        self.0.wait().expect("a process that was started here can be waited for");
    }

    /// Asks the process to end, as `kill` does, and waits.
    ///
    /// # Panics
    ///
    /// If there is no `kill` program, or the process does not end within `limit`.
    pub fn terminate(self, limit: Duration) -> ExitStatus {
        let killed = std::process::Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(killed.expect("kill is there").success(), "the process had ended by itself");
        self.wait(limit)
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    ///
    /// If it does not within `limit`.
    pub fn wait(mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().expect("a process that was started here can be waited for") {
                return status;
            }
            assert!(Instant::now() < end, "the process did not end within {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns whether it is still running.
    ///
    /// # Panics
    ///
    /// If the process cannot be waited for.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a process that was started here can be waited for").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
