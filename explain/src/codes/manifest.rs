//! Codes of the room `manifest`.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "manifest-invalid",
        meaning: "The manifest has faults. Each is listed with the path of its field, what is there, and what to write; nothing was changed.",
        remedy: "Mend each field that is listed and set the manifest again. The format is in docs/reference/manifest.md.",
    },
    Code {
        code: "template-not-rendered",
        meaning: "A file or variable of a marble is a template that can't be rendered: a function, field or secret that is not there, or a result that does not fit its place.",
        remedy: "Correct the template at the path and line that are named. The grammar is in docs/reference/templates.md.",
    },
];
