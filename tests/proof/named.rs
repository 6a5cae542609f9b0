//! Scenarios that have a name: what would lose or resurrect rows if it were not provided for.

use std::sync::Arc;
use std::time::Duration;

use commutator_conformance::Harness;
use commutator_core::SyncMode;
use commutator_pipeline::OnGap;
use commutator_simulator::{Operation, Quirks, Role, View};
use commutator_source_dynamodb::AssumeRole;

use crate::chaos::Place;
use crate::compare::check;
use crate::destinations::MemoryPlace;
use crate::history::TABLE;
use crate::run::{Company, Ended, Outcome, World};
use crate::scenario::Scenario;

const ROLE: &str = "arn:aws:iam::123456789012:role/commutator";

async fn new(scenario: &Scenario) -> (World, MemoryPlace) {
    (World::new(scenario, Place::Here, None).unwrap(), MemoryPlace::fresh().await.unwrap())
}

async fn completes(world: &World, place: &MemoryPlace) {
    assert_eq!(world.process(place, Company::Nobody).await, Ok(Ended::Completed));
}

async fn equal(world: World, place: &MemoryPlace) -> Outcome {
    let mut outcomes = world.outcome(place).await.unwrap();
    check(&outcomes).unwrap();
    outcomes.remove(0)
}

fn write(world: &World, writes: usize) {
    let mut history = world.history.lock().unwrap();
    (0..writes).for_each(|_| history.write());
}

/// What happened was meant to lose changes.
fn lossy(world: &World) {
    world.history.lock().unwrap().lossy = true;
}

/// The stream was meant to be another one.
fn replaced(world: &World) {
    let mut history = world.history.lock().unwrap();
    (history.lossy, history.replaced) = (true, true);
}

#[tokio::test(start_paused = true)]
async fn a_first_load_of_two_days_with_changes_all_along_ends_exact() {
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let quirks = Quirks { scan_page_bytes: 600, ..Quirks::default() };
        let (mut world, place) = new(&Scenario { quirks, segments: 1, mode, ..Scenario::calm(600) }).await;
        // So that there is time between two pages.
        world.configure = |config| config.max_read_capacity = Some(1.0);
        let (began, history) = (world.simulator.clock().now_ms(), Arc::clone(&world.history));
        world.simulator.on_request(move |simulator, operation| {
            if operation == Operation::Scan {
                // Each page of the table takes two hours.
                simulator.clock().advance(Duration::from_hours(2));
                let mut history = history.lock().unwrap();
                (0..5).for_each(|_| history.write());
                if simulator.requests(Operation::Scan).is_multiple_of(5) {
                    history.reshard();
                }
            }
        });
        completes(&world, &place).await;
        let hours = (world.simulator.clock().now_ms() - began) / 3_600_000;
        assert!(hours > 48 && world.simulator.requests(Operation::Scan) > 24, "{hours} hours");
        let shards = world.simulator.table(TABLE).shards().unwrap();
        let written = world.history.lock().unwrap().records.len();
        assert!(shards.iter().map(|shard| shard.records).sum::<usize>() < written, "the first changes were trimmed");
        let outcome = equal(world, &place).await;
        assert_eq!(outcome.checkpoint.epoch(), commutator_core::Epoch::FIRST, "there was no second snapshot");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_read_for_a_day_is_a_gap_that_is_repaired() {
    let (world, place) = new(&Scenario::calm(30)).await;
    completes(&world, &place).await;
    write(&world, 40);
    world.simulator.clock().advance(Duration::from_hours(30));
    lossy(&world);
    completes(&world, &place).await;
    let outcome = equal(world, &place).await;
    assert!(outcome.gaps[0].contains("30 hours ago"), "{:?}", outcome.gaps);
    let gaps = outcome.checkpoint.gaps();
    assert_eq!((gaps.count, gaps.last.as_ref().map(|last| &last.reason)), (1, Some(&outcome.gaps[0])));
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_that_was_read_all_along_is_no_gap() {
    let (world, place) = new(&Scenario::calm(10)).await;
    for _ in 0..6 {
        completes(&world, &place).await;
        world.simulator.clock().advance(Duration::from_hours(20));
    }
    write(&world, 5);
    completes(&world, &place).await;
    assert_eq!(equal(world, &place).await.gaps, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_stream_is_a_gap_that_is_repaired() {
    let (world, place) = new(&Scenario::calm(30)).await;
    completes(&world, &place).await;
    let table = world.simulator.table(TABLE);
    table.stream_off().unwrap();
    write(&world, 40);
    table.stream_on(View::NewAndOldImages).unwrap();
    write(&world, 10);
    replaced(&world);
    completes(&world, &place).await;
    let outcome = equal(world, &place).await;
    assert!(outcome.gaps[0].contains("was replaced"), "{:?}", outcome.gaps);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_written_just_before_the_stream_was_switched_on_is_there() {
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let quirks = Quirks { stale_reads: Duration::from_secs(5), ..Quirks::default() };
        let (world, place) = new(&Scenario { mode, quirks, ..Scenario::calm(30) }).await;
        let table = world.simulator.table(TABLE);
        table.stream_off().unwrap();
        write(&world, 40);
        table.stream_on(View::NewAndOldImages).unwrap();
        replaced(&world);
        completes(&world, &place).await;
        assert_eq!(equal(world, &place).await.gaps, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_replaced_while_a_run_begins_is_found_again() {
    let (world, place) = new(&Scenario::calm(30)).await;
    world.simulator.on_request(|simulator, operation| {
        if operation == Operation::DescribeStream && simulator.requests(operation) == 0 {
            let table = simulator.table(TABLE);
            table.stream_off().unwrap();
            simulator.clock().advance(Duration::from_hours(30));
            table.stream_on(View::NewAndOldImages).unwrap();
        }
    });
    replaced(&world);
    completes(&world, &place).await;
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-02T06:00:00.000";
    let outcome = equal(world, &place).await;
    assert_eq!((outcome.gaps.len(), outcome.checkpoint.fact("stream_arn")), (0, Some(arn)));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_vanished_is_a_gap_that_is_repaired() {
    let (world, place) = new(&Scenario::calm(30)).await;
    completes(&world, &place).await;
    write(&world, 40);
    let table = world.simulator.table(TABLE);
    let open: Vec<_> = table.shards().unwrap().into_iter().filter(|shard| shard.open).collect();
    for shard in &open {
        table.roll(&shard.id).unwrap();
        table.forget(&shard.id).unwrap();
    }
    lossy(&world);
    completes(&world, &place).await;
    let outcome = equal(world, &place).await;
    assert!(outcome.gaps[0].contains(&open[0].id), "{:?}", outcome.gaps);
}

#[tokio::test(start_paused = true)]
async fn a_gap_may_stop_the_table_and_be_repaired_later() {
    let (mut world, place) = new(&Scenario::calm(30)).await;
    world.on_gap = OnGap::Fail;
    completes(&world, &place).await;
    write(&world, 40);
    world.simulator.clock().advance(Duration::from_hours(30));
    lossy(&world);
    for _ in 0..2 {
        let stopped = world.process(&place, Company::Nobody).await.unwrap_err();
        assert!(stopped.contains("on_gap") && stopped.contains("30 hours ago"), "{stopped}");
    }
    world.on_gap = OnGap::Resync;
    completes(&world, &place).await;
    assert_eq!(equal(world, &place).await.gaps.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_in_the_middle_of_a_run_are_renewed() {
    let quirks = Quirks { scan_page_bytes: 600, ..Quirks::default() };
    let (mut world, place) = new(&Scenario { quirks, ..Scenario::calm(300) }).await;
    let assumed_before = with_role(&mut world);
    let history = Arc::clone(&world.history);
    world.simulator.on_request(move |simulator, operation| {
        if operation == Operation::Scan {
            simulator.clock().advance(Duration::from_mins(7));
            history.lock().unwrap().write();
        }
    });
    completes(&world, &place).await;
    let assumed = world.simulator.requests(Operation::AssumeRole) - assumed_before;
    assert!(assumed > 5, "the role was assumed {assumed} times only");
    equal(world, &place).await;
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_revoked_stops_the_run_with_its_name_and_later_it_goes_on() {
    let quirks = Quirks { scan_page_bytes: 600, ..Quirks::default() };
    let (mut world, place) = new(&Scenario { quirks, commit_rows: 20, ..Scenario::calm(300) }).await;
    with_role(&mut world);
    let history = Arc::clone(&world.history);
    world.simulator.on_request(move |simulator, operation| {
        history.lock().unwrap().write();
        if operation == Operation::Scan && simulator.requests(Operation::Scan) == 10 {
            simulator.remove_role(ROLE);
        }
    });
    let stopped = world.process(&place, Company::Nobody).await.unwrap_err();
    assert!(stopped.contains("permission_denied"), "{stopped}");
    let again = world.process(&place, Company::Nobody).await.unwrap_err();
    assert!(again.contains(ROLE), "{again}");
    world.simulator.add_role(Role::new(ROLE).external_id("tenant-7"));
    world.simulator.on_request(|_, _| {});
    completes(&world, &place).await;
    equal(world, &place).await;
}

/// Lets the processes assume a role whose sessions last 15 minutes; returns how often one was assumed so far.
fn with_role(world: &mut World) -> u64 {
    world.simulator.add_user("test", "test");
    world.simulator.add_role(Role::new(ROLE).external_id("tenant-7"));
    world.simulator.enforce_access(true);
    world.configure = |config| {
        config.sts_endpoint_url = Some("http://simulator".to_owned());
        config.assume_role = Some(AssumeRole {
            role_arn: ROLE.to_owned(),
            external_id: Some("tenant-7".to_owned()),
            duration_seconds: Some(900),
            ..AssumeRole::default()
        });
    };
    world.simulator.requests(Operation::AssumeRole)
}

#[tokio::test(start_paused = true)]
async fn a_resync_by_hand_removes_what_vanished_and_keeps_the_stream() {
    let (world, place) = new(&Scenario::calm(30)).await;
    completes(&world, &place).await;
    write(&world, 20);
    let pipeline = world.pipeline(&place).await.unwrap();
    let description = pipeline.source().discover().await.unwrap().remove(0);
    let resync = pipeline.resync(&description).await.unwrap();
    write(&world, 20);
    completes(&world, &place).await;
    let outcome = equal(world, &place).await;
    assert_eq!((outcome.checkpoint.epoch(), outcome.checkpoint.snapshot_ended()), (resync.epoch, true));
}
