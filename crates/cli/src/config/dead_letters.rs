//! Where dead letters are kept: an address in `[pipeline]`, read like a Parquet destination's.

use commutator::TableOptions;
use commutator::pipeline::OnBadRecord;
use toml::{Table, Value};

use super::document::Document;
use super::keys::PARQUET;
use super::nearest::hint;
use super::{Objects, objects, short_form};

const PATH: &str = "pipeline.dead_letters";
/// Settings of a Parquet destination that speak of its files' contents or place.
const NOT_OF_THE_STORE: [&str; 4] = ["type", "url", "compression_level", "file_bytes"];

/// Reads the address. On the same kind of object store as the `[destination]` its settings hold here, too, unless the address has
/// its own.
pub(super) fn read(document: &mut Document, pipeline: &Table, destination: &Table) -> Option<Objects> {
    let address = pipeline.get("dead_letters").and_then(Value::as_str)?;
    let own = match short_form::objects(PATH, address) {
        Ok(own) => own,
        Err(problems) => {
            for problem in problems {
                document.problem(PATH, format!("`{PATH}` {}", problem.message));
            }
            return None;
        }
    };
    let text = |values: &Table, key: &str| values.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (url, lake) = (text(&own, "url"), text(destination, "url"));
    let is_parquet = text(destination, "type") == "parquet";
    if is_parquet && url.trim_end_matches('/') == lake.trim_end_matches('/') {
        document.problem(PATH, format!("`{PATH}` is the destination's own folder; name another"));
        return None;
    }
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
    let mut values = Table::new();
    if is_parquet && scheme(&url).is_some() && scheme(&url) == scheme(&lake) {
        let shared = PARQUET.iter().map(|key| key.name).filter(|name| !NOT_OF_THE_STORE.contains(name));
        values.extend(shared.filter_map(|name| Some((name.to_owned(), destination.get(name)?.clone()))));
    }
    values.extend(own);
    objects(document, PATH, values)
}

/// Reads `on_bad_record` of a table or of `[defaults]`.
pub(super) fn on_bad_record(document: &mut Document, path: &str, text: Option<&str>, options: &mut TableOptions) {
    match text {
        None => {}
        Some("fail") => options.on_bad_record = OnBadRecord::Fail,
        Some("dead_letter") => {
            options.on_bad_record = OnBadRecord::DeadLetter;
            if !document.has_place_for_dead_letters {
                let at = format!("{path}.on_bad_record");
                document.problem(
                    &at,
                    format!("`{at}` is `dead_letter`, but `{PATH}` names no place for them, such as `./dead-letters`"),
                );
            }
        }
        Some(other) => {
            let at = format!("{path}.on_bad_record");
            document.problem(&at, format!("unknown `{at}` `{other}`; {}", hint(other, ["fail", "dead_letter"])));
        }
    }
}
