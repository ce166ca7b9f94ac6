//! `Marbles`: the services of a mesh, and what each is given.
//!
//! Keys: MarbleRun's, and `DNSNames` and `Calls` (docs/reference/manifest.md).
//! Does not live here: counting and issuing (`mesh`), writing files and variables (`marble-sdk`, `launcher`).

use core::time::Duration;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::duration;
use crate::fault::{Path, Sink, quoted};
use crate::fields::{Fields, names as entries, texts};
use crate::json::Value;
use crate::keys::{CONTENT, ENCODINGS, MARBLE, PARAMETERS, RELOAD, RELOADS};
use crate::limits::{ARGUMENT_BYTES_MAX, LIST_MAX, PARAMETERS_MAX, RELOAD_SETTLE_SECS_MAX};
use crate::names;
use crate::secret::SecretDefinition;
use crate::suggest;
use crate::template::{
    Entry, EntryKind, Facts, Generation, MARBLERUN, Place, Root, Scope, SecretUse, Template,
    TemplateCause, TemplateError,
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
    /// What its own symmetric secrets depend on.
    pub binding: SecretBinding,
    /// What the launcher does when it renewed the program's files. Not served yet.
    pub reload: Option<Reload>,
    /// Tags of `TLS`, all of them in the manifest. Not served yet.
    pub tls: Vec<String>,
    /// The secrets that its parameters can look up.
    pub(crate) uses: BTreeSet<SecretUse>,
}

/// What the symmetric secrets of one instance depend on, beside mesh, instance, name and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretBinding {
    /// The marble's name too.
    Marble,
    /// Nothing else (`DisableSecretBinding`).
    Instance,
}

/// What the launcher does when it renewed the program's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// What to send.
    pub signal: Signal,
    /// How long the program may take until the old certificate ends.
    pub settle: Duration,
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// None is sent.
    None,
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
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

    /// Whether its content depends on a secret.
    pub(crate) fn names_a_secret(&self) -> bool {
        self.template().is_some_and(|template| {
            let all = [Generation::Current, Generation::Previous];
            template.secrets_used().next().is_some()
                || all
                    .into_iter()
                    .any(|generation| template.uses_all(generation))
        })
    }

    fn template(&self) -> Option<&Template> {
        match self {
            Self::Template(template) => Some(template),
            Self::Literal(_) => None,
        }
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
    /// The secrets that its parameters can look up, and no others: all that has to be made for it.
    pub fn secrets_used(&self) -> impl Iterator<Item = &SecretUse> {
        self.uses.iter()
    }
}

/// What the rest of the manifest has, for checking names.
pub(crate) struct Declared<'a> {
    pub(crate) packages: Vec<&'a str>,
    pub(crate) marbles: Vec<&'a str>,
    /// Without a definition if that could not be read.
    pub(crate) secrets: BTreeMap<&'a str, Option<SecretDefinition>>,
    /// Tags of `TLS`.
    pub(crate) tags: Vec<&'a str>,
    /// What may still be done in trying all templates.
    pub(crate) work: Cell<u64>,
}

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
        let fields = Fields::open(value, path, &MARBLE, sink);
        let parameters = fields.object("Parameters", &PARAMETERS, sink);
        let files = contents(&parameters, Place::File, declared, sink);
        let env = contents(&parameters, Place::Env, declared, sink);
        Self {
            package: package(&fields, declared, sink),
            max_activations: fields
                .number("MaxActivations", u64::MAX, sink)
                .filter(|max| *max > 0),
            uses: uses(files.values().chain(env.values()), declared),
            files,
            env,
            argv: arguments(&parameters, sink),
            dns_names: dns_names(&fields, sink),
            calls: calls(&fields, declared, sink),
            binding: match fields.flag("DisableSecretBinding", sink) {
                true => SecretBinding::Instance,
                false => SecretBinding::Marble,
            },
            reload: reload(&fields, sink),
            tls: tags(&fields, declared, sink),
        }
    }
}

/// Every secret that the parameters can look up; all of them for a template that goes over all.
fn uses<'a>(
    parameters: impl Iterator<Item = &'a Parameter>,
    declared: &Declared<'_>,
) -> BTreeSet<SecretUse> {
    let mut uses = BTreeSet::new();
    for template in parameters.filter_map(Parameter::template) {
        uses.extend(template.secrets_used().cloned());
        for generation in [Generation::Current, Generation::Previous] {
            if template.uses_all(generation) {
                let names = declared.secrets.keys();
                uses.extend(names.map(|name| SecretUse::new(generation, name)));
            }
        }
    }
    uses
}

fn reload(fields: &Fields<'_>, sink: &mut Sink) -> Option<Reload> {
    fields.value("Reload")?;
    let fields = fields.object("Reload", &RELOAD, sink);
    let signal = match fields.word("Signal", &RELOADS, sink) {
        Some("HUP") => Signal::Hup,
        Some("USR1") => Signal::Usr1,
        Some("USR2") => Signal::Usr2,
        _ => Signal::None,
    };
    let settle = duration::field(&fields, "Settle", 0..=RELOAD_SETTLE_SECS_MAX, sink);
    Some(Reload {
        signal,
        settle: settle.unwrap_or(Duration::ZERO),
    })
}

fn tags(fields: &Fields<'_>, declared: &Declared<'_>, sink: &mut Sink) -> Vec<String> {
    let tags = fields.texts("TLS", LIST_MAX, sink);
    for (name, path) in &tags {
        known(name, "TLS", &declared.tags, path, sink);
    }
    tags.iter().map(|(name, _)| (*name).to_owned()).collect()
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

/// "names `x`", with the name as faults show it.
pub(crate) fn named(name: &str) -> String {
    let shown = quoted(name);
    format!("names `{}`", &shown[1..shown.len() - 1])
}

/// Notes a name that the manifest does not have.
pub(crate) fn known(name: &str, place: &str, known: &[&str], path: &Path, sink: &mut Sink) {
    if known.contains(&name) {
        return;
    }
    let cause = format!("{}, which {place} does not have", named(name));
    let near = (!sink.is_full()).then(|| suggest::remedy(name, known.iter().copied()));
    match near.flatten() {
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
            let fields = Fields::open(value, path, &CONTENT, sink);
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
        template.render_within(declared, &declared.work)?;
        // Also in branches that the dry run did not take.
        let known = |used: &&SecretUse| declared.secrets.contains_key(used.name.as_str());
        if let Some(used) = template.secrets_used().find(|used| !known(used)) {
            return Err(template.names_unknown(used));
        }
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
        TemplateCause::UnknownSecret { name, .. } if !sink.is_full() => suggest::remedy(name, declared.secrets.keys().copied()),
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
            certificate: DUMMY,
            private: DUMMY,
            public: DUMMY,
            ..Entry::default()
        };
        match root {
            Root::MarbleRun if !MARBLERUN.contains(&name) => None,
            // Not even `MarbleCert` has a private key here: the marble made it and keeps it.
            Root::MarbleRun => Some(Entry {
                private: b"",
                ..certificate
            }),
            Root::Secrets | Root::PreviousSecrets => {
                let Some(definition) = self.secrets.get(name)? else {
                    return Some(certificate);
                };
                let kind = EntryKind::of(definition.kind);
                let entry = match kind {
                    EntryKind::Certificate => certificate,
                    EntryKind::SymmetricKey => Entry {
                        public: DUMMY,
                        ..Entry::default()
                    },
                    // Whether a user's bytes hold a NUL is seen when they are set.
                    EntryKind::Plain => Entry {
                        public: b"plain",
                        ..Entry::default()
                    },
                };
                Some(Entry {
                    kind,
                    facts: Facts::of(definition),
                    ..entry
                })
            }
        }
    }

    fn names(&self, _: Root) -> Vec<&str> {
        self.secrets.keys().copied().collect()
    }
}
