//! Tokens to a tree. Source: the parser of Go's text/template/parse (Go 1.26).
//!
//! Does not live here: pipelines and operands (`parse::pipeline`), which fields and secrets exist (`uses`, `eval`).

mod pipeline;

use super::Place;
use super::ast::{Branch, Node, Pipeline, Tree};
use super::error::{TemplateCause, TemplateError};
use super::lex::{Token, tokens};
use super::literal;
use crate::limits::{TEMPLATE_DEPTH_MAX, TEMPLATE_VARIABLES_MAX};

/// Parses a template for its place.
pub(super) fn tree(source: &[u8], place: Place) -> Result<Tree, TemplateError> {
    let mut parser = Parser {
        source,
        place,
        tokens: tokens(source)?,
        next: 0,
        depth: 0,
        loops: 0,
        variables: vec![String::new()],
        tree: Tree::default(),
    };
    let (nodes, end) = parser.list(Level::Top)?;
    match end {
        None => parser.tree.nodes = nodes,
        Some((End::Else(_), at)) => {
            return Err(parser.syntax(at, "`else` without `if`, `range` or `with`"));
        }
        Some((End::End, at)) => return Err(parser.syntax(at, "`end` closes nothing")),
    }
    Ok(parser.tree)
}

struct Parser<'s> {
    source: &'s [u8],
    place: Place,
    tokens: Vec<(Token<'s>, usize)>,
    next: usize,
    /// Parentheses and blocks around this place.
    depth: usize,
    /// `range`s around this place.
    loops: usize,
    /// The variables that can be named here, the empty name first.
    variables: Vec<String>,
    tree: Tree,
}

/// Where a list of nodes stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Inside,
}

/// What closes a list of nodes.
#[derive(Clone, Copy)]
enum End<'s> {
    End,
    /// With the keyword that follows on it: `else if`.
    Else(Option<&'s str>),
}

type List<'s> = (Vec<Node>, Option<(End<'s>, usize)>);

impl<'s> Parser<'s> {
    fn take(&mut self) -> Option<(Token<'s>, usize)> {
        let token = self.tokens.get(self.next).copied();
        self.next += 1;
        token
    }

    fn peek(&self) -> Option<Token<'s>> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(Token::Space) {
            self.next += 1;
        }
    }

    fn fault(&self, at: usize, cause: TemplateCause) -> TemplateError {
        TemplateError::at(self.source, at, cause)
    }

    fn syntax(&self, at: usize, why: impl Into<String>) -> TemplateError {
        self.fault(at, TemplateCause::Syntax(why.into()))
    }

    fn not_served(&self, at: usize, what: impl Into<String>) -> TemplateError {
        self.fault(at, TemplateCause::NotServed(what.into()))
    }

    /// One level deeper, for as long as `inner` takes.
    fn deeper<T>(
        &mut self,
        at: usize,
        inner: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth == TEMPLATE_DEPTH_MAX {
            return Err(self.fault(at, TemplateCause::TooDeep));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Nodes up to the end of the source, or the `{{end}}` or `{{else}}` that closes them, which is taken.
    fn list(&mut self, level: Level) -> Result<List<'s>, TemplateError> {
        let mut nodes = Vec::new();
        while let Some((token, at)) = self.take() {
            if let Token::Text(text) = token {
                nodes.push(Node::Text(text.to_vec()));
                continue;
            }
            self.skip_space();
            let Some(Token::Keyword(word)) = self.peek() else {
                nodes.push(Node::Action(self.pipeline(at, Token::Close, 1)?));
                continue;
            };
            self.next += 1;
            match word {
                "if" => nodes.push(self.branch(word, at)?),
                "with" => nodes.push(self.branch(word, at)?),
                "range" => nodes.push(self.branch(word, at)?),
                "template" => nodes.push(self.call(at)?),
                "block" => nodes.push(self.block(at)?),
                "define" if level == Level::Top => self.define(at)?,
                "define" => return Err(self.syntax(at, "`define` stands inside of something")),
                "break" | "continue" => {
                    self.close(at, word)?;
                    if self.loops == 0 {
                        return Err(self.syntax(at, format!("`{word}` stands outside of `range`")));
                    }
                    nodes.push(match word {
                        "break" => Node::Break,
                        _ => Node::Continue,
                    });
                }
                "end" => {
                    self.close(at, "end")?;
                    return Ok((nodes, Some((End::End, at))));
                }
                _ => {
                    let end = self.otherwise(at)?;
                    return Ok((nodes, Some((end, at))));
                }
            }
        }
        Ok((nodes, None))
    }

    /// What follows `{{else`: `}}`, or the keyword of the next branch.
    fn otherwise(&mut self, at: usize) -> Result<End<'s>, TemplateError> {
        self.skip_space();
        match self.peek() {
            Some(Token::Keyword(word @ ("if" | "with"))) => {
                self.next += 1;
                Ok(End::Else(Some(word)))
            }
            _ => {
                self.close(at, "else")?;
                Ok(End::Else(None))
            }
        }
    }

    /// Takes `}}`.
    fn close(&mut self, at: usize, after: &str) -> Result<(), TemplateError> {
        self.skip_space();
        match self.take() {
            Some((Token::Close, _)) => Ok(()),
            _ => Err(self.syntax(at, format!("something stands after `{after}`"))),
        }
    }

    /// The rest of `{{if`, `{{with` or `{{range` up to its `{{end}}`.
    fn branch(&mut self, word: &str, at: usize) -> Result<Node, TemplateError> {
        let mark = self.variables.len();
        let node = self.deeper(at, |parser| parser.branch_inside(word, at));
        self.variables.truncate(mark);
        node
    }

    fn branch_inside(&mut self, word: &str, at: usize) -> Result<Node, TemplateError> {
        let variables_max = if word == "range" { 2 } else { 1 };
        let pipeline = self.pipeline(at, Token::Close, variables_max)?;
        if word == "range" {
            self.loops += 1;
        }
        let then = self.inner(word, at);
        if word == "range" {
            self.loops -= 1;
        }
        let (then, end) = then?;
        let otherwise = match end {
            End::End => Vec::new(),
            // `{{else if}}` needs no `{{end}}` of its own: its closes this too.
            End::Else(Some(next)) if next == word => vec![self.branch(next, at)?],
            End::Else(Some(next)) => {
                return Err(self.syntax(
                    at,
                    format!("`else {next}` belongs to a `{next}`, this is a `{word}`"),
                ));
            }
            End::Else(None) => match self.inner(word, at)? {
                (nodes, End::End) => nodes,
                (_, End::Else(_)) => {
                    return Err(self.syntax(at, format!("`{word}` has two `else`")));
                }
            },
        };
        let branch = Branch {
            pipeline,
            then,
            otherwise,
        };
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    /// A list that something must close. Variables declared in it end with it.
    fn inner(&mut self, word: &str, at: usize) -> Result<(Vec<Node>, End<'s>), TemplateError> {
        let mark = self.variables.len();
        let (nodes, end) = self.list(Level::Inside)?;
        self.variables.truncate(mark);
        match end {
            Some((end, _)) => Ok((nodes, end)),
            None => Err(self.syntax(at, format!("`{word}` is not closed; write `{{{{end}}}}`"))),
        }
    }

    /// The rest of `{{template "name" pipeline}}`.
    fn call(&mut self, at: usize) -> Result<Node, TemplateError> {
        let name = self.name(at, "template")?;
        self.skip_space();
        if self.peek() == Some(Token::Close) {
            self.next += 1;
            return Ok(Node::Template(name, None, at));
        }
        let given = self.pipeline(at, Token::Close, 0)?;
        Ok(Node::Template(name, Some(given), at))
    }

    /// The rest of `{{block "name" pipeline}} .. {{end}}`: a definition and its use.
    fn block(&mut self, at: usize) -> Result<Node, TemplateError> {
        let name = self.name(at, "block")?;
        let given = self.pipeline(at, Token::Close, 0)?;
        self.definition(name.clone(), "block", at)?;
        Ok(Node::Template(name, Some(given), at))
    }

    /// The rest of `{{define "name"}} .. {{end}}`.
    fn define(&mut self, at: usize) -> Result<(), TemplateError> {
        let name = self.name(at, "define")?;
        self.close(at, "define")?;
        self.definition(name, "define", at)
    }

    fn definition(&mut self, name: String, word: &str, at: usize) -> Result<(), TemplateError> {
        let variables = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let inner = self.deeper(at, |parser| parser.inner(word, at));
        self.variables = variables;
        self.loops = loops;
        let (nodes, End::End) = inner? else {
            return Err(self.syntax(at, format!("`{word}` has an `else`")));
        };
        // As in Go: an empty definition counts as none.
        let says_something = |nodes: &[Node]| nodes.iter().any(|node| !is_blank(node));
        match self.tree.defined.get(&name) {
            Some(known) if says_something(known) => match says_something(&nodes) {
                true => Err(self.syntax(at, format!("`{name}` is defined twice"))),
                false => Ok(()),
            },
            _ => {
                self.tree.defined.insert(name, nodes);
                Ok(())
            }
        }
    }

    fn name(&mut self, at: usize, word: &str) -> Result<String, TemplateError> {
        self.skip_space();
        let bytes = match self.take() {
            Some((Token::Quoted(text), _)) => {
                literal::unquote(text).map_err(|cause| self.fault(at, cause))?
            }
            Some((Token::Raw(text), _)) => text.replace('\r', "").into_bytes(),
            _ => return Err(self.syntax(at, format!("`{word}` wants a name in quotes"))),
        };
        String::from_utf8(bytes).map_err(|_| self.fault(at, TemplateCause::NotText))
    }
}

fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.iter().all(u8::is_ascii_whitespace))
}

/// What a pipeline declares stays named until its block ends.
impl Parser<'_> {
    fn declared(&mut self, pipeline: &Pipeline) -> Result<(), TemplateError> {
        if pipeline.binds == super::ast::Binds::Declares {
            if self.variables.len() > TEMPLATE_VARIABLES_MAX {
                let cause = format!("more than {TEMPLATE_VARIABLES_MAX} variables");
                return Err(self.syntax(pipeline.at, cause));
            }
            self.variables.extend(pipeline.variables.iter().cloned());
        }
        Ok(())
    }
}
