//! Values as the model knows them, each said in a few lines that share nothing with the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use commutator_conformance::Value;
use commutator_core::LogicalType;
use commutator_simulator::Value as Sent;

/// A value that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plain {
    Bool(bool),
    /// Digits without an exponent, in the one form that each number has.
    Number(String),
    Text(String),
    Binary(Vec<u8>),
    /// A map, list or set as JSON.
    Document(String),
}

impl Plain {
    pub(crate) fn of(sent: &Sent) -> Option<Self> {
        Some(match sent {
            Sent::S(text) => Self::Text(text.clone()),
            Sent::N(number) => Self::Number(number.to_string()),
            Sent::B(bytes) => Self::Binary(bytes.clone()),
            Sent::Bool(flag) => Self::Bool(*flag),
            Sent::Null => return None,
            _ => Self::Document(json(sent)),
        })
    }

    /// Returns what it is called beside a column of another kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
            Self::Document(_) => "json",
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bool(flag) => flag.to_string(),
            Self::Number(text) | Self::Text(text) | Self::Document(text) => text.clone(),
            Self::Binary(bytes) => STANDARD.encode(bytes),
        }
    }

    pub(crate) fn json(&self) -> String {
        match self {
            Self::Text(_) | Self::Binary(_) => quoted(&self.text()),
            _ => self.text(),
        }
    }

    /// Returns the value that a column of its own kind has.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(digits) => Value::number(digits),
            Self::Text(text) => Value::text(text.as_str()),
            Self::Binary(bytes) => Value::binary(bytes.clone()),
            Self::Document(text) => Value::json(text),
        }
    }

    /// Returns the number of the nearest double.
    pub(crate) fn rounded(&self) -> Self {
        match self {
            Self::Number(digits) => Self::Number(double(digits)),
            other => other.clone(),
        }
    }

    /// Returns the value as another type; the rules of the proof cast nothing that this refuses.
    pub(crate) fn cast(&self, to: LogicalType) -> Self {
        match (to, self) {
            (LogicalType::Text, other) => Self::Text(other.text()),
            (LogicalType::Float64, other) => other.rounded(),
            (LogicalType::Json | LogicalType::Number | LogicalType::Int64 | LogicalType::Decimal { .. }, other) => {
                other.clone()
            }
            other => panic!("the proof casts nothing so: {other:?}"),
        }
    }

    /// Returns whether a column of this type, whose numbers may be rounded or not, has room for the value as it is.
    pub(crate) fn fits(&self, ty: LogicalType, rounds: bool) -> bool {
        let digits = |text: &str| text.trim_start_matches('-').replace('.', "").trim_start_matches('0').len();
        match (ty, self) {
            (LogicalType::Json, _)
            | (LogicalType::Bool, Self::Bool(_))
            | (LogicalType::Number, Self::Number(_))
            | (LogicalType::Text, Self::Text(_))
            | (LogicalType::Binary, Self::Binary(_)) => true,
            (LogicalType::Int64, Self::Number(text)) => text.parse::<i64>().is_ok(),
            (LogicalType::Float64, Self::Number(text)) => rounds || double(text) == *text,
            (LogicalType::Decimal { precision, scale }, Self::Number(text)) => {
                let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let more = usize::from(scale).saturating_sub(fraction);
                // Zero has no digits, however many of them are added.
                let needed = if digits(text) == 0 { 0 } else { digits(text) + more };
                fraction <= usize::from(scale) && needed <= usize::from(precision)
            }
            _ => false,
        }
    }
}

fn double(digits: &str) -> String {
    match Value::number(&format!("{:e}", digits.parse::<f64>().unwrap())) {
        Value::Number(text) => text,
        other => panic!("{other:?} is no number"),
    }
}

/// Returns text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the JSON that a value is inside of a document.
pub(crate) fn json(sent: &Sent) -> String {
    let list = |parts: Vec<String>| format!("[{}]", parts.join(","));
    match sent {
        Sent::S(value) => quoted(value),
        Sent::N(number) => number.to_string(),
        Sent::B(bytes) => quoted(&STANDARD.encode(bytes)),
        Sent::Bool(flag) => flag.to_string(),
        Sent::Null => "null".to_owned(),
        Sent::M(map) => {
            let entries = map.iter().map(|(name, value)| format!("{}:{}", quoted(name), json(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Sent::L(values) => list(values.iter().map(json).collect()),
        Sent::Ss(values) => list(values.iter().map(|value| quoted(value)).collect()),
        Sent::Ns(values) => list(values.iter().map(ToString::to_string).collect()),
        Sent::Bs(values) => list(values.iter().map(|value| quoted(&STANDARD.encode(value))).collect()),
    }
}
