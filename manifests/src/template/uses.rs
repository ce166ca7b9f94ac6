//! Which secrets a template needs: found in its tree, without values, so that nothing else is made or handed out.
//!
//! Every branch counts, taken or not, so the answer is never too small. A secret is named by a field (`.Secrets.db`) or by
//! `index .Secrets "db"` with the name written out; `range .Secrets` and names that are not written out need all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Branch, Command, Function, Node, Operand, Pipeline, Tree};
use super::{Generation, SecretUse};

/// The secrets that a template can look up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) named: BTreeSet<SecretUse>,
    pub(super) all: BTreeSet<Generation>,
}

/// The secrets that the tree needs.
pub(super) fn of(tree: &Tree) -> Uses {
    let mut walk = Walk {
        tree,
        uses: Uses::default(),
        variables: Vec::new(),
        seen: BTreeSet::new(),
    };
    walk.template(&tree.nodes, Shape::ROOT);
    walk.uses
}

/// As much of a value's type as this question needs: what it may be, as a set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape(u8);

impl Shape {
    const OTHER: Self = Self(0);
    /// `.`
    const ROOT: Self = Self(1);
    const PREVIOUS: Self = Self(2);
    const CURRENT_SECRETS: Self = Self(4);
    const PREVIOUS_SECRETS: Self = Self(8);

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn generations(self) -> impl Iterator<Item = Generation> {
        let places = [
            (Self::CURRENT_SECRETS, Generation::Current),
            (Self::PREVIOUS_SECRETS, Generation::Previous),
        ];
        places
            .into_iter()
            .filter(move |(place, _)| self.has(*place))
            .map(|(_, generation)| generation)
    }
}

/// A shape, and the text if it is a constant.
type Known<'a> = (Shape, Option<&'a [u8]>);

struct Walk<'a> {
    tree: &'a Tree,
    uses: Uses,
    /// What variables may be; assignments only add to it.
    variables: Vec<(String, Shape)>,
    /// Templates that were walked with a dot of this shape.
    seen: BTreeSet<(String, Shape)>,
}

impl<'a> Walk<'a> {
    /// A template of its own: it sees only what it is given.
    fn template(&mut self, nodes: &'a [Node], dot: Shape) {
        let outer = std::mem::take(&mut self.variables);
        self.variables.push((String::new(), dot));
        self.settled(nodes, dot);
        self.variables = outer;
    }

    /// Walks until variables have got all that loops can assign to them. Shapes only grow, so it ends.
    fn settled(&mut self, nodes: &'a [Node], dot: Shape) {
        loop {
            let before: Vec<Shape> = self.variables.iter().map(|(_, shape)| *shape).collect();
            self.nodes(nodes, dot);
            let now = self.variables.iter().map(|(_, shape)| *shape);
            if now.eq(before) {
                return;
            }
        }
    }

    fn nodes(&mut self, nodes: &'a [Node], dot: Shape) {
        let mark = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => _ = self.pipeline(pipeline, dot),
                Node::If(branch) => self.branch(branch, dot, |_, _| dot),
                Node::With(branch) => self.branch(branch, dot, |_, shape| shape),
                Node::Range(branch) => self.branch(branch, dot, |walk, shape| {
                    walk.uses.all.extend(shape.generations());
                    // Its variables hold keys and elements, not the whole.
                    let bound = walk.variables.iter_mut().rev();
                    for (_, shape) in bound.take(branch.pipeline.variables.len()) {
                        *shape = Shape::OTHER;
                    }
                    Shape::OTHER
                }),
                Node::Template(name, pipeline, _) => {
                    let given = pipeline
                        .as_ref()
                        .map_or(Shape::OTHER, |pipeline| self.pipeline(pipeline, dot).0);
                    let tree = self.tree;
                    if let Some(nodes) = tree.defined.get(name)
                        && self.seen.insert((name.clone(), given))
                    {
                        self.template(nodes, given);
                    }
                }
            }
        }
        self.variables.truncate(mark);
    }

    fn branch(
        &mut self,
        branch: &'a Branch,
        dot: Shape,
        inner: impl FnOnce(&mut Self, Shape) -> Shape,
    ) {
        let mark = self.variables.len();
        let (shape, _) = self.pipeline(&branch.pipeline, dot);
        let inner = inner(self, shape);
        self.settled(&branch.then, inner);
        self.settled(&branch.otherwise, dot);
        self.variables.truncate(mark);
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: Shape) -> Known<'a> {
        let mut known = self.command(&pipeline.first, None, dot);
        for next in &pipeline.then {
            known = self.command(next, Some(known), dot);
        }
        for name in &pipeline.variables {
            let bound = self.variables.iter_mut().rev();
            let same = bound
                .filter(|(bound, _)| bound == name)
                .map(|(_, shape)| shape);
            match (pipeline.binds, same.take(1).next()) {
                (super::ast::Binds::Assigns, Some(shape)) => *shape = shape.or(known.0),
                _ => self.variables.push((name.clone(), known.0)),
            }
        }
        known
    }

    fn command(&mut self, command: &'a Command, piped: Option<Known<'a>>, dot: Shape) -> Known<'a> {
        let mut arguments: Vec<Known<'a>> = Vec::with_capacity(command.arguments.len() + 1);
        for argument in &command.arguments {
            arguments.push(self.operand(argument, dot));
        }
        arguments.extend(piped);
        let Operand::Function(function) = &command.operand else {
            return self.operand(&command.operand, dot);
        };
        match (function, &arguments[..]) {
            (Function::Index, [(shape, _), (_, name), ..]) => {
                let name = name.and_then(|name| std::str::from_utf8(name).ok());
                for generation in shape.generations() {
                    match name {
                        Some(name) => _ = self.uses.named.insert(SecretUse::new(generation, name)),
                        None => _ = self.uses.all.insert(generation),
                    }
                }
                (Shape::OTHER, None)
            }
            // These give one of their arguments.
            (Function::And | Function::Or, arguments) => {
                let shapes = arguments.iter().map(|(shape, _)| *shape);
                (shapes.fold(Shape::OTHER, Shape::or), None)
            }
            // No function looks into a whole map; those that print refuse it.
            _ => (Shape::OTHER, None),
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: Shape) -> Known<'a> {
        match operand {
            Operand::Dot(fields) => (self.fields(dot, fields), None),
            Operand::Variable(name, fields) => {
                let bound = self.variables.iter().rev();
                let shape = bound
                    .clone()
                    .find(|(bound, _)| bound == name)
                    .map_or(Shape::OTHER, |(_, shape)| *shape);
                (self.fields(shape, fields), None)
            }
            Operand::Paren(pipeline, fields) => {
                let (shape, text) = self.pipeline(pipeline, dot);
                (
                    self.fields(shape, fields),
                    text.filter(|_| fields.is_empty()),
                )
            }
            Operand::Text(text) => (Shape::OTHER, Some(text)),
            Operand::Function(_)
            | Operand::Bool(_)
            | Operand::Nil
            | Operand::Integer(_)
            | Operand::Float(_) => (Shape::OTHER, None),
        }
    }

    fn fields(&mut self, shape: Shape, fields: &[String]) -> Shape {
        fields.iter().fold(shape, |shape, field| {
            for generation in shape.generations() {
                self.uses.named.insert(SecretUse::new(generation, field));
            }
            let steps: BTreeMap<&str, [(Shape, Shape); 2]> = BTreeMap::from([
                (
                    "Secrets",
                    [
                        (Shape::ROOT, Shape::CURRENT_SECRETS),
                        (Shape::PREVIOUS, Shape::PREVIOUS_SECRETS),
                    ],
                ),
                (
                    "Previous",
                    [(Shape::ROOT, Shape::PREVIOUS), (Shape::OTHER, Shape::OTHER)],
                ),
            ]);
            let steps = steps.get(field.as_str()).into_iter().flatten();
            steps
                .filter(|(from, _)| shape.has(*from))
                .fold(Shape::OTHER, |sum, (_, to)| sum.or(*to))
        })
    }
}
