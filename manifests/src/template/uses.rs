//! Which secrets a template needs: found in its tree, without values, so that nothing else is made or handed out.
//!
//! Every branch counts, taken or not, so the answer is never too small. A secret is named by a field (`.Secrets.db`) or by
//! `index .Secrets "db"` with the name written out; `range .Secrets` and names that are not written out need all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Binds, Branch, Command, Function, Node, Operand, Pipeline, Tree};
use super::{Generation, SecretUse};

/// The secrets that a template can look up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) named: BTreeSet<SecretUse>,
    pub(super) all: BTreeSet<Generation>,
}

/// The secrets that the tree needs. The work is bounded by the length of the source: each template is walked once for each
/// shape of its dot, and then again until its variables have settled, [`PASSES_MAX`] times at most.
pub(super) fn of(tree: &Tree) -> Uses {
    let mut walk = Walk {
        tree,
        uses: Uses::default(),
        variables: Vec::new(),
        declared: BTreeMap::new(),
        grew: false,
        seen: BTreeSet::new(),
        waiting: vec![(&tree.nodes, Shape::ROOT)],
    };
    while let Some((nodes, dot)) = walk.waiting.pop() {
        walk.template(nodes, dot);
    }
    walk.uses
}

/// A template whose variables have not settled by then may use every secret.
const PASSES_MAX: usize = 4;

/// Where a variable is declared: offset of the pipeline, and its number there. `$`, which is given, has none of these.
type Site = (usize, usize);
const DOT: Site = (usize::MAX, 0);

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
    /// The variables that can be named here, innermost last.
    variables: Vec<(&'a str, Site)>,
    /// What each variable of this template may be; assignments only add to it.
    declared: BTreeMap<Site, Shape>,
    /// Whether something was added in this pass.
    grew: bool,
    /// Templates that are walked, or wait to be, with a dot of this shape.
    seen: BTreeSet<(&'a str, Shape)>,
    waiting: Vec<(&'a [Node], Shape)>,
}

impl<'a> Walk<'a> {
    /// A template of its own: it sees only what it is given. Walks until variables have got all that loops can assign to
    /// them.
    fn template(&mut self, nodes: &'a [Node], dot: Shape) {
        self.declared = BTreeMap::from([(DOT, dot)]);
        for _ in 0..PASSES_MAX {
            self.grew = false;
            self.variables = vec![("", DOT)];
            self.nodes(nodes, dot);
            if !self.grew {
                return;
            }
        }
        let both = [Generation::Current, Generation::Previous];
        self.uses.all.extend(both);
    }

    fn nodes(&mut self, nodes: &'a [Node], dot: Shape) {
        let mark = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => _ = self.pipeline(pipeline, dot),
                Node::If(branch) => self.branch(branch, dot, |_, shape| (shape, dot)),
                Node::With(branch) => self.branch(branch, dot, |_, shape| (shape, shape)),
                Node::Range(branch) => self.branch(branch, dot, |walk, shape| {
                    walk.uses.all.extend(shape.generations());
                    // Keys and elements, not the whole.
                    (Shape::OTHER, Shape::OTHER)
                }),
                Node::Template(name, pipeline, _) => {
                    let given = pipeline
                        .as_ref()
                        .map_or(Shape::OTHER, |pipeline| self.pipeline(pipeline, dot).0);
                    if let Some(nodes) = self.tree.defined.get(name)
                        && self.seen.insert((name, given))
                    {
                        self.waiting.push((nodes, given));
                    }
                }
            }
        }
        self.variables.truncate(mark);
    }

    /// A block: `inner` gives the shapes of its variables and of its dot, from that of its pipeline.
    fn branch(
        &mut self,
        branch: &'a Branch,
        dot: Shape,
        inner: impl FnOnce(&mut Self, Shape) -> (Shape, Shape),
    ) {
        let mark = self.variables.len();
        let (shape, _) = self.value(&branch.pipeline, dot);
        let (bound, inner) = inner(self, shape);
        self.bind(&branch.pipeline, bound);
        self.nodes(&branch.then, inner);
        self.nodes(&branch.otherwise, dot);
        self.variables.truncate(mark);
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: Shape) -> Known<'a> {
        let known = self.value(pipeline, dot);
        self.bind(pipeline, known.0);
        known
    }

    fn value(&mut self, pipeline: &'a Pipeline, dot: Shape) -> Known<'a> {
        let mut known = self.command(&pipeline.first, None, dot);
        for next in &pipeline.then {
            known = self.command(next, Some(known), dot);
        }
        known
    }

    fn bind(&mut self, pipeline: &'a Pipeline, shape: Shape) {
        for (number, name) in pipeline.variables.iter().enumerate() {
            let site = match (pipeline.binds, self.site(name)) {
                (Binds::Assigns, Some(site)) => site,
                _ => {
                    let site = (pipeline.at, number);
                    self.variables.push((name, site));
                    site
                }
            };
            let known = self.declared.entry(site).or_insert(Shape::OTHER);
            let now = known.or(shape);
            self.grew |= now != *known;
            *known = now;
        }
    }

    fn site(&self, name: &str) -> Option<Site> {
        let bound = self.variables.iter().rev();
        let mut same = bound.filter(|(bound, _)| *bound == name);
        same.next().map(|(_, site)| *site)
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
                let declared = self.site(name).and_then(|site| self.declared.get(&site));
                let shape = declared.copied().unwrap_or(Shape::OTHER);
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
            let steps: &[(Shape, Shape)] = match field.as_str() {
                "Secrets" => &[
                    (Shape::ROOT, Shape::CURRENT_SECRETS),
                    (Shape::PREVIOUS, Shape::PREVIOUS_SECRETS),
                ],
                "Previous" => &[(Shape::ROOT, Shape::PREVIOUS)],
                _ => &[],
            };
            steps
                .iter()
                .filter(|(from, _)| shape.has(*from))
                .fold(Shape::OTHER, |sum, (_, to)| sum.or(*to))
        })
    }
}
