//! One seed: the world, processes that come and go, and the comparison at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use commutator_conformance::{Harness, Row};
use commutator_core::{
    Budget, Checkpoint, Destination, PipelineId, SyncMode, TableDescription, TableName, TableSchema, Target, Until,
};
use commutator_pipeline::{
    CancellationToken, CommitOptions, Event, Observer, OnGap, Options, Pipeline, RunReport, TableOptions, TableOutcome,
};
use commutator_simulator::{Clock as Virtual, Faults, Item, Simulator, TableSpec, View};
use commutator_source_dynamodb::{Clock, Config, Surroundings};

use crate::bent::{self, Defect};
use crate::chaos::{Chaos, Mishaps, Place};
use crate::compare::snapshot_started_at;
use crate::history::{History, Record, TABLE};
use crate::scenario::Scenario;
use crate::shown::Shown;
use crate::transport::InProcess;

/// 2025-01-01T00:00:00Z.
const BEGAN: u64 = 1_735_689_600_000;

/// So many processes one after another must be enough.
const PROCESSES: u32 = 200;

/// What a whole run came to in one table.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the destination's table has.
    pub(crate) rows: Vec<Row>,
    /// Its columns.
    pub(crate) schema: Option<TableSchema>,
    /// What rules make of items and changes for it.
    pub(crate) shown: Shown,
    /// What the table of the simulator has, as far as it belongs here.
    pub(crate) items: Vec<Item>,
    /// What else it has.
    pub(crate) others: Vec<Item>,
    /// Every change that concerns the table, by its sequence number.
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) history: Arc<History>,
    pub(crate) target: Target,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) gaps: Vec<String>,
    /// When the first snapshot began, as the first checkpoint said it that was found after a process.
    pub(crate) began: Option<u64>,
    /// How many requests there were, for all tables: two runs of one seed agree in it.
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
    gaps: Mutex<Vec<(TableName, String)>>,
    tables: Mutex<BTreeMap<TableName, TableDescription>>,
}

impl Observer for Told {
    fn event(&self, name: &TableName, event: &Event<'_>) {
        tracing::debug!(%name, ?event, "event");
        match event {
            Event::Gap(gap) => self.gaps.lock().unwrap().push((name.clone(), gap.reason.clone())),
            Event::Started { table, .. } => drop(self.tables.lock().unwrap().insert(name.clone(), (*table).clone())),
            _ => {}
        }
    }
}

/// Runs a scenario to its end on a runtime of its own; an error says what went wrong.
pub(crate) fn play<H: Harness>(
    scenario: &Scenario,
    place: &H,
    runs_at: Place,
    defect: Option<Defect>,
) -> Result<Vec<Outcome>, String> {
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
    began: Mutex<BTreeMap<TableName, u64>>,
    pub(crate) scenario: Scenario,
    defect: Option<Defect>,
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
    defect: Option<Defect>,
) -> Result<Vec<Outcome>, String> {
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
    pub(crate) fn new(scenario: &Scenario, runs_at: Place, defect: Option<Defect>) -> Result<Self, String> {
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

    /// Reads everything back, table by table.
    pub(crate) async fn outcome<H: Harness>(self, place: &H) -> Result<Vec<Outcome>, String> {
        let failed = |error: commutator_core::Error| format!("{error:?}");
        let pipeline = self.pipeline(place).await?;
        let tables = pipeline.tables().await.map_err(failed)?;
        let items = self.simulator.table(TABLE).items().map_err(|error| error.to_string())?;
        let requests = self.simulator.all_requests();
        // The simulator's hook holds the history.
        self.simulator.on_request(|_, _| {});
        let history = Arc::into_inner(self.history).ok_or("the history is still held")?;
        let history = Arc::new(history.into_inner().map_err(|error| error.to_string())?);
        let mut outcomes = Vec::new();
        for table in tables {
            let target = pipeline.target(&table);
            let checkpoint = pipeline.destination().peek(&target).await.map_err(failed)?.unwrap_or_default();
            let rows = self.mishaps.elsewhere(place.rows(&target)).await;
            let mut session = pipeline.destination().open(&target).await.map_err(failed)?;
            let schema = session.describe().await.map_err(failed)?;
            let name = &table.name;
            let part = name.as_str().split_once(':').map(|(_, part)| part.to_owned());
            let shown = Shown {
                part: self
                    .scenario
                    .said
                    .parts
                    .iter()
                    .map(|(name, _)| *name)
                    .find(|name| part.as_deref() == Some(*name)),
                said: self.scenario.said.clone(),
                mode: self.scenario.mode,
                keys: table.keys.iter().map(|key| key.name.clone()).collect(),
            };
            let (items, others) = items.iter().cloned().partition(|item| shown.wants(item));
            let records = history.records.iter();
            let records = records.filter_map(|(at, record)| Some((at.clone(), shown.change(record)?))).collect();
            let gaps = self.told.gaps.lock().unwrap();
            let gaps = gaps.iter().filter(|(of, _)| of == name).map(|(_, gap)| gap.clone()).collect();
            outcomes.push(Outcome {
                rows,
                schema,
                items,
                others,
                shown,
                records,
                history: Arc::clone(&history),
                target,
                checkpoint,
                gaps,
                began: self.began.lock().unwrap().get(name).copied(),
                requests,
            });
        }
        Ok(outcomes)
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
                    let asked = async {
                        let mut tables = second.tables().await?;
                        let at = if tables.len() > 1 { fastrand::usize(..tables.len()) } else { 0 };
                        second.resync(&tables.remove(at)).await
                    };
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
            http_client: InProcess::client(&self.simulator, self.defect.and_then(Defect::of_reader)),
        };
        let source = Box::pin(config.connect_in(Budget::new(16 << 20), surroundings));
        let source = source.await.map_err(|error| format!("{error:?}"))?;
        let inner = self.mishaps.elsewhere(place.connect()).await;
        let rules = self.scenario.rules(inner.capabilities().native_nested);
        let said = &self.scenario.said;
        let splits =
            if said.parts.is_empty() { BTreeMap::new() } else { [(TableName::new(TABLE), said.split())].into() };
        let destination: Arc<dyn Destination> = Arc::new(Chaos { inner, mishaps: self.mishaps.clone() });
        let options = Options {
            defaults: TableOptions { mode: self.scenario.mode, on_gap: self.on_gap, rules, ..TableOptions::default() },
            until: Until::CaughtUp,
            commit: CommitOptions {
                max_rows: Some(self.scenario.commit_rows),
                max_delay: Some(self.scenario.commit_delay),
                ..CommitOptions::default()
            },
            hash_salt: secret(bent::salt(self.defect)),
            splits,
            ..Options::default()
        };
        let id = PipelineId::new("proof").map_err(|error| format!("{error:?}"))?;
        let told: Arc<dyn Observer> = Arc::<Told>::clone(&self.told);
        let pipeline = Pipeline::new(id, Arc::new(source), destination, options).with_observer(told);
        Ok(match bent::transform(self.defect, said) {
            Some(transform) => pipeline.with_transform(transform),
            None => pipeline,
        })
    }

    /// Remembers when each table's first snapshot began, past everything that goes wrong.
    async fn remember_beginning<H: Harness>(&self, place: &H, pipeline: &Pipeline) {
        let tables = self.told.tables.lock().unwrap().clone();
        for (name, table) in tables {
            if self.began.lock().unwrap().contains_key(&name) {
                continue;
            }
            let target = pipeline.target(&table);
            let found = self.mishaps.elsewhere(async { place.connect().await.peek(&target).await }).await;
            let began = found.ok().flatten().as_ref().and_then(snapshot_started_at);
            self.began.lock().unwrap().extend(began.map(|began| (name, began)));
        }
    }
}

/// Returns how the tables ended; a failure that another process could not mend is an error.
fn ended(report: &RunReport) -> Result<Ended, String> {
    let mut ended = Ended::Completed;
    for table in &report.tables {
        match &table.outcome {
            TableOutcome::Completed => {}
            TableOutcome::Stopped => ended = Ended::Early,
            TableOutcome::Failed(error) => match error.kind() {
                commutator_core::ErrorKind::Fenced
                | commutator_core::ErrorKind::Unavailable
                | commutator_core::ErrorKind::Throttled => ended = Ended::Early,
                _ => return Err(format!("{error:?}")),
            },
        }
    }
    Ok(ended)
}

/// In which modes a destination's runs are played.
pub(crate) const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
