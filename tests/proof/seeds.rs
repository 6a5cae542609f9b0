//! The seeds that are played: a fixed set, and others for as long as there is time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use commutator_conformance::Harness;
use commutator_core::SyncMode;

use crate::chaos::Place;
use crate::compare::check;
use crate::destinations::{MemoryPlace, ParquetPlace, PostgresPlace, elsewhere};
use crate::run::{MODES, play};
use crate::scenario::Scenario;

/// So many seeds are played in memory, and in each other place, unless something else is asked for.
const IN_MEMORY: u64 = 100;
const ELSEWHERE: u64 = 25;

/// Which seeds to play, by environment variables.
struct Seeds {
    /// `COMMUTATOR_PROOF_SEED`: this one alone.
    one: Option<u64>,
    /// `COMMUTATOR_PROOF_SEEDS`: so many, in place of the usual number.
    fixed: Option<u64>,
    /// `COMMUTATOR_PROOF_FIRST`: from this one on in place of 0, so that several processes can share a soak.
    first: u64,
    /// `COMMUTATOR_PROOF_SECONDS`: then others, for so long; where `CI=true`, for some seconds in any case.
    time: Duration,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

impl Seeds {
    fn read() -> Self {
        let in_ci = std::env::var("CI").as_deref() == Ok("true");
        Self {
            one: number("COMMUTATOR_PROOF_SEED"),
            fixed: number("COMMUTATOR_PROOF_SEEDS"),
            first: number("COMMUTATOR_PROOF_FIRST").unwrap_or(0),
            time: Duration::from_secs(number("COMMUTATOR_PROOF_SECONDS").unwrap_or(if in_ci { 15 } else { 0 })),
        }
    }
}

/// Plays one seed in one place; an error says what went wrong and how to see it again.
fn play_seed<H: Harness>(seed: u64, mode: SyncMode, runs_at: Place) -> Result<(), String> {
    let scenario = Scenario::new(seed, mode);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(place) = runtime.block_on(H::fresh()) else { return Ok(()) };
    let checked = || play(&scenario, &place, runs_at, None).and_then(|outcomes| check(&outcomes));
    // A panic has said where it was; here is added in which run.
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(checked));
    checked.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(|problem| {
        let scenario = if Seeds::read().one.is_some() { format!("\n{scenario:#?}") } else { String::new() };
        format!("COMMUTATOR_PROOF_SEED={seed} in {mode}: {problem}{scenario}")
    })
}

/// Returns in which modes a seed is played: two of them, in turn.
fn modes_of(seed: u64, modes: &[SyncMode]) -> Vec<SyncMode> {
    let first = usize::try_from(seed % 1_000).unwrap() * 2;
    modes.iter().copied().cycle().skip(first % modes.len()).take(2).collect()
}

/// Plays the usual number of seeds and, for as long as asked for, others that were never played.
#[expect(clippy::print_stderr, reason = "a soak says how far it is")]
fn play_seeds<H: Harness>(usual: u64, modes: &[SyncMode], runs_at: fn() -> Place) {
    let seeds = Seeds::read();
    let runs_at = runs_at();
    let mut problems = Vec::new();
    let mut play = |seed| {
        // One that is looked at is played in all modes.
        let modes = if seeds.one.is_some() { modes.to_vec() } else { modes_of(seed, modes) };
        for mode in modes {
            if let Err(problem) = play_seed::<H>(seed, mode, runs_at.clone()) {
                // At once: a soak may be stopped before its end.
                eprintln!("{problem}");
                problems.push(problem);
            }
        }
    };
    let (fixed, began, first) = (seeds.fixed.unwrap_or(usual), Instant::now(), fastrand::u64(1 << 32..));
    let mut more = 0;
    if let Some(seed) = seeds.one {
        // What the run says while it goes on; RUST_LOG=debug or trace for more.
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .init();
        play(seed);
    } else {
        (seeds.first..seeds.first + fixed).for_each(&mut play);
        while began.elapsed() < seeds.time {
            play(first + more);
            more += 1;
        }
    }
    assert!(problems.is_empty(), "{} failed:\n{}", problems.len(), problems.join("\n"));
    eprintln!("{}: {fixed} fixed seeds and {more} others, from {first}", std::any::type_name::<H>());
}

#[test]
fn memory_equals_the_model() {
    play_seeds::<MemoryPlace>(IN_MEMORY, &MODES, || Place::Here);
}

#[test]
fn parquet_equals_the_model() {
    play_seeds::<ParquetPlace>(ELSEWHERE, &MODES, elsewhere);
}

#[test]
fn postgres_equals_the_model() {
    if destination_is_there() {
        play_seeds::<PostgresPlace>(ELSEWHERE, &MODES, elsewhere);
    }
}

/// It is built where there is a library to link: `--features duckdb`, with what `cargo xtask services env` says.
#[cfg(feature = "duckdb")]
#[test]
fn duckdb_equals_the_model() {
    play_seeds::<crate::destinations::DuckDbPlace>(ELSEWHERE, &MODES, elsewhere);
}

fn destination_is_there() -> bool {
    crate::destinations::postgres::fresh("the proof").is_some()
}

/// How many of the runs have each rule: of the 200 in memory, and of the 50 in each other place.
const DRAWN: [(&str, usize, usize); 20] = [
    ("`cast`", 58, 16),
    ("`constant`", 42, 9),
    ("`discard_column`", 24, 7),
    ("`discard_row`", 27, 6),
    ("`exclude`", 36, 13),
    ("`filter`", 30, 8),
    ("`flatten`", 55, 13),
    ("`flatten` deeper than 1", 29, 7),
    ("`hash`", 63, 15),
    ("`hash` of the key", 29, 10),
    ("`include`", 25, 4),
    ("`keep_item`", 21, 5),
    ("`mask`", 44, 10),
    (r#"`numbers = "decimal_or_text"`"#, 23, 5),
    (r#"`numbers = "float"`"#, 29, 12),
    (r#"`on_type_conflict = "text"`"#, 37, 10),
    (r#"`on_type_conflict = "variant"`"#, 31, 5),
    ("`packed`", 21, 4),
    ("`rename`", 86, 20),
    ("`split`", 39, 10),
];

#[test]
fn rules_are_drawn_often() {
    let count = |seeds: u64| {
        let mut drawn: BTreeMap<&str, usize> = BTreeMap::new();
        for (seed, mode) in (0..seeds).flat_map(|seed| modes_of(seed, &MODES).into_iter().map(move |mode| (seed, mode)))
        {
            Scenario::new(seed, mode).said.names().into_iter().for_each(|name| *drawn.entry(name).or_default() += 1);
        }
        drawn
    };
    let (many, few) = (count(IN_MEMORY), count(ELSEWHERE));
    let found: Vec<_> = many.iter().map(|(name, count)| (*name, *count, few.get(name).copied().unwrap_or(0))).collect();
    assert_eq!(found, DRAWN);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let scenario = Scenario::new(seed, SyncMode::Mirror);
        let requests = || {
            let place = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(MemoryPlace::fresh());
            let outcome = play(&scenario, &place.unwrap(), Place::Here, None).unwrap();
            outcome.into_iter().map(|outcome| (outcome.requests, outcome.checkpoint, outcome.gaps)).collect::<Vec<_>>()
        };
        assert_eq!(requests(), requests(), "seed {seed}");
    }
}
