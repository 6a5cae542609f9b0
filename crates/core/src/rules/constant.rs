//! Constants as columns.

use arrow_array::ArrayRef;

use super::Constant;
use super::cell::Cell;
use super::convert::{Strictness, build};
use crate::{Error, ErrorKind, LogicalType, Result};

/// Returns the type of a constant's column.
///
/// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if the constant cannot be brought to the type it is cast to.
pub(super) fn typed(constant: &Constant, cast: Option<LogicalType>) -> Result<LogicalType> {
    let own = match constant {
        Constant::Bool(_) => LogicalType::Bool,
        Constant::Integer(_) => LogicalType::Int64,
        Constant::Text(_) => LogicalType::Text,
    };
    let ty = cast.unwrap_or(own);
    let built = build(ty, std::iter::once(cell(constant)), Strictness::AnyKind)?;
    if built.bad.is_empty() {
        return Ok(ty);
    }
    Err(Error::new(ErrorKind::ConfigInvalid, "A rule is refused: a constant is not of the type that it is cast to")
        .with("cast", ty))
}

/// Returns the column that has the constant in every row that is `live`.
pub(super) fn column(constant: &Constant, ty: LogicalType, live: &[bool]) -> Result<ArrayRef> {
    let cells = live.iter().map(|live| if *live { cell(constant) } else { Cell::Null });
    Ok(build(ty, cells, Strictness::AnyKind)?.array)
}

fn cell(constant: &Constant) -> Cell<'_> {
    match constant {
        Constant::Bool(value) => Cell::Bool(*value),
        Constant::Integer(value) => Cell::Number(value.to_string().into()),
        Constant::Text(text) => Cell::Text(text.as_str().into()),
    }
}
