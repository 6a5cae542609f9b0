//! Ten thousand items, changed all along, while the program is killed at random moments: the table ends identical.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fixture::{Place, Source, program};

const ITEMS: u32 = 10_000;
const KILLS: u32 = 5;
const LIMIT: Duration = Duration::from_mins(5);

#[test]
fn postgres_ends_identical() {
    let Some(place) = Place::postgres("postgres_ends_identical") else { return };
    ends_identical("killed_postgres", &place);
}

#[test]
fn parquet_on_disk_ends_identical() {
    ends_identical("killed_parquet_disk", &Place::disk());
}

#[test]
fn parquet_on_s3_ends_identical() {
    let Some(place) = Place::s3("parquet_on_s3_ends_identical") else { return };
    ends_identical("killed_parquet_s3", &place);
}

fn ends_identical(test: &str, place: &Place) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let program = program("killed", &source.config(), place);
    let churn = source.churn(ITEMS);
    let mut random = Random::new();
    for _ in 0..KILLS {
        let mut running = program.start(&["run"]);
        std::thread::sleep(random.between(Duration::from_millis(300), Duration::from_secs(4)));
        assert!(running.is_running(), "the run ended by itself: {}", program.log());
        running.kill();
    }
    // The last run follows the changes until they stop, ends when it is asked to, and has committed what was whole.
    let running = program.start(&["run"]);
    std::thread::sleep(Duration::from_secs(4));
    churn.kill();
    let status = running.terminate(LIMIT);
    assert!(status.success(), "{status}: {}", program.log());
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    // A run that finds nothing new changes nothing.
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}

/// Moments that differ from run to run: a xorshift from the clock.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Self(u64::from(now.subsec_nanos()) << 20 | 1)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let fraction = f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        least + most.saturating_sub(least).mul_f64(fraction)
    }
}
