//! Which crate may know which. Development dependencies may go anywhere: nobody ships them.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;

/// Checks what `cargo metadata` says.
pub(super) fn check(metadata: &str) -> Result<Vec<Problem>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        for dependency in package["dependencies"].as_array().context("a package without dependencies")? {
            let on = dependency["name"].as_str().context("a dependency without a name")?;
            if dependency["kind"] != "dev" && !may_depend(name, on) {
                problems.push(Problem { path: name.to_owned(), what: format!("must not depend on {on}") });
            }
        }
    }
    Ok(problems)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Core,
    Sql,
    /// What connectors to cloud warehouses share.
    Warehouse,
    Pipeline,
    Connector,
    /// For tests only.
    Testing,
    /// The facade, the program, and what is built on them.
    Top,
}

fn layer(name: &str) -> Option<Layer> {
    if name == "commutator" {
        return Some(Layer::Top);
    }
    let rest = name.strip_prefix("commutator-")?;
    Some(match rest {
        "core" => Layer::Core,
        "sql" => Layer::Sql,
        "warehouse" => Layer::Warehouse,
        "pipeline" => Layer::Pipeline,
        "conformance" | "simulator" => Layer::Testing,
        _ if rest.starts_with("source-") || rest.starts_with("destination-") => Layer::Connector,
        _ => Layer::Top,
    })
}

/// `core` knows nobody, a connector knows `core`, `sql` and `warehouse`, `pipeline` knows no connector, and nothing that is shipped
/// contains a test suite. The workspace's members that are themselves tests may use everything.
fn may_depend(name: &str, on: &str) -> bool {
    let (Some(from), Some(to)) = (layer(name), layer(on)) else { return true };
    match from {
        Layer::Core => false,
        Layer::Sql | Layer::Pipeline => to == Layer::Core,
        Layer::Warehouse => matches!(to, Layer::Core | Layer::Sql),
        Layer::Connector => matches!(to, Layer::Core | Layer::Sql | Layer::Warehouse),
        Layer::Testing => matches!(to, Layer::Core | Layer::Sql | Layer::Pipeline | Layer::Testing),
        Layer::Top => to != Layer::Testing || matches!(name, "commutator-tests" | "commutator-bench"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrows_point_down() {
        for (from, to, allowed) in [
            ("commutator-core", "serde", true),
            ("commutator-core", "commutator-sql", false),
            ("commutator-pipeline", "commutator-core", true),
            ("commutator-pipeline", "commutator-destination-memory", false),
            ("commutator-pipeline", "commutator-source-dynamodb", false),
            ("commutator-destination-postgres", "commutator-core", true),
            ("commutator-destination-postgres", "commutator-sql", true),
            ("commutator-destination-postgres", "commutator-pipeline", false),
            ("commutator-destination-redshift", "commutator-warehouse", true),
            ("commutator-warehouse", "commutator-sql", true),
            ("commutator-warehouse", "commutator-pipeline", false),
            ("commutator-destination-postgres", "commutator-destination-memory", false),
            ("commutator-source-dynamodb", "commutator", false),
            ("commutator-conformance", "commutator-destination-memory", false),
            ("commutator", "commutator-destination-postgres", true),
            ("commutator-cli", "commutator", true),
            ("commutator-cli", "commutator-conformance", false),
            ("commutator-tests", "commutator-conformance", true),
        ] {
            assert_eq!(may_depend(from, to), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn only_what_is_shipped_counts() {
        let metadata = |kind: &str| {
            format!(
                r#"{{"packages": [{{"name": "commutator-core",
                     "dependencies": [{{"name": "commutator-conformance", "kind": {kind}}}]}}]}}"#
            )
        };
        assert_eq!(check(&metadata("\"dev\"")).unwrap(), []);
        assert_eq!(check(&metadata("null")).unwrap().len(), 1);
        assert_eq!(check(&metadata("\"build\"")).unwrap().len(), 1);
        check("{}").unwrap_err();
    }
}
