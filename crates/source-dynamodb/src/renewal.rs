//! Credentials that are kept and fetched anew before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

use crate::clock::{Clock, system_time};

/// How long credentials are kept that do not say when they end.
const WITHOUT_END: Duration = Duration::from_mins(10);

/// Keeps the credentials of another provider until shortly before their end, so that it may be asked for every request.
///
/// Whoever asks while they are fetched waits for them. If they cannot be fetched and the old ones still hold, those are given.
#[derive(Debug)]
pub(crate) struct Renewing {
    inner: SharedCredentialsProvider,
    ahead: Duration,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    credentials: Credentials,
    fetched: SystemTime,
}

impl Renewing {
    /// Creates a provider that fetches so long before the end.
    pub(crate) fn new(inner: SharedCredentialsProvider, ahead: Duration, clock: &Arc<dyn Clock>) -> Self {
        Self { inner, ahead, clock: Arc::clone(clock), kept: Mutex::new(None) }
    }

    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.kept.lock().await;
        let now = system_time(&*self.clock);
        if let Some(kept) = kept.as_ref()
            && holds(kept.credentials.expiry(), kept.fetched, now + self.ahead, self.ahead)
        {
            return Ok(kept.credentials.clone());
        }
        match self.inner.provide_credentials().await {
            Ok(credentials) => {
                *kept = Some(Kept { credentials: credentials.clone(), fetched: now });
                Ok(credentials)
            }
            Err(error) => match kept.as_ref() {
                Some(kept) if kept.credentials.expiry().is_some_and(|end| end > now) => {
                    tracing::warn!(%error, "credentials could not be renewed yet");
                    Ok(kept.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }
}

/// Returns whether credentials that end at `end` still hold at a time; without an end they do for a while.
fn holds(end: Option<SystemTime>, fetched: SystemTime, at: SystemTime, ahead: Duration) -> bool {
    at < end.unwrap_or(fetched + WITHOUT_END + ahead)
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicU64, Ordering};

    /// Issues numbered credentials that end after so many seconds; fails from a number on.
    #[derive(Debug)]
    struct Issuer {
        issued: Arc<AtomicU64>,
        seconds: Option<u64>,
        fails_from: u64,
    }

    impl ProvideCredentials for Issuer {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.issued.fetch_add(1, Ordering::Relaxed);
            // The clock has whole milliseconds.
            let now = SystemTime::now() - Duration::from_millis(1);
            let end = self.seconds.map(|seconds| now + Duration::from_secs(seconds));
            future::ProvideCredentials::ready(if number >= self.fails_from {
                Err(CredentialsError::not_loaded("no"))
            } else {
                Ok(Credentials::new(number.to_string(), "s", None, end, "test"))
            })
        }
    }

    async fn asked_twice(seconds: Option<u64>, fails_from: u64) -> (String, Result<String, ()>, u64) {
        let count = Arc::new(AtomicU64::new(0));
        let issuer = Issuer { issued: Arc::clone(&count), seconds, fails_from };
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let provider = Renewing::new(SharedCredentialsProvider::new(issuer), Duration::from_mins(2), &clock);
        let first = provider.provide_credentials().await.unwrap().access_key_id().to_owned();
        let second = provider.provide_credentials().await.map(|c| c.access_key_id().to_owned()).map_err(drop);
        (first, second, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_their_end() {
        assert_eq!(asked_twice(Some(3_600), 9).await, ("0".to_owned(), Ok("0".to_owned()), 1));
        assert_eq!(asked_twice(None, 9).await, ("0".to_owned(), Ok("0".to_owned()), 1));
        assert_eq!(asked_twice(Some(60), 9).await, ("0".to_owned(), Ok("1".to_owned()), 2));
    }

    #[tokio::test]
    async fn old_credentials_are_better_than_none() {
        assert_eq!(asked_twice(Some(60), 1).await, ("0".to_owned(), Ok("0".to_owned()), 2));
        assert_eq!(asked_twice(Some(0), 1).await, ("0".to_owned(), Err(()), 2));
    }

    #[test]
    fn credentials_without_an_end_are_fetched_again_after_a_while() {
        let (now, ahead) = (SystemTime::now(), Duration::from_mins(2));
        assert!(holds(None, now, now + WITHOUT_END, ahead));
        assert!(!holds(None, now, now + WITHOUT_END + ahead, ahead));
    }
}
