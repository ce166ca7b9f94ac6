//! The layout of each event. A tag, once released, keeps its fields for ever.
//!
//! Does not live here: fields that several layouts share (`field`).

use std::collections::BTreeMap;
use std::sync::Arc;

use stoa_attestation::lp::Reader;
use zeroize::Zeroizing;

use super::Damaged;
use super::field::{
    Put, authority, certificate, count, floors, manifest, marble, names, put_authority, put_floors,
    put_manifest, put_names, put_secrets, put_values, secrets, text, values,
};
use crate::event::{
    Admittance, Admitted, Agreed, By, CollateralSeen, Event, Founded, Grounds, ManifestSet,
    Proposed, Rotated, SecretsRead, SecretsSet, Started, Updated,
};
use crate::secret::DerivationSecret;

const TAG_FOUNDED: u16 = 1;
const TAG_STARTED: u16 = 2;
const TAG_MANIFEST_SET: u16 = 3;
const TAG_ROTATED: u16 = 4;
const TAG_ADMITTED: u16 = 5;
const TAG_COLLATERAL_SEEN: u16 = 6;
const TAG_PROPOSED: u16 = 7;
const TAG_AGREED: u16 = 8;
const TAG_CANCELLED: u16 = 9;
const TAG_UPDATED: u16 = 10;
const TAG_SECRETS_SET: u16 = 20;
const TAG_SECRETS_READ: u16 = 21;
const TAG_UPDATED_WITH_ROOT_SECRET: u16 = 22;

const ENTRY_ACTIVATED: u8 = 1;
const ENTRY_RETRIED: u8 = 2;
const ENTRY_RENEWED: u8 = 3;

pub(super) fn put(out: &mut dyn Put, event: &Event) {
    match event {
        Event::Founded(founded) => {
            out.u16(TAG_FOUNDED);
            out.u64(founded.time);
            put_authority(out, &founded.root);
            out.field(founded.derivation.0.as_slice());
        }
        Event::Started(started) => {
            out.u16(TAG_STARTED);
            out.u64(started.time);
            out.field(started.leaf.der());
        }
        Event::ManifestSet(set) => {
            out.u16(TAG_MANIFEST_SET);
            put_set(out, set);
        }
        Event::Proposed(proposed) => {
            out.u16(TAG_PROPOSED);
            out.u64(proposed.time);
            put_by(out, &proposed.by);
            put_manifest(out, proposed.epoch, &proposed.manifest);
        }
        Event::Agreed(agreed) => {
            out.u16(TAG_AGREED);
            put_agreed(out, agreed);
        }
        Event::Cancelled(cancelled) => {
            out.u16(TAG_CANCELLED);
            put_agreed(out, cancelled);
        }
        Event::Updated(updated) => {
            let new = updated.derivation.as_ref();
            out.u16(new.map_or(TAG_UPDATED, |_| TAG_UPDATED_WITH_ROOT_SECRET));
            put_set(out, &updated.set);
            put_names(out, &updated.agreed);
            put_secrets(out, &updated.previous);
            if let Some(new) = new {
                out.field(new.0.as_slice());
            }
        }
        Event::Rotated(rotated) => {
            out.u16(TAG_ROTATED);
            out.u64(rotated.time);
            put_authority(out, &rotated.issuing);
        }
        Event::Admitted(admitted) => {
            out.u16(TAG_ADMITTED);
            put_admitted(out, admitted);
        }
        Event::CollateralSeen(seen) => {
            out.u16(TAG_COLLATERAL_SEEN);
            out.u64(seen.time);
            put_floors(out, &seen.floors);
        }
        Event::SecretsSet(set) => {
            out.u16(TAG_SECRETS_SET);
            out.u64(set.time);
            put_by(out, &set.by);
            put_values(out, &set.secrets);
        }
        Event::SecretsRead(read) => {
            out.u16(TAG_SECRETS_READ);
            out.u64(read.time);
            put_by(out, &read.by);
            put_names(out, &read.names);
        }
    }
}

/// Reads one event.
///
/// # Errors
/// [`Damaged`] if the tag is unknown or a field is not as it must be.
pub(super) fn take(bytes: &[u8]) -> Result<Event, Damaged> {
    let mut reader = Reader::new(bytes);
    let event = match reader.u16("tag of the event")? {
        TAG_FOUNDED => Event::Founded(Arc::new(Founded {
            time: reader.u64("time")?,
            root: authority(&mut reader)?,
            derivation: DerivationSecret(Zeroizing::new(reader.exact("derivation secret")?)),
        })),
        TAG_STARTED => Event::Started(Arc::new(Started {
            time: reader.u64("time")?,
            leaf: certificate(&mut reader)?,
        })),
        TAG_MANIFEST_SET => Event::ManifestSet(Arc::new(take_set(&mut reader)?)),
        TAG_PROPOSED => {
            let time = reader.u64("time")?;
            let by = take_by(&mut reader)?;
            let (epoch, manifest) = manifest(&mut reader)?;
            Event::Proposed(Arc::new(Proposed {
                time,
                epoch,
                by,
                manifest,
            }))
        }
        TAG_AGREED => Event::Agreed(Arc::new(take_agreed(&mut reader)?)),
        TAG_CANCELLED => Event::Cancelled(Arc::new(take_agreed(&mut reader)?)),
        tag @ (TAG_UPDATED | TAG_UPDATED_WITH_ROOT_SECRET) => {
            let mut updated = Updated {
                set: take_set(&mut reader)?,
                agreed: names(&mut reader)?,
                previous: secrets(&mut reader)?,
                derivation: None,
            };
            if tag == TAG_UPDATED_WITH_ROOT_SECRET {
                let new = Zeroizing::new(reader.exact("derivation secret")?);
                updated.derivation = Some(DerivationSecret(new));
            }
            Event::Updated(Arc::new(updated))
        }
        TAG_ROTATED => Event::Rotated(Arc::new(Rotated {
            time: reader.u64("time")?,
            issuing: authority(&mut reader)?,
        })),
        TAG_ADMITTED => Event::Admitted(Arc::new(take_admitted(&mut reader)?)),
        TAG_COLLATERAL_SEEN => Event::CollateralSeen(Arc::new(CollateralSeen {
            time: reader.u64("time")?,
            floors: floors(&mut reader)?,
        })),
        TAG_SECRETS_SET => Event::SecretsSet(Arc::new(SecretsSet {
            time: reader.u64("time")?,
            by: take_by(&mut reader)?,
            secrets: values(&mut reader)?,
        })),
        TAG_SECRETS_READ => Event::SecretsRead(Arc::new(SecretsRead {
            time: reader.u64("time")?,
            by: take_by(&mut reader)?,
            names: names(&mut reader)?,
        })),
        tag => {
            return Err(Damaged::Unknown {
                what: "tag of an event",
                got: u64::from(tag),
            });
        }
    };
    reader.finish()?;
    Ok(event)
}

fn put_set(out: &mut dyn Put, set: &ManifestSet) {
    out.u64(set.time);
    put_manifest(out, set.epoch, &set.manifest);
    out.field(set.caller.as_ref().map_or(&[], <[u8; 32]>::as_slice));
    put_authority(out, &set.issuing);
    put_secrets(out, &set.shared);
}

fn take_set(reader: &mut Reader<'_>) -> Result<ManifestSet, Damaged> {
    let time = reader.u64("time")?;
    let (epoch, manifest) = manifest(reader)?;
    let caller = reader.optional("caller")?;
    let issuing = authority(reader)?;
    let shared = secrets(reader)?;
    Ok(ManifestSet {
        time,
        epoch,
        manifest,
        caller,
        issuing,
        shared,
    })
}

fn put_by(out: &mut dyn Put, by: &By) {
    out.field(by.user.as_bytes());
    out.field(&by.certificate);
}

fn take_by(reader: &mut Reader<'_>) -> Result<By, Damaged> {
    Ok(By {
        user: text(reader, "user")?,
        certificate: reader.exact("certificate of a user")?,
    })
}

fn put_agreed(out: &mut dyn Put, agreed: &Agreed) {
    out.u64(agreed.time);
    put_by(out, &agreed.by);
    out.field(&agreed.manifest_sha256);
}

fn take_agreed(reader: &mut Reader<'_>) -> Result<Agreed, Damaged> {
    Ok(Agreed {
        time: reader.u64("time")?,
        by: take_by(reader)?,
        manifest_sha256: reader.exact("SHA-256 of a manifest")?,
    })
}

fn put_admitted(out: &mut dyn Put, admitted: &Admitted) {
    out.u64(admitted.time);
    out.u64(admitted.epoch);
    out.field(admitted.marble.as_bytes());
    out.field(&admitted.instance);
    out.field(&admitted.key);
    out.u8(match admitted.entry {
        Admittance::Activated => ENTRY_ACTIVATED,
        Admittance::Retried => ENTRY_RETRIED,
        Admittance::Renewed => ENTRY_RENEWED,
    });
    out.field(admitted.grounds.package.as_bytes());
    out.u16(admitted.grounds.kind);
    out.field(admitted.grounds.tcb_status.as_bytes());
    out.u64(admitted.grounds.collateral_end);
    out.field(admitted.leaf.der());
    out.u64(admitted.certificates.len() as u64);
    for (name, certificate) in &admitted.certificates {
        out.field(name.as_bytes());
        out.field(certificate.der());
    }
}

fn take_admitted(reader: &mut Reader<'_>) -> Result<Admitted, Damaged> {
    let time = reader.u64("time")?;
    let epoch = reader.u64("epoch")?;
    let marble = marble(reader)?;
    let instance = reader.exact("instance")?;
    let key = reader.exact("key")?;
    let entry = match reader.u8("entry")? {
        ENTRY_ACTIVATED => Admittance::Activated,
        ENTRY_RETRIED => Admittance::Retried,
        ENTRY_RENEWED => Admittance::Renewed,
        entry => {
            return Err(Damaged::Unknown {
                what: "entry of an admission",
                got: u64::from(entry),
            });
        }
    };
    let grounds = Grounds {
        package: text(reader, "package")?,
        kind: reader.u16("kind of evidence")?,
        tcb_status: text(reader, "TCB status")?,
        collateral_end: reader.u64("end of the collateral")?,
    };
    let leaf = certificate(reader)?;
    let certificates = (0..count(reader, "certificate secrets")?)
        .map(|_| Ok((text(reader, "name of a secret")?, certificate(reader)?)))
        .collect::<Result<BTreeMap<_, _>, Damaged>>()?;
    Ok(Admitted {
        time,
        epoch,
        marble,
        instance,
        key,
        entry,
        grounds,
        leaf,
        certificates,
    })
}
