//! Pipelines, commands and operands.
//!
//! What Go's grammar has and this evaluator does not do is refused here, by its name: complex constants and `call`, for
//! there is nothing to call.

use super::super::Place;
use super::super::ast::{Binds, Command, Float, Function, Operand, Pipeline};
use super::super::error::{TemplateCause, TemplateError};
use super::super::lex::Token;
use super::super::literal::{self, Constant};
use super::Parser;
use crate::suggest;

impl<'s> Parser<'s> {
    /// A pipeline and the token that ends it.
    pub(super) fn pipeline(
        &mut self,
        at: usize,
        end: Token<'_>,
        variables_max: usize,
    ) -> Result<Pipeline, TemplateError> {
        let (variables, binds) = self.binding(at, variables_max)?;
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
        let pipeline = Pipeline {
            at,
            variables,
            binds,
            first,
            then,
        };
        self.declared(&pipeline)?;
        Ok(pipeline)
    }

    /// `$name :=`, `$name =`, or in `range` `$key, $value :=`; nothing is taken if none stands here.
    fn binding(&mut self, at: usize, max: usize) -> Result<(Vec<String>, Binds), TemplateError> {
        let start = self.next;
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let Some(Token::Variable(name)) = self.peek() else {
                break;
            };
            self.next += 1;
            names.push(name.to_owned());
            self.skip_space();
            match self.peek() {
                Some(Token::Other(',')) if names.len() < max => self.next += 1,
                Some(token @ (Token::Declare | Token::Assign)) => {
                    self.next += 1;
                    let binds = match token {
                        Token::Declare => Binds::Declares,
                        _ => Binds::Assigns,
                    };
                    return self.bound(names, binds, at, max);
                }
                Some(Token::Other(',')) => return Err(self.syntax(at, "too many variables")),
                _ => break,
            }
        }
        self.next = start;
        Ok((Vec::new(), Binds::Declares))
    }

    fn bound(
        &self,
        names: Vec<String>,
        binds: Binds,
        at: usize,
        max: usize,
    ) -> Result<(Vec<String>, Binds), TemplateError> {
        if names.len() > max {
            return Err(self.syntax(at, "a variable can't be declared here"));
        }
        if binds == Binds::Assigns {
            for name in &names {
                self.variable(name, at)?;
            }
        }
        Ok((names, binds))
    }

    /// A variable that can be named here.
    fn variable(&self, name: &str, at: usize) -> Result<(), TemplateError> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(self.syntax(at, format!("there is no variable `${name}` here")))
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
                Operand::Variable(_, fields) | Operand::Paren(_, fields) => {
                    fields.push(name.to_owned())
                }
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
            Some(Token::Variable(name)) => {
                self.variable(name, at)?;
                Operand::Variable(name.to_owned(), Vec::new())
            }
            Some(Token::Bool(value)) => Operand::Bool(value),
            Some(Token::Nil) => Operand::Nil,
            Some(Token::Number(text)) => {
                match literal::number(text).map_err(|cause| self.fault(at, cause))? {
                    Constant::Integer(value) => Operand::Integer(value),
                    Constant::Float(value) => Operand::Float(Float(value)),
                }
            }
            Some(Token::Character(text)) => {
                let value = literal::character(text).map_err(|cause| self.fault(at, cause))?;
                Operand::Integer(value)
            }
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
        let inner = self.deeper(at, |parser| parser.pipeline(at, Token::RightParen, 1))?;
        Ok(Operand::Paren(Box::new(inner), Vec::new()))
    }

    fn function(&self, name: &str, at: usize) -> Result<Function, TemplateError> {
        if name == "call" {
            return Err(self.not_served(at, "the function `call` (there is nothing to call)"));
        }
        let here = |function: &Function| match function {
            Function::Raw => self.place == Place::File,
            Function::String => self.place == Place::Env,
            _ => true,
        };
        let Some(function) = Function::ALL
            .iter()
            .copied()
            .find(|function| function.name() == name)
        else {
            let known = Function::ALL.iter().copied().filter(here);
            let known = known.map(Function::name);
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
            Some(Token::Assign | Token::Declare) => {
                return self.syntax(at, "only a variable can be declared or assigned");
            }
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
        Operand::Bool(_)
        | Operand::Nil
        | Operand::Integer(_)
        | Operand::Float(_)
        | Operand::Text(_) => true,
        Operand::Dot(fields) => fields.is_empty(),
        Operand::Variable(..) | Operand::Paren(..) | Operand::Function(_) => false,
    }
}
