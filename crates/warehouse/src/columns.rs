//! What is missing between the columns that a table has and those that were planned: a pure function, so whoever comes after a crash goes on
//! from what it finds.
//!
//! `ALTER TABLE` is part of no transaction in some warehouses, so nothing but the catalog says how far somebody came. Every step leaves
//! the catalog in a state of its own, and none destroys what only it has: a column whose type does not change in place keeps its values
//! under another name until the plan is recorded as done.

use commutator_core::{Column, LogicalType, Result, SyncMode, TableSchema};
use commutator_sql::{Dialect, Layout, Replaced, Which};

use crate::Found;
use crate::catalog::{changed, find, foreign, system_columns_are_there, type_of};

/// How many statements that add or rename a column are sent in one request; an even number, as a column's two belong together.
const ALTERED_AT_ONCE: usize = 20;

/// What a plan speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) dialect: &'static Dialect,
    pub(crate) layout: &'a Layout,
    pub(crate) mode: SyncMode,
    /// The columns before; `None` if the plan makes the table.
    pub(crate) recorded: Option<&'a TableSchema>,
    /// The columns afterwards, at least those before.
    pub(crate) planned: &'a TableSchema,
}

/// Statements that are sent in one request, in this order.
pub(crate) type Step = Vec<String>;

/// What columns of one table lack to be wide.
#[derive(Debug, Default)]
struct Wanting<'a> {
    /// One statement each.
    in_place: Vec<String>,
    /// Those that are to be replaced, and whether the wider one is there.
    replaced: Vec<(Replaced<'a>, bool)>,
    /// Those that have lost their name to nobody so far.
    nameless: Vec<Replaced<'a>>,
}

impl Wanting<'_> {
    /// Takes one pass over the table for as many columns as a statement has room for.
    fn steps(self, layout: &Layout, which: Which) -> Vec<Step> {
        let in_requests =
            |statements: Vec<String>| statements.chunks(ALTERED_AT_ONCE).map(<[String]>::to_vec).collect();
        let mut steps: Vec<Step> = self.in_place.into_iter().map(|statement| vec![statement]).collect();
        steps.extend::<Vec<Step>>(in_requests(layout.replace(which, &[], &self.nameless)));
        for some in self.replaced.chunks(Layout::REPLACED_AT_ONCE) {
            let added: Vec<_> = some.iter().filter(|(_, is_there)| !is_there).map(|(column, _)| *column).collect();
            let replaced: Vec<_> = some.iter().map(|(column, _)| *column).collect();
            steps.extend::<Vec<Step>>(in_requests(layout.add_wider(which, &added)));
            steps.push(vec![layout.fill_wider(which, &replaced)]);
            steps.extend::<Vec<Step>>(in_requests(layout.replace(which, &replaced, &[])));
        }
        steps
    }
}

impl Plan<'_> {
    /// Returns the steps that are missing, given the columns of the table and of its tombstones.
    ///
    /// Returns [`ConfigInvalid`](commutator_core::ErrorKind::ConfigInvalid) for a table that is not of this plan's making,
    /// [`NotFound`](commutator_core::ErrorKind::NotFound) for one that is gone, and
    /// [`SchemaConflict`](commutator_core::ErrorKind::SchemaConflict) for columns that somebody else changed.
    pub(crate) fn missing(&self, rows: Option<&[Found]>, tombstones: Option<&[Found]>) -> Result<Vec<Step>> {
        let (recorded, rows) = match (self.recorded, rows) {
            (None, None) => return Ok(vec![vec![self.layout.create(self.planned)]]),
            (None, Some(rows)) => return self.made(rows).map(|()| Vec::new()),
            (Some(_), None) => {
                return crate::catalog::reconcile(self.dialect, self.recorded, None, self.mode).map(|_| Vec::new());
            }
            (Some(recorded), Some(rows)) => (recorded, rows),
        };
        let (added, of_rows, of_tombstones) = self.wanting(recorded, rows, tombstones)?;
        let added = self.layout.add(&added);
        let mut steps: Vec<Step> = added.chunks(ALTERED_AT_ONCE).map(<[String]>::to_vec).collect();
        steps.extend(of_rows.steps(self.layout, Which::Rows));
        steps.extend(of_tombstones.steps(self.layout, Which::Tombstones));
        Ok(steps)
    }

    /// Returns the names under which the missing steps leave narrow columns, in the table and in its tombstones.
    pub(crate) fn leaves(&self, rows: &[Found], tombstones: Option<&[Found]>) -> Result<[Vec<String>; 2]> {
        let Some(recorded) = self.recorded else { return Ok([Vec::new(), Vec::new()]) };
        let (_, of_rows, of_tombstones) = self.wanting(recorded, rows, tombstones)?;
        let names = |wanting: Wanting<'_>| wanting.replaced.iter().map(|(column, _)| column.narrow()).collect();
        Ok([names(of_rows), names(of_tombstones)])
    }

    /// Returns the columns that are to be added, and what those lack that are there.
    fn wanting(
        &self,
        recorded: &TableSchema,
        rows: &[Found],
        tombstones: Option<&[Found]>,
    ) -> Result<(Vec<&Column>, Wanting<'_>, Wanting<'_>)> {
        system_columns_are_there(self.dialect, rows, self.mode)?;
        let before = recorded.by_name();
        let mut added = Vec::new();
        let (mut of_rows, mut of_tombstones) = (Wanting::default(), Wanting::default());
        for (number, column) in self.planned.columns().iter().enumerate() {
            if let Some((_, old)) = before.get(column.name.as_str()) {
                self.widen(Which::Rows, (number, old.ty, column), rows, &mut of_rows)?;
                if let (true, Some(tombstones)) = (column.key, tombstones) {
                    self.widen(Which::Tombstones, (number, old.ty, column), tombstones, &mut of_tombstones)?;
                }
                continue;
            }
            match find(self.dialect, rows, &column.name) {
                None => added.push(column),
                Some(there) if there.native == self.dialect.native(column.ty) => {}
                Some(there) => return Err(changed(&column.name, &self.dialect.native(column.ty), &there.native)),
            }
        }
        Ok((added, of_rows, of_tombstones))
    }

    /// Makes sure that a table is what this plan creates.
    fn made(&self, rows: &[Found]) -> Result<()> {
        let is_there = |column: &Column| {
            find(self.dialect, rows, &column.name).is_some_and(|there| there.native == self.dialect.native(column.ty))
        };
        let whole = self.planned.columns().iter().all(is_there);
        if whole && system_columns_are_there(self.dialect, rows, self.mode).is_ok() { Ok(()) } else { Err(foreign()) }
    }

    /// Adds what a column lacks to be wide: of the planned column its number, the type that was recorded, and itself.
    fn widen<'a>(
        &self,
        which: Which,
        (number, recorded, column): (usize, LogicalType, &'a Column),
        found: &[Found],
        wanting: &mut Wanting<'a>,
    ) -> Result<()> {
        let dialect = self.dialect;
        let (name, to) = (column.name.as_str(), column.ty);
        let replaced = |from| Replaced { number, name, from, to };
        let is_there = |name: &str| find(dialect, found, name).is_some();
        // Neither name depends on the types.
        let names = replaced(recorded);
        let own = find(dialect, found, name);
        match (own, is_there(&names.narrow()), is_there(&names.wider())) {
            (None, true, true) => {
                wanting.nameless.push(names);
                return Ok(());
            }
            (None, ..) if column.key => return Err(changed(name, &dialect.native(recorded), "nothing")),
            // Someone dropped it, or everything was done.
            (None, ..) | (Some(_), true, _) => return Ok(()),
            (Some(_), false, _) => {}
        }
        let native = own.map_or("", |own| own.native.as_str());
        if recorded == to {
            let is_fine = type_of(dialect, recorded, native).is_some();
            return if is_fine { Ok(()) } else { Err(changed(name, &dialect.native(recorded), native)) };
        }
        let is_wide = native == dialect.native(to);
        let from = match type_of(dialect, recorded, native) {
            // Someone gave it this type, or a step that changes it in place did.
            Some(_) if is_wide && native != dialect.native(recorded) => return Ok(()),
            Some(from) if from.fits_in(to) || native == dialect.native(recorded) => from,
            None if is_wide => return Ok(()),
            _ => return Err(changed(name, &dialect.native(recorded), native)),
        };
        if is_wide && dialect.widened("v", from, to) == "v" {
            return Ok(());
        }
        // Where both types have one name, only a replacement shows whether it was done.
        match self.layout.widen(which, name, from, to) {
            Some(statement) if !is_wide => wanting.in_place.push(statement),
            _ => wanting.replaced.push((replaced(from), is_there(&names.wider()))),
        }
        Ok(())
    }

    /// Returns the statements that drop what replacements left once the plan is recorded as done.
    ///
    /// Nothing is dropped while a recorded column is not there: a writer that was overtaken may have set it aside once more, and then what is
    /// left is all there is of it.
    pub(crate) fn left(
        (dialect, layout): (&'static Dialect, &Layout),
        recorded: &TableSchema,
        rows: Option<&[Found]>,
        tombstones: Option<&[Found]>,
    ) -> Vec<String> {
        let of = |which, columns: &[Column], found: Option<&[Found]>| {
            let found = found.unwrap_or_default();
            let is_whole = columns.iter().all(|column| find(dialect, found, &column.name).is_some());
            let left = found.iter().map(|column| column.name.as_str()).filter(|name| is_whole && Layout::is_left(name));
            layout.drop_left(which, &left.collect::<Vec<_>>())
        };
        [of(Which::Rows, recorded.columns(), rows), of(Which::Tombstones, recorded.keys(), tombstones)].concat()
    }
}

#[cfg(test)]
mod tests {
    use commutator_sql::{BIGQUERY_JSON, DUCKDB, REDSHIFT, SNOWFLAKE, SchemaRef, system_columns};

    use super::*;

    /// A plan is kept before its first step, so one that no statement can carry out would stop its table for good.
    #[test]
    fn no_statement_is_too_long_however_many_columns_widen() {
        for dialect in [&REDSHIFT, &SNOWFLAKE, &BIGQUERY_JSON] {
            let layout = Layout::new(dialect, &SchemaRef::new(dialect, &["db", "shop"]), "t", SyncMode::Append);
            let longest = "n".repeat(dialect.identifiers.max_bytes.min(300) - 4);
            let columns = |ty| {
                let keys = vec![Column::key("id", LogicalType::Int64)];
                let others = (0..1500).map(|n| Column::new(format!("{longest}{n:04}"), ty));
                TableSchema::new(keys.into_iter().chain(others).collect()).unwrap()
            };
            let (recorded, planned) = (columns(LogicalType::Number), columns(LogicalType::Json));
            let system = system_columns(SyncMode::Append).map(|(name, ty, _)| (name.to_owned(), dialect.native(ty)));
            let own = recorded.columns().iter().map(|column| (column.name.clone(), dialect.native(column.ty)));
            let rows: Vec<_> =
                own.chain(system).map(|(name, native)| Found { name, native: native.into_owned() }).collect();
            let plan =
                Plan { dialect, layout: &layout, mode: SyncMode::Append, recorded: Some(&recorded), planned: &planned };
            let steps = plan.missing(Some(&rows), None).unwrap();
            let fills = steps.iter().flatten().filter(|statement| statement.starts_with("UPDATE"));
            assert_eq!(fills.count(), 30, "{}", dialect.name);
            let longest = steps.iter().flatten().map(String::len).max().unwrap();
            assert!(longest < 100_000, "{}: {longest}", dialect.name);
        }
    }

    #[test]
    fn what_is_left_of_a_column_that_is_gone_is_kept() {
        let layout = Layout::new(&DUCKDB, &SchemaRef::new(&DUCKDB, &["db", "shop"]), "t", SyncMode::Mirror);
        let columns = vec![Column::key("id", LogicalType::Int64), Column::new("n", LogicalType::Json)];
        let recorded = TableSchema::new(columns).unwrap();
        let found = |names: &[&str]| -> Vec<Found> {
            names.iter().map(|name| Found { name: (*name).to_owned(), native: "BIGINT".to_owned() }).collect()
        };
        let left = |rows: &[&str]| Plan::left((&DUCKDB, &layout), &recorded, Some(&found(rows)), None);
        assert_eq!(left(&["id", "n", "_ct_narrow_1"]).len(), 1);
        assert_eq!(left(&["id", "n"]), Vec::<String>::new());
        // Somebody set it aside once more, and got no further.
        assert_eq!(left(&["id", "_ct_narrow_1"]), Vec::<String>::new());
    }
}
