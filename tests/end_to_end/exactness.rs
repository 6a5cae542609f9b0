//! Tables that are wide, odd and change their types half-way: every value arrives exact in every destination, read back by programs that share
//! no code with ours.
//!
//! 5,000 distinct attributes are more than Postgres has columns, so there the items are packed. A table in the simulator, since DynamoDB
//! Local takes quadratic time. `COMMUTATOR_TEST_WIDE_ITEMS=100000` makes it as large as it is meant to be, for a program that was built for
//! release; a debug build takes minutes for half a billion cells.

use std::fmt::Write as _;

use commutator_simulator::{Clock, Item, KeySchema, KeyType, Server, Simulator, TableHandle, TableSpec, Value, View};
use commutator_tests::{Program, server, try_python};

use crate::fixture::Place;
#[cfg(feature = "duckdb")]
use crate::fixture::database_in;

const ATTRIBUTES: usize = 5000;
/// How many of them an item has.
const EACH: usize = 8;

/// What both halves of a table's life are made of: items of the snapshot, and changes from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

struct World {
    /// Serves until the end.
    _runtime: tokio::runtime::Runtime,
    table: TableHandle,
    server: Server,
    /// What the table holds, as lines of DynamoDB JSON.
    folder: tempfile::TempDir,
}

impl World {
    fn new(table: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let simulator = Simulator::builder(7).clock(Clock::running()).build();
        let keys = KeySchema::partition("pk", KeyType::S);
        let table = simulator.create_table(TableSpec::new(table, keys).stream(View::NewAndOldImages)).unwrap();
        let server = runtime.block_on(simulator.serve()).unwrap();
        Self { _runtime: runtime, table, server, folder: tempfile::tempdir().unwrap() }
    }

    fn program(&self, place: &Place, rules: &str) -> Program {
        let (url, table) = (self.server.url(), self.table.name());
        let source = format!(
            "[source]\ntype = \"dynamodb\"\nregion = \"eu-west-1\"\nendpoint_url = \"{url}\"\naccess_key_id = \"test\"\n\
             secret_access_key = \"test\"\ntables = [\"{table}\"]\n"
        );
        Program::new(&format!("[pipeline]\nid = \"exactness\"\n{source}{}{rules}", place.config()))
    }

    /// Compares what arrived with what the table holds now.
    fn verify(&self, place: &Place, manner: &str) {
        let mut lines = String::new();
        for item in self.table.items().unwrap() {
            writeln!(lines, "{}", item.to_json()).unwrap();
        }
        let expected = self.folder.path().join("expected.jsonl");
        std::fs::write(&expected, lines).unwrap();
        let expected = expected.to_string_lossy();
        let table = self.table.name();
        let said = match place {
            Place::Postgres { url, schema } => try_python(
                "exactness.py",
                &[manner, "--expected", &expected, "--table", table, "--dsn", url, "--schema", schema],
            ),
            Place::Disk { folder } => {
                let root = folder.path().to_string_lossy();
                try_python("exactness.py", &[manner, "--expected", &expected, "--table", table, "--root", &root])
            }
            #[cfg(feature = "duckdb")]
            Place::DuckDb { folder } => {
                let path = database_in(folder);
                let of_place = ["--path", &path.to_string_lossy(), "--schema", "e2e"];
                let of_table = [manner, "--expected", &expected, "--table", table];
                try_python("exactness.py", &[&of_table[..], &of_place].concat())
            }
            Place::S3 { .. } | Place::Snowflake { .. } => unreachable!("these tests have none"),
        };
        said.unwrap_or_else(|said| panic!("{said}"));
    }
}

/// Numbers at the limits of what DynamoDB holds, and of what each type below holds.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "12.50",
    "-0.001",
    "99999999999999999999999999999999999999",
    "0.99999999999999999999999999999999999999",
    "1E-130",
    "-1E-130",
    "9.9E+125",
    "9.9999999999999999999999999999999999999E+125",
    "-9.9999999999999999999999999999999999999E+125",
];

fn number(at: usize) -> Value {
    Value::number(NUMBERS[at % NUMBERS.len()]).unwrap()
}

/// A value of an attribute in an item; every third attribute changes its type half-way.
fn value(attribute: usize, item: usize, half: Half) -> Value {
    let text = || Value::from(format!("text {item} of \"{attribute}\" \u{1f980}"));
    let second = half == Half::Second;
    match attribute % 12 {
        0 => Value::from(i64::try_from(item).unwrap()),
        1 => Value::number(&format!("{item}.{:02}", attribute % 100)).unwrap(),
        2 => number(item + attribute),
        4 => Value::from(item.is_multiple_of(2)),
        5 => Value::from(item.to_be_bytes().to_vec()),
        6 => Value::map([("n", number(item)), ("list", Value::list([text(), Value::Null]))]),
        7 => Value::Ns([NUMBERS[item % 7], NUMBERS[7 + item % 7]].map(|n| n.parse().unwrap()).into()),
        // Types that change: a whole number that becomes a decimal, that becomes any number, and kinds that meet other kinds.
        8 if second => Value::number(&format!("0.{item}1")).unwrap(),
        9 if second => number(item),
        10 if second => text(),
        11 if second => Value::map([("was", "text")]),
        3 | 11 => text(),
        _ => Value::from(i64::try_from(item % 100).unwrap()),
    }
}

/// A name for each attribute: plain ones, and ones that meet every rule of a destination.
fn name(attribute: usize) -> String {
    match attribute % 50 {
        0 => format!("Case{attribute}"),
        // The same but for its case, whatever the destination thinks of it.
        1 => format!("case{}", attribute - 1),
        2 => format!("{}{attribute}", "long_".repeat(60)),
        3 => format!("_ct_{attribute}"),
        4 => format!("dotted.{attribute}.name"),
        5 => format!("quote\"{attribute}'; --"),
        6 => format!("käse 日本 {attribute}"),
        7 => format!("{attribute}_digits first"),
        _ => format!("a{attribute:04}"),
    }
}

const RESERVED: [&str; 10] =
    ["xmin", "ctid", "tableoid", "select", "Select", "data", "_ct_order", "_ct_op", "pk2", "user"];

fn item(number: usize, half: Half) -> Item {
    let attributes = (0..EACH).map(|i| (number * EACH + i) % ATTRIBUTES);
    let item = Item::new().with("pk", format!("item#{number}"));
    let item = attributes.fold(item, |item, a| item.with(name(a), value(a, number, half)));
    RESERVED
        .iter()
        .enumerate()
        .filter(|(i, _)| (number + i).is_multiple_of(100))
        .fold(item, |item, (_, name)| item.with(*name, *name))
}

fn items() -> usize {
    std::env::var("COMMUTATOR_TEST_WIDE_ITEMS").ok().map_or(1_250, |items| items.parse().expect("a number"))
}

/// Half of the items is there before the first run, the other half comes by the stream, and some of the first half change their types.
fn arrives(
    world: &World,
    place: &Place,
    rules: &str,
    manner: &str,
    attributes_of: impl Fn(usize, Half) -> Item,
    items: usize,
) {
    let program = world.program(place, rules);
    for number in 0..items / 2 {
        world.table.put(attributes_of(number, Half::First)).unwrap();
    }
    program.succeed(&["run", "--until-caught-up"]);
    for number in (items / 2..items).chain((0..items / 2).step_by(10)) {
        world.table.put(attributes_of(number, Half::Second)).unwrap();
    }
    for number in (5..items).step_by(97) {
        world.table.delete(&Item::new().with("pk", format!("item#{number}"))).unwrap();
    }
    program.succeed(&["run", "--until-caught-up"]);
    world.verify(place, manner);
}

#[test]
fn five_thousand_attributes_arrive_in_parquet() {
    if server("five_thousand_attributes_arrive_in_parquet", "COMMUTATOR_TEST_PYTHON").is_none() {
        return;
    }
    arrives(&World::new("wide"), &Place::disk(), "", "parquet", item, items());
}

/// Maps and sets are structs and lists, whose forms grow in the second run; one attribute is not native.
#[test]
fn five_thousand_attributes_arrive_native_in_parquet() {
    if server("five_thousand_attributes_arrive_native_in_parquet", "COMMUTATOR_TEST_PYTHON").is_none() {
        return;
    }
    let rules = "[defaults]\nnested = \"native\"\n[tables.wide.columns]\na0018 = { nested = \"json\" }\n";
    arrives(&World::new("wide"), &Place::disk(), rules, "native", item, items());
}

#[test]
fn five_thousand_attributes_arrive_packed_in_postgres() {
    let test = "five_thousand_attributes_arrive_packed_in_postgres";
    let Some(place) = Place::postgres(test) else { return };
    if server(test, "COMMUTATOR_TEST_PYTHON").is_none() {
        return;
    }
    arrives(&World::new("wide"), &place, "[defaults]\nnested = \"packed\"\n", "packed", item, items().max(5_000));
}

/// As many columns as a row of Postgres holds with room to spare, in columns of their own.
#[test]
fn odd_names_and_changing_types_arrive_in_columns_of_postgres() {
    let test = "odd_names_and_changing_types_arrive_in_columns_of_postgres";
    let Some(place) = Place::postgres(test) else { return };
    if server(test, "COMMUTATOR_TEST_PYTHON").is_none() {
        return;
    }
    arrives(&World::new("odd"), &place, "", "columns", some, 3000);
}

/// `DuckDB` has no limit, but changing one of thousands of columns takes as long as copying what it knows of all.
#[cfg(feature = "duckdb")]
#[test]
fn odd_names_and_changing_types_arrive_in_columns_of_duckdb() {
    if server("odd_names_and_changing_types_arrive_in_columns_of_duckdb", "COMMUTATOR_TEST_PYTHON").is_none() {
        return;
    }
    arrives(&World::new("odd"), &Place::duckdb(), "", "duckdb", some, 3000);
}

fn some(number: usize, half: Half) -> Item {
    let of = item(number, half);
    let attributes = (0..EACH).map(|i| (number * EACH + i) % 600);
    let item = Item::new().with("pk", format!("item#{number}"));
    let item = attributes.fold(item, |item, a| item.with(name(a), value(a, number, half)));
    RESERVED.iter().filter(|name| of.get(name).is_some()).fold(item, |item, name| item.with(*name, *name))
}
