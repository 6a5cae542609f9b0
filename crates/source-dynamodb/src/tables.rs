//! Names and glob patterns of tables: pure.

use commutator_core::{Error, ErrorKind, Result, TableName};
use glob_match::glob_match;

/// Returns whether this is a pattern rather than a name.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '!', '\\'])
}

/// Returns what is wrong with a name or pattern, to be read after it.
///
/// Table names have 3 to 255 letters, digits, `_`, `-` and `.` (`DynamoDB` developer guide, naming rules).
pub(crate) fn pattern_problem(text: &str) -> Option<String> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if text.starts_with("arn:") {
        return Some("which is an ARN: give the table's name, and its account through assume_role".to_owned());
    }
    if !is_pattern(text) {
        if !text.chars().all(in_name) {
            return Some("which has characters that no table name has".to_owned());
        }
        return (!(3..=255).contains(&text.len())).then(|| "but table names have 3 to 255 characters".to_owned());
    }
    if text.starts_with('!') {
        return Some("but a pattern cannot be negated".to_owned());
    }
    if text.contains('\\') {
        return Some("but no table name needs a backslash".to_owned());
    }
    let (mut braces, mut brackets) = (0_u32, false);
    for c in text.chars() {
        match c {
            '[' if brackets => return Some("which has a `[` inside `[…]`".to_owned()),
            '[' => brackets = true,
            ']' if !brackets => return Some("which has a `]` without `[`".to_owned()),
            ']' => brackets = false,
            '{' if !brackets => braces += 1,
            '}' if !brackets => match braces.checked_sub(1) {
                Some(left) => braces = left,
                None => return Some("which has a `}` without `{`".to_owned()),
            },
            '*' | '?' | '!' | '^' => {}
            ',' if braces > 0 => {}
            c if in_name(c) => {}
            c => return Some(format!("which has `{c}`, a character that no table name has")),
        }
    }
    if brackets {
        return Some("which has a `[` without `]`".to_owned());
    }
    if braces > 0 {
        return Some("which has a `{` without `}`".to_owned());
    }
    text.contains("[]").then(|| "which has an empty `[]`".to_owned())
}

/// Returns the tables that names and patterns choose among those that exist, each once, in alphabetical order.
///
/// Names are taken as they are: whether they exist shows when they are described. Returns
/// [`NotFound`](ErrorKind::NotFound) naming every pattern that matches nothing.
pub(crate) fn choose(patterns: &[String], existing: &[String]) -> Result<Vec<TableName>> {
    let mut chosen = Vec::new();
    let mut unmatched = Vec::new();
    for pattern in patterns {
        if !is_pattern(pattern) {
            chosen.push(TableName::new(pattern));
            continue;
        }
        let before = chosen.len();
        chosen.extend(existing.iter().filter(|name| glob_match(pattern, name)).map(TableName::new));
        if chosen.len() == before {
            unmatched.push(format!("`{pattern}`"));
        }
    }
    if !unmatched.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("No table matches {}: correct the pattern, the region or the account", unmatched.join(" and ")),
        )
        .with("tables seen", existing.len()));
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_and_patterns_choose_each_table_once() {
        let existing = owned(&["orders", "orders.old", "users_eu", "users_us"]);
        let chosen = choose(&owned(&["users_*", "users_{eu,us}", "orders", "elsewhere"]), &existing).unwrap();
        assert_eq!(
            chosen.iter().map(TableName::as_str).collect::<Vec<_>>(),
            ["elsewhere", "orders", "users_eu", "users_us"]
        );
        assert_eq!(choose(&owned(&["*"]), &existing).unwrap().len(), 4);
    }

    #[test]
    fn every_pattern_without_a_match_is_named() {
        let error = choose(&owned(&["a*", "or*", "b*"]), &owned(&["orders"])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("`a*` and `b*`"), "{error}");
    }

    #[test]
    fn bad_patterns_are_told_from_good_ones() {
        for good in ["orders", "a*", "*", "user?_x", "[a-c]*", "[!a]*", "{aa,bb}_*", "a.b-c"] {
            assert_eq!(pattern_problem(good), None, "{good}");
        }
        for bad in [
            "",
            "ab",
            "a b*",
            "[a*",
            "a]*",
            "{a*",
            "a}*",
            "!a*",
            "a\\*",
            "[]*",
            "a/b",
            "arn:aws:dynamodb:x:1:table/t",
            "a,b*",
        ] {
            assert!(pattern_problem(bad).is_some(), "{bad}");
        }
    }
}
