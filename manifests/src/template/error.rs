//! What is wrong with a template, when it is parsed and when it is rendered.

use stoa_explain::Explain;

use super::Generation;
use crate::limits::{
    PRINTF_WIDTH_MAX, TEMPLATE_CALLS_MAX, TEMPLATE_DEPTH_MAX, TEMPLATE_NESTING_MAX,
    TEMPLATE_OUTPUT_BYTES_MAX, TEMPLATE_STEPS_MAX, TEMPLATE_WORK_MAX,
};

/// Why a template was refused, or could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the template: {cause}")]
pub struct TemplateError {
    /// The line, from 1, on which the action in question begins.
    pub line: usize,
    /// What is wrong there.
    pub cause: TemplateCause,
}

impl TemplateError {
    /// The error at an offset of the source.
    pub(super) fn at(source: &[u8], offset: usize, cause: TemplateCause) -> Self {
        let before = &source[..offset.min(source.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Self { line, cause }
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateCause {
    /// Not what Go's grammar allows.
    #[error("{0}")]
    Syntax(String),
    /// An action holds bytes that are not UTF-8.
    #[error("the action is not UTF-8")]
    NotText,
    /// Go's templates have it, this evaluator does not yet.
    #[error("{0} is not served yet")]
    NotServed(String),
    /// No function of that name.
    #[error("there is no function `{name}`")]
    UnknownFunction {
        /// The name as written.
        name: String,
        /// "did you mean ..", if something is near.
        remedy: Option<String>,
    },
    /// A function of the other place: `string` in a file, `raw` in a variable.
    #[error("the function `{name}` works in {place} only")]
    FunctionElsewhere {
        /// The function.
        name: &'static str,
        /// Where it works: `Env` or `Files`.
        place: &'static str,
    },
    /// No such field.
    #[error("`{of}` has no field `{name}`")]
    UnknownField {
        /// What was asked.
        of: String,
        /// The field.
        name: String,
        /// "did you mean ..", if something is near.
        remedy: Option<String>,
    },
    /// The manifest has no such secret.
    #[error("names the secret `{name}`, which Secrets does not have")]
    UnknownSecret {
        /// The name.
        name: String,
        /// Of the secrets in force, or of those before the last update.
        generation: Generation,
    },
    /// Values that can't be compared.
    #[error("`{function}` can't compare {left} with {right}")]
    NotComparable {
        /// The function.
        function: &'static str,
        /// Of the first argument; never a value.
        left: String,
        /// Of the one that it was compared with.
        right: String,
    },
    /// Something that no loop goes over.
    #[error("range: {0}")]
    Range(String),
    /// An index beyond the end, or no index.
    #[error("`{function}`: {why}")]
    Bounds {
        /// The function.
        function: &'static str,
        /// What is there and what was asked.
        why: String,
    },
    /// Arguments after something that is no function.
    #[error("{0} is no function and takes no arguments")]
    NotAFunction(String),
    /// A function with the wrong number or sort of arguments.
    #[error("`{function}` takes {wanted}, got {got}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given; never a value.
        got: String,
    },
    /// Something that has no text of its own.
    #[error("{0} can't be written out as it is")]
    NotPrintable(String),
    /// A verb of `printf` that does not fit.
    #[error("printf: {0}")]
    Printf(String),
    /// A value that is empty, as the private key of something that has none.
    #[error("`{0}` is empty")]
    Empty(String),
    /// Parentheses too deep.
    #[error(
        "more than {TEMPLATE_DEPTH_MAX} parentheses and blocks, {TEMPLATE_CALLS_MAX} templates, or {TEMPLATE_NESTING_MAX} of both, inside each other"
    )]
    TooDeep,
    /// Loops that go on too long.
    #[error("more than {TEMPLATE_STEPS_MAX} steps")]
    TooManySteps,
    /// Loops, operands and large values that cost too much together.
    #[error("more than {TEMPLATE_WORK_MAX} operands and pieces of 64 bytes")]
    TooMuchWork,
    /// The result is too large.
    #[error("the result has more than {TEMPLATE_OUTPUT_BYTES_MAX} bytes")]
    TooLarge,
    /// The value of an environment variable holds a NUL byte.
    #[error("the value has a NUL byte, which an environment variable can't hold")]
    NulByte,
}

impl Explain for TemplateError {
    fn code(&self) -> &'static str {
        "template-not-rendered"
    }

    fn remedy(&self) -> Option<String> {
        use TemplateCause as Cause;
        match &self.cause {
            Cause::UnknownFunction { remedy, .. } | Cause::UnknownField { remedy, .. } => {
                remedy.clone()
            }
            Cause::NotServed(_) => {
                Some("write it without; nothing in a template is silently left out".into())
            }
            Cause::FunctionElsewhere { .. } => {
                Some("use `hex` or `base64`, or another place for this value".into())
            }
            Cause::UnknownSecret { .. } => Some("add it to Secrets or name another".into()),
            Cause::NotPrintable(_) => Some("use `hex`, `base64` or `pem` on it".into()),
            Cause::Printf(_) => Some(format!(
                "use %s %v %q %d %x %X %o %b %c %U %t %e %f %g %% with a width and precision of at most {PRINTF_WIDTH_MAX}, one argument each"
            )),
            Cause::Empty(_) => {
                Some("use a field that this secret has: .Cert, .Private or .Public".into())
            }
            Cause::NulByte => Some("put it through `hex` or `base64`, or into a file".into()),
            _ => Some("see the grammar in docs/reference/templates.md".into()),
        }
    }
}
