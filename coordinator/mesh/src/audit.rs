//! What was done to the mesh and by whom: a projection of the journal's events for auditors, without any secret.
//!
//! It is rebuilt from the journal at each start and grows with each batch that became durable; there is no second truth.
//! Admissions of marbles are not in it: they are counted (`board`), and each is in the journal.
//!
//! A secret's digest is an HMAC-SHA-256 under a key of this mesh, because a plain digest of a short password could be
//! guessed: equal digests mean equal values of one secret, and nothing else can be learned from them. The key is
//! HKDF-SHA-512 (RFC 5869, no salt) over the secret of founding with the info LP("stoa/audit-digest") LP(version u8), the
//! message LP(name), then LP(bytes), or LP(certificate) LP(private key or nothing) behind LP(form u8).
//!
//! Does not live here: who may read it (`approve`), who was refused (`denied`).

use std::collections::VecDeque;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};
use stoa_attestation::lp::Writer;
use zeroize::Zeroizing;

use crate::event::{By, Event};
use crate::secret::{DerivationSecret, SecretValue};
use crate::state::State;

/// Entries of each sort that are remembered; of more, the oldest are in the journal only.
pub const AUDIT_MAX: usize = 4096;
/// Entries that are read at one time.
pub const AUDIT_PAGE_MAX: usize = 256;
const LABEL: &str = "stoa/audit-digest";
const VERSION: u8 = 1;
const FORM_BYTES: u8 = 1;
const FORM_CERTIFICATE: u8 = 2;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts everything that was ever entered, from 1; what is missing between two is no longer remembered.
    pub number: u64,
    /// Sequence of the record of the journal in which it stands.
    pub sequence: u64,
    /// When, Unix time.
    pub time: u64,
    /// What.
    pub what: Deed,
    /// The user's name; `None` if it was no user.
    pub user: Option<String>,
    /// SHA-256 of their client certificate; `None` if there was none.
    pub certificate: Option<[u8; 32]>,
    /// The secret's name; empty for everything else.
    pub subject: String,
    /// Digest before: of a manifest or certificate its SHA-256, of a secret's value its keyed one; `None` if there was none.
    pub before: Option<[u8; 32]>,
    /// Digest after, likewise.
    pub after: Option<[u8; 32]>,
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// The mesh was founded; after: the root CA.
    Founded,
    /// The first manifest was set.
    ManifestSet,
    /// A user agreed to another manifest, the first of them; after: that manifest.
    UpdateProposed,
    /// Another user agreed to it.
    UpdateAgreed,
    /// A user took it back.
    UpdateCancelled,
    /// Another manifest came into force, by the last who agreed.
    ManifestUpdated,
    /// The issuing CA was replaced within its epoch.
    IssuingCaReplaced,
    /// A user set a secret.
    SecretSet,
    /// A user read a secret; after: what was read.
    SecretRead,
}

impl Deed {
    /// Stable, lower-case, never reused.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Founded => "founded",
            Self::ManifestSet => "manifest-set",
            Self::UpdateProposed => "update-proposed",
            Self::UpdateAgreed => "update-agreed",
            Self::UpdateCancelled => "update-cancelled",
            Self::ManifestUpdated => "manifest-updated",
            Self::IssuingCaReplaced => "issuing-ca-replaced",
            Self::SecretSet => "secret-set",
            Self::SecretRead => "secret-read",
        }
    }
}

/// The newest entries, in three lists, so that whoever reads or sets secrets can't push the others' deeds out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    entered: u64,
    mesh: VecDeque<Entry>,
    set: VecDeque<Entry>,
    read: VecDeque<Entry>,
}

impl Log {
    /// Enters what a record of the journal holds.
    pub(crate) fn enter(&mut self, sequence: u64, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.entered += 1;
            let list = match entry.what {
                Deed::SecretSet => &mut self.set,
                Deed::SecretRead => &mut self.read,
                _ => &mut self.mesh,
            };
            if list.len() == AUDIT_MAX {
                list.pop_front();
            }
            list.push_back(Entry {
                number: self.entered,
                sequence,
                ..entry
            });
        }
    }

    /// The newest entries with numbers below `before`, newest first, at most `length` and [`AUDIT_PAGE_MAX`].
    pub(crate) fn page(&self, before: u64, length: usize) -> Vec<Entry> {
        let newest = |list: &VecDeque<Entry>| {
            let end = list.partition_point(|entry| entry.number < before);
            end.checked_sub(1)
        };
        let lists = [&self.mesh, &self.set, &self.read];
        let mut next = lists.map(newest);
        let mut page = Vec::new();
        while page.len() < length.min(AUDIT_PAGE_MAX) {
            let heads = lists.iter().zip(&next).enumerate();
            let entry = heads
                .filter_map(|(place, (list, at))| Some((place, list.get((*at)?)?)))
                .max_by_key(|(_, entry)| entry.number);
            let Some((place, entry)) = entry else {
                break;
            };
            page.push(entry.clone());
            next[place] = next[place].and_then(|at| at.checked_sub(1));
        }
        page
    }
}

/// What an event enters, given the state before it. Number and sequence are not known here.
pub(crate) fn entries(state: &State, event: &Event) -> Vec<Entry> {
    let in_force = state.policy.as_ref().map(|policy| policy.manifest.sha256());
    let blank = |what: Deed, by: Option<&By>| Entry {
        number: 0,
        sequence: 0,
        time: event.time(),
        what,
        user: by.map(|by| by.user.clone()),
        certificate: by.map(|by| by.certificate),
        subject: String::new(),
        before: None,
        after: None,
    };
    let agreed = |what: Deed, by: &By, sha256: [u8; 32]| Entry {
        before: in_force,
        after: Some(sha256),
        ..blank(what, Some(by))
    };
    match event {
        Event::Founded(founded) => vec![Entry {
            after: Some(founded.root.certificate().sha256()),
            ..blank(Deed::Founded, None)
        }],
        Event::ManifestSet(set) => vec![Entry {
            certificate: set.caller,
            before: in_force,
            after: Some(set.manifest.sha256()),
            ..blank(Deed::ManifestSet, None)
        }],
        Event::Updated(updated) => {
            let user = updated.set.caller.and_then(|certificate| {
                let policy = state.policy.as_ref()?;
                policy.manifest.user_of(&certificate).map(str::to_owned)
            });
            vec![Entry {
                user,
                certificate: updated.set.caller,
                before: in_force,
                after: Some(updated.set.manifest.sha256()),
                ..blank(Deed::ManifestUpdated, None)
            }]
        }
        Event::Proposed(proposed) => {
            let sha256 = proposed.manifest.sha256();
            vec![agreed(Deed::UpdateProposed, &proposed.by, sha256)]
        }
        Event::Agreed(event) => {
            vec![agreed(Deed::UpdateAgreed, &event.by, event.manifest_sha256)]
        }
        Event::Cancelled(event) => {
            vec![agreed(
                Deed::UpdateCancelled,
                &event.by,
                event.manifest_sha256,
            )]
        }
        Event::Rotated(rotated) => vec![Entry {
            before: state
                .issuing
                .as_ref()
                .map(|issuing| issuing.certificate().sha256()),
            after: Some(rotated.issuing.certificate().sha256()),
            ..blank(Deed::IssuingCaReplaced, None)
        }],
        Event::SecretsSet(set) => {
            let each = set.secrets.iter().map(|(name, value)| Entry {
                subject: name.clone(),
                before: state
                    .user_secrets
                    .get(name)
                    .and_then(|value| digest(state, name, value)),
                after: digest(state, name, value),
                ..blank(Deed::SecretSet, Some(&set.by))
            });
            each.collect()
        }
        Event::SecretsRead(read) => {
            let each = read.names.iter().map(|name| Entry {
                subject: name.clone(),
                after: state
                    .value_of(name)
                    .and_then(|value| digest(state, name, &value)),
                ..blank(Deed::SecretRead, Some(&read.by))
            });
            each.collect()
        }
        Event::Started(_) | Event::Admitted(_) | Event::CollateralSeen(_) => Vec::new(),
    }
}

/// The keyed digest of a secret's value; `None` before founding, when there is none.
fn digest(state: &State, name: &str, value: &SecretValue) -> Option<[u8; 32]> {
    let founded = state.founded.as_ref()?;
    keyed(&founded.derivation, name, value)
}

fn keyed(founding: &DerivationSecret, name: &str, value: &SecretValue) -> Option<[u8; 32]> {
    let info = Writer::new().field(LABEL.as_bytes()).u8(VERSION).finish();
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha512>::new(None, founding.0.as_slice())
        .expand(&info, key.as_mut_slice())
        .ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).ok()?;
    // The bytes go into the MAC where they are: no copy of them is made that nobody wipes.
    let mut field = |bytes: &[u8]| {
        mac.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        mac.update(bytes);
    };
    field(name.as_bytes());
    match value {
        SecretValue::Bytes(bytes) => {
            field(&[FORM_BYTES]);
            field(bytes);
        }
        SecretValue::Certificate {
            certificate,
            private,
            ..
        } => {
            field(&[FORM_CERTIFICATE]);
            field(certificate);
            field(private.as_ref().map_or(&[], |key| key.as_slice()));
        }
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(what: Deed) -> Entry {
        Entry {
            number: 0,
            sequence: 0,
            time: 1,
            what,
            user: None,
            certificate: None,
            subject: String::new(),
            before: None,
            after: None,
        }
    }

    #[test]
    fn a_digest_depends_on_mesh_name_form_and_every_byte() {
        let bytes = |text: &str| SecretValue::Bytes(Zeroizing::new(text.as_bytes().to_vec()));
        let pair = |certificate: &[u8], private: Option<&[u8]>| SecretValue::Certificate {
            certificate: certificate.to_vec(),
            spki: Vec::new(),
            private: private.map(|key| Zeroizing::new(key.to_vec())),
        };
        let of = |mesh: u8, name: &str, value: &SecretValue| {
            keyed(&DerivationSecret(Zeroizing::new([mesh; 32])), name, value).unwrap()
        };
        let all = [
            of(1, "a", &bytes("x")),
            of(2, "a", &bytes("x")),
            of(1, "b", &bytes("x")),
            of(1, "a", &bytes("y")),
            of(1, "ax", &bytes("")),
            of(1, "a", &pair(b"x", None)),
            of(1, "a", &pair(b"x", Some(b"k"))),
            of(1, "a", &pair(b"xk", None)),
        ];
        for (place, digest) in all.iter().enumerate() {
            assert!(!all[..place].contains(digest), "{place}");
        }
        assert_eq!(all[0], of(1, "a", &bytes("x")));
        let plain: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
            <Sha256 as sha2::Digest>::new(),
            b"x",
        ))
        .into();
        assert!(!all.contains(&plain));
    }

    #[test]
    fn pages_are_in_order_and_nobodys_reads_push_others_deeds_out() {
        let mut log = Log::default();
        log.enter(1, [entry(Deed::Founded)]);
        log.enter(2, [entry(Deed::SecretSet)]);
        for sequence in 0..AUDIT_MAX as u64 + 10 {
            log.enter(3 + sequence, [entry(Deed::SecretRead)]);
        }
        let mut before = u64::MAX;
        let mut all = Vec::new();
        loop {
            let page = log.page(before, usize::MAX);
            assert!(page.len() <= AUDIT_PAGE_MAX);
            let Some(last) = page.last() else {
                break;
            };
            before = last.number;
            all.extend(page);
        }
        assert!(all.windows(2).all(|pair| pair[0].number > pair[1].number));
        assert_eq!(all.len(), AUDIT_MAX + 2, "the oldest ten reads are gone");
        let oldest: Vec<_> = all.iter().rev().take(3).collect();
        assert_eq!(oldest[0].what, Deed::Founded);
        assert_eq!((oldest[1].what, oldest[1].sequence), (Deed::SecretSet, 2));
        assert_eq!(oldest[2].number, 13);
        assert_eq!(log.page(3, 1)[0].what, Deed::SecretSet);
        assert!(log.page(1, 9).is_empty());
    }
}
