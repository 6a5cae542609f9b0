//! A resync by hand: in place, beside a run or without one, and never the reason why two runners go on or none does.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, Destination, Epoch, ErrorKind, Op, PipelineId, Result, SchemaPlan, Session,
    SyncMode, TableName, TableSchema, Target, Transaction, Until,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, Event, Observer, Options, Phase, Pipeline, RunReport, TableOutcome};
use tokio::task::JoinHandle;

use crate::live::Live;
use crate::runs::{ints, options, pipeline, rows};
use crate::scripted::{Scripted, Step, description};
use crate::unanswered::Unanswered;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What a runner told of handovers.
#[derive(Debug, Default)]
struct Handovers(Mutex<Vec<u32>>);

impl Observer for Handovers {
    fn event(&self, _: &TableName, event: &Event<'_>) {
        if let Event::HandedOver { epoch } = event {
            self.0.lock().unwrap().push(epoch.0);
        }
    }
}

struct Runner {
    task: JoinHandle<RunReport>,
    stop: CancellationToken,
    handovers: Arc<Handovers>,
}

impl Runner {
    fn start(live: &Live, destination: Arc<dyn Destination>, mode: SyncMode) -> Self {
        let (stop, handovers) = (CancellationToken::new(), Arc::new(Handovers::default()));
        let pipeline = of(live, destination, options(mode)).with_observer(Arc::<Handovers>::clone(&handovers));
        let token = stop.clone();
        let task = tokio::spawn(async move { pipeline.run(&token).await.unwrap() });
        Self { task, stop, handovers }
    }

    fn handovers(&self) -> Vec<u32> {
        self.handovers.0.lock().unwrap().clone()
    }

    async fn end(self) -> TableOutcome {
        self.stop.cancel();
        self.task.await.unwrap().tables.remove(0).outcome
    }
}

fn of(live: &Live, destination: Arc<dyn Destination>, options: Options) -> Pipeline {
    Pipeline::new(PipelineId::new("test").unwrap(), Arc::new(live.clone()), destination, options)
}

fn asking(live: &Live, memory: &Memory, mode: SyncMode) -> Pipeline {
    of(live, Arc::new(memory.clone()), options(mode))
}

async fn run_to_the_end(live: &Live, memory: &Memory, mode: SyncMode) {
    let options = Options { until: Until::CaughtUp, ..options(mode) };
    let report = of(live, Arc::new(memory.clone()), options).run(&CancellationToken::new()).await.unwrap();
    assert!(report.succeeded(), "{report:?}");
}

fn a_table() -> Live {
    let live = Live::default();
    (0..10).for_each(|id| live.put(id, id * 10));
    live
}

#[tokio::test(start_paused = true)]
async fn rows_that_vanished_at_the_source_are_gone_after_it() {
    let (live, memory) = (a_table(), Memory::new());
    run_to_the_end(&live, &memory, SyncMode::Mirror).await;
    live.vanish(3);
    live.put(4, 44);
    run_to_the_end(&live, &memory, SyncMode::Mirror).await;
    assert_eq!(ints(&memory, "t", "value").len(), 10, "nobody was told that a row vanished");

    let asking = asking(&live, &memory, SyncMode::Mirror);
    let resync = asking.resync(&description("t")).await.unwrap();
    assert_eq!((resync.epoch, resync.asked_before, resync.snapshot_given_up), (Epoch(2), false, false));
    assert_eq!(ints(&memory, "t", "value").len(), 10, "readers see the old rows until the new ones are there");
    assert_eq!(asking.status().await.unwrap()[0].phase, Phase::ResyncAsked);
    let again = asking.resync(&description("t")).await.unwrap();
    assert_eq!((again.epoch, again.asked_before), (Epoch(2), true), "asking twice is asking once");

    run_to_the_end(&live, &memory, SyncMode::Mirror).await;
    assert_eq!(ints(&memory, "t", "value"), live.items());
    let status = asking.status().await.unwrap().remove(0);
    assert_eq!((status.phase, status.checkpoint.unwrap().epoch()), (Phase::Streaming, Epoch(2)));
}

#[tokio::test(start_paused = true)]
async fn the_history_is_not_torn() {
    let (live, memory) = (a_table(), Memory::new());
    let runner = Runner::start(&live, Arc::new(memory.clone()), SyncMode::Append);
    let asking = asking(&live, &memory, SyncMode::Append);
    tokio::time::sleep(ms(500)).await;
    assert_eq!(memory.rows("t").unwrap().len(), 10, "the first snapshot has what is in the log so far");
    for round in 0..6 {
        live.put(round, 1000 + round);
        live.remove(round + 1);
        tokio::time::sleep(ms(70 * u64::try_from(round).unwrap())).await;
        if round % 2 == 1 {
            asking.resync(&description("t")).await.unwrap();
        }
        live.put(round + 1, 2000 + round);
    }
    tokio::time::sleep(ms(30_000)).await;
    assert!(matches!(runner.end().await, TableOutcome::Stopped));
    let all = memory.rows("t").unwrap();
    // A change is known by its sequence, which it keeps in every epoch.
    let mut sequences: Vec<_> = all
        .ops()
        .iter()
        .zip(all.orders())
        .filter(|(op, _)| **op != Op::Snapshot)
        .map(|(_, order)| order.to_string().split_off(8))
        .collect();
    let changes = sequences.len();
    sequences.sort();
    sequences.dedup();
    assert_eq!(sequences.len(), changes, "no change came twice");
    assert_eq!(changes, 18, "none was left out");
    assert!(all.orders().iter().any(|order| order.epoch() == Epoch(4)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_going_on_takes_it_up_and_does_not_end() {
    let (live, memory) = (a_table(), Memory::new());
    let runner = Runner::start(&live, Arc::new(memory.clone()), SyncMode::Mirror);
    let asking = asking(&live, &memory, SyncMode::Mirror);
    tokio::time::sleep(ms(500)).await;
    for epoch in 2..5 {
        live.vanish(i64::from(epoch));
        assert_eq!(asking.resync(&description("t")).await.unwrap().epoch, Epoch(epoch));
        live.put(i64::from(epoch) + 4, 7);
        tokio::time::sleep(ms(30_000)).await;
        assert_eq!(ints(&memory, "t", "value"), live.items(), "epoch {epoch}");
    }
    assert_eq!(runner.handovers(), [2, 3, 4]);
    assert!(matches!(runner.end().await, TableOutcome::Stopped));
}

/// Two runners, the second of which takes the table over `second` after the first began, and a resync `asked` after that: all
/// orders of commits, openings and looks at the checkpoint come about.
#[tokio::test(start_paused = true)]
async fn of_two_runners_and_a_resync_exactly_one_goes_on() {
    let (mut first_won, mut second_won, mut both_came_back) = (0, 0, 0);
    for second in (0..1_200).step_by(130) {
        for asked in (0..1_200).step_by(110) {
            let (live, memory) = (a_table(), Memory::new());
            run_to_the_end(&live, &memory, SyncMode::Mirror).await;
            // Each takes a while to commit: meanwhile the other can find the mark, too.
            let first = Runner::start(&live, Arc::new(Slow(memory.clone(), ms(400))), SyncMode::Mirror);
            tokio::time::sleep(ms(second)).await;
            let other = Runner::start(&live, Arc::new(Slow(memory.clone(), ms(300))), SyncMode::Mirror);
            tokio::time::sleep(ms(asked)).await;
            live.vanish(5);
            asking(&live, &memory, SyncMode::Mirror).resync(&description("t")).await.unwrap();
            tokio::time::sleep(ms(20_000)).await;
            live.put(1, 11);
            tokio::time::sleep(ms(20_000)).await;
            let at = format!("second runner after {second} ms, resync {asked} ms later");
            assert!(first.task.is_finished() != other.task.is_finished(), "{at}: exactly one goes on");
            assert!(first.handovers().len() <= 1 && other.handovers().len() <= 1, "{at}: nobody comes back twice");
            both_came_back += usize::from(first.handovers().len() + other.handovers().len() == 2);
            *(if first.task.is_finished() { &mut second_won } else { &mut first_won }) += 1;
            assert_eq!(ints(&memory, "t", "value"), live.items(), "{at}");
            for runner in [first, other] {
                match runner.end().await {
                    TableOutcome::Failed(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{at}: {error}"),
                    TableOutcome::Stopped => {}
                    TableOutcome::Completed => panic!("{at}: nothing ends it"),
                }
            }
        }
    }
    assert!(first_won > 0 && second_won > 0 && both_came_back > 0, "{first_won} {second_won} {both_came_back}");
}

#[tokio::test(start_paused = true)]
async fn a_second_runner_still_ends_the_first_although_a_resync_came_before() {
    let (live, memory) = (a_table(), Memory::new());
    let first = Runner::start(&live, Arc::new(memory.clone()), SyncMode::Mirror);
    tokio::time::sleep(ms(500)).await;
    asking(&live, &memory, SyncMode::Mirror).resync(&description("t")).await.unwrap();
    tokio::time::sleep(ms(30_000)).await;
    assert!(!first.task.is_finished());
    let second = Runner::start(&live, Arc::new(memory.clone()), SyncMode::Mirror);
    tokio::time::sleep(ms(30_000)).await;
    assert!(first.task.is_finished() && !second.task.is_finished());
    let TableOutcome::Failed(error) = first.end().await else { panic!("it was fenced") };
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(matches!(second.end().await, TableOutcome::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_being_read_is_given_up_for_the_next() {
    let source = Scripted::new([("t", vec![rows([(1, 10)]), Step::Hang])]);
    let memory = Memory::new();
    let pipeline = pipeline(&source, Arc::new(memory.clone()), options(SyncMode::Mirror));
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (pipeline, stop) = (pipeline.clone(), stop.clone());
        async move { pipeline.run(&stop).await.unwrap() }
    });
    tokio::time::sleep(ms(5_000)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(pipeline.status().await.unwrap()[0].phase, Phase::Snapshot);
    let resync = pipeline.resync(&description("t")).await.unwrap();
    assert_eq!((resync.epoch, resync.snapshot_given_up), (Epoch(2), true));
}

#[tokio::test(start_paused = true)]
async fn a_table_of_which_nothing_was_committed_cannot_be_read_anew() {
    let (live, memory) = (a_table(), Memory::new());
    let asking = asking(&live, &memory, SyncMode::Mirror);
    let refused = || async {
        let error = asking.resync(&description("t")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("never synced") && error.to_string().contains("commutator run"), "{error}");
    };
    refused().await;
    assert_eq!(asking.status().await.unwrap()[0].phase, Phase::NotStarted);
    // Opened, but nothing came of it.
    drop(memory.open(&asking.target(&description("t"))).await.unwrap());
    refused().await;
}

/// A destination in which it takes a while between the opening and a commit, as it does in an object store.
#[derive(Debug, Clone)]
struct Slow(Memory, Duration);

#[derive(Debug)]
struct SlowSession(Box<dyn Session>, Duration);

#[async_trait]
impl Destination for Slow {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        Ok(Box::new(SlowSession(self.0.open(target).await?, self.1)))
    }
}

#[async_trait]
impl Session for SlowSession {
    fn checkpoint(&self) -> &Checkpoint {
        self.0.checkpoint()
    }
    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        self.0.describe().await
    }
    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        self.0.evolve(plan).await
    }
    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        tokio::time::sleep(self.1).await;
        self.0.begin().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_fenced_a_while_before_the_mark_is_there_waits_for_it() {
    let (live, memory) = (a_table(), Memory::new());
    let runner = Runner::start(&live, Arc::new(memory.clone()), SyncMode::Mirror);
    tokio::time::sleep(ms(500)).await;
    live.vanish(2);
    let slow = of(&live, Arc::new(Slow(memory.clone(), ms(9_000))), options(SyncMode::Mirror));
    slow.resync(&description("t")).await.unwrap();
    tokio::time::sleep(ms(30_000)).await;
    assert_eq!(runner.handovers(), [2]);
    assert_eq!(ints(&memory, "t", "value"), live.items());
    assert!(matches!(runner.end().await, TableOutcome::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_commit_was_not_answered_before_the_mark_is_there_goes_on_after_it() {
    let (live, memory) = (a_table(), Memory::new());
    let unanswered = Unanswered::new(&memory);
    let runner = Runner::start(&live, Arc::new(unanswered.clone()), SyncMode::Mirror);
    tokio::time::sleep(ms(3_000)).await;
    unanswered.next.store(true, Ordering::SeqCst);
    live.put(3, 31);
    unanswered.happened.notified().await;
    live.vanish(2);
    let slow = of(&live, Arc::new(Slow(memory.clone(), ms(9_000))), options(SyncMode::Mirror));
    let asked = tokio::spawn(async move { slow.resync(&description("t")).await.unwrap() });
    // It has opened the table by now, and commits later.
    tokio::time::sleep(ms(1_000)).await;
    unanswered.answer.notify_one();
    asked.await.unwrap();
    tokio::time::sleep(ms(30_000)).await;
    assert_eq!(runner.handovers(), [2]);
    assert_eq!(ints(&memory, "t", "value"), live.items());
    assert!(matches!(runner.end().await, TableOutcome::Stopped));
}
