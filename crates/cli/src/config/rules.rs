//! Rules for columns and rows: in `[defaults]`, in a table's section, and in those of the parts that it is split into.

use commutator::TableName;
use commutator::pipeline::Part;
use commutator::rules::{Filter, Nested, TableRules};
use toml::{Table, Value};

use super::document::Document;
use super::{Destination, section};

/// The keys of [`TableRules`].
const KEYS: [&str; 10] = [
    "include",
    "exclude",
    "columns",
    "filter",
    "nested",
    "on_type_conflict",
    "numbers",
    "contract",
    "keep_item",
    "keep_replication_attributes",
];

/// Reads the rules that stand in a section. What it does not say holds as in `defaults`: key by key, and of `columns` attribute by
/// attribute.
pub(super) fn read(
    document: &mut Document,
    path: &str,
    values: &Table,
    defaults: &TableRules,
    destination: Option<&Destination>,
) -> TableRules {
    let given: Table = KEYS.iter().filter_map(|&key| Some((key.to_owned(), values.get(key)?.clone()))).collect();
    let Some(own) = section::read::<TableRules>(document, path, given.clone()) else { return defaults.clone() };
    for (attribute, rule) in &own.columns {
        let at = format!("{path}.columns.{attribute}.hash");
        if rule.hash.is_some() && !document.has_hash_salt {
            let message = format!(
                "`{at}` needs a salt that stays the same: `pipeline.hash_salt`, such as \"${{COMMUTATOR_HASH_SALT}}\""
            );
            document.problem(&at, message);
        }
    }
    let columns =
        own.columns.iter().map(|(attribute, rule)| (format!("columns.{attribute}.nested"), rule.nested.as_ref()));
    let has_native = destination.is_none_or(Destination::native_nested);
    for (key, nested) in std::iter::once(("nested".to_owned(), Some(&own.nested))).chain(columns) {
        if nested == Some(&Nested::Native) && !has_native {
            let at = format!("{path}.{key}");
            let message = format!("`{at}` is `native`, which the destination does not offer; take `json` or `flatten`");
            document.problem(&at, message);
        }
    }
    over(defaults, own, &given)
}

fn over(defaults: &TableRules, own: TableRules, given: &Table) -> TableRules {
    let TableRules {
        include,
        exclude,
        columns,
        filter,
        nested,
        on_type_conflict,
        numbers,
        contract,
        keep_item,
        keep_replication_attributes,
    } = own;
    let base = defaults.clone();
    let has = |key: &str| given.contains_key(key);
    TableRules {
        include: if has("include") { include } else { base.include },
        exclude: if has("exclude") { exclude } else { base.exclude },
        columns: base.columns.into_iter().chain(columns).collect(),
        filter: if has("filter") { filter } else { base.filter },
        nested: if has("nested") { nested } else { base.nested },
        on_type_conflict: if has("on_type_conflict") { on_type_conflict } else { base.on_type_conflict },
        numbers: if has("numbers") { numbers } else { base.numbers },
        contract: if has("contract") { contract } else { base.contract },
        keep_item: if has("keep_item") { keep_item } else { base.keep_item },
        keep_replication_attributes: if has("keep_replication_attributes") {
            keep_replication_attributes
        } else {
            base.keep_replication_attributes
        },
    }
}

/// Reads which items belong to each part of a table, and returns each part with the rest of its section.
pub(super) fn parts(document: &mut Document, path: &str, values: &Table) -> Vec<(Part, Table)> {
    let Some(Value::Table(split)) = values.get("split") else { return Vec::new() };
    let mut parts: Vec<(Part, Table)> = Vec::new();
    for (name, section) in split {
        let path = format!("{path}.split.{name}");
        let Value::Table(section) = section else { continue };
        let mut section = section.clone();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            document.problem(&path, format!("[{path}]: a part's name has letters, digits, `_`, `-` and `.`"));
        }
        let text = section.remove("filter");
        let filter = match text.as_ref().and_then(Value::as_str).map(str::parse::<Filter>) {
            Some(Ok(filter)) => Some(filter),
            Some(Err(error)) => {
                let at = format!("{path}.filter");
                document.problem(&at, format!("`{at}`: {error}"));
                continue;
            }
            // One with a problem of its own is no part for the rest.
            None if document.dropped(&format!("{path}.filter")) => continue,
            None => None,
        };
        if let (None, Some((other, _))) = (&filter, parts.iter().find(|(part, _)| part.filter.is_none())) {
            let message = format!(
                "[{path}] has no `filter`, nor has `{}`; only one part can take what belongs to no other",
                other.name
            );
            document.problem(&path, message);
            continue;
        }
        parts.push((Part { name: name.clone(), filter }, section));
    }
    parts
}

/// Returns the name under which a part's options are kept.
pub(super) fn part_name(table: &str, part: &Part) -> TableName {
    TableName::new(format!("{table}:{}", part.name))
}

#[cfg(test)]
mod tests;
