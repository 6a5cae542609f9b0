//! The parser of filters.

use winnow::ascii::{Caseless, multispace0};
use winnow::combinator::{alt, cut_err, eof, fail, not, opt, peek, preceded, repeat, separated};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, one_of, take_while};

use super::expression::{Comparison, Expression, Literal, Path, WORDS, is_first, is_rest};
use crate::schema::canonical_number;
use crate::{Error, ErrorKind, Result};

/// So deep may parentheses and `not` stand inside of each other: the parser calls itself.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Expression> {
    let whole = |input: &mut &str| {
        let expression = or(input, 0)?;
        (multispace0, eof).context(expected("`and`, `or` or the end")).parse_next(input)?;
        Ok(expression)
    };
    Parser::<_, _, winnow::error::ErrMode<winnow::error::ContextError>>::parse(&mut { whole }, text).map_err(|error| {
        let at = text[..error.offset()].chars().count() + 1;
        let wanted = error.inner().context().find_map(|context| match context {
            StrContext::Expected(wanted) => Some(wanted.to_string()),
            _ => None,
        });
        Error::new(ErrorKind::ConfigInvalid, "A filter cannot be read")
            .with("at", at)
            .with("expected", wanted.unwrap_or_else(|| "something else".to_owned()))
    })
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn or(input: &mut &str, depth: usize) -> ModalResult<Expression> {
    let first = and(input, depth)?;
    let rest: Vec<_> =
        repeat(0.., preceded(word("or"), cut_err(|input: &mut &str| and(input, depth)))).parse_next(input)?;
    Ok(joined(first, rest, Expression::Or))
}

fn and(input: &mut &str, depth: usize) -> ModalResult<Expression> {
    let first = negation(input, depth)?;
    let rest: Vec<_> =
        repeat(0.., preceded(word("and"), cut_err(|input: &mut &str| negation(input, depth)))).parse_next(input)?;
    Ok(joined(first, rest, Expression::And))
}

fn joined(first: Expression, rest: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    if rest.is_empty() {
        return first;
    }
    join(std::iter::once(first).chain(rest).collect())
}

fn negation(input: &mut &str, depth: usize) -> ModalResult<Expression> {
    if depth > MAX_DEPTH {
        return cut_err(fail.context(expected("fewer parentheses inside of each other"))).parse_next(input);
    }
    if opt(word("not")).parse_next(input)?.is_some() {
        return Ok(Expression::Not(Box::new(negation(input, depth + 1)?)));
    }
    if opt(symbol("(")).parse_next(input)?.is_some() {
        return closed(input, depth);
    }
    if opt((word("otherwise"), symbol("("))).parse_next(input)?.is_some() {
        return Ok(Expression::Otherwise(Box::new(closed(input, depth)?)));
    }
    alt((call, constant, test)).context(expected("an attribute, a function, `not` or `(`")).parse_next(input)
}

fn closed(input: &mut &str, depth: usize) -> ModalResult<Expression> {
    let inner = or(input, depth + 1)?;
    cut_err(symbol(")")).context(expected("`and`, `or` or `)`")).parse_next(input)?;
    Ok(inner)
}

/// `true` lets every row pass and `false` none.
fn constant(input: &mut &str) -> ModalResult<Expression> {
    alt((word("true").map(|()| Expression::And(Vec::new())), word("false").map(|()| Expression::Or(Vec::new()))))
        .parse_next(input)
}

fn call(input: &mut &str) -> ModalResult<Expression> {
    let comma = || cut_err(symbol(",")).context(expected("`,`"));
    let function = |name| (word(name), symbol("(")).void();
    let open = alt((
        function("exists").value("exists"),
        function("begins_with").value("begins_with"),
        function("contains").value("contains"),
    ))
    .parse_next(input)?;
    let path = cut_err(path).context(expected("an attribute")).parse_next(input)?;
    let expression = match open {
        "exists" => Expression::Not(Box::new(Expression::IsNull(path))),
        "begins_with" => {
            comma().parse_next(input)?;
            Expression::BeginsWith(path, cut_err(text).context(expected("text in quotes")).parse_next(input)?)
        }
        _ => {
            comma().parse_next(input)?;
            Expression::Contains(path, value(input)?)
        }
    };
    cut_err(symbol(")")).context(expected("`)`")).parse_next(input)?;
    Ok(expression)
}

/// An attribute and what is asked of it.
fn test(input: &mut &str) -> ModalResult<Expression> {
    let path = path(input)?;
    let positive = opt(word("not")).parse_next(input)?.is_none();
    let either = |expression| if positive { expression } else { Expression::Not(Box::new(expression)) };
    if opt(word("in")).parse_next(input)?.is_some() {
        cut_err(symbol("(")).context(expected("`(`")).parse_next(input)?;
        let literals = separated(1.., value, symbol(",")).parse_next(input)?;
        cut_err(symbol(")")).context(expected("`,` or `)`")).parse_next(input)?;
        return Ok(either(Expression::In(path, literals)));
    }
    if opt(word("between")).parse_next(input)?.is_some() {
        let low = value(input)?;
        cut_err(word("and")).context(expected("`and`")).parse_next(input)?;
        let high = value(input)?;
        let low = Expression::Compare(path.clone(), Comparison::GreaterOrEqual, low);
        return Ok(either(Expression::And(vec![low, Expression::Compare(path, Comparison::LessOrEqual, high)])));
    }
    if !positive {
        return cut_err(fail.context(expected("`in` or `between`"))).parse_next(input);
    }
    if opt(word("is")).parse_next(input)?.is_some() {
        let positive = opt(word("not")).parse_next(input)?.is_none();
        cut_err(word("null")).context(expected("`null` or `not null`")).parse_next(input)?;
        let is_null = Expression::IsNull(path);
        return Ok(if positive { is_null } else { Expression::Not(Box::new(is_null)) });
    }
    let comparison =
        cut_err(comparison).context(expected("a comparison, `in`, `between` or `is`")).parse_next(input)?;
    Ok(Expression::Compare(path, comparison, value(input)?))
}

fn comparison(input: &mut &str) -> ModalResult<Comparison> {
    let symbols = alt(("!=", "<>", "<=", ">=", "=", "<", ">"));
    let found = preceded(multispace0, symbols).parse_next(input)?;
    Ok(match found {
        "=" => Comparison::Equal,
        "!=" | "<>" => Comparison::Unequal,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        _ => Comparison::GreaterOrEqual,
    })
}

fn value(input: &mut &str) -> ModalResult<Literal> {
    cut_err(alt((
        text.map(Literal::Text),
        word("true").map(|()| Literal::Bool(true)),
        word("false").map(|()| Literal::Bool(false)),
        number.map(Literal::Number),
    )))
    .context(expected("text in quotes, a number, `true` or `false`"))
    .parse_next(input)
}

fn number(input: &mut &str) -> ModalResult<String> {
    preceded(multispace0, take_while(1.., |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
        .verify_map(canonical_number)
        .parse_next(input)
}

fn text(input: &mut &str) -> ModalResult<String> {
    preceded(multispace0, quoted('\'')).parse_next(input)
}

fn path(input: &mut &str) -> ModalResult<Path> {
    let attribute = preceded(multispace0, name).parse_next(input)?;
    let members = repeat(0.., preceded('.', cut_err(name).context(expected("a member's name")))).parse_next(input)?;
    Ok(Path { attribute, members })
}

fn name(input: &mut &str) -> ModalResult<String> {
    let plain = (one_of(is_first), take_while(0.., is_rest)).take();
    let plain = plain.verify(|name: &str| !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word)));
    alt((quoted('"'), plain.map(str::to_owned))).parse_next(input)
}

/// A text between quotes, which are doubled inside.
fn quoted<'a>(mut quote: char) -> impl ModalParser<&'a str, String, winnow::error::ContextError> {
    move |input: &mut &'a str| {
        quote.parse_next(input)?;
        let mut text = String::new();
        loop {
            let part = take_while(0.., |c| c != quote).parse_next(input)?;
            text.push_str(part);
            cut_err(quote).context(expected("the closing quote")).parse_next(input)?;
            if opt(quote).parse_next(input)?.is_none() {
                return Ok(text);
            }
            text.push(quote);
        }
    }
}

fn word<'a>(word: &'static str) -> impl ModalParser<&'a str, (), winnow::error::ContextError> {
    (multispace0, Caseless(word), peek(not(any.verify(|&c: &char| is_rest(c))))).void()
}

fn symbol<'a>(symbol: &'static str) -> impl ModalParser<&'a str, (), winnow::error::ContextError> {
    (multispace0, symbol).void()
}
