//! Redshift's SQL as Postgres has it: names in lower case and short, words that Postgres does not know, and `COPY`.

use std::collections::HashMap;

/// What Postgres takes of a name.
const LONGEST: usize = 63;

/// Names that were too long, by what stands in their place.
pub(crate) type Short = HashMap<String, String>;

/// Returns a name as the catalog has it.
pub(crate) fn short(name: &str, short: &mut Short) -> String {
    let lower = name.to_ascii_lowercase();
    if lower.len() <= LONGEST {
        return lower;
    }
    // FNV-1a, which others can compute, too.
    let hash = lower
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let cut = format!("{}_{hash:016x}", &lower[..lower.floor_char_boundary(40)]);
    short.insert(cut.clone(), lower);
    cut
}

/// Returns a statement for Postgres. Literals stay as they are, but for names in questions to the catalog.
pub(crate) fn statement(sql: &str, names: &mut Short) -> String {
    let catalog = sql.contains("FROM pg_attribute");
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"']) {
        let (plain, quoted) = rest.split_at(at);
        out.push_str(&words(plain));
        let quote = if quoted.starts_with('"') { '"' } else { '\'' };
        let (text, after) = until(quote, &quoted[1..]);
        if quote == '"' || catalog {
            let doubled = format!("{quote}{quote}");
            let name = short(&text.replace(&doubled, &quote.to_string()), names);
            out.extend([quote.to_string(), name.replace(quote, &doubled), quote.to_string()]);
        } else {
            out.extend(["'", text, "'"]);
        }
        rest = after;
    }
    out.push_str(&words(rest));
    cast_to_super(&out)
}

/// Splits after the end of something quoted.
fn until(quote: char, text: &str) -> (&str, &str) {
    let mut from = 0;
    loop {
        let end = from + text[from..].find(quote).expect("a quote ends");
        if text[end + 1..].starts_with(quote) {
            from = end + 2;
        } else {
            return (&text[..end], &text[end + 1..]);
        }
    }
}

fn words(text: &str) -> String {
    text.replace("VARBYTE(1024000)", "varbyte").replace("SYSDATE", "now()")
}

/// `CAST(x AS SUPER)` makes a JSON string of a text in Redshift, and parses it in Postgres.
fn cast_to_super(text: &str) -> String {
    let Some(end) = text.find(" AS SUPER)") else { return text.to_owned() };
    let mut depth = 0;
    let start = text[..end].char_indices().rev().find(|&(_, c)| {
        depth += match c {
            ')' => 1,
            '(' => -1,
            _ => 0,
        };
        depth < 0
    });
    let start = start.map_or(0, |(at, _)| at);
    let value = &text[start + 1..end];
    let rest = cast_to_super(&text[end + " AS SUPER)".len()..]);
    format!("{}to_jsonb(CAST({value} AS text)){rest}", &text[..start - "CAST".len()])
}

#[test]
fn statements_are_rewritten_outside_of_literals() {
    let mut names = Short::new();
    let mut rewritten = |sql: &str| statement(sql, &mut names);
    assert_eq!(rewritten(r#"SELECT "A""b", 'SYSDATE "X"', SYSDATE"#), r#"SELECT "a""b", 'SYSDATE "X"', now()"#);
    assert_eq!(
        rewritten("SELECT JSON_PARSE(JSON_SERIALIZE(CAST(FROM_VARBYTE(v, 'base64') AS SUPER)))"),
        "SELECT JSON_PARSE(JSON_SERIALIZE(to_jsonb(CAST(FROM_VARBYTE(v, 'base64') AS text))))"
    );
    let long = rewritten(&format!("\"{}\"", "x".repeat(100)));
    assert!(long.len() <= LONGEST + 2 && names.contains_key(long.trim_matches('"')));
}
