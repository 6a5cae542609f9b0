//! Update expressions, as far as they are simulated: `SET path = :value, …` and `REMOVE path, …`.
//!
//! A path is one or more names joined by dots, each an attribute's name or a `#placeholder`; what lies in lists cannot be
//! addressed, and there are no functions, no arithmetic, no ADD and no DELETE: each is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::item::Item;
use crate::key::KeySchema;
use crate::value::Value;

/// What an update does.
#[derive(Debug, Default)]
pub(crate) struct Update {
    set: Vec<(Vec<String>, Value)>,
    remove: Vec<Vec<String>>,
}

impl Update {
    /// Reads the expression of a request with its names and values; nothing is to be done without one.
    pub(crate) fn read(request: &Json) -> Result<Self> {
        let Some(expression) = request["UpdateExpression"].as_str() else { return Ok(Self::default()) };
        let mut reader = Reader { expression, request, used: BTreeSet::new() };
        let update = reader.read()?;
        for (group, kind) in [("ExpressionAttributeNames", "names"), ("ExpressionAttributeValues", "values")] {
            let mut given = request[group].as_object().into_iter().flatten().map(|(name, _)| name);
            if let Some(unused) = given.find(|name| !reader.used.contains(*name)) {
                return Err(Error::validation(format!(
                    "Value provided in {group} unused in expressions: keys: {{{unused}}} ({kind})"
                )));
            }
        }
        update.check_overlaps()?;
        Ok(update)
    }

    fn paths(&self) -> impl Iterator<Item = &Vec<String>> {
        self.set.iter().map(|(path, _)| path).chain(&self.remove)
    }

    fn check_overlaps(&self) -> Result<()> {
        let paths: Vec<_> = self.paths().collect();
        for (i, one) in paths.iter().enumerate() {
            if let Some(two) = paths[..i].iter().find(|two| one.starts_with(two) || two.starts_with(one)) {
                return Err(invalid(&format!(
                    "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                     path one: {two:?}, path two: {one:?}"
                )));
            }
        }
        Ok(())
    }

    /// Returns an error if it changes a key attribute.
    pub(crate) fn check_keys(&self, keys: &KeySchema) -> Result<()> {
        match self.paths().find(|path| keys.contains(&path[0])) {
            Some(path) => Err(Error::validation(format!(
                "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
                path[0]
            ))),
            None => Ok(()),
        }
    }

    /// Returns the item as it becomes.
    pub(crate) fn apply(&self, mut item: Item) -> Result<Item> {
        for (path, value) in &self.set {
            let (map, name) = parent(&mut item.0, path)?;
            map.insert(name.clone(), value.clone());
        }
        for path in &self.remove {
            let (map, name) = parent(&mut item.0, path)?;
            map.remove(name);
        }
        Ok(item)
    }
}

/// Returns the map that holds the last name of a path.
fn parent<'a, 'p>(
    mut map: &'a mut BTreeMap<String, Value>,
    path: &'p [String],
) -> Result<(&'a mut BTreeMap<String, Value>, &'p String)> {
    let missing = || Error::validation("The document path provided in the update expression is invalid for update");
    let (name, outer) = path.split_last().ok_or_else(missing)?;
    for step in outer {
        match map.get_mut(step) {
            Some(Value::M(inner)) => map = inner,
            _ => return Err(missing()),
        }
    }
    Ok((map, name))
}

/// Reads an expression.
struct Reader<'a> {
    expression: &'a str,
    request: &'a Json,
    used: BTreeSet<String>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Update> {
        let mut update = Update::default();
        let mut seen = BTreeSet::new();
        for (keyword, clauses) in self.sections()? {
            if !seen.insert(keyword) {
                return Err(invalid(&format!(
                    "The \"{keyword}\" section can only be used once in an update expression;"
                )));
            }
            for clause in clauses.split(',') {
                match (keyword, clause.split_once('=')) {
                    ("SET", Some((path, value))) => update.set.push((self.path(path)?, self.value(value)?)),
                    ("REMOVE", None) => update.remove.push(self.path(clause)?),
                    ("ADD" | "DELETE", _) => {
                        return Err(Error::unsupported(&format!("{keyword} in update expressions")));
                    }
                    _ => return Err(self.syntax(clause)),
                }
            }
        }
        Ok(update)
    }

    /// Cuts the expression at its keywords.
    fn sections(&self) -> Result<Vec<(&'static str, String)>> {
        const KEYWORDS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];
        let mut sections: Vec<(&str, String)> = Vec::new();
        for word in self.expression.split_whitespace() {
            if let Some(keyword) = KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(word)) {
                sections.push((keyword, String::new()));
            } else if let Some((_, clauses)) = sections.last_mut() {
                clauses.push_str(word);
                clauses.push(' ');
            } else {
                return Err(self.syntax(word));
            }
        }
        if sections.is_empty() { Err(self.syntax(self.expression)) } else { Ok(sections) }
    }

    fn path(&mut self, text: &str) -> Result<Vec<String>> {
        text.trim().split('.').map(|step| self.name(step)).collect()
    }

    fn name(&mut self, text: &str) -> Result<String> {
        if text.contains('[') {
            return Err(Error::unsupported("paths into lists"));
        }
        if text.starts_with('#') {
            self.used.insert(text.to_owned());
            return self.request["ExpressionAttributeNames"][text].as_str().map(str::to_owned).ok_or_else(|| {
                invalid(&format!(
                    "An expression attribute name used in the document path is not defined; attribute name: {text}"
                ))
            });
        }
        let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain { Ok(text.to_owned()) } else { Err(self.syntax(text)) }
    }

    fn value(&mut self, text: &str) -> Result<Value> {
        let text = text.trim();
        if !text.starts_with(':') || text.contains(|c: char| c.is_whitespace() || "+-(".contains(c)) {
            return Err(Error::unsupported("anything but `path = :value` in SET"));
        }
        self.used.insert(text.to_owned());
        let value = &self.request["ExpressionAttributeValues"][text];
        if value.is_null() {
            return Err(invalid(&format!(
                "An expression attribute value used in expression is not defined; attribute value: {text}"
            )));
        }
        Value::from_json(value)
    }

    fn syntax(&self, token: &str) -> Error {
        invalid(&format!("Syntax error; token: \"{}\", near: \"{}\"", token.trim(), self.expression))
    }
}

fn invalid(what: &str) -> Error {
    Error::validation(format!("Invalid UpdateExpression: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(expression: &str) -> Result<Item> {
        let request = json!({
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {"#a": "a.b"},
            "ExpressionAttributeValues": {":v": {"N": "7.0"}},
        });
        let item = Item::new().with("x", 1).with("m", Value::map([("z", 1), ("y", 2)]));
        Update::read(&request)?.apply(item)
    }

    #[test]
    fn paths_are_set_and_removed() {
        let item = update("SET #a = :v, m.z=:v\nREMOVE x , m.y, nothing").unwrap();
        assert_eq!(item, Item::new().with("a.b", 7).with("m", Value::map([("z", 7)])));
        let item = update("remove m set #a = :v").unwrap();
        assert_eq!(item, Item::new().with("a.b", 7).with("x", 1));
    }

    #[test]
    fn what_is_wrong_or_not_simulated_is_refused() {
        for (expression, part) in [
            ("FOO x", "Syntax error"),
            ("", "Syntax error"),
            ("SET #a = :v SET x = :v", "can only be used once"),
            ("SET #a = :v, x = :v, x = :v", "overlap"),
            ("SET #a = :v, m = :v, m.z = :v", "overlap"),
            ("SET #a = :w", "value: :w"),
            ("SET #b = :v", "name: #b"),
            ("SET x = :v", "unused in expressions: keys: {#a}"),
            ("REMOVE #a", "unused in expressions: keys: {:v}"),
            ("SET #a = :v, q.r = :v", "invalid for update"),
            ("SET #a = :v REMOVE q.r", "invalid for update"),
            ("SET #a = x + :v", "does not support"),
            ("SET #a = if_not_exists(x, :v)", "does not support"),
            ("ADD #a :v", "does not support ADD"),
            ("REMOVE l[0]", "does not support paths into lists"),
            ("SET #a :v", "Syntax error"),
        ] {
            let error = update(expression).unwrap_err();
            assert_eq!(error.code(), "ValidationException");
            assert!(error.message().contains(part), "{expression}: {error}");
        }
    }
}
