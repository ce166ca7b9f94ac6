//! What an admitted marble gets: its certificate and its parameters, fixed and rendered before anything is counted.
//!
//! A [`Draft`] is whole: leaf signed, secrets made, every template rendered. So a template that fails burns no budget,
//! and the serial part of an activation is a look-up. A draft that is refused never leaves the process.
//!
//! Source: docs/protocol/attest-1.md, section 5 (the receipt in a leaf); docs/concepts/identity.md.
//! Does not live here: rendering (`render`), making secrets (`secrets`), the counting (`machine`).

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use stoa_attestation::channel::LeafReceipt;
use stoa_manifest::template::Generation;
use stoa_manifest::{Marble, SecretBinding};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::admit::Admission;
use crate::ca::{Certified, Limits, Role, Signer, Template, Wishes, serial};
use crate::certificate::Certificate;
use crate::event::Grounds;
use crate::identity::{Instance, instance_of, spiffe_id};
use crate::issue::issue;
use crate::keys::Keys;
use crate::refusal::Refusal;
use crate::render::{Provision, Values, render};
use crate::secret::{DerivationSecret, Secret, SecretValue};
use crate::secrets::{self, Issuing, Owner};
use crate::state::Policy;
use crate::view::View;

/// Where the journal stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its newest record.
    pub sequence: u64,
    /// Hash of that record.
    pub head: [u8; 32],
}

/// Who asks for a leaf.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// On what grounds.
    pub entry: Entry<'a>,
    /// The SPKI (DER) to be certified, which the evidence covers.
    pub spki: &'a [u8],
    /// Where the journal stands; goes into the leaf, so that each leaf is a receipt of the history.
    pub position: Position,
}

/// On what grounds a leaf is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// For the first time under this key.
    Activate {
        /// The instance's name as the host proposes it; without one the key names it.
        proposal: Option<Instance>,
    },
    /// On the strength of a leaf in force.
    Renew {
        /// That leaf, DER, whose key the TLS handshake proved.
        leaf: &'a [u8],
    },
}

/// An activation or renewal, prepared to the last byte and not decided on. Only [`draft`] makes it.
///
/// Not `Clone`: one draft, one decision. (The crash tests, which submit the same drafts under thousands of seeds, may.)
#[cfg_attr(test, derive(Clone))]
pub struct Draft {
    pub(crate) epoch: u64,
    pub(crate) marble: String,
    pub(crate) instance: Instance,
    pub(crate) entry: DraftEntry,
    pub(crate) grounds: Grounds,
    pub(crate) newest_issue_date: u64,
    pub(crate) leaf: Certificate,
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// What users had set when it was rendered.
    pub(crate) user_secrets: Arc<BTreeMap<String, SecretValue>>,
    pub(crate) provision: Provision,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("epoch", &self.epoch)
            .field("marble", &self.marble)
            .field("instance", &hex::encode(self.instance))
            .field("entry", &self.entry)
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

/// What a draft rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DraftEntry {
    Activate,
    Renew { leaf_sha256: [u8; 32] },
}

/// Prepares all that an admitted marble will get: names its instance, signs its leaf, makes its secrets, renders its
/// parameters.
///
/// # Errors
/// [`Refusal::EpochMoved`] if the view has another epoch than the admission, [`Refusal::LeafNotValid`] for a renewal on
/// something that is no leaf, [`Refusal::Certificate`], [`Refusal::Template`] with the parameter,
/// [`Refusal::SecretNotSet`], [`Refusal::SecretNotMade`], [`Refusal::ProvisionTooLarge`].
pub fn draft(
    view: &View,
    admission: &Admission,
    applicant: &Applicant<'_>,
    keys: &dyn Keys,
    now: UnixTime,
    rng: &mut dyn CryptoRng,
) -> Result<Draft, Refusal> {
    let ground = Ground::of(view, admission)?;
    let now = view.not_before_floor(now).max(admission.newest_issue_date);
    let issuing = Issuing {
        root: ground.root,
        keys,
        now,
    };
    let (instance, entry) = instance(admission, applicant)?;
    let leaf = leaf(&ground, admission, applicant, &instance, &issuing, rng)?;
    let names = ground.marble.secrets_used().map(|used| used.name.as_str());
    let owner = Owner {
        derivation: ground.derivation,
        marble: match ground.marble.binding {
            SecretBinding::Marble => &admission.marble,
            SecretBinding::Instance => "",
        },
        instance: &instance,
    };
    let manifest = &ground.policy.manifest;
    let own = secrets::of_instance(manifest, names, &owner, &issuing, rng)?;
    let own_before = match &ground.policy.derivation_before {
        Some(derivation) => {
            let used = ground.marble.secrets_used();
            let before = used.filter(|used| used.generation == Generation::Previous);
            let names = before.map(|used| used.name.as_str());
            let owner = Owner {
                derivation,
                ..owner
            };
            secrets::of_instance_before(manifest, names, &owner, &issuing, rng)?
        }
        None => BTreeMap::new(),
    };
    let values = Values {
        marble: ground.marble,
        definitions: ground.policy.manifest.secrets(),
        root: ground.root.certificate(),
        issuing: ground.issuing.certificate(),
        leaf: &leaf,
        shared: &ground.policy.shared,
        previous: &ground.policy.previous,
        own: &own,
        own_before: &own_before,
        user: view.user_secrets(),
    };
    let provision = render(&values, &admission.marble, instance, now)?;
    let certificates = own.iter().filter_map(|(name, secret)| match secret {
        Secret::Certificate(certified) => Some((name.clone(), certified.certificate().clone())),
        Secret::Symmetric(_) => None,
    });
    Ok(Draft {
        epoch: admission.epoch,
        marble: admission.marble.clone(),
        instance,
        entry,
        grounds: admission.grounds.clone(),
        newest_issue_date: admission.newest_issue_date,
        certificates: certificates.collect(),
        leaf,
        user_secrets: Arc::clone(view.user_secrets()),
        provision,
    })
}

/// What a draft stands on: the view's policy of the very epoch that the admission was made under.
struct Ground<'a> {
    policy: &'a Policy,
    marble: &'a Marble,
    root: &'a Certified,
    issuing: &'a Certified,
    derivation: &'a DerivationSecret,
    trust_domain: String,
}

impl<'a> Ground<'a> {
    fn of(view: &'a View, admission: &Admission) -> Result<Self, Refusal> {
        let moved = || Refusal::EpochMoved {
            prepared: admission.epoch,
            current: view.epoch(),
        };
        let policy = view
            .policy()
            .filter(|policy| policy.epoch == admission.epoch)
            .ok_or_else(moved)?;
        let marble = policy
            .manifest
            .marbles()
            .get(&admission.marble)
            .ok_or_else(moved)?;
        let not_founded = || Refusal::NotFounded;
        Ok(Self {
            policy,
            marble,
            root: view.root_authority().ok_or_else(not_founded)?,
            issuing: view.issuing_authority().ok_or_else(not_founded)?,
            derivation: view.derivation().ok_or_else(not_founded)?,
            trust_domain: view.trust_domain().ok_or_else(not_founded)?,
        })
    }
}

/// The instance's name: on activation what was proposed, or the key's; on renewal the leaf's own.
fn instance(
    admission: &Admission,
    applicant: &Applicant<'_>,
) -> Result<(Instance, DraftEntry), Refusal> {
    match applicant.entry {
        Entry::Activate { proposal } => Ok((
            proposal.unwrap_or_else(|| instance_of(applicant.spki)),
            DraftEntry::Activate,
        )),
        Entry::Renew { leaf } => {
            let not_valid = |cause: String| Refusal::LeafNotValid {
                marble: admission.marble.clone(),
                cause,
            };
            let (_, parsed) = X509Certificate::from_der(leaf)
                .map_err(|error| not_valid(format!("it is no X.509 certificate: {error}")))?;
            let receipt = LeafReceipt::from_certificate(&parsed)
                .map_err(|error| not_valid(error.to_string()))?
                .ok_or_else(|| {
                    not_valid("it is no leaf of a marble: it has no receipt".to_owned())
                })?;
            if receipt.marble_type != admission.marble {
                return Err(not_valid(format!(
                    "it is one of marble `{}`",
                    receipt.marble_type
                )));
            }
            Ok((
                receipt.instance,
                DraftEntry::Renew {
                    leaf_sha256: Sha256::digest(leaf).into(),
                },
            ))
        }
    }
}

/// The marble's leaf: names from the manifest, life no longer than the evidence, the issuing CA and the manifest allow.
fn leaf(
    ground: &Ground<'_>,
    admission: &Admission,
    applicant: &Applicant<'_>,
    instance: &Instance,
    issuing: &Issuing<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, Refusal> {
    let (dns_names, ip_addresses) = split_names(&ground.marble.dns_names);
    let uri = spiffe_id(&ground.trust_domain, &admission.marble, instance);
    let wanted = issuing.now.saturating_add(
        ground
            .policy
            .manifest
            .config()
            .certificate_lifetime
            .as_secs(),
    );
    let receipt = LeafReceipt {
        marble_type: admission.marble.clone(),
        instance: *instance,
        epoch: admission.epoch,
        attested_at: admission.attested_at,
        sequence: applicant.position.sequence,
        head: applicant.position.head,
    };
    let template = Template {
        role: Role::Marble,
        // Old TLS clients take a common name for a DNS name, so it is none that means anything.
        common_name: hex::encode(instance),
        wishes: Wishes::default(),
        dns_names: dns_names.clone(),
        ip_addresses: ip_addresses.clone(),
        uri: Some(uri.clone()),
        spki: applicant.spki.to_vec(),
        serial: serial(rng),
        issued_at: issuing.now,
        not_after: wanted
            .min(admission.until)
            .min(ground.issuing.certificate().not_after()),
        receipt: Some(receipt.extension_value()),
    };
    let limits = Limits {
        dns_names: &dns_names,
        ip_addresses: &ip_addresses,
        uri: Some(&uri),
        not_after: admission.until,
        issuer: Some(ground.issuing.certificate()),
    };
    issue(
        template,
        &limits,
        Signer::Authority(ground.issuing),
        issuing.keys,
        &format!("marble `{}`", admission.marble),
    )
}

/// The manifest's names of a marble: DNS names and loopback addresses.
fn split_names(names: &[String]) -> (Vec<String>, Vec<IpAddr>) {
    let (mut dns, mut ip) = (Vec::new(), Vec::new());
    for name in names {
        match name.parse() {
            Ok(address) => ip.push(address),
            Err(_) => dns.push(name.clone()),
        }
    }
    (dns, ip)
}
