//! Expressions as values, and their text.

use std::collections::BTreeSet;
use std::fmt;

/// An expression that is true, false or unknown for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// True where the inner one is false or unknown, else false.
    Otherwise(Box<Self>),
    Compare(Path, Comparison, Literal),
    In(Path, Vec<Literal>),
    IsNull(Path),
    BeginsWith(Path, String),
    Contains(Path, Literal),
}

/// An attribute, and the way into the maps that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) attribute: String,
    pub(super) members: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Bool(bool),
    /// In canonical form.
    Number(String),
    Text(String),
}

/// Words that are no attributes unless they stand in double quotes.
pub(super) const WORDS: [&str; 13] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "true",
    "false",
    "between",
    "exists",
    "begins_with",
    "contains",
    "otherwise",
];

impl Expression {
    pub(super) fn attributes(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.visit(&mut |path| _ = found.insert(path.attribute.as_str()));
        found
    }

    fn visit<'a>(&'a self, seen: &mut dyn FnMut(&'a Path)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(seen)),
            Self::Not(inner) | Self::Otherwise(inner) => inner.visit(seen),
            Self::Compare(path, ..)
            | Self::In(path, _)
            | Self::IsNull(path)
            | Self::BeginsWith(path, _)
            | Self::Contains(path, _) => seen(path),
        }
    }

    /// How close it binds: what binds less close stands in parentheses inside of it.
    fn rank(&self) -> u8 {
        match self {
            // Without parts they are written as a comparison, with one as that one in parentheses.
            Self::Or(parts) if parts.len() > 1 => 0,
            Self::And(parts) if parts.len() > 1 => 1,
            _ => 2,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => list(f, parts, " and ", self.rank()),
            Self::Or(parts) => list(f, parts, " or ", self.rank()),
            Self::Not(inner) if inner.rank() == 2 => write!(f, "not {inner}"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Otherwise(inner) => write!(f, "otherwise({inner})"),
            Self::Compare(path, comparison, literal) => write!(f, "{path} {} {literal}", comparison.as_str()),
            Self::In(path, literals) => {
                write!(f, "{path} in (")?;
                for (at, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::IsNull(path) => write!(f, "{path} is null"),
            Self::BeginsWith(path, text) => write!(f, "begins_with({path}, {})", Quoted(text, '\'')),
            Self::Contains(path, literal) => write!(f, "contains({path}, {literal})"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, parts: &[Expression], between: &str, rank: u8) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        if part.rank() > rank || parts.len() == 1 { write!(f, "{part}")? } else { write!(f, "({part})")? }
    }
    if parts.is_empty() { f.write_str(if between == " and " { "true" } else { "false" }) } else { Ok(()) }
}

impl Comparison {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(f, &self.attribute)?;
        for member in &self.members {
            f.write_str(".")?;
            name(f, member)?;
        }
        Ok(())
    }
}

fn name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.starts_with(is_first) && name.chars().all(is_rest);
    if plain && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return f.write_str(name);
    }
    write!(f, "{}", Quoted(name, '"'))
}

pub(super) fn is_first(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(super) fn is_rest(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "{}", Quoted(text, '\'')),
        }
    }
}

/// A text between quotes, which are doubled inside.
struct Quoted<'a>(&'a str, char);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, quote) = *self;
        write!(f, "{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
    }
}
