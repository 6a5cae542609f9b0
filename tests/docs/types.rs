//! `docs/types.md`: types, how they evolve, names, nested values.

use std::collections::BTreeMap;

use commutator_core::rules::{Contract, Flatten, Nested, Numbers, OnTypeConflict, SchemaPolicy, TableRules};
use commutator_core::schema::{Names, plan};
use commutator_core::{
    Destination, IdentifierRules, NameMap, PipelineId, Slice, SyncMode, TableName, TableSchema, Target,
};
use commutator_destination_parquet as parquet;
use commutator_destination_postgres as postgres;
use commutator_sql::{DUCKDB, Dialect};

use crate::page::{self, grid, table};
use crate::runs::{Story, Told, play};

/// An attribute of every kind.
const KINDS: &str = r#"{"id": {"S": "a"}, "text": {"S": "x"}, "whole": {"N": "12"}, "decimal": {"N": "12.50"},
    "tiny": {"N": "1E-130"}, "bytes": {"B": "AQI="}, "flag": {"BOOL": true}, "nothing": {"NULL": true},
    "map": {"M": {"a": {"NULL": true}, "b": {"N": "1.5"}}}, "list": {"L": [{"N": "1"}, {"S": "x"}]},
    "texts": {"SS": ["b", "a"]}, "numbers": {"NS": ["2", "10"]}, "binaries": {"BS": ["Ag==", "AQ=="]}}"#;
/// Warehouses whose types and names are known without their clients.
const DIALECTS: [&Dialect; 1] = [&DUCKDB];
const ADDRESS: &str = r#"{"id": {"S": "a"}, "name": {"S": "Ada"},
    "address": {"M": {"city": {"S": "London"}, "geo": {"M": {"lat": {"N": "51.5"}}}, "tags": {"L": [{"S": "home"}]}}}}"#;

fn stories() -> Vec<Story> {
    let story = |name, rules, before: &[&'static str], after: &[&'static str]| Story {
        name,
        rules,
        before: before.to_vec(),
        after: after.to_vec(),
    };
    let plain = TableRules::default;
    let twelve = [r#"{"id": {"S": "a"}, "amount": {"N": "12"}}"#];
    let many = [r#"{"id": {"S": "b"}, "amount": {"S": "twelve"}}"#];
    let policy = |policy| plain().contract(Contract::both(policy));
    let new = [
        r#"{"id": {"S": "b"}, "amount": {"S": "twelve"}, "note": {"S": "new"}}"#,
        r#"{"id": {"S": "c"}, "amount": {"N": "3"}}"#,
    ];
    vec![
        story("kinds", plain(), &[KINDS], &[]),
        story(
            "numbers",
            plain(),
            &[r#"{"id": {"S": "a"}, "price": {"N": "7"}}"#],
            &[r#"{"id": {"S": "b"}, "price": {"N": "2.50"}}"#],
        ),
        story(
            "longer",
            plain(),
            &[r#"{"id": {"S": "a"}, "price": {"N": "7.25"}}"#],
            &[r#"{"id": {"S": "b"}, "price": {"N": "1E-130"}}"#],
        ),
        story(
            "or_text",
            plain().numbers(Numbers::DecimalOrText).on_type_conflict(OnTypeConflict::Text),
            &[r#"{"id": {"S": "a"}, "price": {"N": "7.25"}}"#],
            &[r#"{"id": {"S": "b"}, "price": {"N": "1E-130"}}"#],
        ),
        story(
            "float",
            plain().numbers(Numbers::Float),
            &[r#"{"id": {"S": "a"}, "price": {"N": "7"}}"#],
            &[r#"{"id": {"S": "b"}, "price": {"N": "0.12345678901234567890"}}"#],
        ),
        story("json", plain(), &twelve, &many),
        story("text", plain().on_type_conflict(OnTypeConflict::Text), &twelve, &many),
        story("variant", plain().on_type_conflict(OnTypeConflict::Variant), &twelve, &many),
        story("evolve", policy(SchemaPolicy::Evolve), &twelve, &new),
        story("freeze", policy(SchemaPolicy::Freeze), &twelve, &new),
        story("discard_column", policy(SchemaPolicy::DiscardColumn), &twelve, &new),
        story("discard_row", policy(SchemaPolicy::DiscardRow), &twelve, &new),
        story(
            "gone",
            plain(),
            &[r#"{"id": {"S": "a"}, "old": {"S": "x"}}"#],
            &[r#"{"id": {"S": "a"}, "new": {"NULL": true}}"#],
        ),
        story("nested_json", plain(), &[ADDRESS], &[]),
        story("nested_packed", plain().nested(Nested::Packed), &[ADDRESS], &[]),
        story("nested_flatten", plain().nested(Nested::Flatten(Flatten::default())), &[ADDRESS], &[]),
        story(
            "nested_deeper",
            plain().nested(Nested::Flatten(Flatten { depth: 2, separator: ".".to_owned() })),
            &[ADDRESS],
            &[],
        ),
    ]
}

fn before_and_after(told: &Told) -> String {
    format!("{}\nbecomes\n\n{}", table(&told.before), table(&told.after))
}

fn left_out(told: &Told) -> String {
    let left_out = told.report.left_out;
    format!("\nRows discarded: {}, values discarded: {}.\n", left_out.discarded_rows, left_out.discarded_values)
}

async fn destinations() -> [(&'static str, Box<dyn Destination>); 2] {
    let postgres = postgres::Config::from_url("postgres://u@127.0.0.1/db?sslmode=disable").connect().await.unwrap();
    let parquet = parquet::Config::new("memory://").connect().await.unwrap();
    [("Postgres", Box::new(postgres)), ("Parquet", Box::new(parquet))]
}

/// Every kind of value with the column that it alone would make.
fn kinds(schema: &TableSchema, postgres: &dyn Destination) -> String {
    let target = Target {
        pipeline: PipelineId::new("docs").unwrap(),
        table: TableName::new("t"),
        name: "t".to_owned(),
        keys: schema.keys().to_vec(),
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    };
    let create = postgres.preview(&target, &plan(None, schema).unwrap()).remove(0);
    let native = |name: &str| {
        let line = create.lines().find_map(|line| line.trim().strip_prefix(&format!("\"{name}\" "))).unwrap();
        line.trim_end_matches(',').to_owned()
    };
    let kinds = [
        ("S", "text"),
        ("N, whole and of at most 64 bits", "whole"),
        ("N, of at most 38 digits", "decimal"),
        ("N, any other", "tiny"),
        ("B", "bytes"),
        ("BOOL", "flag"),
        ("NULL", "nothing"),
        ("M", "map"),
        ("L", "list"),
        ("SS", "texts"),
        ("NS", "numbers"),
        ("BS", "binaries"),
    ];
    let row = |(kind, name): &(&str, &str)| match schema.get(name) {
        None => {
            let mut row = vec![(*kind).to_owned(), "none: it adds no column".to_owned()];
            row.resize(4 + DIALECTS.len(), String::new());
            row
        }
        Some((_, column)) => {
            let ty = column.ty;
            let plain = [(*kind).to_owned(), ty.to_string(), column.to_field().data_type().to_string(), native(name)];
            plain.into_iter().chain(DIALECTS.map(|dialect| dialect.native(ty).into_owned())).collect()
        }
    };
    let heading = ["DynamoDB", "column type", "Parquet, as Arrow reads it", "Postgres"];
    let heading: Vec<_> = heading.into_iter().chain(DIALECTS.map(|it| it.name)).map(str::to_owned).collect();
    grid(&heading, &kinds.iter().map(row).collect::<Vec<_>>())
}

/// What each destination calls columns of attributes with odd names, named in this order.
fn names(destinations: &[(&'static str, IdentifierRules)]) -> String {
    let long = "a".repeat(70);
    let attributes = ["total", "Id", "id", "order-id", "address.city", "_ct_order", "xmin", "tab\there", &long];
    let mut named: Vec<_> = destinations.iter().map(|(_, rules)| Names::new(*rules, NameMap::new())).collect();
    let mut rows = Vec::new();
    for attribute in attributes {
        let shown = |name: &str| {
            let name = name.replace('\t', "⇥").replace(&long, "a…a (70)").replace(&"a".repeat(53), "a…a (53)");
            format!("`{name}`")
        };
        let mut row = vec![shown(attribute)];
        row.extend(named.iter_mut().map(|names| shown(names.name(attribute))));
        rows.push(row);
    }
    let heading: Vec<_> =
        ["attribute"].into_iter().chain(destinations.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
    grid(&heading, &rows)
}

fn parts(told: &BTreeMap<&'static str, Told>) -> Vec<(&'static str, String)> {
    let mut parts: Vec<(&str, String)> = vec![("values", table(&told["kinds"].after))];
    for name in ["numbers", "longer", "or_text", "float", "json", "text", "variant", "evolve", "gone"] {
        parts.push((name, before_and_after(&told[name])));
    }
    for name in ["discard_column", "discard_row"] {
        parts.push((name, table(&told[name].after) + &left_out(&told[name])));
    }
    let error = told["freeze"].error();
    parts.push(("freeze", format!("```\n{error}\n```\n\n{}", table(&told["freeze"].after))));
    for name in ["nested_json", "nested_packed", "nested_flatten", "nested_deeper"] {
        parts.push((name, table(&told[name].after)));
    }
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_types_is_what_the_program_does() {
    let told = play(&stories()).await;
    let destinations = destinations().await;
    let mut parts = parts(&told);
    parts.push(("kinds", kinds(told["kinds"].after.schema(), &*destinations[0].1)));
    let rules = destinations.iter().map(|(name, it)| (*name, it.capabilities().identifiers));
    let rules: Vec<_> = rules.chain(DIALECTS.map(|dialect| (dialect.name, dialect.identifiers))).collect();
    parts.push(("names", names(&rules)));
    page::check("types.md", &parts);
}
