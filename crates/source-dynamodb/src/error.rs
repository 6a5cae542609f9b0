//! Errors of the SDK as errors of this product: what a user can do about each.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use commutator_core::{Error, ErrorKind, Retry};

use crate::credentials::RefusedRole;

/// A call that failed: the service's code, and the error for the user.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Option<String>,
    error: Error,
}

impl Failure {
    /// Returns whether the service answered with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Adds a name, count or position to the error.
    pub(crate) fn with(mut self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.error = self.error.with(key, value);
        self
    }

    /// Creates a failure that the service did not cause.
    pub(crate) fn local(error: Error) -> Self {
        Self { code: None, error }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What a service's code means: kind, retry hint, and a sentence in which `{action}` is the call's IAM action.
struct Meaning {
    codes: &'static [&'static str],
    kind: ErrorKind,
    retry: Retry,
    message: &'static str,
}

const MEANINGS: &[Meaning] = &[
    Meaning {
        codes: &["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized"],
        kind: ErrorKind::PermissionDenied,
        retry: Retry::Never,
        message: "AWS refused {action}: allow this action on the resource in the IAM policy of the identity that reads",
    },
    Meaning {
        codes: &["ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"],
        kind: ErrorKind::PermissionDenied,
        // Credentials that are refreshed by themselves are good again after a while.
        retry: Retry::Backoff,
        message: "The AWS credentials have expired ({action}): refresh them, or use a role, which is renewed by itself",
    },
    Meaning {
        codes: &[
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignatureException",
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "InvalidAccessKeyId",
        ],
        kind: ErrorKind::PermissionDenied,
        retry: Retry::Never,
        message: "AWS does not accept the credentials ({action}): check the access key, the secret and the machine's clock",
    },
    Meaning {
        codes: &["OptInRequired", "RegionDisabledException"],
        kind: ErrorKind::PermissionDenied,
        retry: Retry::Never,
        message: "The account is not enabled for this region ({action}): enable it, or correct the region",
    },
    Meaning {
        codes: &["ResourceNotFoundException", "TableNotFoundException"],
        kind: ErrorKind::NotFound,
        retry: Retry::Never,
        message: "The table or stream does not exist ({action}): check its name, the region and the account",
    },
    Meaning {
        codes: &[
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "Throttling",
            "RequestLimitExceeded",
            "LimitExceededException",
            "TooManyRequestsException",
            "SlowDown",
        ],
        kind: ErrorKind::Throttled,
        retry: Retry::Backoff,
        message: "DynamoDB keeps asking to slow down ({action}): set max_read_capacity or read_capacity_share, or give the table \
                  more capacity",
    },
    Meaning {
        codes: &["InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"],
        kind: ErrorKind::Unavailable,
        retry: Retry::Backoff,
        message: "DynamoDB has a problem of its own ({action})",
    },
    Meaning {
        codes: &["TrimmedDataAccessException", "ExpiredIteratorException"],
        kind: ErrorKind::Unavailable,
        retry: Retry::Backoff,
        message: "The place in the stream is no longer valid ({action})",
    },
    Meaning {
        codes: &["UnknownOperationException"],
        kind: ErrorKind::Unsupported,
        retry: Retry::Never,
        message: "The server does not know {action}: check that the endpoint is DynamoDB's",
    },
    Meaning {
        codes: &["ValidationException", "SerializationException"],
        kind: ErrorKind::Unexpected,
        retry: Retry::Never,
        message: "DynamoDB did not accept the request ({action})",
    },
];

/// Returns kind, retry hint and sentence for a code, or for a status if the code says nothing.
fn meaning(code: Option<&str>, status: Option<u16>, action: &str) -> (ErrorKind, Retry, String) {
    if let Some(known) = MEANINGS.iter().find(|m| code.is_some_and(|code| m.codes.contains(&code))) {
        return (known.kind, known.retry, known.message.replace("{action}", action));
    }
    let (kind, retry, text) = match status {
        Some(401 | 403) => {
            (ErrorKind::PermissionDenied, Retry::Never, "AWS refused {action}: check the credentials and the endpoint")
        }
        Some(404) => (ErrorKind::NotFound, Retry::Never, "Nothing answers {action} at the endpoint: check its URL"),
        Some(429) => (ErrorKind::Throttled, Retry::Backoff, "The server keeps asking to slow down ({action})"),
        Some(500..=599) => (ErrorKind::Unavailable, Retry::Backoff, "The server has a problem of its own ({action})"),
        _ => (ErrorKind::Unexpected, Retry::Never, "{action} failed"),
    };
    (kind, retry, text.replace("{action}", action))
}

/// Turns an error of the SDK into a failure; `action` is the IAM action of the call, such as `dynamodb:Scan`.
pub(crate) fn failure<E>(error: SdkError<E, HttpResponse>, action: &'static str) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let status = error.raw_response().map(|response| response.status().as_u16());
    if let Some(refused) = find::<RefusedRole>(&error) {
        return Failure { code, error: refused.to_error().with_source(error) };
    }
    let (kind, retry, message) = match &error {
        SdkError::ServiceError(service) => {
            let (kind, retry, mut message) = meaning(code.as_deref(), status, action);
            if let Some(said) = service.err().message()
                && kind != ErrorKind::Throttled
            {
                message = format!("{message}. AWS says: {said}");
            }
            (kind, retry, message)
        }
        SdkError::TimeoutError(_) => (ErrorKind::Unavailable, Retry::Backoff, format!("{action} was not answered in time")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (ErrorKind::Unavailable, Retry::Backoff, format!("{action} was not answered in time"))
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => (
            ErrorKind::Unavailable,
            Retry::Backoff,
            format!("The server cannot be reached for {action}: check the endpoint, the region and the network"),
        ),
        SdkError::DispatchFailure(_) if find::<aws_credential_types::provider::error::CredentialsError>(&error).is_some() => (
            ErrorKind::PermissionDenied,
            Retry::Never,
            "No AWS credentials were found: set access_key_id and secret_access_key, a profile, or a role, or run where AWS \
             provides them"
                .to_owned(),
        ),
        SdkError::ResponseError(_) => (ErrorKind::Unavailable, Retry::Backoff, format!("The answer to {action} was damaged on its way")),
        SdkError::DispatchFailure(_) => (ErrorKind::Unavailable, Retry::Backoff, format!("{action} could not be sent")),
        _ => (ErrorKind::Unexpected, Retry::Never, format!("{action} could not be prepared")),
    };
    let mut out = Error::new(kind, message).with_retry(retry);
    if let Some(code) = &code {
        out = out.with("code", code);
    }
    Failure { code, error: out.with_source(error) }
}

/// Returns the first error of this type in a chain.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&e| e.source()).find_map(|e| e.downcast_ref::<T>())
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
