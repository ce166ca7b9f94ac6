//! What a marble is given: its parameters rendered, with its certificate chain and the variables that every marble gets.
//!
//! Source of the templates' values and of the injected variables: docs/reference/templates.md (MarbleRun's names).
//! Does not live here: making secrets (`secrets`), the leaf (`provision`), the wire (`proto`).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stoa_attestation::channel::limits::PROVISION_BYTES_MAX;
use stoa_manifest::template::{Entry, EntryKind, Facts, Root, Scope, TemplateCause, TemplateError};
use stoa_manifest::{Marble, Parameter, SecretDefinition, Source};
use zeroize::Zeroizing;

use crate::certificate::Certificate;
use crate::identity::Instance;
use crate::refusal::Refusal;
use crate::secret::{Secret, SecretValue};

/// Mode of a file that says nothing else: its owner reads and writes it.
pub const FILE_MODE_DEFAULT: u32 = 0o600;
/// Bytes of a line of PEM (RFC 7468, 2).
const PEM_LINE_CHARS: usize = 64;

/// What a marble is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Provision {
    /// DER: the leaf, then the issuing CA.
    pub chain: Vec<Vec<u8>>,
    /// Files by path.
    pub files: BTreeMap<String, File>,
    /// Environment variables by name.
    pub env: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Arguments, the program's name first; empty if the manifest gives none.
    pub argv: Vec<String>,
    /// DER: the roots to trust in this mesh.
    pub trust: Vec<Vec<u8>>,
    /// Last second of the leaf, Unix time.
    pub not_after: u64,
    /// When to renew, Unix time: half of the life that is left.
    pub renew_at: u64,
    /// The instance, as in the leaf.
    pub instance: Instance,
}

impl fmt::Debug for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provision")
            .field("files", &self.files)
            .field(
                "env",
                &self
                    .env
                    .keys()
                    .map(|name| (name, "<secret>"))
                    .collect::<Vec<_>>(),
            )
            .field("argv", &self.argv)
            .field("not_after", &self.not_after)
            .field("renew_at", &self.renew_at)
            .field("instance", &hex::encode(self.instance))
            .finish_non_exhaustive()
    }
}

/// A file of a marble.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its content.
    pub data: Zeroizing<Vec<u8>>,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner; empty for whoever writes it.
    pub owner: String,
    /// How it is written; empty for a plain file.
    pub form: String,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("data", &"<secret>")
            .field("mode", &format_args!("{:o}", self.mode))
            .field("owner", &self.owner)
            .field("form", &self.form)
            .finish()
    }
}

/// Renders every parameter, adds the variables that every marble is given, and bounds the whole.
///
/// # Errors
/// [`Refusal::Template`] with the parameter, [`Refusal::ProvisionTooLarge`].
pub(crate) fn render(
    values: &Values<'_>,
    marble: &str,
    instance: Instance,
    now: u64,
) -> Result<Provision, Refusal> {
    let definition = values.marble;
    let rendered = |place: &str, name: &str, parameter: &Parameter| {
        parameter.render(values).map_err(|error| {
            let (marble, parameter) = (marble.to_owned(), format!("{place}.{name}"));
            match values.unset(&error) {
                Some(secret) => Refusal::SecretNotSet {
                    secret: secret.to_owned(),
                    needed_by: format!("{parameter} of marble `{marble}`"),
                },
                None => Refusal::Template {
                    marble,
                    parameter,
                    error: Box::new(error),
                },
            }
        })
    };
    let mut files = BTreeMap::new();
    for (path, parameter) in &definition.files {
        let data = rendered("Files", path, parameter)?;
        let file = File {
            data,
            mode: FILE_MODE_DEFAULT,
            owner: String::new(),
            form: String::new(),
        };
        files.insert(path.clone(), file);
    }
    let mut env = BTreeMap::new();
    for (name, parameter) in &definition.env {
        env.insert(name.clone(), rendered("Env", name, parameter)?);
    }
    let (root, issuing) = (values.root, values.issuing);
    let given = [
        ("MARBLE_PREDEFINED_ROOT_CA", pem(&[root])),
        ("MARBLE_PREDEFINED_COORDINATOR_ROOT_CA", pem(&[root])),
        (
            "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
            pem(&[values.leaf, issuing]),
        ),
    ];
    env.extend(given.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.into_bytes()))));
    let not_after = values.leaf.not_after();
    let provision = Provision {
        chain: vec![values.leaf.der().to_vec(), issuing.der().to_vec()],
        files,
        env,
        argv: definition.argv.clone(),
        trust: vec![root.der().to_vec()],
        not_after,
        renew_at: now.midpoint(not_after),
        instance,
    };
    let bytes = provision.bytes();
    if bytes > PROVISION_BYTES_MAX {
        return Err(Refusal::ProvisionTooLarge {
            marble: marble.to_owned(),
            bytes,
            max: PROVISION_BYTES_MAX,
        });
    }
    Ok(provision)
}

/// What protobuf adds to an entry at most: tags and lengths of a map's entry, of a key, of a message and its numbers.
const ENTRY_OVERHEAD_BYTES: usize = 64;

impl Provision {
    /// An upper bound of its bytes on the wire.
    fn bytes(&self) -> usize {
        let certificates = self.chain.iter().chain(&self.trust).map(Vec::len);
        let files = self
            .files
            .iter()
            .map(|(path, file)| path.len() + file.data.len());
        let env = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let argv = self.argv.iter().map(String::len);
        let entries = certificates.chain(files).chain(env).chain(argv);
        entries.fold(ENTRY_OVERHEAD_BYTES, |sum, bytes| {
            sum.saturating_add(bytes)
                .saturating_add(ENTRY_OVERHEAD_BYTES)
        })
    }
}

/// The values that templates can name in one activation.
pub(crate) struct Values<'a> {
    pub(crate) marble: &'a Marble,
    pub(crate) definitions: &'a BTreeMap<String, SecretDefinition>,
    pub(crate) root: &'a Certificate,
    pub(crate) issuing: &'a Certificate,
    pub(crate) leaf: &'a Certificate,
    pub(crate) shared: &'a BTreeMap<String, Secret>,
    /// Of the shared ones that the last update made anew, the ones before.
    pub(crate) previous: &'a BTreeMap<String, Secret>,
    /// Those of this instance.
    pub(crate) own: &'a BTreeMap<String, Secret>,
    /// Of those, the symmetric ones as they were derived before the last update, if it made a new root secret.
    pub(crate) own_before: &'a BTreeMap<String, Secret>,
    /// Those that users set.
    pub(crate) user: &'a BTreeMap<String, SecretValue>,
}

impl<'a> Values<'a> {
    /// The secret that no user has set, if that is what an error comes from.
    fn unset(&self, error: &TemplateError) -> Option<&'a str> {
        let TemplateCause::Empty(path) = &error.cause else {
            return None;
        };
        let of_users = self.definitions.iter();
        let mut unset = of_users.filter(|(name, definition)| {
            definition.source == Source::User && !self.user.contains_key(*name)
        });
        let named = |name: &str, root: Root| {
            let rest = path.strip_prefix(&format!("{}.{name}", root.path()));
            matches!(rest, Some(".Public" | ".Private" | ".Cert"))
        };
        let found = unset
            .find(|(name, _)| named(name, Root::Secrets) || named(name, Root::PreviousSecrets));
        found.map(|(name, _)| name.as_str())
    }
}

impl Scope for Values<'_> {
    fn entry(&self, root: Root, name: &str) -> Option<Entry<'_>> {
        match root {
            Root::MarbleRun => match name {
                "RootCA" | "CoordinatorRoot" => Some(without_key(self.root)),
                "CoordinatorIntermediate" => Some(without_key(self.issuing)),
                // Its private key was made in the marble and stays there.
                "MarbleCert" => Some(without_key(self.leaf)),
                _ => None,
            },
            // A secret that no update made anew is its own previous one.
            Root::Secrets | Root::PreviousSecrets => {
                let definition = self.definitions.get(name)?;
                let before = match root {
                    Root::PreviousSecrets => {
                        let shared = self.previous.get(name);
                        shared.or_else(|| self.own_before.get(name))
                    }
                    _ => None,
                };
                let made = before
                    .or_else(|| self.own.get(name))
                    .or_else(|| self.shared.get(name));
                let entry = match (made, definition.source) {
                    (_, Source::User) => Entry {
                        kind: EntryKind::of(definition.kind),
                        // One that no user has set: there, and empty.
                        ..self.user.get(name).map(user_entry).unwrap_or_default()
                    },
                    (Some(secret), _) => secret_entry(secret),
                    (None, _) => return None,
                };
                Some(Entry {
                    facts: Facts::of(definition),
                    ..entry
                })
            }
        }
    }

    fn names(&self, _: Root) -> Vec<&str> {
        self.definitions.keys().map(String::as_str).collect()
    }
}

fn without_key(certificate: &Certificate) -> Entry<'_> {
    Entry {
        kind: EntryKind::Certificate,
        certificate: certificate.der(),
        public: certificate.spki(),
        ..Entry::default()
    }
}

fn secret_entry(secret: &Secret) -> Entry<'_> {
    match secret {
        Secret::Symmetric(key) => Entry {
            kind: EntryKind::SymmetricKey,
            public: key,
            ..Entry::default()
        },
        Secret::Certificate(certified) => Entry {
            private: &certified.key().pkcs8,
            ..without_key(certified.certificate())
        },
    }
}

fn user_entry(value: &SecretValue) -> Entry<'_> {
    match value {
        SecretValue::Bytes(bytes) => Entry {
            public: bytes,
            ..Entry::default()
        },
        SecretValue::Certificate {
            certificate,
            spki,
            private,
        } => Entry {
            certificate,
            public: spki,
            private: private.as_ref().map_or(&[], |key| key.as_slice()),
            ..Entry::default()
        },
    }
}

/// Certificates as PEM, one after the other (RFC 7468).
fn pem(certificates: &[&Certificate]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = STANDARD.encode(certificate.der());
        while !rest.is_empty() {
            let line = rest
                .drain(..PEM_LINE_CHARS.min(rest.len()))
                .collect::<String>();
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
