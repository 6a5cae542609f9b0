//! What the simulated services refuse, in AWS' own codes.

use std::fmt;

use serde_json::json;

/// A request that was refused: HTTP status, AWS error code, message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    status: u16,
    code: &'static str,
    message: String,
}

/// The result of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// A part of a request that `DynamoDB` has and this simulator has not.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::validation(format!("The simulator does not support {what}"))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(400, "ResourceNotFoundException", message)
    }

    pub(crate) fn no_table() -> Self {
        Self::not_found("Cannot do operations on a non-existent table")
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns AWS' error code, such as `ValidationException`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Returns what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the body of `DynamoDB`'s JSON protocol.
    pub(crate) fn to_json(&self) -> String {
        let namespace = match self.code {
            "ValidationException" => "com.amazon.coral.validate",
            "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "SerializationException"
            | "UnknownOperationException"
            | "UnrecognizedClientException" => "com.amazon.coral.service",
            "ServiceUnavailable" | "ThrottlingException" => "com.amazon.coral.availability",
            _ => "com.amazonaws.dynamodb.v20120810",
        };
        json!({"__type": format!("{namespace}#{}", self.code), "message": self.message}).to_string()
    }

    /// Returns the body of the query protocol that STS speaks.
    pub(crate) fn to_xml(&self, request_id: &str) -> String {
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{fault}</Type><Code>{}</Code>\
             <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            self.code,
            escape_xml(&self.message)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for Error {}

/// Returns a text as XML has it between tags.
pub(crate) fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
