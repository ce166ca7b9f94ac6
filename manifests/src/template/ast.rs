//! The tree of a template. Pipelines, commands and operands as in Go's text/template/parse.

use std::collections::BTreeMap;

/// A whole template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// What `define` and `block` name.
    pub(super) defined: BTreeMap<String, Vec<Node>>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Bytes that stand for themselves.
    Text(Vec<u8>),
    /// A pipeline whose value is written out, unless it declares or assigns.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{template "name" pipeline}}`, with the offset for errors.
    Template(String, Option<Pipeline>, usize),
    Break,
    Continue,
}

/// `{{if pipeline}} .. {{else}} .. {{end}}` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// `$variable := command | command | ..`: each command gets the value before it as its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pipeline {
    /// Offset in the source, for errors.
    pub(super) at: usize,
    /// None, one, or two in `range`.
    pub(super) variables: Vec<String>,
    pub(super) binds: Binds,
    /// One or more.
    pub(super) first: Command,
    pub(super) then: Vec<Command>,
}

/// What a pipeline does with its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binds {
    /// `:=`, or there is none.
    Declares,
    /// `=`
    Assigns,
}

/// `operand operand ..`: the first is called with the others, or stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) operand: Operand,
    pub(super) arguments: Vec<Operand>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// `.`, and `.A.B` (fields of it).
    Dot(Vec<String>),
    /// `$name`, and `$name.A.B`; the empty name is the data that the template was given.
    Variable(String, Vec<String>),
    /// `( .. )`, and `( .. ).A.B`.
    Paren(Box<Pipeline>, Vec<String>),
    Function(Function),
    Bool(bool),
    Nil,
    Integer(i64),
    Float(Float),
    /// A text constant; Go's escapes can give any bytes.
    Text(Vec<u8>),
}

/// A constant with a point or an exponent, compared by its bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Float(pub(super) f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

macro_rules! functions {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// What a template can call.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($variant),*
        }

        impl Function {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

functions! {
    And "and",
    Base64 "base64",
    Eq "eq",
    Ge "ge",
    Gt "gt",
    Hex "hex",
    Html "html",
    Index "index",
    Js "js",
    Le "le",
    Len "len",
    Lt "lt",
    Ne "ne",
    Not "not",
    Or "or",
    Pem "pem",
    Print "print",
    Printf "printf",
    Println "println",
    Raw "raw",
    Slice "slice",
    String "string",
    Urlquery "urlquery",
}
