//! What a destination says about itself.

use commutator_core::{CommitInterval, Limit};

use crate::change::{at, put};
use crate::verdict::ensure;
use crate::{Bench, Value, Verdict};

pub(crate) async fn the_checks_of_a_healthy_destination_pass(bench: &Bench) -> Verdict {
    let report = bench.destination().check().await?;
    ensure!(report.passed(), "a check failed: {report:?}");
    ensure!(!report.checks.is_empty(), "there are no checks");
    let mut names: Vec<_> = report.checks.iter().map(|check| &check.name).collect();
    names.sort();
    names.dedup();
    ensure!(names.len() == report.checks.len(), "two checks have one name: {report:?}");
    Ok(())
}

pub(crate) async fn checks_may_run_beside_an_open_table(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        let report = bench.reconnect().await.check().await?;
        ensure!(report.passed(), "a check failed: {report:?}");
        table.commit(&[put(2, at(2), [("a", Value::int(1))])]).await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn capabilities_are_plausible(bench: &Bench) -> Verdict {
    let capabilities = bench.capabilities();
    ensure!(!capabilities.modes.is_empty(), "no sync mode is offered");
    let CommitInterval { max_bytes, max_rows, max_delay } = capabilities.commit_interval;
    ensure!(max_bytes > 0 && max_rows > 0 && !max_delay.is_zero(), "the commit interval is empty");
    let rules = capabilities.identifiers;
    ensure!(rules.max_bytes >= 16, "names of {} bytes are too short to be told apart", rules.max_bytes);
    ensure!("abcxyz_019".chars().all(rules.accepts), "names take no ASCII letters, digits and underscores");
    let lower = rules.reserved.iter().all(|name| name.to_lowercase() == **name);
    ensure!(lower, "a reserved name is not in lower case");
    ensure!(!matches!(capabilities.max_columns, Limit::AtMost(n) if n < 100), "a table takes too few columns");
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(capabilities.name.chars().all(valid), "`{}` is no name for logs", capabilities.name);
    Ok(())
}

pub(crate) async fn a_mode_that_is_not_offered_is_refused(bench: &Bench) -> Verdict {
    use commutator_core::{Column, ErrorKind, LogicalType, SyncMode};
    let offered = bench.capabilities().modes;
    for mode in [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append] {
        if !offered.contains(&mode) {
            let target = bench.target(mode, vec![Column::key("id", LogicalType::Int64)]);
            let result = bench.destination().open(&target).await;
            let kind = result.as_ref().err().map(commutator_core::Error::kind);
            ensure!(
                kind == Some(ErrorKind::Unsupported),
                "opening in mode {mode}, which is not offered, gives {result:?}"
            );
        }
    }
    Ok(())
}
