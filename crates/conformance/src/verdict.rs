//! How a trial ends.

use commutator_core::Error;

/// How a trial ends: well, or for one of the reasons in [`Stop`].
pub type Verdict<T = ()> = Result<T, Stop>;

/// Why a trial did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It does not apply to this destination.
    Skipped(String),
    /// The destination broke the contract.
    Failed(String),
}

impl Stop {
    /// Puts where it happened in front of a failure.
    #[must_use]
    pub(crate) fn within(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(problem) => Self::Failed(format!("{place}: {problem}")),
            Self::Skipped(reason) => Self::Skipped(reason),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(format!("{error:?}"))
    }
}

/// Fails the trial with a message unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::Stop::Failed(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;
