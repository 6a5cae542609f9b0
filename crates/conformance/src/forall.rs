//! Random cases for asynchronous properties: drawn from a seed, shrunk, and named so that they can be had again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::{Stop, Verdict};

/// How many random cases a trial tries unless the environment says otherwise: few, so that slow backends stay fast.
pub const CASES: u32 = 24;

const CASES_VARIABLE: &str = "COMMUTATOR_CONFORMANCE_CASES";
const SEED_VARIABLE: &str = "COMMUTATOR_CONFORMANCE_SEED";

/// How long a failure is shrunk before it is shown as it is.
const SHRINKING: Duration = Duration::from_mins(1);
const SHOWN_CHARACTERS: usize = 6_000;

/// Which random cases are drawn: one per seed from the first on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) seed: u64,
    pub(crate) cases: u32,
}

impl Sampling {
    /// Reads the environment; without a seed there every run draws others, and without a number of cases it is this one.
    pub(crate) fn from_environment(cases: u32) -> Self {
        let variable = |name| std::env::var(name).ok();
        let parse = |name, text: String| text.parse().unwrap_or_else(|e| panic!("{name} is not a number: {e}"));
        let random = || RandomState::new().hash_one(0);
        Self {
            seed: variable(SEED_VARIABLE).map_or_else(random, |text| parse(SEED_VARIABLE, text)),
            cases: variable(CASES_VARIABLE)
                .map_or(cases, |text| u32::try_from(parse(CASES_VARIABLE, text)).unwrap_or(u32::MAX)),
        }
    }
}

/// Runs a property for random values and fails with the smallest one found for which it does not hold.
pub(crate) async fn forall<S: Strategy>(
    sampling: Sampling,
    strategy: &S,
    property: impl AsyncFn(&S::Value) -> Verdict,
) -> Verdict {
    for case in 0..u64::from(sampling.cases) {
        let seed = sampling.seed.wrapping_add(case);
        let mut tree = strategy.new_tree(&mut runner(seed)).map_err(|e| Stop::Failed(e.to_string()))?;
        let Err(Stop::Failed(mut problem)) = property(&tree.current()).await else { continue };
        let mut smallest = tree.current();
        let began = Instant::now();
        let mut smaller = tree.simplify();
        while smaller && began.elapsed() < SHRINKING {
            match property(&tree.current()).await {
                Err(Stop::Failed(same)) => {
                    (problem, smallest) = (same, tree.current());
                    smaller = tree.simplify();
                }
                _ => smaller = tree.complicate(),
            }
        }
        let shown: String = format!("{smallest:#?}").chars().take(SHOWN_CHARACTERS).collect();
        return Err(Stop::Failed(format!(
            "{problem}\nagain with {SEED_VARIABLE}={seed} {CASES_VARIABLE}=1\nthe smallest case found: {shown}"
        )));
    }
    Ok(())
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, limit: u32) -> Verdict {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let property = async |&value: &u32| {
            if value < limit { Ok(()) } else { Err(Stop::Failed(format!("{value} is too large"))) }
        };
        runtime.block_on(forall(Sampling { seed, cases: 100 }, &(0..1_000_u32), property))
    }

    #[test]
    fn the_smallest_failure_is_shown_with_its_seed() {
        assert_eq!(run(1, 1_000), Ok(()));
        let Err(Stop::Failed(problem)) = run(1, 500) else { panic!("a failure was not found") };
        assert!(problem.starts_with("500 is too large\nagain with COMMUTATOR_CONFORMANCE_SEED="), "{problem}");
        assert_eq!(run(1, 500), Err(Stop::Failed(problem)));
    }
}
