//! What cannot be said together, found before anything is read.

use std::collections::BTreeMap;

use super::{ColumnRule, Nested, Numbers, OnTypeConflict, TableRules};
use crate::{Column, Error, ErrorKind, LogicalType, Result};

/// Checks what is said of a table with these key columns, which have the names of their attributes.
pub(super) fn check(rules: &TableRules, keys: &[Column], has_salt: bool) -> Result<()> {
    let is_key = |name: &str| keys.iter().any(|key| key.name == name);
    let mut taken = BTreeMap::new();
    for key in keys.iter().filter(|key| rules.columns.get(&key.name).is_none_or(|rule| rule.rename.is_none())) {
        taken.insert(key.name.as_str(), key.name.as_str());
    }
    for (attribute, rule) in &rules.columns {
        let problem = if is_key(attribute) { breaks_key(rule) } else { None };
        let problem = problem.or_else(|| contradiction(rule)).or_else(|| within(rules, rule));
        let no_salt = rule.hash.is_some() && !has_salt;
        if let Some(problem) = problem.or(no_salt.then_some("`hash` needs a salt, which is given from outside")) {
            return Err(refused(problem).with("column", attribute));
        }
        let Some(name) = &rule.rename else { continue };
        if name.is_empty() || name.to_ascii_lowercase().starts_with("_ct_") {
            return Err(refused("a column cannot have this name").with("column", attribute).with("rename", name));
        }
        if let Some(other) = taken.insert(name, attribute) {
            let error = refused("two columns would have the same name").with("column", attribute);
            return Err(error.with("and", other).with("rename", name));
        }
    }
    if let Some(problem) = shape(&rules.nested) {
        return Err(refused(problem));
    }
    if rules.numbers == Numbers::DecimalOrText && rules.on_type_conflict != OnTypeConflict::Text {
        return Err(refused("`numbers = \"decimal_or_text\"` needs `on_type_conflict = \"text\"`"));
    }
    let hides = |rule: &ColumnRule| rule.exclude || rule.hash.is_some() || rule.mask.is_some();
    let hides = rules.columns.values().any(hides) || !rules.exclude.is_empty() || !rules.include.is_empty();
    if rules.keep_item && hides {
        return Err(refused("`keep_item` would show what is excluded, hashed or masked"));
    }
    Ok(())
}

fn refused(problem: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("A rule is refused: {problem}"))
}

/// A destination tells rows apart by their keys as it has them.
fn breaks_key(rule: &ColumnRule) -> Option<&'static str> {
    let ColumnRule { exclude, rename: _, hash: _, mask, cast, constant, nested } = rule;
    let breaks = *exclude || mask.is_some() || cast.is_some() || constant.is_some() || nested.is_some();
    breaks.then_some("rows are told apart by their key, of which only `rename` and `hash` may be said")
}

fn contradiction(rule: &ColumnRule) -> Option<&'static str> {
    let ColumnRule { exclude, rename, hash, mask, cast, constant, nested } = rule;
    let hides = hash.is_some() || mask.is_some();
    let other = hides || rename.is_some() || cast.is_some() || constant.is_some() || nested.is_some();
    if *exclude && other {
        return Some("of an excluded column nothing else may be said");
    }
    if hash.is_some() && mask.is_some() {
        return Some("a column is either hashed or masked");
    }
    if *cast == Some(LogicalType::Timestamp) {
        return Some("only system columns have the type timestamp");
    }
    if constant.is_some() && hides {
        return Some("a constant has nothing to hide");
    }
    if nested.is_some() && (hides || cast.is_some() || constant.is_some()) {
        return Some("`nested` is for columns whose values stay as they are");
    }
    None
}

/// Checks what a column says against what its table says.
fn within(rules: &TableRules, rule: &ColumnRule) -> Option<&'static str> {
    let nested = rule.nested.as_ref()?;
    if *nested == Nested::Packed {
        return Some("`packed` is for whole tables");
    }
    if rules.nested == Nested::Packed {
        return Some("in a packed table no column has a form of its own");
    }
    shape(nested)
}

fn shape(nested: &Nested) -> Option<&'static str> {
    match nested {
        Nested::Flatten(flatten) if flatten.depth == 0 => Some("a depth of 0 flattens nothing"),
        Nested::Json | Nested::Packed | Nested::Flatten(_) | Nested::Native => None,
    }
}
