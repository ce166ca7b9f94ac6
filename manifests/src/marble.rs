//! `Marbles`: the services of a mesh, and what each is given.
//!
//! Keys: MarbleRun's, and `DNSNames` and `Calls` (docs/reference/manifest.md).
//! Does not live here: counting and issuing (`mesh`), writing files and variables (`marble-sdk`, `launcher`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, Shape, names as entries, texts};
use crate::json::Value;
use crate::limits::{ARGUMENT_BYTES_MAX, LIST_MAX, PARAMETERS_MAX};
use crate::names;
use crate::secret::SecretKind;
use crate::suggest;
use crate::template::{
    Entry, EntryKind, MARBLERUN, Place, Root, Scope, SecretUse, Template, TemplateCause,
    TemplateError,
};

/// A service of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marble {
    /// Its package; the manifest has it.
    pub package: String,
    /// How many instances may be activated; any number if absent.
    pub max_activations: Option<u64>,
    /// Files by path.
    pub files: BTreeMap<String, Parameter>,
    /// Environment variables by name.
    pub env: BTreeMap<String, Parameter>,
    /// Arguments, the program's name first; empty if the manifest gives none.
    pub argv: Vec<String>,
    /// Names on its certificate: DNS names in lower case and loopback addresses.
    pub dns_names: Vec<String>,
    /// The marbles that it may call, all of them in the manifest; any if absent.
    pub calls: Option<Vec<String>>,
}

/// The content of a file or variable.
#[derive(Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A template.
    Template(Template),
    /// Bytes that stand for themselves (`NoTemplates`).
    Literal(Vec<u8>),
}

impl Parameter {
    /// The content with the values of one activation.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, scope: &dyn Scope) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        match self {
            Self::Template(template) => template.render(scope),
            Self::Literal(bytes) => Ok(Zeroizing::new(bytes.clone())),
        }
    }

    /// Exactly the secrets that rendering looks up.
    pub fn secrets_used(&self) -> impl Iterator<Item = &SecretUse> {
        let template = match self {
            Self::Template(template) => Some(template),
            Self::Literal(_) => None,
        };
        template.into_iter().flat_map(Template::secrets_used)
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Template(template) => template.fmt(f),
            Self::Literal(bytes) => write!(f, "Literal({} bytes)", bytes.len()),
        }
    }
}

impl Marble {
    /// Exactly the secrets that its parameters use.
    pub fn secrets_used(&self) -> impl Iterator<Item = &SecretUse> {
        let parameters = self.files.values().chain(self.env.values());
        parameters.flat_map(Parameter::secrets_used)
    }
}

/// What the rest of the manifest has, for checking names.
pub(crate) struct Declared<'a> {
    pub(crate) packages: Vec<&'a str>,
    pub(crate) marbles: Vec<&'a str>,
    /// Without a kind if that could not be read.
    pub(crate) secrets: BTreeMap<&'a str, Option<SecretKind>>,
}

const SERVED: [&str; 5] = [
    "Package",
    "MaxActivations",
    "Parameters",
    "DNSNames",
    "Calls",
];
const LATER: [(&str, Shape); 2] = [("TLS", Shape::List), ("DisableSecretBinding", Shape::Bool)];
const PARAMETERS: [&str; 3] = ["Files", "Env", "Argv"];
const DATA: [&str; 3] = ["Data", "Encoding", "NoTemplates"];

/// Variables that every marble is given; the manifest's are overwritten.
const PREDEFINED: [&str; 4] = [
    "MARBLE_PREDEFINED_ROOT_CA",
    "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
    "MARBLE_PREDEFINED_PRIVATE_KEY",
    "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA",
];

impl Marble {
    pub(crate) fn read(
        value: &Value,
        path: &Path,
        declared: &Declared<'_>,
        sink: &mut Sink,
    ) -> Self {
        let fields = Fields::open(value, path, &SERVED, &LATER, sink);
        let parameters = match fields.value("Parameters") {
            None => &Value::Null,
            Some(value) => value,
        };
        let parameters = Fields::open(
            parameters,
            &fields.path("Parameters"),
            &PARAMETERS,
            &[],
            sink,
        );
        Self {
            package: package(&fields, declared, sink),
            max_activations: fields
                .number("MaxActivations", u64::MAX, sink)
                .filter(|max| *max > 0),
            files: contents(&parameters, Place::File, declared, sink),
            env: contents(&parameters, Place::Env, declared, sink),
            argv: arguments(&parameters, sink),
            dns_names: dns_names(&fields, sink),
            calls: calls(&fields, declared, sink),
        }
    }
}

fn package(fields: &Fields<'_>, declared: &Declared<'_>, sink: &mut Sink) -> String {
    let path = fields.path("Package");
    let name = fields.text("Package", sink);
    let written = fields
        .value("Package")
        .is_some_and(|value| *value != Value::Text(String::new()));
    match name {
        None if written => {} // not a text: its fault is noted
        None => sink.fault(&path, "is missing", "write the name of one of Packages"),
        Some(name) => known(name, "Packages", &declared.packages, &path, sink),
    }
    name.unwrap_or_default().to_owned()
}

/// Notes a name that the manifest does not have.
fn known(name: &str, place: &str, known: &[&str], path: &Path, sink: &mut Sink) {
    if known.contains(&name) {
        return;
    }
    let shown = quoted(name);
    let cause = format!(
        "names `{}`, which {place} does not have",
        &shown[1..shown.len() - 1]
    );
    match suggest::remedy(name, known.iter().copied()) {
        Some(remedy) => sink.fault(path, cause, remedy),
        None => sink.fault(path, cause, format!("add it to {place}")),
    }
}

fn calls(fields: &Fields<'_>, declared: &Declared<'_>, sink: &mut Sink) -> Option<Vec<String>> {
    fields.value("Calls")?;
    // Kept and checked, so that a deployer can write it; but nobody may believe that it already holds.
    let cause = "is checked and kept, but not enforced yet: this marble can call any other";
    sink.warn(
        &fields.path("Calls"),
        cause,
        "let each callee look at its caller's identity",
    );
    let calls = fields.texts("Calls", LIST_MAX, sink);
    for (name, path) in &calls {
        known(name, "Marbles", &declared.marbles, path, sink);
    }
    Some(calls.iter().map(|(name, _)| (*name).to_owned()).collect())
}

fn dns_names(fields: &Fields<'_>, sink: &mut Sink) -> Vec<String> {
    let mut names = Vec::new();
    for (name, path) in fields.texts("DNSNames", LIST_MAX, sink) {
        match names::on_certificate(name) {
            Ok(()) => names.push(name.to_owned()),
            Err((cause, remedy)) => {
                sink.fault(&path, format!("is {}: {cause}", quoted(name)), remedy)
            }
        }
    }
    names
}

fn arguments(parameters: &Fields<'_>, sink: &mut Sink) -> Vec<String> {
    let Some(value) = parameters.value("Argv") else {
        return Vec::new();
    };
    let arguments = texts(
        value,
        &parameters.path("Argv"),
        PARAMETERS_MAX,
        ARGUMENT_BYTES_MAX,
        sink,
    );
    for (text, path) in &arguments {
        if text.contains('\0') {
            sink.fault(path, "has a NUL byte", "an argument can't hold one");
        }
    }
    arguments
        .iter()
        .map(|(text, _)| (*text).to_owned())
        .collect()
}

/// The entries of `Files` or `Env`.
fn contents(
    parameters: &Fields<'_>,
    place: Place,
    declared: &Declared<'_>,
    sink: &mut Sink,
) -> BTreeMap<String, Parameter> {
    let (key, rule): (_, fn(&str) -> _) = match place {
        Place::File => ("Files", names::path),
        Place::Env => ("Env", names::variable),
    };
    let path = parameters.path(key);
    let mut contents = BTreeMap::new();
    for (name, value, path) in entries(parameters.value(key), &path, PARAMETERS_MAX, rule, sink) {
        if place == Place::Env && PREDEFINED.contains(&name) {
            sink.warn(
                &path,
                "is overwritten: every marble is given it",
                "take it out",
            );
        }
        if let Some(parameter) = parameter(value, &path, place, declared, sink) {
            contents.insert(name.to_owned(), parameter);
        }
    }
    contents
}

fn parameter(
    value: &Value,
    path: &Path,
    place: Place,
    declared: &Declared<'_>,
    sink: &mut Sink,
) -> Option<Parameter> {
    let (data, literal) = match value {
        Value::Text(text) => (text.clone().into_bytes(), false),
        Value::Object(_) => {
            let fields = Fields::open(value, path, &DATA, &[], sink);
            (decoded(&fields, sink)?, fields.flag("NoTemplates", sink))
        }
        other => {
            let remedy = "write a text, or an object with Data, Encoding and NoTemplates";
            sink.fault(path, format!("is {}", other.shown()), remedy);
            return None;
        }
    };
    if literal {
        if place == Place::Env && data.contains(&0) {
            sink.fault(
                path,
                "has a NUL byte",
                "a variable can't hold one; put it into a file",
            );
        }
        return Some(Parameter::Literal(data));
    }
    // The dry run: whatever rendering could object to is found now.
    let checked = Template::parse(&data, place).and_then(|template| {
        template.render(declared)?;
        Ok(template)
    });
    match checked {
        Ok(template) => Some(Parameter::Template(template)),
        Err(error) => {
            note(&error, path, declared, sink);
            None
        }
    }
}

/// `Data` by `Encoding`.
fn decoded(fields: &Fields<'_>, sink: &mut Sink) -> Option<Vec<u8>> {
    const ENCODINGS: [&str; 3] = ["string", "base64", "hex"];
    let data = fields.text("Data", sink).unwrap_or_default();
    let encoding = fields.text("Encoding", sink).unwrap_or("string");
    let path = fields.path("Data");
    match encoding.to_ascii_lowercase().as_str() {
        "string" => Some(data.as_bytes().to_vec()),
        "base64" => STANDARD
            .decode(data)
            .map_err(|error| {
                sink.fault(
                    &path,
                    format!("is not base64: {error}"),
                    "write it with + and /, padded",
                )
            })
            .ok(),
        "hex" => hex::decode(data)
            .map_err(|error| {
                sink.fault(
                    &path,
                    format!("is not hex: {error}"),
                    "write two hex digits a byte",
                )
            })
            .ok(),
        _ => {
            let remedy = suggest::remedy(encoding, ENCODINGS).unwrap_or_default();
            sink.fault(
                &fields.path("Encoding"),
                format!("is {}", quoted(encoding)),
                remedy,
            );
            None
        }
    }
}

/// Notes what is wrong with a template.
fn note(error: &TemplateError, path: &Path, declared: &Declared<'_>, sink: &mut Sink) {
    let remedy = match &error.cause {
        TemplateCause::UnknownSecret { name, .. } => suggest::remedy(name, declared.secrets.keys().copied()),
        TemplateCause::Empty(path) if path == ".MarbleRun.MarbleCert.Private" => Some(
            "the key is made in the marble and stays there: read MARBLE_PREDEFINED_PRIVATE_KEY, or the launcher's \
             tls/key.pem"
                .into(),
        ),
        _ => None,
    };
    let cause = format!("can't be rendered: {error}");
    match remedy.or_else(|| error.remedy()) {
        Some(remedy) => sink.fault(path, cause, remedy),
        None => sink.plain_fault(path, cause),
    }
}

/// Stands for every value in a dry run. A NUL byte, which keys and certificates can have: so a variable that would hold
/// raw bytes is found when the manifest is set, and not in the one activation of eight that meets such a byte.
const DUMMY: &[u8] = b"\0";

impl Scope for Declared<'_> {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        let certificate = Entry {
            kind: EntryKind::Certificate,
            certificate: DUMMY,
            private: DUMMY,
            public: DUMMY,
        };
        match root {
            Root::MarbleRun if !MARBLERUN.contains(&name) => None,
            // Not even `MarbleCert` has a private key here: the marble made it and keeps it.
            Root::MarbleRun => Some(Entry {
                private: b"",
                ..certificate
            }),
            Root::Secrets | Root::PreviousSecrets => Some(match self.secrets.get(name)? {
                Some(SecretKind::SymmetricKey { .. }) => Entry {
                    kind: EntryKind::SymmetricKey,
                    certificate: b"",
                    private: b"",
                    public: DUMMY,
                },
                _ => certificate,
            }),
        }
    }
}
