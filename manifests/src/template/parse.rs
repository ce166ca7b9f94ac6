//! Tokens to a tree. Source: the parser of Go's text/template/parse (Go 1.26).
//!
//! What Go's grammar has and this evaluator does not do yet is refused here, by its name: control actions, variables,
//! floating-point, complex and character constants, and the built-in functions of [`LATER`].
//! Does not live here: which fields and secrets exist (`uses`, `eval`).

use super::Place;
use super::ast::{Command, Function, Node, Operand, Pipeline};
use super::error::{TemplateCause, TemplateError};
use super::lex::{Token, tokens};
use super::literal;
use crate::limits::TEMPLATE_DEPTH_MAX;
use crate::suggest;

/// Go's built-in functions that are not served yet.
const LATER: [&str; 14] = [
    "and", "call", "eq", "ge", "gt", "html", "js", "le", "lt", "ne", "not", "or", "slice",
    "urlquery",
];

/// Parses a template for its place.
pub(super) fn nodes(source: &[u8], place: Place) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        source,
        place,
        tokens: tokens(source)?,
        next: 0,
        depth: 0,
    };
    let mut nodes = Vec::new();
    while let Some((token, at)) = parser.take() {
        match token {
            Token::Text(text) => nodes.push(Node::Text(text.to_vec())),
            _ => nodes.push(Node::Action(parser.action(at)?)),
        }
    }
    Ok(nodes)
}

struct Parser<'s> {
    source: &'s [u8],
    place: Place,
    tokens: Vec<(Token<'s>, usize)>,
    next: usize,
    depth: usize,
}

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

    /// An action, whose `{{` is taken, with its `}}`.
    fn action(&mut self, at: usize) -> Result<Pipeline, TemplateError> {
        self.skip_space();
        match self.peek() {
            Some(Token::Keyword(word)) => Err(self.not_served(at, format!("the action `{word}`"))),
            _ => self.pipeline(at, Token::Close),
        }
    }

    /// A pipeline and the token that ends it.
    fn pipeline(&mut self, at: usize, end: Token<'_>) -> Result<Pipeline, TemplateError> {
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(end) {
                self.next += 1;
                break;
            }
            commands.push(self.command(at)?);
        }
        let mut commands = commands.into_iter();
        let Some(first) = commands.next() else {
            return Err(self.syntax(at, "the action is empty"));
        };
        let then: Vec<_> = commands.collect();
        for (stage, command) in then.iter().enumerate() {
            // As in Go: only the first command of a pipeline may be a constant or a bare dot.
            if is_constant(&command.operand) {
                let stage = stage + 2;
                return Err(
                    self.syntax(at, format!("stage {stage} of the pipeline is no function"))
                );
            }
        }
        Ok(Pipeline { at, first, then })
    }

    /// A command up to the next `|`, which is taken, or the end of its pipeline, which is not.
    fn command(&mut self, at: usize) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand(at)? {
                operands.push(operand);
            }
            match self.peek() {
                Some(Token::Space) => self.next += 1,
                Some(Token::Pipe) => {
                    self.next += 1;
                    break;
                }
                Some(Token::Close | Token::RightParen) => break,
                other => return Err(self.unexpected(other, at)),
            }
        }
        let mut operands = operands.into_iter();
        let Some(operand) = operands.next() else {
            return Err(self.syntax(at, "a command of the pipeline is empty"));
        };
        let arguments = operands.collect();
        Ok(Command { operand, arguments })
    }

    /// A term with the fields that follow it; nothing if no term begins here.
    fn operand(&mut self, at: usize) -> Result<Option<Operand>, TemplateError> {
        let Some(mut term) = self.term(at)? else {
            return Ok(None);
        };
        while let Some(Token::Field(name)) = self.peek() {
            match &mut term {
                Operand::Dot(fields) if !fields.is_empty() => fields.push(name.to_owned()),
                Operand::Root(fields) | Operand::Paren(_, fields) => fields.push(name.to_owned()),
                Operand::Function(function) => {
                    // Go calls the function without arguments and takes the field of what it gives.
                    let function = function.name();
                    return Err(
                        self.not_served(at, format!("a field of `{function}` without parentheses"))
                    );
                }
                _ => {
                    return Err(
                        self.syntax(at, format!("`.{name}` after something that has no fields"))
                    );
                }
            }
            self.next += 1;
        }
        Ok(Some(term))
    }

    fn term(&mut self, at: usize) -> Result<Option<Operand>, TemplateError> {
        let term = match self.peek() {
            Some(Token::Identifier(name)) => Operand::Function(self.function(name, at)?),
            Some(Token::Dot) => Operand::Dot(Vec::new()),
            Some(Token::Field(name)) => Operand::Dot(vec![name.to_owned()]),
            Some(Token::Variable("")) => Operand::Root(Vec::new()),
            Some(Token::Variable(name)) => {
                return Err(self.not_served(at, format!("the variable `${name}`")));
            }
            Some(Token::Bool(value)) => Operand::Bool(value),
            Some(Token::Nil) => Operand::Nil,
            Some(Token::Number(text)) => {
                Operand::Integer(literal::integer(text).map_err(|cause| self.fault(at, cause))?)
            }
            Some(Token::Character(_)) => return Err(self.not_served(at, "a character constant")),
            Some(Token::Quoted(text)) => {
                Operand::Text(literal::unquote(text).map_err(|cause| self.fault(at, cause))?)
            }
            // Go drops carriage returns from raw texts.
            Some(Token::Raw(text)) => {
                Operand::Text(text.bytes().filter(|byte| *byte != b'\r').collect())
            }
            Some(Token::LeftParen) => {
                self.next += 1;
                return self.paren(at).map(Some);
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(term))
    }

    /// The rest of a parenthesis, whose `(` is taken.
    fn paren(&mut self, at: usize) -> Result<Operand, TemplateError> {
        if self.depth == TEMPLATE_DEPTH_MAX {
            return Err(self.fault(at, TemplateCause::TooDeep));
        }
        self.depth += 1;
        let inner = self.pipeline(at, Token::RightParen)?;
        self.depth -= 1;
        Ok(Operand::Paren(Box::new(inner), Vec::new()))
    }

    fn function(&self, name: &str, at: usize) -> Result<Function, TemplateError> {
        if LATER.contains(&name) {
            return Err(self.not_served(at, format!("the function `{name}`")));
        }
        let here = |function: &Function| match function {
            Function::Raw => self.place == Place::File,
            Function::String => self.place == Place::Env,
            _ => true,
        };
        let Some(function) = Function::ALL
            .into_iter()
            .find(|function| function.name() == name)
        else {
            let known = Function::ALL.into_iter().filter(here).map(Function::name);
            let remedy = suggest::remedy(name, known);
            let name = name.to_owned();
            return Err(self.fault(at, TemplateCause::UnknownFunction { name, remedy }));
        };
        if !here(&function) {
            let place = match self.place {
                Place::File => "Env",
                Place::Env => "Files",
            };
            let name = function.name();
            return Err(self.fault(at, TemplateCause::FunctionElsewhere { name, place }));
        }
        Ok(function)
    }

    fn unexpected(&self, token: Option<Token<'_>>, at: usize) -> TemplateError {
        let what = match token {
            None => return self.syntax(at, "the action is not closed; write `}}`"),
            Some(Token::Assign | Token::Declare) => return self.not_served(at, "a variable"),
            Some(Token::Keyword(word)) => format!("`{word}`"),
            Some(Token::Other(c)) => format!("{c:?}"),
            Some(Token::Quoted(_) | Token::Raw(_)) => "a text".to_owned(),
            Some(Token::Number(text)) => format!("`{text}`"),
            Some(Token::Dot) => "`.`".to_owned(),
            Some(Token::LeftParen) => "`(`".to_owned(),
            Some(_) => "a name".to_owned(),
        };
        self.syntax(
            at,
            format!("{what} is not expected here; is a space or `|` missing?"),
        )
    }
}

fn is_constant(operand: &Operand) -> bool {
    match operand {
        Operand::Bool(_) | Operand::Nil | Operand::Integer(_) | Operand::Text(_) => true,
        Operand::Dot(fields) => fields.is_empty(),
        Operand::Root(_) | Operand::Paren(..) | Operand::Function(_) => false,
    }
}
