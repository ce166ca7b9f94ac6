//! `eq ne lt le gt ge`. Source: Go's text/template/funcs: numbers with numbers of the same sort, texts with texts, truth
//! values for equality only; everything else is an error.

use core::cmp::Ordering;

use super::ast::Function;
use super::error::TemplateCause;
use super::eval::wants;
use super::value::Value;

/// Calls one of them.
pub(super) fn call(function: Function, arguments: &[Value<'_>]) -> Result<bool, TemplateCause> {
    match (function, arguments) {
        // Equal to any of the others.
        (Function::Eq, [first, others @ ..]) if !others.is_empty() => {
            for other in others {
                if equal(function, first, other)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Function::Eq, _) => Err(wants(function, "two arguments or more", arguments)),
        (Function::Ne, [left, right]) => Ok(!equal(function, left, right)?),
        (_, [left, right]) => {
            let order = order(function, left, right)?;
            Ok(match function {
                Function::Lt => order == Some(Ordering::Less),
                Function::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                Function::Gt => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            })
        }
        _ => Err(wants(function, "two arguments", arguments)),
    }
}

fn equal(function: Function, left: &Value<'_>, right: &Value<'_>) -> Result<bool, TemplateCause> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        // Equality of floats is what the language has; there are no secrets among them.
        (Value::Integer(_), Value::Integer(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Text(_), Value::Text(_)) => {
            Ok(order(function, left, right)? == Some(Ordering::Equal))
        }
        _ => Err(incomparable(function, left, right)),
    }
}

fn order(
    function: Function,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Option<Ordering>, TemplateCause> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Ok(Some(left.cmp(right))),
        (Value::Float(left), Value::Float(right)) => Ok(left.partial_cmp(right)),
        (Value::Text(left), Value::Text(right)) => Ok(Some(left[..].cmp(&right[..]))),
        _ => Err(incomparable(function, left, right)),
    }
}

fn incomparable(function: Function, left: &Value<'_>, right: &Value<'_>) -> TemplateCause {
    TemplateCause::NotComparable {
        function: function.name(),
        left: left.described(),
        right: right.described(),
    }
}
