//! What goes wrong on the way, by plan: at random from the seed, at a certain call, or during a time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::error::Error;
use crate::operation::{Operation, Service};
use crate::random::Dice;

/// Something that goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 400 `ProvisionedThroughputExceededException`: the table or stream is read or written too fast. Nothing was done.
    Throttle,
    /// 400 `ThrottlingException`: the account asks too often. Nothing was done.
    ThrottleAccount,
    /// 500 `InternalServerError`. Nothing was done.
    InternalError,
    /// 503 `ServiceUnavailable`. Nothing was done.
    Unavailable,
    /// 400 `ExpiredTokenException`, whatever the credentials are. Nothing was done.
    ExpiredToken,
    /// The connection ends before there is an answer. What was asked was done.
    Disconnect,
    /// The connection ends in the middle of the answer's body. What was asked was done.
    CutBody,
    /// The answer takes this much longer, of real time.
    Slow(Duration),
    /// The body does not match its `x-amz-crc32`. What was asked was done.
    WrongCrc,
    /// The body has a damaged byte somewhere that makes it no JSON; its checksum is right. What was asked was done.
    MalformedJson,
    /// The body ends early, as far as JSON is concerned; length and checksum are right. What was asked was done.
    TruncatedJson,
    /// The Date header is wrong by this much: ahead, or behind if negative, in seconds.
    ClockSkew(i64),
}

impl Fault {
    /// Returns its name, under which [`Injected`] counts it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::ThrottleAccount => "throttle account",
            Self::InternalError => "internal error",
            Self::Unavailable => "unavailable",
            Self::ExpiredToken => "expired token",
            Self::Disconnect => "disconnect",
            Self::CutBody => "cut body",
            Self::Slow(_) => "slow",
            Self::WrongCrc => "wrong crc",
            Self::MalformedJson => "malformed json",
            Self::TruncatedJson => "truncated json",
            Self::ClockSkew(_) => "clock skew",
        }
    }

    /// Returns the error that is answered in place of doing anything.
    pub(crate) fn refusal(self, operation: Operation) -> Option<Error> {
        let sts = operation.service() == Service::Sts;
        let error = match self {
            Self::Throttle | Self::ThrottleAccount if sts => Error::new(400, "Throttling", "Rate exceeded"),
            Self::Throttle => Error::new(
                400,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level.",
            ),
            Self::ThrottleAccount => {
                Error::new(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput.")
            }
            Self::InternalError if sts => Error::new(500, "InternalFailure", "An internal error occurred."),
            Self::InternalError => Error::new(500, "InternalServerError", "Internal server error"),
            Self::Unavailable => Error::new(503, "ServiceUnavailable", "The service is temporarily unavailable."),
            Self::ExpiredToken if sts => {
                Error::new(403, "ExpiredToken", "The security token included in the request is expired")
            }
            Self::ExpiredToken => {
                Error::new(400, "ExpiredTokenException", "The security token included in the request is expired")
            }
            _ => return None,
        };
        Some(error)
    }
}

/// A plan of faults.
///
/// What happens at random depends on the seed, on what is asked about (a table's segment, a shard) and on how often it was asked, not
/// on the timing of other requests, so a seed replays.
///
/// ```
/// use commutator_simulator::{Fault, Faults, Operation};
/// let faults = Faults::none()
///     .randomly(Operation::Scan, Fault::Throttle, 0.1)
///     .randomly_everywhere(Fault::CutBody, 0.01)
///     .at_call(Operation::GetRecords, 3, Fault::InternalError);
/// # drop(faults);
/// ```
#[derive(Debug, Clone)]
pub struct Faults {
    rules: Vec<Rule>,
    in_a_row: u64,
}

#[derive(Debug, Clone)]
struct Rule {
    /// `None` for all.
    operation: Option<Operation>,
    when: When,
    fault: Fault,
}

#[derive(Debug, Clone)]
enum When {
    Randomly(f64),
    /// At the n-th request of this operation, counted from 1.
    Call(u64),
    /// In this time of the virtual clock.
    During(Range<u64>),
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// A plan without faults.
    pub fn none() -> Self {
        Self { rules: Vec::new(), in_a_row: 4 }
    }

    /// Everything that goes away by trying again, each with this probability.
    pub fn transient(probability: f64) -> Self {
        let kinds = [
            Fault::Throttle,
            Fault::ThrottleAccount,
            Fault::InternalError,
            Fault::Unavailable,
            Fault::Disconnect,
            Fault::CutBody,
            Fault::WrongCrc,
        ];
        kinds.into_iter().fold(Self::none(), |faults, fault| faults.randomly_everywhere(fault, probability))
    }

    /// Adds a fault that hits an operation with a probability.
    #[must_use]
    pub fn randomly(self, operation: Operation, fault: Fault, probability: f64) -> Self {
        self.with(Some(operation), When::Randomly(probability), fault)
    }

    /// Adds a fault that hits every operation with a probability.
    #[must_use]
    pub fn randomly_everywhere(self, fault: Fault, probability: f64) -> Self {
        self.with(None, When::Randomly(probability), fault)
    }

    /// Adds a fault that hits the n-th request of an operation from now on, counted from 1, and no other.
    #[must_use]
    pub fn at_call(self, operation: Operation, call: u64, fault: Fault) -> Self {
        self.with(Some(operation), When::Call(call), fault)
    }

    /// Adds a fault that hits every request of an operation during a time of the virtual clock, in milliseconds since 1970.
    #[must_use]
    pub fn during(self, operation: Operation, time: Range<u64>, fault: Fault) -> Self {
        self.with(Some(operation), When::During(time), fault)
    }

    /// Sets how many requests about the same thing may be hit at random in a row, so that who tries often enough gets through.
    /// Default: 4.
    #[must_use]
    pub fn in_a_row(mut self, most: u64) -> Self {
        self.in_a_row = most;
        self
    }

    fn with(mut self, operation: Option<Operation>, when: When, fault: Fault) -> Self {
        self.rules.push(Rule { operation, when, fault });
        self
    }
}

/// How many faults were injected, by operation and [name](Fault::name).
pub type Injected = BTreeMap<(Operation, &'static str), u64>;

/// A plan and what has become of it.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    plan: Faults,
    calls: BTreeMap<Operation, u64>,
    /// How many requests in a row were hit, by lane.
    rows: BTreeMap<String, u64>,
    pub(crate) injected: Injected,
}

impl Injector {
    /// Replaces the plan; calls are counted anew.
    pub(crate) fn set(&mut self, plan: Faults) {
        self.plan = plan;
        self.calls.clear();
        self.rows.clear();
    }

    /// Decides about a request, the n-th of its lane.
    pub(crate) fn decide(
        &mut self,
        operation: Operation,
        (lane, number): (&str, u64),
        now: u64,
        dice: Dice,
    ) -> Option<Fault> {
        let call = self.calls.entry(operation).or_default();
        *call += 1;
        let row = self.rows.get(lane).copied().unwrap_or_default();
        let hit = self.plan.rules.iter().enumerate().find(|(i, rule)| {
            rule.operation.is_none_or(|only| only == operation)
                && match &rule.when {
                    When::Randomly(probability) => {
                        row < self.plan.in_a_row && dice.chance(*probability, &format!("fault {i}/{lane}"), number)
                    }
                    When::Call(n) => n == call,
                    When::During(time) => time.contains(&now),
                }
        });
        let fault = hit.map(|(_, rule)| rule.fault);
        match fault {
            Some(fault) => {
                self.rows.insert(lane.to_owned(), row + 1);
                *self.injected.entry((operation, fault.name())).or_default() += 1;
            }
            None => drop(self.rows.remove(lane)),
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(injector: &mut Injector, number: u64) -> Option<Fault> {
        injector.decide(Operation::Scan, ("Scan/t", number), 1_000 * number, Dice::new(1))
    }

    #[test]
    fn a_fault_at_a_call_hits_once_and_one_during_a_time_always() {
        let mut injector = Injector::default();
        injector.set(
            Faults::none()
                .at_call(Operation::Scan, 2, Fault::WrongCrc)
                .during(Operation::Scan, 5_000..7_000, Fault::Unavailable)
                .at_call(Operation::GetRecords, 1, Fault::Throttle),
        );
        let hits: Vec<_> = (1..9).filter_map(|n| Some((n, decide(&mut injector, n)?.name()))).collect();
        assert_eq!(hits, [(2, "wrong crc"), (5, "unavailable"), (6, "unavailable")]);
        assert_eq!(injector.injected[&(Operation::Scan, "unavailable")], 2);
    }

    #[test]
    fn random_faults_replay_and_let_through_in_the_end() {
        let run = |order: &[u64]| {
            let mut injector = Injector::default();
            injector.set(Faults::transient(0.1));
            order.iter().map(|&n| (n, decide(&mut injector, n))).collect::<BTreeMap<_, _>>()
        };
        let forward: Vec<_> = (0..100).collect();
        let hit = run(&forward);
        assert_eq!(hit, run(&forward));
        let hits = hit.values().flatten().count();
        assert!((20..80).contains(&hits), "{hits}");

        let mut injector = Injector::default();
        injector.set(Faults::none().randomly_everywhere(Fault::Throttle, 1.0).in_a_row(3));
        let hits: Vec<_> = (0..8).map(|n| decide(&mut injector, n).is_some()).collect();
        assert_eq!(hits, [true, true, true, false, true, true, true, false]);
    }
}
