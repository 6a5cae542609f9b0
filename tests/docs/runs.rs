//! Small tables that are synced into memory, changed, and synced again, all of them in two runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use commutator_core::rules::TableRules;
use commutator_core::{Budget, ChangeBatch, PipelineId, Secret, TableName, Until};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, Options, Pipeline, TableOptions, TableOutcome, TableReport};
use commutator_simulator::{Clock, Item, KeySchema, KeyType, Simulator, TableSpec, View};
use commutator_source_dynamodb::Config;

/// A table, what is said of it, and its items in DynamoDB JSON.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) rules: TableRules,
    pub(crate) before: Vec<&'static str>,
    pub(crate) after: Vec<&'static str>,
}

/// What a table holds after each run, and how the second one ended.
pub(crate) struct Told {
    pub(crate) before: ChangeBatch,
    pub(crate) after: ChangeBatch,
    pub(crate) report: TableReport,
}

impl Told {
    /// Returns the error that stopped the table.
    pub(crate) fn error(&self) -> &commutator_core::Error {
        match &self.report.outcome {
            TableOutcome::Failed(error) => error,
            other => panic!("the table did not stop: {other:?}"),
        }
    }
}

/// Plays every story; their key is the text `id`.
pub(crate) async fn play(stories: &[Story]) -> BTreeMap<&'static str, Told> {
    let simulator = Simulator::builder(1).clock(Clock::running()).build();
    let server = simulator.serve().await.unwrap();
    let mut options = Options { until: Until::CaughtUp, ..Options::default() };
    let mut tables = Vec::new();
    for story in stories {
        let keys = KeySchema::partition("id", KeyType::S);
        let table = simulator.create_table(TableSpec::new(story.name, keys).stream(View::NewAndOldImages)).unwrap();
        let of_table = TableOptions { rules: story.rules.clone(), ..TableOptions::default() };
        options.tables.insert(TableName::new(story.name), of_table);
        story.before.iter().for_each(|item| _ = table.put(Item::from_json(item).unwrap()).unwrap());
        tables.push(table);
    }
    let source = Config {
        region: Some("eu-west-1".to_owned()),
        endpoint_url: Some(server.url()),
        access_key_id: Some(Secret::new("docs".to_owned())),
        secret_access_key: Some(Secret::new("docs".to_owned())),
        tables: stories.iter().map(|story| story.name.to_owned()).collect(),
        ..Config::default()
    };
    let source = Arc::new(source.connect(Budget::new(64 << 20)).await.unwrap());
    let memory = Memory::new();
    let id = PipelineId::new("docs").unwrap();
    let pipeline = Pipeline::new(id, source, Arc::new(memory.clone()), options);
    let first = pipeline.run(&CancellationToken::new()).await.unwrap();
    assert!(first.succeeded(), "{first:?}");
    let rows = |story: &Story| memory.rows(story.name).unwrap();
    let before: Vec<_> = stories.iter().map(rows).collect();
    for (story, table) in stories.iter().zip(&tables) {
        story.after.iter().for_each(|item| _ = table.put(Item::from_json(item).unwrap()).unwrap());
    }
    let mut second = pipeline.run(&CancellationToken::new()).await.unwrap().tables;
    let mut told = BTreeMap::new();
    for (story, before) in stories.iter().zip(before) {
        let at = second.iter().position(|report| report.table.as_str() == story.name).unwrap();
        told.insert(story.name, Told { before, after: rows(story), report: second.swap_remove(at) });
    }
    told
}
