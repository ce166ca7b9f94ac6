//! The tree of a template. Pipelines, commands and operands as in Go's text/template/parse.

/// A piece of a template. Control actions (`if`, `range`, `with` ...) will be further pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Bytes that stand for themselves.
    Text(Vec<u8>),
    /// A pipeline whose value is written out.
    Action(Pipeline),
}

/// `command | command | ..`: each command gets the value before it as its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pipeline {
    /// Offset in the source, for errors.
    pub(super) at: usize,
    /// One or more.
    pub(super) first: Command,
    pub(super) then: Vec<Command>,
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
    /// `$`, and `$.A.B`.
    Root(Vec<String>),
    /// `( .. )`, and `( .. ).A.B`.
    Paren(Box<Pipeline>, Vec<String>),
    Function(Function),
    Bool(bool),
    Nil,
    Integer(i64),
    /// A text constant; Go's escapes can give any bytes.
    Text(Vec<u8>),
}

/// What a template can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Base64,
    Hex,
    Index,
    Len,
    Pem,
    Print,
    Printf,
    Println,
    Raw,
    String,
}

impl Function {
    pub(super) const ALL: [Self; 10] = [
        Self::Base64,
        Self::Hex,
        Self::Index,
        Self::Len,
        Self::Pem,
        Self::Print,
        Self::Printf,
        Self::Println,
        Self::Raw,
        Self::String,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Index => "index",
            Self::Len => "len",
            Self::Pem => "pem",
            Self::Print => "print",
            Self::Printf => "printf",
            Self::Println => "println",
            Self::Raw => "raw",
            Self::String => "string",
        }
    }
}
