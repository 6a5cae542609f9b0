use super::*;

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

fn service(code: Option<&str>, status: u16) -> Failure {
    let mut metadata = ErrorMetadata::builder().message("said");
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    let response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
    failure(SdkError::service_error(metadata.build(), response), "dynamodb:Scan")
}

#[test]
fn every_code_has_its_kind_and_retry_hint() {
    use ErrorKind::{NotFound, PermissionDenied, Throttled, Unavailable, Unexpected, Unsupported};
    let table = [
        (Some("AccessDeniedException"), 400, PermissionDenied, Retry::Never),
        (Some("ExpiredTokenException"), 400, PermissionDenied, Retry::Backoff),
        (Some("UnrecognizedClientException"), 400, PermissionDenied, Retry::Never),
        (Some("InvalidSignatureException"), 400, PermissionDenied, Retry::Never),
        (Some("MissingAuthenticationTokenException"), 400, PermissionDenied, Retry::Never),
        (Some("ResourceNotFoundException"), 400, NotFound, Retry::Never),
        (Some("ProvisionedThroughputExceededException"), 400, Throttled, Retry::Backoff),
        (Some("ThrottlingException"), 400, Throttled, Retry::Backoff),
        (Some("RequestLimitExceeded"), 400, Throttled, Retry::Backoff),
        (Some("LimitExceededException"), 400, Throttled, Retry::Backoff),
        (Some("InternalServerError"), 500, Unavailable, Retry::Backoff),
        (Some("ServiceUnavailable"), 503, Unavailable, Retry::Backoff),
        (Some("UnknownOperationException"), 400, Unsupported, Retry::Never),
        (Some("ValidationException"), 400, Unexpected, Retry::Never),
        (Some("SomethingNew"), 400, Unexpected, Retry::Never),
        (Some("SomethingNew"), 503, Unavailable, Retry::Backoff),
        (None, 403, PermissionDenied, Retry::Never),
        (None, 404, NotFound, Retry::Never),
        (None, 429, Throttled, Retry::Backoff),
        (None, 502, Unavailable, Retry::Backoff),
        (None, 400, Unexpected, Retry::Never),
    ];
    for (code, status, kind, retry) in table {
        let failure = service(code, status);
        assert!(code.is_none_or(|code| failure.is(code)));
        let error = Error::from(failure);
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{code:?} {status}");
        assert!(error.message().contains("dynamodb:Scan") || kind == NotFound, "{error}");
        assert!(StdError::source(&error).is_some(), "the SDK's error is kept");
    }
}

#[test]
fn no_code_stands_twice() {
    let mut codes: Vec<_> = MEANINGS.iter().flat_map(|meaning| meaning.codes).collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
}

#[test]
fn a_denied_action_is_named_and_what_aws_says_is_kept() {
    let error = Error::from(service(Some("AccessDeniedException"), 400).with("table", "orders"));
    assert!(error.message().contains("dynamodb:Scan") && error.message().contains("said"), "{error}");
    assert_eq!(error.context(), [("code", "AccessDeniedException".to_owned()), ("table", "orders".to_owned())]);
}

#[test]
fn what_happens_on_the_way_is_unavailable() {
    type Sdk = SdkError<ErrorMetadata, HttpResponse>;
    let response = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::empty());
    let failures: [Sdk; 5] = [
        SdkError::timeout_error("slow"),
        SdkError::dispatch_failure(ConnectorError::timeout("slow".into())),
        SdkError::dispatch_failure(ConnectorError::io("refused".into())),
        SdkError::dispatch_failure(ConnectorError::other("odd".into(), None)),
        SdkError::response_error("cut", response),
    ];
    for sdk in failures {
        let error = Error::from(failure(sdk, "dynamodb:Scan"));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
    }
    let built = Error::from(failure(Sdk::construction_failure("odd"), "dynamodb:Scan"));
    assert_eq!(built.kind(), ErrorKind::Unexpected);
}

#[test]
fn a_refused_role_is_found_behind_the_error_of_a_call() {
    let refused = RefusedRole {
        role_arn: "arn:aws:iam::1:role/r".to_owned(),
        external_id: crate::credentials::ExternalId::Sent,
        code: Some("AccessDenied".to_owned()),
        source: aws_credential_types::provider::error::CredentialsError::not_loaded_no_source(),
    };
    let sdk: SdkError<ErrorMetadata, HttpResponse> =
        SdkError::dispatch_failure(ConnectorError::other(Box::new(refused), None));
    let error = Error::from(failure(sdk, "dynamodb:Scan"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.context().contains(&("role", "arn:aws:iam::1:role/r".to_owned())), "{error}");
    assert!(error.message().contains("external_id"), "{error}");
}
