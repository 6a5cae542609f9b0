//! A table that changes all along, while the program is killed at random moments: it ends identical.
//!
//! `COMMUTATOR_TEST_KILLS` says how often, for each destination. After every [`LIVES`] kills the table is compared, and the next round
//! begins with another one, so that kills fall into first loads as well.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use commutator_tests::{Program, until};

use crate::fixture::{Place, Source};

const ITEMS: u32 = 1_000;
const LIVES: u32 = 20;
const LIMIT: Duration = Duration::from_mins(5);

#[test]
fn postgres_ends_identical() {
    ends_identical("killed_postgres", || Place::postgres("postgres_ends_identical"));
}

#[test]
fn parquet_on_disk_ends_identical() {
    ends_identical("killed_parquet_disk", || Some(Place::disk()));
}

#[test]
fn parquet_on_s3_ends_identical() {
    ends_identical("killed_parquet_s3", || Place::s3("parquet_on_s3_ends_identical"));
}

/// What a killed process left opens again, its log included.
#[cfg(feature = "duckdb")]
#[test]
fn duckdb_ends_identical() {
    ends_identical("killed_duckdb", || Some(Place::duckdb()));
}

fn ends_identical(test: &str, place: impl Fn() -> Option<Place>) {
    let kills = std::env::var("COMMUTATOR_TEST_KILLS").map_or(LIVES, |kills| kills.parse().expect("a number of kills"));
    let mut random = Random::new();
    for done in (0..kills).step_by(LIVES as usize) {
        let (Some(source), Some(place)) = (Source::create(test, "NEW_AND_OLD_IMAGES"), place()) else { return };
        round(&source, &place, LIVES.min(kills - done), &mut random);
    }
}

fn round(source: &Source, place: &Place, lives: u32, random: &mut Random) {
    source.fill(ITEMS);
    // Many small commits, so that many kills fall into one.
    let (source_config, destination) = (source.config(), place.config());
    let config = format!("[pipeline]\nid = \"killed\"\ncommit_seconds = 0.1\n{source_config}{destination}");
    let program = Program::new(&config);
    let churn = source.trickle(ITEMS);
    for life in 0..lives {
        // Every third life ends while it starts, the others some time after their first commit.
        let committed = commits(&program);
        let mut running = program.start_with(&["run"], &[("RUST_LOG", "warn,commutator_cli=debug")]);
        if life % 3 > 0 {
            let goes_on = || commits(&program) > committed || !running.is_running();
            until(LIMIT, goes_on, || program.log());
        }
        std::thread::sleep(random.up_to(Duration::from_millis(800)));
        assert!(running.is_running(), "the run ended by itself: {}", program.log());
        running.kill();
    }
    churn.kill();
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(source);
    // A run that finds nothing new changes nothing.
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(source);
}

fn commits(program: &Program) -> usize {
    program.log().matches(" committed ").count()
}

/// Moments that differ from run to run: a xorshift from the clock.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Self(u64::from(now.subsec_nanos()) << 20 | 1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let fraction = f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        most.mul_f64(fraction)
    }
}
