//! What the mesh can be asked to do, prepared outside the writer: keys made, certificates signed, secrets drawn.
//!
//! A prepared command leaves no trace until the sequencer decided on it and its event is durable; one that is refused is
//! dropped with all that was made for it.
//!
//! Does not live here: whether a command may happen (`machine`), the draft of an activation (`provision`).

mod secrets;
mod update;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use rustls_pki_types::UnixTime;
use stoa_attestation::Floors;
use stoa_manifest::Manifest;
use zeroize::Zeroizing;

use crate::ca::{
    COORDINATOR_LEAF_LIFETIME_SECS, Certified, ISSUING_LIFETIME_SECS, Limits, ROOT_LIFETIME_SECS,
    Role, Signer, Template, Wishes, serial,
};
use crate::caller::Caller;
use crate::certificate::Certificate;
use crate::issue::{generate, issue};
use crate::keys::{KeyKind, Keys};
use crate::provision::Draft;
use crate::refusal::Refusal;
use crate::secret::{DerivationSecret, Secret};
use crate::secrets::{self as made, Issuing};
use crate::view::View;

pub use secrets::{
    Given, PLAIN_SECRET_BYTES_MAX, PRIVATE_KEY_BYTES_MAX, ReadSecrets, SetSecrets,
    USER_SECRETS_BYTES_MAX,
};
pub use update::{Cancel, Update};

/// Hex digits of K(SPKI) in the common name of a CA.
const CA_NAME_KEY_BYTES: usize = 8;

/// What the mesh can be asked to do.
#[derive(Debug)]
pub enum Command {
    /// Found the mesh; once, before any listener opens.
    Found(Found),
    /// Certify the client port's key of this start.
    Start(CoordinatorLeaf),
    /// Put the first manifest into force.
    SetManifest(SetManifest),
    /// Agree to another manifest, which comes into force if nobody else must.
    Update(Update),
    /// Take back an update that waits.
    Cancel(Cancel),
    /// Set secrets that users define.
    SetSecrets(SetSecrets),
    /// Read secrets that are shared or that users define.
    ReadSecrets(ReadSecrets),
    /// Replace the issuing CA within its epoch.
    Rotate(Rotate),
    /// Activate a marble, or renew its leaf.
    Activate(Draft),
    /// Remember how new verified collateral is; nothing happens if none of it is newer than what was seen.
    SeeCollateral(Floors),
}

/// A mesh about to be founded: its root CA and derivation secret.
#[derive(Debug)]
pub struct Found {
    pub(crate) root: Certified,
    pub(crate) derivation: DerivationSecret,
}

impl Found {
    /// Makes the root CA (P-256, [`ROOT_LIFETIME_SECS`]) and draws the derivation secret.
    ///
    /// `dns_names`: under which the coordinator is reached; IP addresses among them become IP names, 127.0.0.1 and ::1
    /// are added. They stand in the root because some clients are served with the root itself as leaf.
    ///
    /// # Errors
    /// [`Refusal::Key`] and [`Refusal::Certificate`] if key or certificate can't be made, also for a name that is none.
    pub fn prepare(
        keys: &dyn Keys,
        dns_names: &[String],
        now: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let holder = "the root CA";
        let key = generate(keys, KeyKind::EcdsaP256, holder)?;
        let names = CoordinatorNames::parse(dns_names);
        let not_after = now.as_secs().saturating_add(ROOT_LIFETIME_SECS);
        let template = Template {
            role: Role::Root,
            common_name: ca_name("Stoa root CA", &key.spki),
            wishes: Wishes::default(),
            dns_names: names.dns.clone(),
            ip_addresses: names.ip.clone(),
            uri: None,
            spki: key.spki.clone(),
            serial: serial(rng),
            issued_at: now.as_secs(),
            not_after,
            receipt: None,
        };
        let limits = Limits {
            dns_names: &names.dns,
            ip_addresses: &names.ip,
            uri: None,
            not_after,
            issuer: None,
        };
        let root = issue(template, &limits, Signer::Itself(&key), keys, holder)?;
        let mut derivation = Zeroizing::new([0; 32]);
        rng.fill_bytes(derivation.as_mut_slice());
        Ok(Self {
            root: Certified::new(root, key),
            derivation: DerivationSecret(derivation),
        })
    }
}

/// A leaf for the coordinator's client port, signed by the root, not in use before it is in the journal.
#[derive(Debug)]
pub struct CoordinatorLeaf {
    pub(crate) leaf: Certificate,
}

impl CoordinatorLeaf {
    /// Certifies the client port's key, whose SPKI (DER) is given, for [`COORDINATOR_LEAF_LIFETIME_SECS`].
    ///
    /// `dns_names` as for [`Found::prepare`].
    ///
    /// # Errors
    /// [`Refusal::NotFounded`]; [`Refusal::Certificate`] if the certificate may not be issued.
    pub fn prepare(
        view: &View,
        spki: &[u8],
        dns_names: &[String],
        keys: &dyn Keys,
        now: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let root = view.root_authority().ok_or(Refusal::NotFounded)?;
        let names = CoordinatorNames::parse(dns_names);
        let now = view.not_before_floor(now);
        let not_after = now
            .saturating_add(COORDINATOR_LEAF_LIFETIME_SECS)
            .min(root.certificate().not_after());
        let template = Template {
            role: Role::Coordinator,
            common_name: "Stoa coordinator".to_owned(),
            wishes: Wishes::default(),
            dns_names: names.dns.clone(),
            ip_addresses: names.ip.clone(),
            uri: None,
            spki: spki.to_vec(),
            serial: serial(rng),
            issued_at: now,
            not_after,
            receipt: None,
        };
        let limits = Limits {
            dns_names: &names.dns,
            ip_addresses: &names.ip,
            uri: None,
            not_after,
            issuer: Some(root.certificate()),
        };
        let leaf = issue(
            template,
            &limits,
            Signer::Authority(root),
            keys,
            "the coordinator's client port",
        )?;
        Ok(Self { leaf })
    }
}

/// A manifest about to come into force, with its issuing CA and shared secrets.
#[derive(Debug)]
pub struct SetManifest {
    /// Epoch in force when it was prepared; 0 before the first.
    pub(crate) after: u64,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) caller: Caller,
    pub(crate) issuing: Certified,
    pub(crate) shared: BTreeMap<String, Secret>,
}

impl SetManifest {
    /// Whether a first manifest could still be set: no second one is read.
    ///
    /// # Errors
    /// [`Refusal::ManifestAlreadySet`].
    pub fn may(view: &View) -> Result<(), Refusal> {
        view.refuse_second_manifest()
    }

    /// Makes the issuing CA of the next epoch and every shared secret of the manifest.
    ///
    /// # Errors
    /// [`Refusal::NotFounded`], [`Refusal::ManifestAlreadySet`] (so that nothing is made in vain; `decide` judges again),
    /// [`Refusal::SecretNotMade`], [`Refusal::Key`], [`Refusal::Certificate`].
    pub fn prepare(
        view: &View,
        manifest: Manifest,
        caller: Caller,
        keys: &dyn Keys,
        now: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let root = view.root_authority().ok_or(Refusal::NotFounded)?;
        view.refuse_second_manifest()?;
        let now = view.not_before_floor(now);
        let epoch = view.epoch().saturating_add(1);
        let issuing = issuing_ca(root, epoch, keys, now, rng)?;
        let shared = made::shared(&manifest, &Issuing { root, keys, now }, rng)?;
        Ok(Self {
            after: view.epoch(),
            manifest: Arc::new(manifest),
            caller,
            issuing,
            shared,
        })
    }
}

/// A new issuing CA for the epoch in force, for a mesh that lives longer than an issuing CA does.
#[derive(Debug)]
pub struct Rotate {
    pub(crate) epoch: u64,
    pub(crate) issuing: Certified,
}

impl Rotate {
    /// Makes the next issuing CA of the epoch in force.
    ///
    /// # Errors
    /// [`Refusal::NotFounded`], [`Refusal::StateNotAccepting`] before the first manifest, [`Refusal::Key`],
    /// [`Refusal::Certificate`].
    pub fn prepare(
        view: &View,
        keys: &dyn Keys,
        now: UnixTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let root = view.root_authority().ok_or(Refusal::NotFounded)?;
        if view.issuing().is_none() {
            return Err(Refusal::StateNotAccepting {
                state: view.state(),
            });
        }
        let now = view.not_before_floor(now);
        Ok(Self {
            epoch: view.epoch(),
            issuing: issuing_ca(root, view.epoch(), keys, now, rng)?,
        })
    }
}

fn issuing_ca(
    root: &Certified,
    epoch: u64,
    keys: &dyn Keys,
    now: u64,
    rng: &mut dyn CryptoRng,
) -> Result<Certified, Refusal> {
    let holder = "the issuing CA";
    let key = generate(keys, KeyKind::EcdsaP256, holder)?;
    let not_after = now
        .saturating_add(ISSUING_LIFETIME_SECS)
        .min(root.certificate().not_after());
    let template = Template {
        role: Role::Issuing,
        common_name: ca_name(&format!("Stoa issuing CA {epoch}"), &key.spki),
        wishes: Wishes::default(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        uri: None,
        spki: key.spki.clone(),
        serial: serial(rng),
        issued_at: now,
        not_after,
        receipt: None,
    };
    let limits = Limits {
        dns_names: &[],
        ip_addresses: &[],
        uri: None,
        not_after,
        issuer: Some(root.certificate()),
    };
    let certificate = issue(template, &limits, Signer::Authority(root), keys, holder)?;
    Ok(Certified::new(certificate, key))
}

/// A CA's common name: unique by its key, so that two CAs of one epoch are told apart by their subjects.
fn ca_name(what: &str, spki: &[u8]) -> String {
    let key = stoa_attestation::channel::key_id(spki);
    format!("{what} {}", hex::encode(&key[..CA_NAME_KEY_BYTES]))
}

/// The names under which the coordinator is reached: configured ones, and loopback.
struct CoordinatorNames {
    dns: Vec<String>,
    ip: Vec<IpAddr>,
}

impl CoordinatorNames {
    fn parse(names: &[String]) -> Self {
        let mut parsed = Self {
            dns: Vec::new(),
            ip: vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ],
        };
        for name in names {
            match name.parse() {
                Ok(address) if parsed.ip.contains(&address) => {}
                Ok(address) => parsed.ip.push(address),
                Err(_) => parsed.dns.push(name.clone()),
            }
        }
        parsed
    }
}
