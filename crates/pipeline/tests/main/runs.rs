use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, Destination, Epoch, ErrorKind, PipelineId, Result, Session, SyncMode,
    TableName, Target,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{
    CancellationToken, Event, Observer, OnGap, Options, Phase, Pipeline, RetryPolicy, RunReport, TableOptions,
    TableOutcome,
};

use crate::scripted::{FIRST, MADE_AT, Scripted, Step, Value};

pub(crate) fn rows(values: impl IntoIterator<Item = (i64, i64)>) -> Step {
    Step::Rows(values.into_iter().map(|(id, value)| (id, Some(Value::Int(value)))).collect())
}

pub(crate) fn options(mode: SyncMode) -> Options {
    let retry = RetryPolicy { max_attempts: Some(5), ..RetryPolicy::default() };
    Options { defaults: TableOptions { mode, ..TableOptions::default() }, retry, ..Options::default() }
}

pub(crate) fn pipeline(source: &Scripted, destination: Arc<dyn Destination>, options: Options) -> Pipeline {
    Pipeline::new(PipelineId::new("test").unwrap(), Arc::new(source.clone()), destination, options)
}

/// Runs with paused time, so that pauses and deadlines take none.
pub(crate) async fn run(source: &Scripted, memory: &Memory, options: Options) -> RunReport {
    pipeline(source, Arc::new(memory.clone()), options).run(&CancellationToken::new()).await.unwrap()
}

/// The integers of one column by id.
pub(crate) fn ints(memory: &Memory, table: &str, column: &str) -> BTreeMap<i64, i64> {
    let rows = memory.rows(table).unwrap();
    let values = rows.rows().column_by_name(column).unwrap().as_primitive::<Int64Type>().clone();
    let ids = rows.rows().column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
    ids.values().iter().zip(values.iter()).filter_map(|(id, value)| Some((*id, value?))).collect()
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn event(&self, table: &TableName, event: &Event<'_>) {
        let line = match event {
            Event::Started { epoch, .. } => format!("started {epoch}"),
            Event::Committed { rows, .. } => format!("committed {rows}"),
            Event::SnapshotEnded { .. } => "snapshot ended".into(),
            Event::SchemaChanged { plan } => format!("schema {}", plan.actions.len()),
            Event::Gap(_) => "gap".into(),
            Event::Retrying { attempt, .. } => format!("retrying {attempt}"),
            Event::Finished => "finished".into(),
            Event::Failed(error) => format!("failed {}", error.kind()),
            _ => return,
        };
        self.0.lock().unwrap().push(format!("{table}: {line}"));
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_and_changes_arrive_and_the_checkpoint_with_them() {
    let changes = Step::Rows(vec![(1, None), (3, Some(Value::Int(30)))]);
    let source = Scripted::new([("t", vec![rows([(1, 10), (2, 20)]), Step::SnapshotEnd, changes])]);
    let memory = Memory::new();
    let log = Arc::new(Log::default());
    let report = pipeline(&source, Arc::new(memory.clone()), options(SyncMode::Mirror))
        .with_observer(Arc::<Log>::clone(&log))
        .with_clock(|| UNIX_EPOCH + Duration::from_micros(MADE_AT.unsigned_abs()) + Duration::from_millis(50))
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert!(report.succeeded());
    assert_eq!(report.tables[0].rows, 4);
    // Rows of the snapshot were made nobody knows when.
    let latencies = &report.tables[0].latencies;
    assert_eq!((latencies.count(), latencies.max()), (2, Some(Duration::from_millis(50))));
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(2, 20), (3, 30)]));
    let log = log.0.lock().unwrap().join(", ");
    assert_eq!(log, "t: started 1, t: schema 1, t: committed 2, t: snapshot ended, t: committed 2, t: finished");
    // A second run finds nothing left to do.
    assert_eq!(run(&source, &memory, options(SyncMode::Mirror)).await.tables[0].rows, 0);
}

#[tokio::test(start_paused = true)]
async fn columns_follow_the_data() {
    let steps = vec![
        rows([(1, 10)]),
        Step::SnapshotEnd,
        Step::Rows(vec![(2, Some(Value::Column("late", 5)))]),
        Step::Rows(vec![(3, Some(Value::Text("three")))]),
        Step::Rows(vec![(4, Some(Value::Column("_ct_order", 7)))]),
    ];
    let memory = Memory::new();
    let report = run(&Scripted::new([("t", steps)]), &memory, options(SyncMode::Mirror)).await;
    assert!(report.succeeded(), "{report:?}");
    let schema = memory.schema("t").unwrap();
    let columns: Vec<_> = schema.columns().iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
    assert_eq!(columns, ["id int64", "value json", "late int64", "attribute_ct_order int64"]);
    let rows = memory.rows("t").unwrap();
    let mut values: Vec<_> =
        rows.rows().column_by_name("value").unwrap().as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    values.sort();
    assert_eq!(values, ["\"three\"", "10"]);
    assert_eq!(ints(&memory, "t", "attribute_ct_order"), BTreeMap::from([(4, 7)]));
}

#[tokio::test(start_paused = true)]
async fn a_failed_table_does_not_stop_the_others() {
    let source = Scripted::new([
        ("bad", vec![rows([(1, 1)]), Step::Fail(ErrorKind::DataInvalid)]),
        ("good", vec![rows([(1, 1)]), Step::Fail(ErrorKind::Unavailable), rows([(2, 2)])]),
    ]);
    let memory = Memory::new();
    let report = run(&source, &memory, options(SyncMode::Mirror)).await;
    assert!(!report.succeeded());
    let TableOutcome::Failed(error) = &report.tables[0].outcome else { panic!("{report:?}") };
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    // What came before the failure is whole, and so committed.
    assert_eq!(ints(&memory, "bad", "value"), BTreeMap::from([(1, 1)]));
    assert!(matches!(report.tables[1].outcome, TableOutcome::Completed));
    assert_eq!(ints(&memory, "good", "value"), BTreeMap::from([(1, 1), (2, 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_gap_reads_the_table_anew_in_place() {
    let steps = vec![rows([(1, 10), (2, 20)]), Step::SnapshotEnd, rows([(1, 11)]), Step::Gap, rows([(3, 30)])];
    let source = Scripted::new([("t", steps)]);
    let memory = Memory::new();
    let report = run(&source, &memory, options(SyncMode::Mirror)).await;
    assert!(report.succeeded(), "{report:?}");
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(1, 11), (2, 20), (3, 30)]));
    let all = memory.rows("t").unwrap();
    assert!(all.orders().iter().all(|order| order.epoch() == Epoch(FIRST.0 + 1)));
    // Whoever looks later sees that there was one.
    let status =
        pipeline(&source, Arc::new(memory.clone()), options(SyncMode::Mirror)).status().await.unwrap().remove(0);
    let gaps = status.checkpoint.unwrap().gaps().clone();
    let last = gaps.last.unwrap();
    assert_eq!((gaps.count, last.reason.as_str(), last.noticed_at), (1, "As the script says", 7));
    assert_eq!(
        (status.phase, status.backlog.unwrap()),
        (Phase::Streaming, None),
        "the script cannot tell what is unread"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_final_where_the_user_wants_that() {
    let source = Scripted::new([("t", vec![rows([(1, 10)]), Step::SnapshotEnd, Step::Gap])]);
    let mut options = options(SyncMode::Mirror);
    options.defaults.on_gap = OnGap::Fail;
    let report = run(&source, &Memory::new(), options).await;
    let TableOutcome::Failed(error) = &report.tables[0].outcome else { panic!("{report:?}") };
    assert!(error.message().contains("on_gap"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn stopping_commits_what_is_whole() {
    let source = Scripted::new([("t", vec![rows([(1, 10)]), Step::Hang])]);
    let memory = Memory::new();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (pipeline, stop) = (pipeline(&source, Arc::new(memory.clone()), options(SyncMode::Mirror)), stop.clone());
        async move { pipeline.run(&stop).await.unwrap() }
    });
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(memory.rows("t").is_none(), "nothing is due before the commit interval is over");
    stop.cancel();
    let report = running.await.unwrap();
    assert!(matches!(report.tables[0].outcome, TableOutcome::Stopped));
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(1, 10)]));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_source_that_has_not_begun_to_read() {
    let source = Scripted::new([("t", vec![Step::Deaf])]);
    let stop = CancellationToken::new();
    let pipeline = pipeline(&source, Arc::new(Memory::new()), options(SyncMode::Mirror));
    let running = pipeline.run(&stop);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), async { tokio::join!(running, stopping).0 });
    let report = ended.await.expect("the run ends").unwrap();
    assert!(matches!(report.tables[0].outcome, TableOutcome::Stopped));
}

#[tokio::test(start_paused = true)]
async fn time_alone_makes_a_commit_and_memory_is_given_back() {
    let source = Scripted::new([("t", vec![rows([(1, 10)]), Step::Hang])]);
    let memory = Memory::new();
    let stop = CancellationToken::new();
    let pipeline = pipeline(&source, Arc::new(memory.clone()), options(SyncMode::Mirror));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { pipeline.run(&stop).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(1, 10)]));
    assert_eq!(source.budget.used(), 0);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_the_destination_lacks_is_refused_before_anything_begins() {
    let source = Scripted::new([("t", vec![rows([(1, 10)])])]);
    let pipeline = pipeline(&source, Arc::new(Plain(Memory::new())), options(SyncMode::History));
    let error = pipeline.run(&CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("mirror, append"), "{error}");
}

/// A destination that offers two modes only.
#[derive(Debug)]
struct Plain(Memory);

#[async_trait]
impl Destination for Plain {
    fn capabilities(&self) -> Capabilities {
        Capabilities { modes: &[SyncMode::Mirror, SyncMode::Append], ..self.0.capabilities() }
    }
    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        self.0.open(target).await
    }
}
