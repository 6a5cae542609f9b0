//! Everything that a table's commits send, for showing.

use commutator_core::{Column, CommitOutline, Epoch, SchemaAction, SchemaPlan, Step, SyncMode, TableSchema};
use commutator_sql::{Dialect, Layout, Owner, Part, TargetCheckpoint, Which, Written, changes, system_columns};

use crate::columns::Plan;
use crate::session::{Place, keeps_removals, text_of};
use crate::transaction::script::{Commit, Contents, Tombstones};
use crate::{Found, Own, Staged, StagedFile};

/// Only a second snapshot leaves anything behind that it did not see.
const RESYNC: Epoch = Epoch(2);
const IF_OPENED: &str = "if it was opened before";
const IF_REMOVED: &str = "if items were removed";
const IF_RESYNCED: &str = "if the table was read anew; the epoch is 2 here";
const IF_KEPT: &str = "if items were removed while the snapshot goes on";
const IF_FIRST_KEPT: &str = "if items were removed while the snapshot goes on, for the first time";
const IF_TOMBSTONES: &str = "once removed keys are kept, while the snapshot goes on";
const IF_LONG: &str = "if the checkpoint is longer than 60,000 bytes, one for each further piece";
const IF_WAS_LONG: &str = "if the checkpoint was longer than that before";

/// Returns for whom statements are shown: the first owner, who made up this token.
pub(super) fn owner() -> Owner {
    Owner { number: 1, token: "…".to_owned() }
}

/// What is shown is shown for one file.
pub(super) struct Shown<'a> {
    place: &'a Place,
    layout: Layout,
    checkpoint: TargetCheckpoint,
    owner: Owner,
    staged: Staged,
    own: Own,
}

impl<'a> Shown<'a> {
    pub(super) fn new(place: &'a Place, columns: &TableSchema) -> Self {
        let folder = format!("{}/1-…", place.folder());
        let path = format!("{folder}/0.{}", place.warehouse.form(columns).extension());
        Self {
            place,
            layout: place.layout(),
            checkpoint: place.checkpoint(),
            owner: owner(),
            staged: Staged { folder, files: vec![StagedFile { path, bytes: 1 << 20, rows: 1000 }] },
            own: place.warehouse.own(),
        }
    }

    /// Returns the script of a commit that stages one file of these columns.
    pub(super) fn commit(&self, columns: &TableSchema) -> Vec<String> {
        let contents = self.contents(columns);
        let script = self.of(contents).script(&[written(Part::Checkpoint, Some("{…}"), false)]);
        script.stage.into_iter().chain(script.apply).collect()
    }

    /// Returns everything, from taking the table over to the checkpoint.
    pub(super) fn all(&self, plan: &SchemaPlan) -> CommitOutline {
        let mut outline = CommitOutline::default();
        let columns = &plan.result;
        self.open(&mut outline);
        if let Some(asks) = self.place.warehouse.asks_columns(&self.place.target.name) {
            outline.add(Step::Begin, asks);
        }
        self.columns(&mut outline, plan);
        self.stage(&mut outline, columns);
        self.apply(&mut outline, columns);
        self.end(&mut outline, columns);
        self.record(&mut outline);
        outline
    }

    fn open(&self, outline: &mut CommitOutline) {
        let (step, target) = (Step::Open, &self.place.target);
        outline.add(step, "-- The owner's number and token, names of files and numbers of rows are a run's own; here they are 1, …, 0 and 1000.");
        for (only, text) in &self.own.prepare {
            match only {
                None => outline.add(step, text),
                Some(only) => outline.add_only(step, only, text),
            }
        }
        let (dialect, name) = (self.place.dialect(), target.name.as_str());
        let look = |outline: &mut CommitOutline, table: &str| {
            if let Some(asks) = self.place.warehouse.asks_columns(table) {
                outline.add(step, asks);
            }
        };
        look(outline, &TargetCheckpoint::table_name(dialect, name));
        outline.add_only(step, "if it was never opened before", self.checkpoint.create(target.mode, &self.owner));
        outline.add(step, self.checkpoint.select());
        look(outline, name);
        outline.add_only(step, IF_OPENED, self.checkpoint.raise(&self.owner.token));
        outline.add_only(step, IF_OPENED, self.checkpoint.select());
        look(outline, &Layout::tombstones_name(dialect, name));
        outline.add(step, "-- What a run that died had begun is finished: its columns, its tombstones.");
        outline.add(step, format!("-- Whenever a statement is refused: {}", self.checkpoint.select_owner()));
    }

    fn columns(&self, outline: &mut CommitOutline, plan: &SchemaPlan) {
        let step = Step::Columns;
        if plan.actions.is_empty() {
            return;
        }
        for action in &plan.actions {
            if let SchemaAction::WidenColumn { name, from, to } = action
                && let Some(attempt) = self.layout.try_widening(name, *from, *to)
            {
                outline.add(step, attempt);
            }
        }
        let text = text_of(&plan.result).unwrap_or_default();
        self.written(outline, &[written(Part::Planned, Some(&text), false)], Vec::new());
        let before = before(plan);
        let mode = self.place.target.mode;
        let dialect = self.place.dialect();
        let rows = before.as_ref().map(|before| found(dialect, before.columns(), mode));
        let tombstones = before.as_ref().map(|before| found(dialect, before.keys(), mode));
        let missing = Plan { dialect, layout: &self.layout, mode, recorded: before.as_ref(), planned: &plan.result };
        let steps = |tombstones| missing.missing(rows.as_deref(), tombstones).unwrap_or_default();
        let own = steps(None);
        for statements in steps(tombstones.as_deref()) {
            let only = (!own.contains(&statements)).then_some(IF_TOMBSTONES);
            self.fenced(outline, step, only, statements);
        }
        let left = missing.leaves(rows.as_deref().unwrap_or_default(), tombstones.as_deref()).unwrap_or_default();
        let rows = changes::rows(dialect, &plan.actions);
        let schema = self.place.warehouse.schema();
        outline.add(step, changes::create(dialect, schema));
        let target = &self.place.target;
        let whose = changes::Whose {
            pipeline: target.pipeline.as_str(),
            table: target.table.as_str(),
            target: &target.name,
            epoch: 1,
        };
        let inserts = changes::insert_literals(dialect, schema, &whose, &rows);
        let parts = [written(Part::Columns, Some(&text), before.is_some()), written(Part::Planned, None, true)];
        self.written(outline, &parts, inserts);
        for (which, names) in [Which::Rows, Which::Tombstones].into_iter().zip(left) {
            let only = (which == Which::Tombstones).then_some(IF_TOMBSTONES);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            for statement in self.layout.drop_left(which, &names) {
                self.fenced(outline, step, only, vec![statement]);
            }
        }
    }

    fn stage(&self, outline: &mut CommitOutline, columns: &TableSchema) {
        let warehouse = &self.place.warehouse;
        let manifest = if warehouse.manifest(&self.staged).is_some() { ", and manifest.json beside them" } else { "" };
        let files = format!("-- Rows are written to {}/{}{manifest}.", self.place.staging.url(), self.staged.folder);
        outline.add(Step::Stage, files);
        if keeps_removals(&self.place.target) {
            self.fenced(outline, Step::Stage, Some(IF_FIRST_KEPT), vec![self.layout.create_tombstones(columns)]);
        }
        for statement in self.of(self.contents(columns)).rows().stage {
            outline.add(Step::Stage, statement);
        }
    }

    fn apply(&self, outline: &mut CommitOutline, columns: &TableSchema) {
        let (step, target) = (Step::Apply, &self.place.target);
        if let Some(begin) = self.own.begin {
            outline.add(step, begin);
        }
        let with = |removals, tombstones, runs| {
            self.of(Contents { removals, tombstones, runs, ..self.contents(columns) }).rows().apply
        };
        let always = with(false, Tombstones::None, false);
        for statement in &always {
            outline.add(step, statement);
        }
        let kept = with(false, Tombstones::Kept, false);
        for statement in kept.iter().filter(|_| kept != always && keeps_removals(target)) {
            outline.add_instead(step, IF_TOMBSTONES, statement);
        }
        // Those that come on top, each shown once, under what it depends on.
        let on_top = |more: Vec<String>, than: &[String]| -> Vec<String> {
            more.into_iter().filter(|statement| !than.contains(statement)).collect()
        };
        let removed = with(true, Tombstones::None, false);
        for statement in on_top(removed.clone(), &always) {
            outline.add_only(step, IF_REMOVED, statement);
        }
        for statement in on_top(with(true, Tombstones::None, true), &removed) {
            outline.add_instead(step, IF_KEPT, statement);
        }
        if keeps_removals(target) {
            for statement in on_top(with(true, Tombstones::Added, true), &[kept, removed].concat()) {
                outline.add_only(step, IF_KEPT, statement);
            }
        }
    }

    fn end(&self, outline: &mut CommitOutline, columns: &TableSchema) {
        let (step, target) = (Step::EndSnapshot, &self.place.target);
        let of =
            |staged, ended| self.of(Contents { staged, ended, filtered: false, ..self.contents(columns) }).rows().apply;
        let rows = of(Some(&self.staged), None);
        for statement in of(Some(&self.staged), Some(RESYNC)).into_iter().skip(rows.len()) {
            outline.add_only(step, IF_RESYNCED, statement);
        }
        if target.filtered && target.mode == SyncMode::History {
            let idle = Contents { ended: Some(Epoch::FIRST), ..self.contents(columns) };
            let (with, rows) = (self.of(idle).rows().apply, self.of(self.contents(columns)).rows().apply);
            for statement in with.into_iter().skip(rows.len()) {
                outline.add(step, statement);
            }
        }
        if keeps_removals(target) {
            self.fenced(outline, step, Some("if removed keys were kept"), vec![self.layout.drop_tombstones()]);
        }
    }

    fn record(&self, outline: &mut CommitOutline) {
        let step = Step::Checkpoint;
        let parts =
            |text: &str| self.checkpoint.write(&self.owner, &[written(Part::Checkpoint, Some(text), true)], None);
        let long = parts(&"x".repeat(60_001)).into_iter().nth(1).map(|statement| {
            let (before, after) = statement.split_once("'x'").unwrap_or((&statement, ""));
            [before, "'…'", after].concat()
        });
        let mut statements = parts("{…}").into_iter();
        if let Some(delete) = statements.next() {
            outline.add_only(step, IF_WAS_LONG, delete);
        }
        if let Some(insert) = long {
            outline.add_only(step, IF_LONG, insert);
        }
        for statement in statements {
            outline.add(step, statement);
        }
        for last in self.own.unstage.iter().map(String::as_str).chain(self.own.commit) {
            outline.add(step, last);
        }
        outline.add(
            step,
            format!(
                "-- If rows are refused, parts of them are tried without the checkpoint and taken back by: {}",
                self.checkpoint.fail_rehearsed()
            ),
        );
    }

    /// Shows statements behind one that fails unless the target is the owner's.
    fn fenced(&self, outline: &mut CommitOutline, step: Step, only: Option<&'static str>, statements: Vec<String>) {
        for statement in std::iter::once(self.checkpoint.check(&self.owner)).chain(statements) {
            match only {
                None => outline.add(step, statement),
                Some(only) => outline.add_only(step, only, statement),
            }
        }
    }

    /// Shows statements and what is kept of the target as one transaction.
    fn written(&self, outline: &mut CommitOutline, parts: &[Written<'_>], statements: Vec<String>) {
        let written = self.checkpoint.write(&self.owner, parts, None);
        let framed = self.own.begin.map(str::to_owned).into_iter().chain(statements).chain(written);
        for statement in framed.chain(self.own.commit.map(str::to_owned)) {
            outline.add(Step::Columns, statement);
        }
    }

    fn contents<'b>(&'b self, columns: &'b TableSchema) -> Contents<'b> {
        Contents {
            columns,
            staged: Some(&self.staged),
            removals: true,
            tombstones: Tombstones::None,
            filtered: self.place.target.filtered,
            runs: false,
            ended: None,
        }
    }

    fn of<'b>(&'b self, contents: Contents<'b>) -> Commit<'b> {
        Commit {
            warehouse: self.place.warehouse.as_ref(),
            layout: self.layout.clone(),
            checkpoint: self.checkpoint.clone(),
            mode: self.place.target.mode,
            owner: &self.owner,
            contents: Some(contents),
        }
    }
}

fn written(part: Part, text: Option<&str>, replaces: bool) -> Written<'_> {
    Written { part, text, replaces }
}

/// Returns the columns that a table has before a plan; `None` if the plan makes it.
fn before(plan: &SchemaPlan) -> Option<TableSchema> {
    let mut columns: Vec<Column> = plan.result.columns().to_vec();
    for action in &plan.actions {
        match action {
            SchemaAction::CreateTable { .. } => return None,
            SchemaAction::AddColumn { column } => columns.retain(|other| other.name != column.name),
            SchemaAction::WidenColumn { name, from, .. } => {
                for column in columns.iter_mut().filter(|column| column.name == *name) {
                    column.ty = *from;
                }
            }
        }
    }
    TableSchema::new(columns).ok()
}

/// Returns columns as the catalog has them.
fn found(dialect: &Dialect, columns: &[Column], mode: SyncMode) -> Vec<Found> {
    let own = columns.iter().map(|column| (column.name.clone(), column.ty));
    let system = system_columns(mode).map(|(name, ty, _)| (name.to_owned(), ty));
    own.chain(system).map(|(name, ty)| Found { name, native: dialect.native(ty).into_owned() }).collect()
}
