//! `commutator dead-letter`: what was set aside, and trying it again.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use commutator::pipeline::ReplayReport;
use commutator::{DeadLetter, DeadLetterFiles, DeadLetters as _, Error, TableName};
use serde_json::{Value, json};

use crate::args::{DeadLetterCommand, Global, Letters};
use crate::config::Settings;
use crate::connect;
use crate::failure::{Failure, Problem, error_json};
use crate::output::{self, Grid, count, span};

/// Runs one of its commands.
pub(crate) async fn run(command: &DeadLetterCommand, global: Global) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List(letters) => list(letters, global).await,
        DeadLetterCommand::Replay(letters) => replay(letters, global).await,
    }
}

/// So many letters of a list are aligned with each other.
const ALIGNED: usize = 1000;

/// Prints every letter that waits, without its values, and holds those of one file at a time.
async fn list(letters: &Letters, global: Global) -> Result<(), Failure> {
    let settings = letters.place.settings().map_err(Failure::Config)?;
    let store = open(&settings).await?;
    let mut files = store.files(table(letters).as_ref()).await?;
    if files.iter().any(|file| file.pending.is_some()) {
        // Whether these count is known to the destination alone.
        let pipeline = connect::pipeline(settings).await?.with_dead_letters(Arc::<DeadLetterFiles>::clone(&store));
        files = pipeline.letter_files(table(letters).as_ref()).await?;
    }
    let mut shown: Box<dyn Show + Send> = if global.json { Box::<Json>::default() } else { Box::<Table>::default() };
    for file in files {
        match store.read(&file).await {
            Ok(letters) => {
                for letter in &letters {
                    shown.letter(letter);
                }
            }
            Err(error) => return shown.end(Some(error)),
        }
    }
    shown.end(None)
}

/// How a list is printed, letter by letter.
trait Show {
    fn letter(&mut self, letter: &DeadLetter);
    /// Ends the list; with an error, where one cannot be read to its end.
    fn end(&mut self, error: Option<Error>) -> Result<(), Failure>;
}

/// One JSON object on one line.
#[derive(Default)]
struct Json {
    letters: u64,
}

impl Show for Json {
    fn letter(&mut self, letter: &DeadLetter) {
        output::part(if self.letters == 0 { "{\"dead_letters\":[" } else { "," });
        output::part(shown(letter));
        self.letters += 1;
    }

    fn end(&mut self, error: Option<Error>) -> Result<(), Failure> {
        if self.letters == 0 {
            output::part("{\"dead_letters\":[");
        }
        let Some(error) = error else {
            output::line("]}");
            return Ok(());
        };
        output::line(format_args!("],\"error\":{}}}", error_json(&error)));
        output::failure(Failure::from(error));
        Err(Failure::Reported)
    }
}

/// Aligned columns, with a heading for each block of letters.
struct Table {
    now_ms: u64,
    grid: Grid,
    waiting: usize,
    letters: u64,
}

impl Default for Table {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Self { now_ms, grid: heading(), waiting: 0, letters: 0 }
    }
}

impl Table {
    fn print(&mut self) {
        if self.waiting > 0 {
            output::line(std::mem::replace(&mut self.grid, heading()));
            self.waiting = 0;
        }
    }
}

impl Show for Table {
    fn letter(&mut self, letter: &DeadLetter) {
        let age = format!("{} ago", span(self.now_ms.saturating_sub(letter.seen_at_ms)));
        self.grid.row([letter.table.to_string(), position(letter), age, letter.rejected.error.clone()]);
        self.letters += 1;
        self.waiting += 1;
        if self.waiting == ALIGNED {
            self.print();
        }
    }

    fn end(&mut self, error: Option<Error>) -> Result<(), Failure> {
        self.print();
        match error {
            Some(error) => Err(error.into()),
            None if self.letters == 0 => {
                output::line("There are no dead letters.");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn heading() -> Grid {
    Grid::new(["table", "position", "set aside", "error"])
}

/// Tries letters again; exit code 1 if one is left.
async fn replay(letters: &Letters, global: Global) -> Result<(), Failure> {
    let settings = letters.place.settings().map_err(Failure::Config)?;
    let files = open(&settings).await?;
    let pipeline = connect::pipeline(settings).await?.with_dead_letters(files);
    let report = Box::pin(pipeline.replay(table(letters).as_ref())).await?;
    if global.json {
        output::json(&summary_json(&report));
    } else {
        output::line(summary(&report));
    }
    if report.succeeded() { Ok(()) } else { Err(Failure::Reported) }
}

async fn open(settings: &Settings) -> Result<Arc<DeadLetterFiles>, Failure> {
    let files = connect::dead_letters(settings).await?;
    files
        .ok_or_else(|| Problem::new("pipeline.dead_letters", "is not set, so there is no place of dead letters").into())
}

fn table(letters: &Letters) -> Option<TableName> {
    letters.table.as_ref().map(TableName::new)
}

/// A letter's place for people; its key is a value.
fn position(letter: &DeadLetter) -> String {
    match &letter.rejected.partition {
        Some(partition) => format!("{partition}, {}", letter.rejected.position),
        None => letter.rejected.position.clone(),
    }
}

fn shown(letter: &DeadLetter) -> Value {
    let mut value = letter.to_json();
    if let Value::Object(members) = &mut value {
        for name in ["key", "raw", "raw_base64"] {
            members.remove(name);
        }
    }
    value
}

fn summary(report: &ReplayReport) -> String {
    if report.tables.is_empty() {
        return "There are no dead letters.".to_owned();
    }
    let mut grid = Grid::new(["table", "replayed", "failed again"]);
    let mut failures = String::new();
    for table in &report.tables {
        let name = table.table.to_string();
        for (letter, error) in &table.failed {
            failures.extend(["\n", &name, ", ", &position(letter), ": ", &error.report()]);
        }
        let told = table.failed.len() as u64;
        if table.failed_count > told {
            failures.extend(["\n", &name, ": and ", &count(table.failed_count - told), " more letters"]);
        }
        if let Some(error) = &table.error {
            failures.extend(["\n", &name, ": ", &error.report()]);
        }
        grid.row([name, count(table.replayed), count(table.failed_count)]);
    }
    format!("{grid}{failures}")
}

fn summary_json(report: &ReplayReport) -> Value {
    let failed = |(letter, error): &(DeadLetter, Error)| {
        let mut value = shown(letter);
        value["failed_with"] = error_json(error);
        value
    };
    let tables = report.tables.iter().map(|table| {
        let mut value = json!({
            "table": table.table,
            "replayed": table.replayed,
            "failed_count": table.failed_count,
            "failed": table.failed.iter().map(failed).collect::<Vec<_>>(),
        });
        if let Some(error) = &table.error {
            value["error"] = error_json(error);
        }
        value
    });
    json!({ "succeeded": report.succeeded(), "tables": tables.collect::<Vec<_>>() })
}
