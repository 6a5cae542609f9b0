//! Who is asking: a key pair, a programmatic access token, or an OAuth token.
//!
//! Snowflake's pages "Authenticating to the server" (docs.snowflake.com/en/developer-guide/sql-api/authenticating) and "Key-pair
//! authentication and key-pair rotation" (docs.snowflake.com/en/user-guide/key-pair-auth).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use commutator_core::{Error, ErrorKind, Result, Secret};

pub(crate) use key_pair::KeyPair;

mod key_pair;

/// A token of ours is valid for so long; the server takes none for longer than an hour.
const VALIDITY: Duration = Duration::from_mins(55);
/// A token is made anew so long before it ends, so that none ends on its way.
const MARGIN: Duration = Duration::from_mins(5);

/// What proves who is asking.
pub(crate) enum Credentials {
    /// A token is signed with a private key, again and again.
    KeyPair(Box<KeyPair>),
    /// A programmatic access token.
    AccessToken(Secret),
    /// An OAuth token, which somebody else renews.
    OAuth(Secret),
    /// A file with an OAuth token, which is read again when the server takes the last one no more.
    OAuthFile(PathBuf),
}

/// A token, and what kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The value of `X-Snowflake-Authorization-Token-Type`.
    pub(crate) kind: &'static str,
    pub(crate) value: Secret,
}

/// Credentials with the token that was last made of them.
pub(crate) struct Identity {
    credentials: Credentials,
    last: Mutex<Option<(Token, Option<Duration>)>>,
}

impl Identity {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, last: Mutex::new(None) }
    }

    /// Returns a token that is valid `now`, which is the time since 1970.
    pub(crate) fn token(&self, now: Duration) -> Result<Token> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = &*last
            && until.is_none_or(|until| now + MARGIN < until)
        {
            return Ok(token.clone());
        }
        let (token, until) = self.make(now)?;
        *last = Some((token.clone(), until));
        Ok(token)
    }

    /// Forgets a token that the server did not take; returns whether another one may come in its place.
    pub(crate) fn refused(&self, token: &Token) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|(held, _)| held == token) {
            *last = None;
        }
        matches!(self.credentials, Credentials::KeyPair(_) | Credentials::OAuthFile(_))
    }

    fn make(&self, now: Duration) -> Result<(Token, Option<Duration>)> {
        let (kind, value, until) = match &self.credentials {
            Credentials::KeyPair(pair) => ("KEYPAIR_JWT", pair.sign(now, VALIDITY)?, Some(now + VALIDITY)),
            Credentials::AccessToken(token) => ("PROGRAMMATIC_ACCESS_TOKEN", token.clone(), None),
            Credentials::OAuth(token) => ("OAUTH", token.clone(), None),
            Credentials::OAuthFile(path) => {
                let read = std::fs::read_to_string(path).map_err(|cause| {
                    Error::new(ErrorKind::ConfigInvalid, "The file with the OAuth token cannot be read")
                        .with("setting", "oauth_token_file")
                        .with("path", path.display())
                        .with_source(cause)
                })?;
                ("OAUTH", Secret::new(read.trim().to_owned()), None)
            }
        };
        Ok((Token { kind, value }, until))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.credentials {
            Credentials::KeyPair(_) => "key pair",
            Credentials::AccessToken(_) => "programmatic access token",
            Credentials::OAuth(_) => "OAuth token",
            Credentials::OAuthFile(_) => "OAuth token of a file",
        };
        f.debug_tuple("Identity").field(&what).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_is_used_until_shortly_before_its_end() {
        let identity = Identity::new(Credentials::KeyPair(Box::new(key_pair::tests::pair())));
        let at = |seconds| identity.token(Duration::from_secs(seconds)).unwrap();
        let first = at(1_000_000);
        assert_eq!(first.kind, "KEYPAIR_JWT");
        assert_eq!(at(1_000_000 + 49 * 60), first);
        assert_ne!(at(1_000_000 + 50 * 60), first);
    }

    #[test]
    fn a_token_that_was_refused_is_not_sent_again_where_there_may_be_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let identity = Identity::new(Credentials::OAuthFile(path.clone()));
        let first = identity.token(Duration::ZERO).unwrap();
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(identity.token(Duration::ZERO).unwrap().value.expose(), "one");
        assert!(identity.refused(&first));
        let second = identity.token(Duration::ZERO).unwrap();
        assert_eq!((second.kind, second.value.expose().as_str()), ("OAUTH", "two"));
        // Someone else's refusal of the first one comes late.
        identity.refused(&first);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(identity.token(Duration::ZERO).unwrap(), second);

        let fixed = Identity::new(Credentials::AccessToken(Secret::new("hunter2".to_owned())));
        let token = fixed.token(Duration::ZERO).unwrap();
        assert!(!fixed.refused(&token));
        assert!(!format!("{fixed:?} {token:?}").contains("hunter2"));
    }
}
