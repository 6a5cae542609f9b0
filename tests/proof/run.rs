//! One seed: the world, processes that come and go, and the comparison at the end.

use std::sync::{Arc, Mutex};

use commutator_conformance::{Harness, Row};
use commutator_core::{
    Budget, Checkpoint, Destination, PipelineId, SyncMode, TableDescription, TableName, Target, Until,
};
use commutator_pipeline::{
    CancellationToken, CommitOptions, Event, Observer, OnGap, Options, Pipeline, RunReport, TableOptions, TableOutcome,
};
use commutator_simulator::{Clock as Virtual, Faults, Simulator, TableSpec, View};
use commutator_source_dynamodb::{Clock, Config, Surroundings};

use crate::chaos::{Chaos, Mishaps, Place};
use crate::compare::snapshot_started_at;
use crate::history::{History, TABLE};
use crate::scenario::Scenario;
use crate::transport::{InProcess, ReaderDefect};

/// 2025-01-01T00:00:00Z.
const BEGAN: u64 = 1_735_689_600_000;

/// So many processes one after another must be enough.
const PROCESSES: u32 = 200;

/// What a whole run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the destination's table has.
    pub(crate) rows: Vec<Row>,
    /// What the table of the simulator has.
    pub(crate) items: Vec<commutator_simulator::Item>,
    pub(crate) history: History,
    pub(crate) target: Target,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) gaps: Vec<String>,
    /// When the first snapshot began, as the first checkpoint said it that was found after a process.
    pub(crate) began: Option<u64>,
    /// How many requests there were: two runs of one seed agree in it.
    pub(crate) requests: u64,
}

/// The clock of the reader: the service's, and some more or less.
#[derive(Debug)]
pub(crate) struct Skewed(pub(crate) Virtual, pub(crate) i64);

impl Clock for Skewed {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.0.now_ms()).unwrap() + self.1
    }
}

#[derive(Debug, Default)]
struct Told {
    gaps: Mutex<Vec<String>>,
    table: Mutex<Option<TableDescription>>,
}

impl Observer for Told {
    fn event(&self, _: &TableName, event: &Event<'_>) {
        tracing::debug!(?event, "event");
        match event {
            Event::Gap(gap) => self.gaps.lock().unwrap().push(gap.reason.clone()),
            Event::Started { table, .. } => *self.table.lock().unwrap() = Some((*table).clone()),
            _ => {}
        }
    }
}

/// Runs a scenario to its end on a runtime of its own; an error says what went wrong.
pub(crate) fn play<H: Harness>(
    scenario: &Scenario,
    place: &H,
    runs_at: Place,
    defect: Option<ReaderDefect>,
) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    fastrand::seed(scenario.seed);
    let outcome = runtime.block_on(Box::pin(play_here(scenario, place, runs_at, defect)));
    runtime.shutdown_background();
    outcome
}

/// Everything that stays while processes come and go.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) history: Arc<Mutex<History>>,
    mishaps: Mishaps,
    told: Arc<Told>,
    began: Mutex<Option<u64>>,
    pub(crate) scenario: Scenario,
    defect: Option<ReaderDefect>,
    /// How the processes' source is configured, beyond what the scenario says.
    pub(crate) configure: fn(&mut Config),
    pub(crate) on_gap: OnGap,
}

/// Who else is at work on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    Nobody,
    /// A second runner takes the table over.
    Runner,
    /// Somebody asks for a resync.
    Resync,
}

async fn play_here<H: Harness>(
    scenario: &Scenario,
    place: &H,
    runs_at: Place,
    defect: Option<ReaderDefect>,
) -> Result<Outcome, String> {
    let world = World::new(scenario, runs_at, defect)?;
    let events = Arc::clone(&world.history);
    world.simulator.on_request(move |simulator, operation| {
        tracing::trace!(?operation, at = simulator.clock().now_ms(), "request");
        events.lock().unwrap().go_on(simulator);
    });
    world.simulator.set_faults(scenario.faults.clone());
    let mut dice = fastrand::Rng::with_seed(scenario.seed ^ 0x0DD5);
    let mut processes = 0;
    loop {
        processes += 1;
        if processes > PROCESSES {
            return Err("the run does not come to an end".to_owned());
        }
        let over = world.history.lock().unwrap().is_over();
        if over || processes > PROCESSES / 2 {
            world.mishaps.end();
            world.simulator.set_faults(Faults::none());
        }
        let company = match dice.f64() / scenario.company {
            _ if over => Company::Nobody,
            drawn if drawn < 0.5 => Company::Runner,
            drawn if drawn < 1.0 => Company::Resync,
            _ => Company::Nobody,
        };
        let completed = world.process(place, company).await? == Ended::Completed;
        if completed && over {
            break;
        }
        if completed {
            world.history.lock().unwrap().pause(&world.simulator);
        }
    }
    world.outcome(place).await
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Completed,
    /// It died, was fenced, or met something that another one may not meet.
    Early,
}

impl World {
    /// Makes the table and its first items.
    pub(crate) fn new(scenario: &Scenario, runs_at: Place, defect: Option<ReaderDefect>) -> Result<Self, String> {
        let simulator =
            Simulator::builder(scenario.seed).clock(Virtual::of_runtime(BEGAN)).quirks(scenario.quirks.clone()).build();
        let spec = TableSpec::new(TABLE, scenario.key_schema()).stream(View::NewAndOldImages).shards(scenario.shards);
        simulator.create_table(spec).map_err(|error| error.to_string())?;
        Ok(Self {
            mishaps: Mishaps::new(scenario.seed, scenario.mishaps, runs_at),
            told: Arc::default(),
            began: Mutex::default(),
            scenario: scenario.clone(),
            defect,
            history: Arc::new(Mutex::new(History::begin(scenario, &simulator))),
            simulator,
            configure: |_| {},
            on_gap: OnGap::Resync,
        })
    }

    /// Reads everything back.
    pub(crate) async fn outcome<H: Harness>(self, place: &H) -> Result<Outcome, String> {
        let pipeline = self.pipeline(place).await?;
        let description = pipeline.source().discover().await.map_err(|error| format!("{error:?}"))?.remove(0);
        let target = pipeline.target(&description);
        let checkpoint = pipeline.destination().peek(&target).await.map_err(|error| format!("{error:?}"))?;
        let rows = self.mishaps.elsewhere(place.rows(&target)).await;
        let items = self.simulator.table(TABLE).items().map_err(|error| error.to_string())?;
        let items = self.scenario.wanted(items);
        let requests = self.simulator.all_requests();
        drop(pipeline);
        // The simulator's hook holds the history.
        self.simulator.on_request(|_, _| {});
        let history = Arc::into_inner(self.history).ok_or("the history is still held")?;
        let history = history.into_inner().map_err(|error| error.to_string())?;
        let gaps = self.told.gaps.lock().unwrap().clone();
        let began = *self.began.lock().unwrap();
        let checkpoint = checkpoint.unwrap_or_default();
        Ok(Outcome { rows, items, history, target, checkpoint, gaps, began, requests })
    }

    /// Lets a process run until it has caught up, fails or dies; an error is a failure that another process would meet, too.
    pub(crate) async fn process<H: Harness>(&self, place: &H, company: Company) -> Result<Ended, String> {
        let death = self.mishaps.process();
        let pipeline = self.pipeline(place).await?;
        let second = self.pipeline(place).await?;
        let stop = CancellationToken::new();
        let joined = async {
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..5_000))).await;
            match company {
                Company::Nobody => {}
                Company::Runner => return Some(second.run(&stop).await),
                Company::Resync => {
                    let asked = async { second.resync(&second.source().discover().await?.remove(0)).await };
                    // It may fail like everything else; nothing was promised then.
                    tracing::debug!(asked = ?asked.await, "resync");
                }
            }
            None
        };
        let report = tokio::select! {
            biased;
            () = death.cancelled() => None,
            (first, second) = async { tokio::join!(pipeline.run(&stop), joined) } => Some(second.unwrap_or(first)),
        };
        // What was aborted is dropped when its task comes to run.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        tracing::debug!(?report, ?company, "process ended");
        self.remember_beginning(place, &pipeline).await;
        match report {
            None => Ok(Ended::Early),
            Some(Ok(report)) => ended(&report),
            Some(Err(error)) if error.retry() != commutator_core::Retry::Never => Ok(Ended::Early),
            Some(Err(error)) => Err(format!("{error:?}")),
        }
    }

    /// What a process makes of its configuration.
    pub(crate) async fn pipeline<H: Harness>(&self, place: &H) -> Result<Pipeline, String> {
        let secret = |text: &str| Some(commutator_core::Secret::new(text.to_owned()));
        let mut config = Config {
            region: Some("eu-west-1".to_owned()),
            access_key_id: secret("test"),
            secret_access_key: secret("test"),
            endpoint_url: Some("http://simulator".to_owned()),
            tables: vec![TABLE.to_owned()],
            segments: Some(self.scenario.segments),
            max_read_capacity: self.scenario.max_read_capacity,
            stream_readers: Some(self.scenario.stream_readers),
            consistent_read: self.scenario.consistent,
            ..Config::default()
        };
        (self.configure)(&mut config);
        let surroundings = Surroundings {
            clock: Arc::new(Skewed(self.simulator.clock().clone(), self.scenario.clock_ahead_ms)),
            http_client: InProcess::client(&self.simulator, self.defect),
        };
        let source = Box::pin(config.connect_in(Budget::new(16 << 20), surroundings));
        let source = source.await.map_err(|error| format!("{error:?}"))?;
        let inner = self.mishaps.elsewhere(place.connect()).await;
        let rules = self.scenario.said(inner.capabilities().native_nested);
        let destination: Arc<dyn Destination> = Arc::new(Chaos { inner, mishaps: self.mishaps.clone() });
        let options = Options {
            defaults: TableOptions { mode: self.scenario.mode, on_gap: self.on_gap, rules, ..TableOptions::default() },
            until: Until::CaughtUp,
            commit: CommitOptions {
                max_rows: Some(self.scenario.commit_rows),
                max_delay: Some(self.scenario.commit_delay),
                ..CommitOptions::default()
            },
            ..Options::default()
        };
        let id = PipelineId::new("proof").map_err(|error| format!("{error:?}"))?;
        let told: Arc<dyn Observer> = Arc::<Told>::clone(&self.told);
        Ok(Pipeline::new(id, Arc::new(source), destination, options).with_observer(told))
    }

    /// Remembers when the first snapshot began, past everything that goes wrong.
    async fn remember_beginning<H: Harness>(&self, place: &H, pipeline: &Pipeline) {
        let table = self.told.table.lock().unwrap().clone();
        let (Some(table), None) = (table, *self.began.lock().unwrap()) else { return };
        let target = pipeline.target(&table);
        let found = self.mishaps.elsewhere(async { place.connect().await.peek(&target).await }).await;
        *self.began.lock().unwrap() = found.ok().flatten().as_ref().and_then(snapshot_started_at);
    }
}

/// Returns how the table ended; a failure that another process could not mend is an error.
fn ended(report: &RunReport) -> Result<Ended, String> {
    match &report.tables[0].outcome {
        TableOutcome::Completed => Ok(Ended::Completed),
        TableOutcome::Stopped => Ok(Ended::Early),
        TableOutcome::Failed(error) => match error.kind() {
            commutator_core::ErrorKind::Fenced
            | commutator_core::ErrorKind::Unavailable
            | commutator_core::ErrorKind::Throttled => Ok(Ended::Early),
            _ => Err(format!("{error:?}")),
        },
    }
}

/// In which modes a destination's runs are played.
pub(crate) const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
