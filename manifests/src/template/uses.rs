//! Which secrets a template needs: found in its tree, without values, so that nothing else is made or handed out.
//!
//! A secret can be named by a field (`.Secrets.db`) or by `index .Secrets "db"` with the name written out. Every other
//! use of `.Secrets` is refused, so the answer is exact.

use std::collections::BTreeSet;

use super::ast::{Command, Function, Node, Operand, Pipeline};
use super::error::{TemplateCause, TemplateError};
use super::{Generation, SecretUse};

/// The secrets that the tree names.
pub(super) fn of(nodes: &[Node], source: &[u8]) -> Result<BTreeSet<SecretUse>, TemplateError> {
    let mut uses = BTreeSet::new();
    for node in nodes {
        if let Node::Action(pipeline) = node {
            let found = shape(pipeline, &mut uses).and_then(|(shape, _)| shape.whole());
            found.map_err(|cause| TemplateError::at(source, pipeline.at, cause))?;
        }
    }
    Ok(uses)
}

/// As much of a value's type as this question needs.
#[derive(Clone, Copy)]
enum Shape {
    Root,
    Previous,
    Secrets(Generation),
    Other,
}

impl Shape {
    /// Refuses what would use secrets without naming them.
    fn whole(self) -> Result<(), TemplateCause> {
        match self {
            Self::Other => Ok(()),
            Self::Root | Self::Previous | Self::Secrets(_) => Err(TemplateCause::NotOneSecret),
        }
    }

    fn fields(self, fields: &[String], uses: &mut BTreeSet<SecretUse>) -> Self {
        fields
            .iter()
            .fold(self, |shape, field| match (shape, field.as_str()) {
                (Self::Root, "Secrets") => Self::Secrets(Generation::Current),
                (Self::Root, "Previous") => Self::Previous,
                (Self::Previous, "Secrets") => Self::Secrets(Generation::Previous),
                (Self::Secrets(generation), name) => {
                    uses.insert(SecretUse::new(generation, name));
                    Self::Other
                }
                _ => Self::Other,
            })
    }
}

/// A shape, and the text if it is a constant.
type Known<'a> = (Shape, Option<&'a [u8]>);

fn shape<'a>(
    pipeline: &'a Pipeline,
    uses: &mut BTreeSet<SecretUse>,
) -> Result<Known<'a>, TemplateCause> {
    let mut known = command(&pipeline.first, None, uses)?;
    for next in &pipeline.then {
        known = command(next, Some(known), uses)?;
    }
    Ok(known)
}

fn command<'a>(
    command: &'a Command,
    piped: Option<Known<'a>>,
    uses: &mut BTreeSet<SecretUse>,
) -> Result<Known<'a>, TemplateCause> {
    let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
    for argument in &command.arguments {
        arguments.push(operand(argument, uses)?);
    }
    arguments.extend(piped);
    let Operand::Function(function) = &command.operand else {
        return operand(&command.operand, uses);
    };
    if let (Function::Index, [(Shape::Secrets(generation), _), (_, Some(name)), ..]) =
        (function, &arguments[..])
        && let Ok(name) = std::str::from_utf8(name)
    {
        uses.insert(SecretUse::new(*generation, name));
        arguments.remove(0);
    }
    for (shape, _) in arguments {
        shape.whole()?;
    }
    Ok((Shape::Other, None))
}

fn operand<'a>(
    operand: &'a Operand,
    uses: &mut BTreeSet<SecretUse>,
) -> Result<Known<'a>, TemplateCause> {
    Ok(match operand {
        // Without `range` and `with`, the dot is the root.
        Operand::Dot(fields) | Operand::Root(fields) => (Shape::Root.fields(fields, uses), None),
        Operand::Paren(pipeline, fields) => {
            let (shape, text) = shape(pipeline, uses)?;
            (
                shape.fields(fields, uses),
                text.filter(|_| fields.is_empty()),
            )
        }
        Operand::Text(text) => (Shape::Other, Some(text)),
        Operand::Function(_) | Operand::Bool(_) | Operand::Nil | Operand::Integer(_) => {
            (Shape::Other, None)
        }
    })
}
