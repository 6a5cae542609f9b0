//! A section of known keys as the connector's own configuration.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::document::Document;

/// Deserialises a section and tells every value that its configuration refuses, not just the first.
pub(crate) fn read<T: DeserializeOwned>(document: &mut Document, path: &str, mut values: Table) -> Option<T> {
    let mut refused = false;
    loop {
        let error = match Value::Table(values.clone()).try_into::<T>() {
            Ok(config) => return (!refused).then_some(config),
            Err(error) => error,
        };
        // The error tells its key only in its text, as a last line: in `assume_role.role_arn`.
        let text = error.to_string();
        let key = text.rsplit_once("in `").and_then(|(_, rest)| rest.split_once('`')).map(|(key, _)| key.to_owned());
        if let Some(field) = missing_field(error.message()) {
            let holder = key.as_ref().map_or(path.to_owned(), |key| format!("{path}.{key}"));
            if !document.dropped(&format!("{holder}.{field}")) {
                document.problem(&holder, format!("[{holder}] lacks `{field}`"));
            }
            if !key.is_some_and(|key| remove(&mut values, &key)) {
                return None;
            }
            refused = true;
            continue;
        }
        let Some(key) = key.filter(|key| remove(&mut values, key)) else {
            document.problem(path, format!("[{path}]: {}", error.message()));
            return None;
        };
        refused = true;
        let inside = format!("{path}.{key}");
        document.problem(&inside, format!("`{inside}`: {}", error.message()));
        document.drop_key(&inside);
    }
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
}

fn remove(values: &mut Table, key: &str) -> bool {
    match key.split_once('.') {
        None => values.remove(key).is_some(),
        Some((first, rest)) => match values.get_mut(first) {
            Some(Value::Table(inner)) => remove(inner, rest),
            // An entry of a list has no key of its own.
            Some(_) => values.remove(first).is_some(),
            None => false,
        },
    }
}
