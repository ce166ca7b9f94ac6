//! Pipelines, commands and operands to values, and values to text. Source: Go's text/template/exec; for the functions:
//! MarbleRun's interface as in docs/reference/templates.md.
//!
//! Deliberately unlike Go: an unknown secret is an error at once, not an empty value; a whole secret or certificate is not
//! written out as Go prints structs; `printf` refuses what Go would answer with `%!d(..)`.
//! Does not live here: branches and loops (`control`), Go's own functions (`builtin`, `compare`, `escape`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ast::{Command, Function, Operand, Pipeline};
use super::buffer::{Buffer, Case};
use super::control::Machine;
use super::error::TemplateCause;
use super::value::{Bytes, Part, Value};
use super::{EntryKind, builtin, compare, number};

impl<'a> Machine<'a> {
    /// The value of a pipeline; its variables are bound to it.
    pub(super) fn value(
        &mut self,
        pipeline: &'a Pipeline,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateCause> {
        let value = self.value_unbound(pipeline, dot)?;
        for name in &pipeline.variables {
            self.bind(name, pipeline.binds, &value);
        }
        Ok(value)
    }

    /// The value of a pipeline.
    pub(super) fn value_unbound(
        &mut self,
        pipeline: &'a Pipeline,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateCause> {
        let mut value = self.command(&pipeline.first, None, dot)?;
        for next in &pipeline.then {
            value = self.command(next, Some(value), dot)?;
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        piped: Option<Value<'a>>,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateCause> {
        if let Operand::Function(function) = &command.operand {
            if matches!(function, Function::And | Function::Or) {
                return self.short_circuit(*function, &command.arguments, piped, dot);
            }
            let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
            for argument in &command.arguments {
                arguments.push(self.operand(argument, dot)?);
            }
            arguments.extend(piped);
            return self.call_function(*function, arguments);
        }
        let value = self.operand(&command.operand, dot)?;
        if !command.arguments.is_empty() || piped.is_some() {
            return Err(TemplateCause::NotAFunction(value.described()));
        }
        match (&command.operand, value) {
            (Operand::Nil, _) => Err(TemplateCause::Syntax("nil is not a command".into())),
            (_, value) => Ok(value),
        }
    }

    /// `and` gives the first argument that is false, `or` the first that is true, else both the last; what follows is not
    /// evaluated.
    fn short_circuit(
        &mut self,
        function: Function,
        arguments: &'a [Operand],
        piped: Option<Value<'a>>,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateCause> {
        let stops_at = function == Function::Or;
        let mut last = None;
        for argument in arguments {
            let value = self.operand(argument, dot)?;
            if value.truth(self.scope) == stops_at {
                return Ok(value);
            }
            last = Some(value);
        }
        piped
            .or(last)
            .ok_or_else(|| wants(function, "one argument or more", &[]))
    }

    fn operand(
        &mut self,
        operand: &'a Operand,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateCause> {
        self.works(0)?;
        let (value, names) = match operand {
            Operand::Dot(names) => (dot.clone(), names),
            Operand::Variable(name, names) => {
                let bound = self.variables.iter().rev();
                let value = bound
                    .filter(|(known, _)| known == name)
                    .map(|(_, value)| value.clone())
                    .take(1)
                    .next();
                // The parser has seen its declaration, but a branch that was not taken may hold it.
                let missing =
                    || TemplateCause::Syntax(format!("there is no variable `${name}` here"));
                (value.ok_or_else(missing)?, names)
            }
            Operand::Paren(pipeline, names) => (self.value(pipeline, dot)?, names),
            Operand::Function(function) => return self.call_function(*function, Vec::new()),
            Operand::Bool(value) => return Ok(Value::Bool(*value)),
            Operand::Nil => return Ok(Value::Nil),
            Operand::Integer(value) => return Ok(Value::Integer(*value)),
            Operand::Float(value) => return Ok(Value::Float(value.0)),
            Operand::Text(text) => return Ok(Value::Text(Bytes::Borrowed(text))),
        };
        let scope = self.scope;
        names
            .iter()
            .try_fold(value, |value, field| value.field(field, scope))
    }

    fn call_function(
        &mut self,
        function: Function,
        arguments: Vec<Value<'a>>,
    ) -> Result<Value<'a>, TemplateCause> {
        self.works(arguments.iter().map(Value::bytes).sum())?;
        let value = self.result(function, arguments)?;
        self.works(value.bytes())?;
        Ok(value)
    }

    fn result(
        &self,
        function: Function,
        mut arguments: Vec<Value<'a>>,
    ) -> Result<Value<'a>, TemplateCause> {
        match function {
            Function::And | Function::Or => Err(wants(function, "one argument or more", &[])),
            Function::Eq
            | Function::Ne
            | Function::Lt
            | Function::Le
            | Function::Gt
            | Function::Ge => compare::call(function, &arguments).map(Value::Bool),
            Function::Index => builtin::index(&arguments, self.scope),
            Function::Slice => builtin::slice(arguments),
            Function::Html | Function::Js | Function::Urlquery => {
                builtin::escaped(function, &arguments)
            }
            Function::Print | Function::Println => print_all(function, &arguments),
            Function::Printf => {
                super::printf::format(&arguments).map(|text| Value::Text(text.into()))
            }
            Function::Base64
            | Function::Hex
            | Function::Len
            | Function::Not
            | Function::Pem
            | Function::Raw
            | Function::String => {
                let (Some(value), true) = (arguments.pop(), arguments.is_empty()) else {
                    return Err(wants(function, "one argument", &arguments));
                };
                match function {
                    Function::Not => Ok(Value::Bool(!value.truth(self.scope))),
                    Function::Len => builtin::length(&value, self.scope),
                    _ => one(function, &value),
                }
            }
        }
    }
}

fn one<'a>(function: Function, value: &Value<'a>) -> Result<Value<'a>, TemplateCause> {
    let mut made = Buffer::default();
    match function {
        Function::Base64 => base64(&raw(function, value)?, &mut made)?,
        Function::Hex => made.hex(&raw(function, value)?, Case::Lower)?,
        Function::Pem => pem(value, &mut made)?,
        Function::Raw => return raw(function, value).map(Value::Text),
        _ => return plain(value).map(|bytes| Value::Text(Bytes::Borrowed(bytes))),
    }
    Ok(Value::Text(made.into()))
}

/// The bytes of a secret, of one of its fields, or of a part of those. The secret itself stands for its `Public`.
fn raw<'a>(function: Function, value: &Value<'a>) -> Result<Bytes<'a>, TemplateCause> {
    match value {
        Value::Entry(entry) => entry.part(Part::Public).map(Bytes::Borrowed),
        Value::Part(entry, part) => entry.part(*part).map(Bytes::Borrowed),
        Value::Octets(bytes) if !bytes.is_empty() => Ok(bytes.clone()),
        Value::Octets(_) => Err(TemplateCause::Empty(value.described())),
        other => Err(TemplateCause::Arguments {
            function: function.name(),
            wanted: "a secret or its .Cert, .Private or .Public",
            got: other.described(),
        }),
    }
}

/// The value of a secret of the type `plain`.
fn plain<'a>(value: &Value<'a>) -> Result<&'a [u8], TemplateCause> {
    match value {
        Value::Entry(entry) if entry.entry.kind == EntryKind::Plain => entry.part(Part::Public),
        other => Err(TemplateCause::Arguments {
            function: Function::String.name(),
            wanted: "a secret of the type `plain`",
            got: other.described(),
        }),
    }
}

fn base64(bytes: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    base64_lines(bytes, None, out)
}

/// Base64 in lines of PEM, or in one.
fn base64_lines(
    bytes: &[u8],
    line_end: Option<&str>,
    out: &mut Buffer,
) -> Result<(), TemplateCause> {
    // 48 bytes give a PEM line of 64 characters (RFC 7468, section 2), without padding but at the end.
    const LINE_BYTES: usize = 48;
    const LINE_CHARS: usize = 64;
    let mut line = Zeroizing::new([0; LINE_CHARS]);
    for chunk in bytes.chunks(LINE_BYTES) {
        let length = STANDARD
            .encode_slice(chunk, &mut line[..])
            .expect("48 bytes give at most 64 characters");
        out.push(&line[..length])?;
        out.text(line_end.unwrap_or_default())?;
    }
    Ok(())
}

/// PEM of a certificate, a private key (PKCS #8) or a public key (SubjectPublicKeyInfo).
fn pem(value: &Value<'_>, out: &mut Buffer) -> Result<(), TemplateCause> {
    let (entry, part) = match value {
        Value::Part(entry, part) if entry.entry.kind == EntryKind::Certificate => (entry, *part),
        other => {
            return Err(TemplateCause::Arguments {
                function: Function::Pem.name(),
                wanted: "the .Cert, .Private or .Public of a certificate",
                got: other.described(),
            });
        }
    };
    let label = match part {
        Part::Cert => "CERTIFICATE",
        Part::Private => "PRIVATE KEY",
        Part::Public => "PUBLIC KEY",
    };
    let bytes = entry.part(part)?;
    out.text(&format!("-----BEGIN {label}-----\n"))?;
    base64_lines(bytes, Some("\n"), out)?;
    out.text(&format!("-----END {label}-----\n"))
}

pub(super) fn wants(
    function: Function,
    wanted: &'static str,
    arguments: &[Value<'_>],
) -> TemplateCause {
    let got = match arguments {
        [] => "none".into(),
        some => some
            .iter()
            .map(Value::described)
            .collect::<Vec<_>>()
            .join(", "),
    };
    TemplateCause::Arguments {
        function: function.name(),
        wanted,
        got,
    }
}

/// Go's `Sprint` (a space between two values of which neither is a text) and `Sprintln` (always a space, a newline).
pub(super) fn print_all<'a>(
    function: Function,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, TemplateCause> {
    let mut made = Buffer::default();
    let line = function == Function::Println;
    for (at, value) in arguments.iter().enumerate() {
        let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
        if at > 0 && (line || !(is_text(value) || is_text(&arguments[at - 1]))) {
            made.text(" ")?;
        }
        print(value, &mut made)?;
    }
    if line {
        made.text("\n")?;
    }
    Ok(Value::Text(made.into()))
}

/// Writes a value as Go's `%v` does.
pub(super) fn print(value: &Value<'_>, out: &mut Buffer) -> Result<(), TemplateCause> {
    match value {
        Value::Nil => out.text("<nil>"),
        Value::Bool(value) => out.text(if *value { "true" } else { "false" }),
        Value::Integer(value) => out.text(&value.to_string()),
        Value::Float(value) => out.text(&number::shortest(*value)),
        Value::Text(text) => out.push(text),
        Value::Part(entry, part @ (Part::Private | Part::Public)) => {
            octets(entry.part(*part)?, out)
        }
        Value::Octets(bytes) => octets(bytes, out),
        other => Err(TemplateCause::NotPrintable(other.described())),
    }
}

/// A Go `[]byte`: its numbers in brackets.
fn octets(bytes: &[u8], out: &mut Buffer) -> Result<(), TemplateCause> {
    out.text("[")?;
    for (at, byte) in bytes.iter().enumerate() {
        out.text(if at > 0 { " " } else { "" })?;
        decimal(*byte, out)?;
    }
    out.text("]")
}

/// The digits of one secret byte, without a copy on the heap.
fn decimal(byte: u8, out: &mut Buffer) -> Result<(), TemplateCause> {
    let digits = Zeroizing::new([b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]);
    let leading = if byte < 10 {
        2
    } else {
        usize::from(byte < 100)
    };
    out.push(&digits[leading..])
}
