//! Floors: how new each of the vendor's signed objects was when it was seen last, so that an older one is noticed.
//!
//! Old collateral stays validly signed until its date, and hides what the vendor has published since: a lower TCB status,
//! a revoked certificate. So whoever remembers takes none that is older than what he saw. One mark an object: its number
//! (tcbEvaluationDataNumber, CRL number), then the date from which it holds (issueDate, thisUpdate). The higher number is
//! the newer; with equal numbers the later date is. Collateral without an object that it could have (AMD's revocation list)
//! is older than any with it.
//!
//! Does not live here: where marks are kept (the coordinator's journal, a client's memory), validity (`verify`).

use core::fmt;
use core::time::Duration;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rustls_pki_types::UnixTime;
use stoa_explain::Explain;

use crate::collateral::{Collateral, Endorsed};
use crate::dates::{Utc, Window};
use crate::verified::Verified;

/// Objects that are remembered, at most; further ones are not, those that are known still are.
pub const FLOOR_OBJECTS_MAX: usize = 1024;
/// Name of an object, in bytes, at most.
pub const FLOOR_NAME_BYTES_MAX: usize = 255;
/// Number of an object, in bytes, at most (RFC 5280, 5.2.3: a CRL number has up to 20).
pub const FLOOR_NUMBER_BYTES_MAX: usize = 20;

/// The revocation list of AMD's ARK; `/vcek` or `/vlek` follows. Both had this very name once, so a mark under it stands for
/// either.
const ARK_CRL: &str = "ark-crl";

/// How new one object was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Big-endian magnitude without leading zeros.
    pub number: Vec<u8>,
    /// From when on it holds, Unix seconds.
    pub issued: u64,
}

impl Mark {
    fn new(number: &[u8], window: Window) -> Self {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        Self {
            number: number[zeros..].to_vec(),
            issued: window.from.as_secs(),
        }
    }

    fn key(&self) -> (usize, &[u8], u64) {
        (self.number.len(), &self.number, self.issued)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issued = UnixTime::since_unix_epoch(Duration::from_secs(self.issued));
        match <[u8; 8]>::try_from(padded(&self.number).as_slice()) {
            Ok(number) => write!(f, "number {}", u64::from_be_bytes(number))?,
            Err(_) => write!(f, "number 0x{}", hex::encode(&self.number))?,
        }
        write!(f, " of {}", Utc(issued))
    }
}

/// To eight bytes, if it is not longer.
fn padded(number: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8_usize.saturating_sub(number.len())];
    bytes.extend_from_slice(number);
    bytes
}

/// The newest mark of each object that was seen, by the object's name.
///
/// A name is `<first 16 hex digits of the anchor's SHA-256>/<object>`: objects of two vendors never meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floors {
    marks: BTreeMap<String, Mark>,
    /// Names of objects that collateral could have and has not. Only collateral misses something: nothing of it is
    /// remembered.
    missing: BTreeSet<String>,
}

impl Floors {
    /// Nothing was seen yet.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The marks of one platform's collateral.
    #[must_use]
    pub fn of(collateral: &Verified<Collateral>) -> Self {
        collateral.floors()
    }

    /// Marks as they were kept. Names and numbers beyond their limits, and objects beyond [`FLOOR_OBJECTS_MAX`], are left
    /// out: no such mark was ever made.
    #[must_use]
    pub fn kept(marks: impl IntoIterator<Item = (String, Mark)>) -> Self {
        let mut floors = Self::none();
        floors.raise(&Self::seen(marks));
        floors
    }

    fn seen(marks: impl IntoIterator<Item = (String, Mark)>) -> Self {
        Self {
            marks: marks.into_iter().collect(),
            missing: BTreeSet::new(),
        }
    }

    /// Name and mark of each object.
    pub fn marks(&self) -> impl Iterator<Item = (&str, &Mark)> {
        self.marks.iter().map(|(name, mark)| (name.as_str(), mark))
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// That nothing of `offered` is older than what was seen, and nothing that was seen is missing.
    ///
    /// # Errors
    /// [`CollateralOlder`] names the first object that is.
    pub fn check(&self, offered: &Floors) -> Result<(), CollateralOlder> {
        let there = offered.marks.iter().map(|(name, got)| (name, Some(got)));
        let missing = offered.missing.iter().map(|name| (name, None));
        for (name, got) in there.chain(missing) {
            let newer = |seen: &&Mark| got.is_none_or(|got| got.key() < seen.key());
            if let Some(seen) = self.of_object(name).find(newer) {
                return Err(CollateralOlder {
                    object: name.clone(),
                    got: got.cloned(),
                    seen: seen.clone(),
                });
            }
        }
        Ok(())
    }

    /// What was seen of the object: under its name, and under the one that it had before.
    fn of_object(&self, name: &str) -> impl Iterator<Item = &Mark> {
        let before = name.rsplit_once('/').map(|(before, _)| before);
        let before = before.filter(|before| before.ends_with(ARK_CRL));
        let names = [Some(name), before].into_iter().flatten();
        names.filter_map(|name| self.marks.get(name))
    }

    /// Takes in what is newer, and says whether anything was.
    pub fn raise(&mut self, seen: &Floors) -> bool {
        let mut raised = false;
        for (name, mark) in &seen.marks {
            let too_long = name.len() > FLOOR_NAME_BYTES_MAX
                || mark.number.len() > FLOOR_NUMBER_BYTES_MAX
                || mark.number.first() == Some(&0);
            if too_long {
                continue;
            }
            let full = self.marks.len() >= FLOOR_OBJECTS_MAX;
            match self.marks.entry(name.clone()) {
                Entry::Occupied(mut known) if known.get().key() < mark.key() => {
                    known.insert(mark.clone());
                    raised = true;
                }
                Entry::Vacant(place) if !full => {
                    place.insert(mark.clone());
                    raised = true;
                }
                _ => {}
            }
        }
        raised
    }

    /// The newest date at which a vendor signed something: no true clock is behind it. `None` if nothing was seen.
    #[must_use]
    pub fn newest_issue(&self) -> Option<u64> {
        self.marks.values().map(|mark| mark.issued).max()
    }
}

impl Collateral {
    fn floors(&self) -> Floors {
        let anchor = &hex::encode(self.anchor_sha256())[..16];
        let name = |object: String| format!("{anchor}/{object}");
        let kind = self.kind().name();
        let dcap = match self.content() {
            Endorsed::Dcap(dcap) => dcap,
            Endorsed::Amd(amd) => {
                // The KDS has a list for VCEKs and one for VLEKs, both of the ARK, and nothing says that they are numbered
                // together.
                let name = name(format!("{ARK_CRL}/{}", amd.kind.path()));
                return match &amd.crl {
                    Some(crl) => Floors::seen([(name, Mark::new(&crl.number, crl.window))]),
                    None => Floors {
                        missing: BTreeSet::from([name]),
                        ..Floors::none()
                    },
                };
            }
        };
        let fmspc = hex::encode(dcap.tcb_info.fmspc);
        let (tcb, qe) = (&dcap.tcb_info, &dcap.qe_identity);
        let (root_crl, pck_crl) = (&dcap.root_crl, &dcap.pck_crl);
        Floors::seen([
            (
                name(format!("tcb-info/{kind}/{fmspc}")),
                Mark::new(&tcb.evaluation_number.to_be_bytes(), tcb.window),
            ),
            (
                name(format!("qe-identity/{kind}")),
                Mark::new(&qe.evaluation_number.to_be_bytes(), qe.window),
            ),
            (
                name("root-crl".to_owned()),
                Mark::new(&root_crl.number, root_crl.window),
            ),
            (
                name(format!("pck-crl/{}", dcap.pck_ca.common_name)),
                Mark::new(&pck_crl.number, pck_crl.window),
            ),
        ])
    }
}

/// Collateral that is validly signed, and older than what was seen before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} of the collateral {}, but {seen} was seen before", words(.got.as_ref()))]
pub struct CollateralOlder {
    /// Which object.
    pub object: String,
    /// What it is; `None` if the collateral has no such object.
    pub got: Option<Mark>,
    /// What was seen before.
    pub seen: Mark,
}

fn words(got: Option<&Mark>) -> String {
    got.map_or("is missing".to_owned(), |got| format!("has {got}"))
}

impl Explain for CollateralOlder {
    fn code(&self) -> &'static str {
        "collateral-went-back"
    }

    fn remedy(&self) -> Option<String> {
        Some(
            "let the coordinator or its collateral service fetch current collateral; if a cache in between is merely \
             late, wait until it has caught up"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mark(number: &[u8], issued: u64) -> Mark {
        Mark {
            number: number.to_vec(),
            issued,
        }
    }

    fn one(number: &[u8], issued: u64) -> Floors {
        Floors::kept([("a/x".to_owned(), mark(number, issued))])
    }

    #[test]
    fn the_number_decides_and_then_the_date() {
        let seen = one(&[1, 0], 100);
        for (number, issued, older) in [
            (&[1, 0][..], 100, false),
            (&[1, 0], 101, false),
            (&[1, 0], 99, true),
            (&[0xFF], 200, true),
            (&[], 200, true),
            (&[1, 1], 50, false),
            (&[1, 0, 0], 50, false),
        ] {
            let got = seen.check(&one(number, issued));
            assert_eq!(got.is_err(), older, "{number:?} {issued}");
        }
        let other = Floors::kept([("b/x".to_owned(), mark(&[], 0))]);
        assert_eq!(seen.check(&other), Ok(()));
    }

    #[test]
    fn floors_only_rise() {
        let mut floors = one(&[2], 100);
        assert!(!floors.raise(&one(&[1], 200)));
        assert!(!floors.raise(&one(&[2], 100)));
        assert!(!floors.raise(&one(&[2], 99)));
        assert_eq!(floors, one(&[2], 100));
        assert!(floors.raise(&one(&[3], 50)));
        assert_eq!(floors, one(&[3], 50));
        assert_eq!(floors.newest_issue(), Some(50));
    }

    #[test]
    fn floors_are_bounded() {
        let many = (0..2 * FLOOR_OBJECTS_MAX).map(|n| (format!("{n:06}"), mark(&[1], 1)));
        let mut floors = Floors::kept(many);
        assert_eq!(floors.marks().count(), FLOOR_OBJECTS_MAX);
        assert!(floors.raise(&Floors::kept([("000000".to_owned(), mark(&[2], 1))])));
        let long = Floors::kept([
            ("n".repeat(FLOOR_NAME_BYTES_MAX + 1), mark(&[1], 1)),
            ("x".to_owned(), mark(&[1; FLOOR_NUMBER_BYTES_MAX + 1], 1)),
            ("y".to_owned(), mark(&[0, 1], 1)),
        ]);
        assert!(long.is_empty());
    }

    fn without(name: &str) -> Floors {
        Floors {
            missing: BTreeSet::from([name.to_owned()]),
            ..Floors::none()
        }
    }

    #[test]
    fn what_is_missing_is_older_than_any_and_is_not_remembered() {
        let lowest = one(&[], 0);
        let error = lowest.check(&without("a/x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a/x of the collateral is missing, but number 0 of 1970-01-01T00:00:00Z was seen before"
        );
        assert_eq!(lowest.check(&without("b/x")), Ok(()));
        assert_eq!(Floors::none().check(&without("a/x")), Ok(()));
        let mut floors = lowest.clone();
        assert!(!floors.raise(&without("a/x")) && !floors.raise(&without("b/x")));
        assert_eq!(floors, lowest);
        assert!(without("a/x").is_empty());
        assert_eq!(without("a/x").newest_issue(), None);
        assert_eq!(without("a/x").check(&lowest), Ok(()), "the first one");
    }

    /// Before, the lists for VCEKs and for VLEKs had one name: what was kept under it binds both.
    #[test]
    fn a_mark_of_a_list_under_its_name_of_before_still_counts() {
        let list = |name: &str, number: u8| Floors::kept([(name.to_owned(), mark(&[number], 9))]);
        let old = list("a/ark-crl", 7);
        for kind in ["a/ark-crl/vcek", "a/ark-crl/vlek"] {
            assert!(old.check(&list(kind, 6)).is_err(), "{kind}");
            assert!(old.check(&without(kind)).is_err(), "{kind}");
            assert_eq!(old.check(&list(kind, 7)), Ok(()), "{kind}");
            let mut both = old.clone();
            assert!(both.raise(&list(kind, 8)));
            assert!(both.check(&list(kind, 7)).is_err(), "{kind}");
        }
        let (vcek, vlek) = (list("a/ark-crl/vcek", 7), list("a/ark-crl/vlek", 3));
        assert_eq!(vcek.check(&vlek), Ok(()), "each has numbers of its own");
        assert_eq!(old.check(&list("b/ark-crl/vcek", 1)), Ok(()));
        let other = list("a/pck-crl", 7);
        assert_eq!(other.check(&list("a/pck-crl/x", 1)), Ok(()));
    }

    #[test]
    fn what_went_back_is_said_with_both_numbers_and_dates() {
        let error = one(&[20], 1_750_328_163)
            .check(&one(&[19], 1_750_328_163))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "a/x of the collateral has number 19 of 2025-06-19T10:16:03Z, but number 20 of 2025-06-19T10:16:03Z was \
             seen before"
        );
    }
}
