//! Connection strings: the URL and the `key=value` form, taken apart into settings (documentation of `libpq`, "Connection Strings").

use std::collections::BTreeMap;

/// The settings of a connection string, as they stand there.
pub(super) type Conninfo = BTreeMap<String, String>;

/// Takes a connection string apart; the error says what is wrong without repeating any part of the string but a setting's name.
pub(super) fn parse(text: &str) -> Result<Conninfo, String> {
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => parse_url(rest),
        None => parse_pairs(text),
    }
}

/// Writes settings in the `key=value` form.
pub(super) fn render(settings: &Conninfo) -> String {
    let pairs = settings.iter().map(|(key, value)| {
        let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
        format!("{key}='{escaped}'")
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Holds that what is parsed is rendered and parsed as the same settings.
#[cfg(feature = "fuzzing")]
pub(crate) fn round_trip(text: &str) {
    if let Ok(settings) = parse(text) {
        assert_eq!(parse(&render(&settings)).as_ref(), Ok(&settings));
    }
}

fn parse_url(rest: &str) -> Result<Conninfo, String> {
    let mut settings = Conninfo::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    if dbname.contains('@') {
        // Else a part of a password would be taken for the database's name, which messages show.
        return Err(
            "an `@` follows the first `/`; a `/` in a password is written as %2F, an `@` in a name as %40".to_owned()
        );
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let mut set = |key: &str, value: &str| -> Result<(), String> {
        if !value.is_empty() {
            settings.insert(key.to_owned(), decode(value, key)?);
        }
        Ok(())
    };
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        set("user", user)?;
        set("password", password)?;
    }
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        names.push(name);
        ports.push(port);
    }
    if names.iter().any(|name| !name.is_empty()) {
        set("host", &names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        set("port", &ports.join(","))?;
    }
    set("dbname", dbname)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a parameter after `?` lacks its `=`")?;
        let key = decode(key, "a parameter's name")?;
        if !is_name(&key) {
            return Err("a parameter after `?` has a name that no setting has".to_owned());
        }
        set(&key, value)?;
    }
    Ok(settings)
}

/// Returns whether a setting may have this name; it is repeated in messages and written back, so nothing else is.
fn is_name(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Splits `name:port`, where the name may be an IPv6 address in brackets.
fn split_port(host: &str) -> Result<(&str, &str), String> {
    if let Some(bracketed) = host.strip_prefix('[') {
        let (name, port) = bracketed.split_once(']').ok_or("an IPv6 address lacks its closing bracket")?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((name, port)),
            None if port.is_empty() => Ok((name, "")),
            None => Err("something stands between an IPv6 address and its port".to_owned()),
        };
    }
    Ok(host.split_once(':').unwrap_or((host, "")))
}

fn decode(text: &str, key: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(format!("`{key}` has a `%` that two hexadecimal digits do not follow; write it as %25")),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("`{key}` is not UTF-8"))
}

fn parse_pairs(text: &str) -> Result<Conninfo, String> {
    let mut settings = Conninfo::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("it is neither a postgres:// URL nor key=value pairs")?;
        let key = key.trim_end();
        if !is_name(key) {
            return Err("it is neither a postgres:// URL nor key=value pairs".to_owned());
        }
        let (value, after) =
            parse_value(after.trim_start()).ok_or_else(|| format!("the quote of `{key}` is not closed"))?;
        settings.insert(key.to_owned(), value);
        rest = after.trim_start();
    }
    Ok(settings)
}

/// Reads a value, quoted or up to the next space, and returns what follows it; a backslash takes the next character as it is.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Some((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn expect(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(text), expected, "{text}");
    }

    #[test]
    fn both_forms_give_the_same_settings() {
        expect(
            "postgres://me:p%40ss@db.example:5433/shop?sslmode=verify-full&options=-c%20x%3Dy",
            &[
                ("dbname", "shop"),
                ("host", "db.example"),
                ("options", "-c x=y"),
                ("password", "p@ss"),
                ("port", "5433"),
                ("sslmode", "verify-full"),
                ("user", "me"),
            ],
        );
        expect(r"host = db user='m e' password='a\'b\\'", &[("host", "db"), ("password", r"a'b\"), ("user", "m e")]);
        expect("postgresql://[::1]:5433,b/", &[("host", "::1,b"), ("port", "5433,")]);
        expect("postgres:///shop?host=/run/pg", &[("dbname", "shop"), ("host", "/run/pg")]);
        expect("", &[]);
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        let settings =
            Conninfo::from([("password".to_owned(), r"a 'b' \c".to_owned()), ("user".to_owned(), String::new())]);
        assert_eq!(parse(&render(&settings)).unwrap(), settings);
    }

    #[test]
    fn errors_do_not_repeat_the_string() {
        for bad in [
            "postgres://me:hunter2%@h/",
            "hunter2",
            "password='hunter2",
            "postgres://[::1/hunter2",
            "a hunter2=b",
            "postgres://h?a%20hunter2=b",
            "postgres://me:p/hunter2@h/db",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
