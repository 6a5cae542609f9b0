//! Response bodies instead of the SDK's parsed output.
//!
//! The SDK's own deserializer builds a hash map per item, which costs more than ten times what decoding the bytes does. So an
//! interceptor puts another deserializer in its place once a response has a 2xx status. That one checks the CRC-32 that `DynamoDB` sends,
//! and hands out the body. Signing, endpoints, time-outs and retries stay the SDK's, and so do errors.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Error as OutputError, FinalizerInterceptorContextRef, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use futures_util::FutureExt as _;

const CRC_HEADER: &str = "x-amz-crc32";

/// Attempts are retried quietly, but people should see that a run stands still.
const LOUD_ATTEMPTS: u32 = 6;

/// Where the body of one call is put.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Slot {
    fn put(&self, body: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    /// Takes the body out; `None` if the hook did not run, which an SDK upgrade could cause.
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the body of a successful response; one per call.
#[derive(Debug)]
pub(crate) struct TakeBody {
    slot: Slot,
    empty: fn() -> Output,
}

impl TakeBody {
    /// Creates the hook. `empty` makes the erased output type of the operation, which the SDK casts back.
    pub(crate) fn new(slot: &Slot, empty: fn() -> Output) -> Self {
        Self { slot: slot.clone(), empty }
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for TakeBody {
    fn name(&self) -> &'static str {
        "TakeBody"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().is_success() {
            let deserializer = BodyDeserializer { slot: self.slot.clone(), empty: self.empty };
            cfg.interceptor_state().store_put(SharedResponseDeserializer::new(deserializer));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error() {
            let attempt = cfg.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts);
            let status = context.response().map(|response| response.status().as_u16());
            if attempt.is_multiple_of(LOUD_ATTEMPTS) {
                tracing::warn!(attempt, status, %error, "a page still cannot be read");
            } else {
                tracing::debug!(attempt, status, %error, "a page could not be read");
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct BodyDeserializer {
    slot: Slot,
    empty: fn() -> Output,
}

impl DeserializeResponse for BodyDeserializer {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<OutputError>> {
        // What an earlier attempt of this call put into the configuration is still there, so an error response can come here.
        if !response.status().is_success() {
            return Err(OrchestratorError::other(StartOver));
        }
        let body = loaded(response.body()).ok_or_else(|| OrchestratorError::response(Box::new(BodyNotLoaded)))?;
        if let Some(sent) = response.headers().get(CRC_HEADER) {
            let computed = crc32fast::hash(&body);
            if sent.trim().parse() != Ok(computed) {
                return Err(OrchestratorError::response(Box::new(WrongCrc)));
            }
        }
        self.slot.put(body);
        Ok((self.empty)())
    }
}

/// Returns the bytes of a body that is in memory, without copying them.
fn loaded(body: &SdkBody) -> Option<Bytes> {
    let collected = ByteStream::new(body.try_clone()?).collect().now_or_never()?;
    Some(collected.ok()?.into_bytes())
}

/// The body does not have the CRC-32 that was sent with it; the SDK retries such a response.
#[derive(Debug)]
pub(crate) struct WrongCrc;

impl fmt::Display for WrongCrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response does not match its {CRC_HEADER} header")
    }
}

impl StdError for WrongCrc {}

/// An error response came after a success that could not be used; the call must be made anew, so that the SDK reads the error.
#[derive(Debug)]
struct StartOver;

impl fmt::Display for StartOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error response followed a damaged one")
    }
}

impl StdError for StartOver {}

#[derive(Debug)]
struct BodyNotLoaded;

impl fmt::Display for BodyNotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response body is not in memory")
    }
}

impl StdError for BodyNotLoaded {}

/// Returns whether a call must be made anew.
pub(crate) fn must_start_over(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&e| e.source()).any(<dyn StdError>::is::<StartOver>)
}
