//! `SIGTERM` and Ctrl-C: the first asks the run to commit what is whole, the second ends the program at once.

use tokio_util::sync::CancellationToken;

/// The shells' exit code for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Returns a token that the first signal cancels.
pub(crate) fn token() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        signal().await;
        tracing::info!("stopping: committing what is whole; once more to end at once");
        cancelled.cancel();
        signal().await;
        std::process::exit(INTERRUPTED);
    });
    token
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                () = interrupt() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened to");
            interrupt().await;
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    interrupt().await;
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "Ctrl-C cannot be listened to");
        std::future::pending::<()>().await;
    }
}
