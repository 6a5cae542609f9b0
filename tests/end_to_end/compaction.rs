//! Parquet tables that are compacted again and again beside a run, by compactions of which some are killed.

use std::time::{Duration, Instant};

use crate::fixture::{Place, Source, program};

const TIME: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn an_append_table_on_disk() {
    compacted_beside_a_run("compact_append", &Place::disk(), "append");
}

#[test]
fn an_append_table_on_s3() {
    let Some(place) = Place::s3("an_append_table_on_s3") else { return };
    compacted_beside_a_run("compact_append_s3", &place, "append");
}

#[test]
fn a_history_on_disk() {
    compacted_beside_a_run("compact_history", &Place::disk(), "history");
}

#[test]
fn a_table_with_deleted_rows_on_disk() {
    compacted_beside_a_run("compact_marked", &Place::disk(), "soft_delete");
}

fn compacted_beside_a_run(test: &str, place: &Place, mode: &str) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(500);
    let config = format!("{}[defaults]\nmode = \"{mode}\"\n", source.config());
    let program = program("compacted", &config, place);
    let churn = source.trickle(500);
    let mut running = program.start(&["run"]);
    let end = Instant::now() + TIME;
    let mut written = 0;
    for round in 0_u64.. {
        if Instant::now() > end {
            break;
        }
        assert!(running.is_running(), "the run ended: {}", program.log());
        let grace = if round % 2 == 0 { "0" } else { "60" };
        if round % 3 == 0 {
            let killed = program.start(&["compact", "--grace-minutes", grace]);
            std::thread::sleep(Duration::from_millis(round * 37 % 400));
            killed.kill();
            continue;
        }
        let output = program.run(&["compact", "--json", "--grace-minutes", grace]);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let told = &said["tables"][0];
        // Before the first commit there is nothing to compact.
        assert!(told["error"].is_null() || told["error"]["kind"] == "not_found", "{said} {}", program.log());
        written += told["written"].as_u64().unwrap_or(0);
    }
    churn.kill();
    assert!(running.terminate(LIMIT).success(), "{}", program.log());
    assert!(written > 0 || mode != "append", "nothing was ever compacted");
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    program.succeed(&["compact"]);
    place.verify(&source);
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
