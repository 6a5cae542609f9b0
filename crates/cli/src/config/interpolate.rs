//! `${VAR}` in configuration text, replaced from the environment.

/// Why text could not be interpolated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// The variable is not set.
    Missing(String),
    /// There is a `${` without its `}`, or without a name.
    Malformed,
}

/// Replaces every `${NAME}`; `$${` stands for a literal `${`.
///
/// A value is inserted as it is: `${` inside it has no meaning. All missing variables are told at once.
pub(crate) fn interpolate(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Vec<Unresolved>> {
    let mut out = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        rest = &rest[at + 2..];
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            continue;
        }
        out.push_str(before);
        let Some((name, after)) = rest.split_once('}').filter(|(name, _)| is_name(name)) else {
            problems.push(Unresolved::Malformed);
            continue;
        };
        rest = after;
        match variable(name) {
            Some(value) => out.push_str(&value),
            None => problems.push(Unresolved::Missing(name.to_owned())),
        }
    }
    out.push_str(rest);
    if problems.is_empty() { Ok(out) } else { Err(problems) }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, Vec<Unresolved>> {
        interpolate(text, &|name| match name {
            "A" => Some("1".to_owned()),
            "ODD" => Some("${A}$".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_once_and_escapes_stay() {
        for (text, result) in [
            ("", ""),
            ("plain $ {A}", "plain $ {A}"),
            ("${A}", "1"),
            ("x${A}y${A}", "x1y1"),
            ("${ODD}{", "${A}${"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$${", "${"),
        ] {
            assert_eq!(resolve(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn everything_unresolved_is_named() {
        let missing = |name: &str| Unresolved::Missing(name.to_owned());
        assert_eq!(resolve("${B} ${A} ${C}"), Err(vec![missing("B"), missing("C")]));
        for text in ["${", "${}", "${A", "${a b}", "${1}"] {
            assert_eq!(resolve(text), Err(vec![Unresolved::Malformed]), "{text}");
        }
    }
}
