//! Go's own functions on values: `len`, `index`, `slice`, and the escapes. Source: Go's text/template/funcs.

use super::Scope;
use super::ast::Function;
use super::buffer::Buffer;
use super::error::TemplateCause;
use super::escape;
use super::eval::{print_all, wants};
use super::value::{Bytes, Named, Value};

/// `len`.
pub(super) fn length<'a>(value: &Value<'a>, scope: &dyn Scope) -> Result<Value<'a>, TemplateCause> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Secrets(generation) => scope.names(generation.root()).len(),
        other => match other.octets() {
            Some(bytes) => bytes.len(),
            None => {
                return Err(TemplateCause::Arguments {
                    function: Function::Len.name(),
                    wanted: "a text, the key of a secret, or .Secrets",
                    got: other.described(),
                });
            }
        },
    };
    let length = i64::try_from(length).map_err(|_| TemplateCause::TooLarge)?;
    Ok(Value::Integer(length))
}

/// `index`: of `.Secrets` by name, of a text or a key by number; with further indexes of what that gives.
pub(super) fn index<'a>(
    arguments: &[Value<'a>],
    scope: &'a dyn Scope,
) -> Result<Value<'a>, TemplateCause> {
    let Some((of, indexes)) = arguments.split_first() else {
        return Err(wants(Function::Index, "what to look into", arguments));
    };
    indexes
        .iter()
        .try_fold(of.clone(), |of, index| step(&of, index, scope))
}

fn step<'a>(
    of: &Value<'a>,
    index: &Value<'a>,
    scope: &'a dyn Scope,
) -> Result<Value<'a>, TemplateCause> {
    if let Value::Secrets(generation) = of {
        let Value::Text(name) = index else {
            return Err(wants(
                Function::Index,
                "a name",
                std::slice::from_ref(index),
            ));
        };
        let name = std::str::from_utf8(name).map_err(|_| TemplateCause::NotText)?;
        return Named::find(scope, generation.root(), name).map(Value::Entry);
    }
    let bytes = match of {
        Value::Text(text) => Some(text.clone()),
        other => other.octets(),
    };
    let Some(bytes) = bytes else {
        return Err(TemplateCause::Arguments {
            function: Function::Index.name(),
            wanted: ".Secrets, a text or the key of a secret",
            got: of.described(),
        });
    };
    let at = place(Function::Index, index, bytes.len())?;
    match bytes.get(at) {
        Some(byte) => Ok(Value::Integer(i64::from(*byte))),
        None => Err(beyond(Function::Index, at, bytes.len())),
    }
}

/// `slice`: from an index on, or to a second one.
pub(super) fn slice<'a>(arguments: Vec<Value<'a>>) -> Result<Value<'a>, TemplateCause> {
    let Some((of, indexes)) = arguments.split_first() else {
        return Err(wants(Function::Slice, "what to cut", &arguments));
    };
    let (bytes, text) = match of {
        Value::Text(text) => (text.clone(), true),
        other => match other.octets() {
            Some(bytes) => (bytes, false),
            None => {
                return Err(TemplateCause::Arguments {
                    function: Function::Slice.name(),
                    wanted: "a text or the key of a secret",
                    got: other.described(),
                });
            }
        },
    };
    let (from, to) = match indexes {
        [] => (0, bytes.len()),
        [from] => (place(Function::Slice, from, bytes.len())?, bytes.len()),
        [from, to] => (
            place(Function::Slice, from, bytes.len())?,
            place(Function::Slice, to, bytes.len())?,
        ),
        // The third of Go is about capacities, which nothing here has.
        _ => return Err(wants(Function::Slice, "at most two indexes", indexes)),
    };
    if from > to {
        let why = format!("from {from} to {to} is backwards");
        let function = Function::Slice.name();
        return Err(TemplateCause::Bounds { function, why });
    }
    let cut = match &bytes {
        Bytes::Borrowed(whole) => Bytes::Borrowed(&whole[from..to]),
        Bytes::Made(whole) => {
            let mut made = Buffer::default();
            made.push(&whole[from..to])?;
            made.into()
        }
    };
    Ok(if text {
        Value::Text(cut)
    } else {
        Value::Octets(cut)
    })
}

/// An index, 0 to the length.
fn place(function: Function, index: &Value<'_>, length: usize) -> Result<usize, TemplateCause> {
    let Value::Integer(index) = index else {
        return Err(wants(
            function,
            "whole numbers as indexes",
            std::slice::from_ref(index),
        ));
    };
    match usize::try_from(*index) {
        Ok(index) if index <= length => Ok(index),
        Ok(index) => Err(beyond(function, index, length)),
        Err(_) => {
            let (function, why) = (function.name(), format!("{index} is no index"));
            Err(TemplateCause::Bounds { function, why })
        }
    }
}

fn beyond(function: Function, index: usize, length: usize) -> TemplateCause {
    TemplateCause::Bounds {
        function: function.name(),
        why: format!("{index} is beyond {length} bytes"),
    }
}

/// `html`, `js`, `urlquery`: of one text, or of what `print` makes of the arguments.
pub(super) fn escaped<'a>(
    function: Function,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, TemplateCause> {
    let Value::Text(text) = print_all(Function::Print, arguments)? else {
        return Err(TemplateCause::NotText);
    };
    let mut made = Buffer::default();
    match function {
        Function::Html => escape::html(&text, &mut made)?,
        Function::Js => escape::js(&text, &mut made)?,
        _ => escape::urlquery(&text, &mut made)?,
    }
    Ok(Value::Text(made.into()))
}
