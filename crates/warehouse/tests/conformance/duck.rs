//! A warehouse that is a `DuckDB` in memory, with faults on request.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use commutator_core::{Error, ErrorKind, LogicalType, Result, TableSchema};
use commutator_sql::{DUCKDB, Dialect, MergeForm, SchemaRef, Widening};
use commutator_warehouse::{Failure, Form, Format, Found, Row, Script, Staged, Warehouse};
use duckdb::Connection;

/// A dialect that can do less: as Redshift, but for its words.
pub(crate) static APART: LazyLock<Dialect> = LazyLock::new(|| Dialect {
    merge: MergeForm::Apart,
    aliases: false,
    widen: |_, _| Widening::AddCopyRename,
    ..DUCKDB.clone()
});

/// What happens to a call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not made, and that is said.
    Refused,
    /// It is not made, and nobody says so.
    Lost,
    /// It is made, and its answer is lost.
    AnswerLost,
}

/// Mistakes that a warehouse's author may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mistake {
    #[default]
    None,
    /// Statements of a script commit one by one.
    NoTransaction,
    /// A script goes on after a statement that failed.
    GoesOn,
    /// What is applied is committed, and the last statements, which say who owns the target, are not looked at.
    NoFence,
    /// A lost answer is reported as a refusal.
    UnclearAsRefused,
    /// Only the first file is loaded.
    FirstFileOnly,
}

#[derive(Clone)]
pub(crate) struct Duck(Arc<Inner>);

struct Inner {
    root: Mutex<Connection>,
    dialect: &'static Dialect,
    schema: SchemaRef,
    form: Form,
    folder: PathBuf,
    /// A fault each for the calls to come; `None` for one that goes well.
    faults: Mutex<VecDeque<Option<Fault>>>,
    calls: Mutex<Vec<String>>,
    /// All statements of all calls.
    sent: Mutex<Vec<String>>,
    mistake: Mistake,
}

impl fmt::Debug for Duck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Duck")
    }
}

impl Duck {
    pub(crate) fn new(dialect: &'static Dialect, form: Form, folder: PathBuf, mistake: Mistake) -> Self {
        let root = Connection::open_in_memory().expect("a database");
        // Two threads, as many tests run at a time.
        root.execute_batch("SET threads = 2; SET autoinstall_known_extensions = false").expect("settings");
        Self(Arc::new(Inner {
            root: Mutex::new(root),
            dialect,
            schema: SchemaRef::new(dialect, &["memory", "shop"]),
            form,
            folder,
            faults: Mutex::default(),
            calls: Mutex::default(),
            sent: Mutex::default(),
            mistake,
        }))
    }

    /// Lets faults come: `after` calls go well, then this happens.
    pub(crate) fn fail(&self, after: usize, fault: Fault) {
        let mut faults = self.0.faults.lock().unwrap();
        faults.clear();
        faults.extend(std::iter::repeat_n(None, after));
        faults.push_back(Some(fault));
    }

    /// Whether a fault that was asked for has not come yet.
    pub(crate) fn waits(&self) -> bool {
        !self.0.faults.lock().unwrap().is_empty()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.calls.lock().unwrap().clone()
    }

    /// Whether rows are staged as Parquet.
    pub(crate) fn is_parquet(&self) -> bool {
        self.0.form.format == Format::Parquet
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.0.sent.lock().unwrap().clone()
    }

    fn note<'a>(&self, statements: impl IntoIterator<Item = &'a String>) {
        self.0.sent.lock().unwrap().extend(statements.into_iter().cloned());
    }

    fn fault(&self, call: &str) -> Option<Fault> {
        self.0.calls.lock().unwrap().push(call.to_owned());
        self.0.faults.lock().unwrap().pop_front().flatten()
    }

    fn session(&self) -> Connection {
        let session = self.0.root.lock().unwrap().try_clone().expect("a connection");
        // Until the schema exists there is nothing to see in it.
        session.execute_batch("USE memory.shop").ok();
        session
    }

    /// Runs a query whose values are wanted as text; it is never a victim of faults.
    pub(crate) fn select(&self, query: &str) -> Result<Vec<Row>> {
        let session = self.session();
        let mut statement = session.prepare(query).map_err(|e| failed(&e))?;
        let mut rows = statement.query([]).map_err(|e| failed(&e))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(|e| failed(&e))? {
            let count = row.as_ref().column_count();
            all.push((0..count).map(|i| row.get::<_, Option<String>>(i).expect("text")).collect());
        }
        Ok(all)
    }

    pub(crate) fn execute(&self, statements: &str) -> Result<()> {
        self.session().execute_batch(statements).map_err(|e| failed(&e))
    }

    /// Runs statements on one connection, those of `apply` in one transaction.
    fn transact(&self, stage: &[String], apply: &[String]) -> Result<()> {
        let session = self.session();
        let mistake = self.0.mistake;
        let run =
            |statement: &String| session.execute_batch(statement).map_err(|e| failed(&e).with("statement", statement));
        stage.iter().try_for_each(run)?;
        if mistake == Mistake::NoTransaction {
            return apply.iter().try_for_each(run);
        }
        session.execute_batch("BEGIN").map_err(|e| failed(&e))?;
        let fence = |statement: &String| statement.contains("_ct_fenced");
        let done = apply.iter().try_for_each(|statement| match mistake {
            Mistake::NoFence if fence(statement) => Ok(()),
            Mistake::GoesOn => {
                run(statement).ok();
                Ok(())
            }
            _ => run(statement),
        });
        if done.is_ok() {
            return session.execute_batch("COMMIT").map_err(|e| failed(&e));
        }
        session.execute_batch("ROLLBACK").ok();
        done
    }

    fn change(&self, what: &str, work: impl FnOnce() -> Result<()>) -> Result<(), Failure> {
        let lost = |fault| {
            let error =
                Error::new(ErrorKind::Unavailable, "The test broke this call").with("fault", format!("{fault:?}"));
            if self.0.mistake == Mistake::UnclearAsRefused { Failure::Refused(error) } else { Failure::Unclear(error) }
        };
        match self.fault(what) {
            None => work().map_err(Failure::Refused),
            Some(Fault::Refused) => {
                Err(Failure::Refused(Error::new(ErrorKind::Unavailable, "The test refused this call")))
            }
            Some(fault @ Fault::Lost) => Err(lost(fault)),
            Some(fault @ Fault::AnswerLost) => {
                work().map_err(Failure::Refused)?;
                Err(lost(fault))
            }
        }
    }
}

/// Keeps the message, as every warehouse must.
fn failed(error: &duckdb::Error) -> Error {
    let text = error.to_string();
    let kind = if text.contains("Conversion Error") { ErrorKind::DataInvalid } else { ErrorKind::Unavailable };
    Error::new(kind, "DuckDB refused a statement").with_source(std::io::Error::other(text))
}

#[async_trait]
impl Warehouse for Duck {
    fn dialect(&self) -> &'static Dialect {
        self.0.dialect
    }

    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn address(&self) -> String {
        "duck".to_owned()
    }

    async fn greet(&self) -> Result<String> {
        self.select("SELECT version()").map(|_| "DuckDB".to_owned())
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.note([&statement.to_owned()]);
        let is_question = statement.starts_with("SELECT");
        let work = || {
            if is_question {
                rows = self.select(&format!("SELECT COLUMNS(*)::VARCHAR FROM ({statement})"))?;
                return Ok(());
            }
            self.execute(statement)
        };
        self.change(statement, work).map_err(Failure::into_error)?;
        Ok(rows)
    }

    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure> {
        assert!(id.len() <= 64, "{id}");
        self.note(script.stage.iter().chain(&script.apply));
        self.change(&format!("run {}", script.apply.len()), || self.transact(&script.stage, &script.apply))
    }

    async fn alter(&self, statements: &[String], _id: &str) -> Result<(), Failure> {
        self.note(statements);
        // One by one, as where they are part of no transaction.
        let session = self.session();
        let run = || statements.iter().try_for_each(|one| session.execute_batch(one).map_err(|e| failed(&e)));
        self.change(&format!("alter {}", statements[1..].join("; ")), run)
    }

    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let query = format!(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'memory' AND schema_name = 'shop' \
             AND lower(table_name) = lower({}) ORDER BY column_index",
            (DUCKDB.literal)(table)
        );
        let text = |cell: Option<String>| cell.expect("no null in the catalog");
        let mut found = Vec::new();
        for row in self.select(&query)? {
            let [name, native]: [_; 2] = row.try_into().expect("two columns");
            found.push(Found { name: text(name), native: text(native) });
        }
        Ok((!found.is_empty()).then_some(found))
    }

    fn form(&self, _columns: &TableSchema) -> Form {
        self.0.form
    }

    fn load(&self, columns: &TableSchema, staged: &Staged) -> Vec<String> {
        let count = if self.0.mistake == Mistake::FirstFileOnly { 1 } else { staged.files.len() };
        let path = |path: &String| (DUCKDB.literal)(&self.0.folder.join(path).display().to_string());
        let files: Vec<_> = staged.files[..count].iter().map(|file| path(&file.path)).collect();
        let files = files.join(", ");
        let stage = self.0.dialect.stage.name;
        if self.0.form.format == Format::Parquet {
            return vec![format!("INSERT INTO {stage} SELECT * FROM read_parquet([{files}])")];
        }
        let mut types: Vec<_> =
            columns.columns().iter().enumerate().map(|(i, column)| (format!("c{i}"), column.ty)).collect();
        types.extend([
            ("_ct_order".to_owned(), LogicalType::Text),
            ("_ct_changed_at".to_owned(), LogicalType::Timestamp),
            ("_ct_op".to_owned(), LogicalType::Text),
        ]);
        let read: Vec<_> = types.iter().map(|(name, _)| format!("{name}: 'VARCHAR'")).collect();
        let values: Vec<_> = types
            .iter()
            .map(|(name, ty)| match ty {
                LogicalType::Binary => format!("unhex({name})"),
                ty => format!("CAST({name} AS {})", self.0.dialect.staged(*ty)),
            })
            .collect();
        vec![format!(
            "INSERT INTO {stage} SELECT {} FROM read_json([{files}], format = 'newline_delimited', compression = 'gzip', \
             maximum_object_size = 100000000, columns = {{{}}})",
            values.join(", "),
            read.join(", ")
        )]
    }
}
