//! The form of JSON text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use commutator_core::LogicalType;
use commutator_core::rules::json;
use commutator_core::schema::{number_type, write_number};

use crate::form::{Form, MAX_DEPTH, Member};

/// Widens a column's form so that it holds this value, too.
///
/// A column has a null of its own, which stands for rows without a value; a text that is null is something else.
pub(super) fn column(form: &mut Form, text: &str) {
    if text == "null" { *form = Form::Json } else { widen(form, text, MAX_DEPTH) }
}

/// Widens a form as a join with the value's own would, but without building that where the form has it already.
fn widen(form: &mut Form, text: &str, depth: usize) {
    if *form == Form::Json {
        return;
    }
    match text.as_bytes().first() {
        Some(b'{') => structure(form, text, depth),
        Some(b'[') => list(form, text, depth),
        _ => *form = std::mem::take(form).join(scalar(text).map_or(Form::Json, Form::scalar)),
    }
}

fn list(form: &mut Form, text: &str, depth: usize) {
    if *form == Form::Nothing {
        *form = Form::List(Box::default());
    }
    let values = if depth > 0 { json::elements(text) } else { None };
    let (Form::List(elements), Some(values)) = (&mut *form, values) else {
        *form = Form::Json;
        return;
    };
    values.into_iter().filter(|value| *value != "null").for_each(|value| widen(elements, value, depth - 1));
}

fn structure(form: &mut Form, text: &str, depth: usize) {
    let values = if depth > 0 { json::members(text) } else { None };
    let Some(mut values) = values else {
        *form = Form::Json;
        return;
    };
    values.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let is_twice = values.windows(2).any(|pair| pair[0].0 == pair[1].0);
    match form {
        _ if is_twice => *form = Form::Json,
        Form::Nothing => {
            let members = values.iter().map(|(name, value)| (name.to_string(), member(value, depth)));
            *form = Form::structure(members.collect());
        }
        Form::Struct(members) => {
            if widen_members(members, &values, depth) {
                *form = Form::structure(std::mem::take(members));
            }
        }
        _ => *form = Form::Json,
    }
}

fn member(value: &str, depth: usize) -> Member {
    let mut member = Member::default();
    see(&mut member, Some(value), depth);
    member
}

/// Takes notice of what a map has for a member.
fn see(member: &mut Member, value: Option<&str>, depth: usize) {
    match value {
        None => member.missing = true,
        Some("null") => member.null = true,
        Some(value) => widen(&mut member.form, value, depth - 1),
    }
    if member.missing && member.null {
        member.form = Form::Json;
    }
}

/// Widens a struct's members by those of a map, sorted by name; returns whether there are new ones.
fn widen_members(members: &mut BTreeMap<String, Member>, values: &[(Cow<'_, str>, &str)], depth: usize) -> bool {
    let mut found = 0;
    for (name, member) in &mut *members {
        let value = values.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok().map(|at| values[at].1);
        found += usize::from(value.is_some());
        see(member, value, depth);
    }
    if found == values.len() {
        return false;
    }
    for (name, value) in values {
        if !members.contains_key(name.as_ref()) {
            let mut new = member(value, depth);
            see(&mut new, None, depth);
            members.insert(name.to_string(), new);
        }
    }
    true
}

/// Returns the type that holds a scalar exactly; `None` if its text would not come back.
fn scalar(text: &str) -> Option<LogicalType> {
    match text.as_bytes().first()? {
        b'"' => json::string(text).map(|_| LogicalType::Text),
        b't' | b'f' => matches!(text, "true" | "false").then_some(LogicalType::Bool),
        _ => number(text),
    }
}

fn number(text: &str) -> Option<LogicalType> {
    let plain = |digits: &[u8]| (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if plain(digits) && digits[0] != b'0' || text == "0" {
        return Some(LogicalType::Int64);
    }
    let ty = number_type(text)?;
    let scale = match ty {
        LogicalType::Int64 => 0,
        LogicalType::Decimal { scale, .. } => scale,
        _ => return None,
    };
    let mut again = Vec::new();
    write_number(unscaled(text, scale)?, scale, &mut again);
    (again == text.as_bytes()).then_some(ty)
}

/// Returns a plain numeral times `10^scale`; `None` if it has other characters, more digits behind the point, or too many digits.
pub(super) fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let zeros = usize::from(scale).checked_sub(fraction.len())?;
    let mut value = integer.parse::<i128>().ok()?.checked_abs()?;
    for digit in fraction.bytes().chain(std::iter::repeat_n(b'0', zeros)) {
        let digit = digit.is_ascii_digit().then(|| i128::from(digit - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(if text.starts_with('-') { -value } else { value })
}
