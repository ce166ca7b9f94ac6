//! Renders a tree: text, actions, branches, loops, templates inside of templates. Source: Go's text/template/exec.
//!
//! Does not live here: pipelines and functions (`eval`, `builtin`).

use std::cell::Cell;

use zeroize::Zeroizing;

use super::Scope;
use super::ast::{Binds, Branch, Node, Pipeline, Tree};
use super::buffer::Buffer;
use super::error::{TemplateCause, TemplateError};
use super::eval::print;
use super::value::{Bytes, Named, Value};
use crate::limits::{TEMPLATE_CALLS_MAX, TEMPLATE_NESTING_MAX, TEMPLATE_STEPS_MAX};

/// Renders a whole template. `work` is what may still be done, and is less by what was done.
pub(super) fn render(
    tree: &Tree,
    source: &[u8],
    scope: &dyn Scope,
    work: &Cell<u64>,
) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
    let mut machine = Machine {
        tree,
        source,
        scope,
        variables: vec![(String::new(), Value::Data)],
        out: Buffer::default(),
        steps: 0,
        calls: 0,
        nesting: 0,
        work,
    };
    machine.nodes(&tree.nodes, &Value::Data, 0)?;
    Ok(machine.out.into_inner())
}

pub(super) struct Machine<'a> {
    tree: &'a Tree,
    source: &'a [u8],
    pub(super) scope: &'a dyn Scope,
    /// Innermost last; the empty name is the data that the template was given.
    pub(super) variables: Vec<(String, Value<'a>)>,
    out: Buffer,
    steps: usize,
    calls: usize,
    nesting: usize,
    work: &'a Cell<u64>,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Breaks,
    Continues,
}

impl<'a> Machine<'a> {
    fn error(&self, at: usize, cause: TemplateCause) -> TemplateError {
        TemplateError::at(self.source, at, cause)
    }

    /// Nodes in a scope of their own; `at` is where they are asked for.
    fn nodes(
        &mut self,
        nodes: &'a [Node],
        dot: &Value<'a>,
        at: usize,
    ) -> Result<Flow, TemplateError> {
        if self.nesting == TEMPLATE_NESTING_MAX {
            return Err(self.error(at, TemplateCause::TooDeep));
        }
        self.nesting += 1;
        let mark = self.variables.len();
        let mut flow = Flow::Goes;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::Goes {
                break;
            }
        }
        self.variables.truncate(mark);
        self.nesting -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, dot: &Value<'a>) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => {
                let pushed = self.out.push(text);
                pushed.map_err(|cause| self.error(self.source.len(), cause))?;
            }
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    let printed = print(&value, &mut self.out);
                    printed.map_err(|cause| self.error(pipeline.at, cause))?;
                }
            }
            Node::If(branch) => return self.branch(branch, dot, |_| None),
            Node::With(branch) => return self.branch(branch, dot, |value| Some(value.clone())),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Template(name, pipeline, at) => {
                let given = match pipeline {
                    None => Value::Nil,
                    Some(pipeline) => self.pipeline(pipeline, dot)?,
                };
                self.call(name, given, *at)?;
            }
            Node::Break => return Ok(Flow::Breaks),
            Node::Continue => return Ok(Flow::Continues),
        }
        Ok(Flow::Goes)
    }

    /// Evaluates a pipeline and binds its variables.
    fn pipeline(
        &mut self,
        pipeline: &'a Pipeline,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, TemplateError> {
        self.step(pipeline.at)?;
        self.value(pipeline, dot)
            .map_err(|cause| self.error(pipeline.at, cause))
    }

    /// Notes that an operand is evaluated, or that a function reads or writes so many bytes.
    pub(super) fn works(&self, bytes: usize) -> Result<(), TemplateCause> {
        /// Bytes that cost as much as an operand.
        const BYTES: usize = 64;
        let units = 1 + u64::try_from(bytes / BYTES).unwrap_or(u64::MAX - 1);
        let left = self.work.get().checked_sub(units);
        self.work.set(left.unwrap_or(0));
        left.map(drop).ok_or(TemplateCause::TooMuchWork)
    }

    fn step(&mut self, at: usize) -> Result<(), TemplateError> {
        self.steps += 1;
        match self.steps > TEMPLATE_STEPS_MAX {
            true => Err(self.error(at, TemplateCause::TooManySteps)),
            false => Ok(()),
        }
    }

    pub(super) fn bind(&mut self, name: &str, binds: Binds, value: &Value<'a>) {
        if binds == Binds::Assigns {
            let bound = self.variables.iter_mut().rev();
            for (known, slot) in bound {
                if known == name {
                    *slot = value.clone();
                    return;
                }
            }
        }
        self.variables.push((name.to_owned(), value.clone()));
    }

    fn branch(
        &mut self,
        branch: &'a Branch,
        dot: &Value<'a>,
        inner: impl FnOnce(&Value<'a>) -> Option<Value<'a>>,
    ) -> Result<Flow, TemplateError> {
        let mark = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match value.truth(self.scope) {
            true => {
                let inner = inner(&value);
                self.nodes(
                    &branch.then,
                    inner.as_ref().unwrap_or(dot),
                    branch.pipeline.at,
                )?
            }
            false => self.nodes(&branch.otherwise, dot, branch.pipeline.at)?,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Result<Flow, TemplateError> {
        let at = branch.pipeline.at;
        let mark = self.variables.len();
        self.step(at)?;
        // Its variables are bound to each element, not to the whole.
        let whole = self
            .value_unbound(&branch.pipeline, dot)
            .map_err(|cause| self.error(at, cause))?;
        let items = self
            .items(whole, branch.pipeline.variables.len())
            .map_err(|cause| self.error(at, cause))?;
        let mut empty = true;
        let mut flow = Flow::Goes;
        for item in items {
            empty = false;
            self.step(at)?;
            let (key, element) = item.map_err(|cause| self.error(at, cause))?;
            let inside = self.variables.len();
            let binds = branch.pipeline.binds;
            match &branch.pipeline.variables[..] {
                [] => {}
                [one] => self.bind(one, binds, &element),
                [first, second, ..] => {
                    self.bind(first, binds, &key);
                    self.bind(second, binds, &element);
                }
            }
            let ended = self.nodes(&branch.then, &element, at)?;
            self.variables.truncate(inside);
            if ended == Flow::Breaks {
                break;
            }
        }
        if empty {
            // A `break` here belongs to a loop around this one.
            flow = self.nodes(&branch.otherwise, dot, at)?;
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// What a loop goes over: pairs of key and element.
    fn items(&self, whole: Value<'a>, variables: usize) -> Result<Items<'a>, TemplateCause> {
        let scope = self.scope;
        Ok(match whole {
            Value::Integer(_) if variables > 1 => {
                return Err(TemplateCause::Range(
                    "a number has no keys and elements".into(),
                ));
            }
            Value::Integer(count) => {
                Box::new((0..count).map(|n| Ok((Value::Integer(n), Value::Integer(n)))))
            }
            Value::Secrets(generation) => {
                let root = generation.root();
                let names = scope.names(root);
                Box::new(names.into_iter().map(move |name| {
                    let key = Value::Text(Bytes::Borrowed(name.as_bytes()));
                    Named::find(scope, root, name).map(|named| (key, Value::Entry(named)))
                }))
            }
            other => match other.octets() {
                Some(bytes) => {
                    let length = bytes.len();
                    Box::new((0..length).map(move |at| {
                        // A slice has fewer bytes than an i64 can count.
                        let key = i64::try_from(at).unwrap_or(i64::MAX);
                        let element = i64::from(bytes[at]);
                        Ok((Value::Integer(key), Value::Integer(element)))
                    }))
                }
                None if matches!(other, Value::Nil) => Box::new(std::iter::empty()),
                None => {
                    let cause = format!("can't go over {}", other.described());
                    return Err(TemplateCause::Range(cause));
                }
            },
        })
    }

    fn call(&mut self, name: &str, given: Value<'a>, at: usize) -> Result<(), TemplateError> {
        let tree = self.tree;
        let Some(nodes) = tree.defined.get(name) else {
            let cause = format!("there is no template {name:?}");
            return Err(self.error(at, TemplateCause::Syntax(cause)));
        };
        if self.calls == TEMPLATE_CALLS_MAX {
            return Err(self.error(at, TemplateCause::TooDeep));
        }
        self.calls += 1;
        self.step(at)?;
        let outer = std::mem::take(&mut self.variables);
        self.variables.push((String::new(), given.clone()));
        self.nodes(nodes, &given, at)?;
        self.variables = outer;
        self.calls -= 1;
        Ok(())
    }
}

type Item<'a> = Result<(Value<'a>, Value<'a>), TemplateCause>;
type Items<'a> = Box<dyn Iterator<Item = Item<'a>> + 'a>;
