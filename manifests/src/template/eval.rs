//! Renders a tree. Source for the rules: Go's text/template/exec; for the functions: MarbleRun's interface as in
//! docs/reference/templates.md.
//!
//! Deliberately unlike Go: an unknown secret is an error at once, not an empty value; a whole secret or certificate is not
//! written out as Go prints structs; `printf` refuses what Go would answer with `%!d(..)`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ast::{Command, Function, Node, Operand, Pipeline};
use super::buffer::{Buffer, Case};
use super::error::{TemplateCause, TemplateError};
use super::value::{Bytes, Named, Part, Value};
use super::{EntryKind, Scope, printf};

/// Renders all pieces.
pub(super) fn render(
    nodes: &[Node],
    source: &[u8],
    scope: &dyn Scope,
) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
    let mut out = Buffer::default();
    for node in nodes {
        match node {
            Node::Text(text) => out
                .push(text)
                .map_err(|cause| TemplateError::at(source, source.len(), cause))?,
            Node::Action(pipeline) => evaluate(pipeline, scope)
                .and_then(|value| print(&value, &mut out))
                .map_err(|cause| TemplateError::at(source, pipeline.at, cause))?,
        }
    }
    Ok(out.into_inner())
}

fn evaluate<'a>(pipeline: &'a Pipeline, scope: &'a dyn Scope) -> Result<Value<'a>, TemplateCause> {
    let mut value = command(&pipeline.first, None, scope)?;
    for next in &pipeline.then {
        value = command(next, Some(value), scope)?;
    }
    Ok(value)
}

fn command<'a>(
    command: &'a Command,
    piped: Option<Value<'a>>,
    scope: &'a dyn Scope,
) -> Result<Value<'a>, TemplateCause> {
    if let Operand::Function(function) = &command.operand {
        let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
        for argument in &command.arguments {
            arguments.push(operand(argument, scope)?);
        }
        arguments.extend(piped);
        return call(*function, arguments, scope);
    }
    let value = operand(&command.operand, scope)?;
    if !command.arguments.is_empty() || piped.is_some() {
        return Err(TemplateCause::NotAFunction(value.described()));
    }
    match value {
        Value::Nil => Err(TemplateCause::Syntax("nil is not a command".into())),
        value => Ok(value),
    }
}

fn operand<'a>(operand: &'a Operand, scope: &'a dyn Scope) -> Result<Value<'a>, TemplateCause> {
    let fields = |value: Value<'a>, fields: &'a [String]| {
        fields
            .iter()
            .try_fold(value, |value, field| value.field(field, scope))
    };
    match operand {
        // Without `range` and `with`, the dot is the root.
        Operand::Dot(names) | Operand::Root(names) => fields(Value::Data, names),
        Operand::Paren(pipeline, names) => fields(evaluate(pipeline, scope)?, names),
        Operand::Function(function) => call(*function, Vec::new(), scope),
        Operand::Bool(value) => Ok(Value::Bool(*value)),
        Operand::Nil => Ok(Value::Nil),
        Operand::Integer(value) => Ok(Value::Integer(*value)),
        Operand::Text(text) => Ok(Value::Text(Bytes::Borrowed(text))),
    }
}

fn call<'a>(
    function: Function,
    mut arguments: Vec<Value<'a>>,
    scope: &'a dyn Scope,
) -> Result<Value<'a>, TemplateCause> {
    match function {
        Function::Index => index(&arguments, scope),
        Function::Print | Function::Println => print_all(function, &arguments),
        Function::Printf => printf::format(&arguments).map(|text| Value::Text(text.into())),
        Function::Base64
        | Function::Hex
        | Function::Len
        | Function::Pem
        | Function::Raw
        | Function::String => {
            let (Some(value), true) = (arguments.pop(), arguments.is_empty()) else {
                return Err(wants(function, "one argument", &arguments));
            };
            one(function, value)
        }
    }
}

fn one<'a>(function: Function, value: Value<'a>) -> Result<Value<'a>, TemplateCause> {
    let mut made = Buffer::default();
    match function {
        Function::Base64 => base64(raw(function, &value)?, &mut made)?,
        Function::Hex => made.hex(raw(function, &value)?, Case::Lower)?,
        Function::Pem => pem(&value, &mut made)?,
        Function::Raw => {
            return raw(function, &value).map(|bytes| Value::Text(Bytes::Borrowed(bytes)));
        }
        Function::String => return plain(&value).map(|bytes| Value::Text(Bytes::Borrowed(bytes))),
        _ => return length(&value),
    }
    Ok(Value::Text(made.into()))
}

/// The bytes of a secret or of one of its fields. The secret itself stands for its `Public`.
fn raw<'a>(function: Function, value: &Value<'a>) -> Result<&'a [u8], TemplateCause> {
    match value {
        Value::Entry(entry) => entry.part(Part::Public),
        Value::Part(entry, part) => entry.part(*part),
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

fn length<'a>(value: &Value<'a>) -> Result<Value<'a>, TemplateCause> {
    let bytes: &[u8] = match value {
        Value::Text(text) => text,
        Value::Part(entry, part @ (Part::Private | Part::Public)) => entry.part(*part)?,
        other => {
            return Err(TemplateCause::Arguments {
                function: Function::Len.name(),
                wanted: "a text or the key of a secret",
                got: other.described(),
            });
        }
    };
    let length = i64::try_from(bytes.len()).map_err(|_| TemplateCause::TooLarge)?;
    Ok(Value::Integer(length))
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

/// `index .Secrets "name"`.
fn index<'a>(arguments: &[Value<'a>], scope: &'a dyn Scope) -> Result<Value<'a>, TemplateCause> {
    match arguments {
        [Value::Secrets(generation), Value::Text(name)] => {
            let name = std::str::from_utf8(name).map_err(|_| TemplateCause::NotText)?;
            Named::find(scope, generation.root(), name).map(Value::Entry)
        }
        [] => Err(wants(Function::Index, "`.Secrets` and a name", arguments)),
        [Value::Secrets(_), ..] => Err(wants(Function::Index, "one name", &arguments[1..])),
        _ => Err(TemplateCause::NotServed(
            "`index` of anything but `.Secrets`".into(),
        )),
    }
}

fn wants(function: Function, wanted: &'static str, arguments: &[Value<'_>]) -> TemplateCause {
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
fn print_all<'a>(function: Function, arguments: &[Value<'a>]) -> Result<Value<'a>, TemplateCause> {
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
        Value::Text(text) => out.push(text),
        // A Go []byte: its numbers in brackets.
        Value::Part(entry, part @ (Part::Private | Part::Public)) => {
            let mut before = "[";
            for byte in entry.part(*part)? {
                out.text(before)?;
                decimal(*byte, out)?;
                before = " ";
            }
            out.text("]")
        }
        other => Err(TemplateCause::NotPrintable(other.described())),
    }
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
