//! The memory of good signatures: faster, and never another verdict.

use std::collections::BTreeSet;
use std::sync::Mutex;

use stoa_attestation::SignatureMemo;
use stoa_explain::Explain;

use crate::support::Vector;
use crate::support::forge::{OTHER, World};

#[derive(Default)]
struct Memo {
    keys: Mutex<BTreeSet<[u8; 32]>>,
    asked: Mutex<usize>,
    missed: Mutex<usize>,
}

impl SignatureMemo for Memo {
    fn contains(&self, key: &[u8; 32]) -> bool {
        let known = self.keys.lock().unwrap().contains(key);
        *self.asked.lock().unwrap() += 1;
        *self.missed.lock().unwrap() += usize::from(!known);
        known
    }

    fn insert(&self, keys: &[[u8; 32]]) {
        self.keys.lock().unwrap().extend(keys);
    }
}

impl Memo {
    /// Checks asked for since the last call, and those that had to be made.
    fn counts(&self) -> (usize, usize) {
        let take = |count: &Mutex<usize>| std::mem::take(&mut *count.lock().unwrap());
        (take(&self.asked), take(&self.missed))
    }
}

fn ending(vector: &Vector, memo: &Memo) -> String {
    match vector.verify_with(memo) {
        Ok(claims) => format!(
            "{:?} {:?} {:?}",
            claims.tcb(),
            claims.platform(),
            claims.dates
        ),
        Err(invalid) => format!("{}: {invalid}", invalid.code()),
    }
}

/// One memory for all vectors, twice: cold, warm and crossed verdicts are those without a memory.
#[test]
fn warm_and_cold_give_the_same_verdict() {
    let (shared, mut wrong) = (Memo::default(), Vec::new());
    let vectors = Vector::all();
    for round in ["cold", "warm"] {
        for vector in &vectors {
            let (alone, together) = (ending(vector, &Memo::default()), ending(vector, &shared));
            if alone != together {
                wrong.push(format!(
                    "{} ({round}): {together} instead of {alone}",
                    vector.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shared.keys.lock().unwrap().len() > 100);
}

#[test]
fn a_known_platform_costs_one_signature_more() {
    let (mut world, memo) = (World::tdx(), Memo::default());
    assert!(world.vector("first").verify_with(&memo).is_ok());
    // 8 of the collateral (two signers that are one certificate, PCK CA, two lists, two texts), 4 of the quote, of which
    // the PCK CA was just seen.
    assert_eq!(memo.counts(), (10, 9));
    assert!(world.vector("again").verify_with(&memo).is_ok());
    assert_eq!(memo.counts(), (11, 0));
    world.body[530] ^= 1;
    assert!(world.vector("a fresh quote").verify_with(&memo).is_ok());
    assert_eq!(memo.counts(), (11, 1));
}

#[test]
fn nothing_is_remembered_of_a_verification_that_failed() {
    let changes: [fn(&mut World); 6] = [
        |w| w.quote_key = OTHER,
        |w| w.qe_report_key = OTHER,
        |w| w.sgx.fmspc = [1; 6],
        |w| w.pck.until = w.now - 1,
        |w| w.pck_crl.from = w.now + 1,
        |w| w.pck_crl.revoked.push((w.pck.serial.clone(), vec![])),
    ];
    for change in changes {
        let mut world = World::tdx();
        change(&mut world);
        let vector = world.vector("failing");
        let memo = Memo::default();
        assert!(vector.verified_collateral(&memo).is_ok());
        let before = memo.keys.lock().unwrap().clone();
        assert!(vector.verify_with(&memo).is_err());
        assert_eq!(*memo.keys.lock().unwrap(), before);
    }
    let mut world = World::tdx();
    world.qe_identity_key = OTHER;
    let memo = Memo::default();
    assert!(world.vector("failing").verified_collateral(&memo).is_err());
    assert!(memo.keys.lock().unwrap().is_empty());
}

#[test]
fn a_remembered_signature_is_good_for_its_key_and_message_only() {
    let memo = Memo::default();
    let world = World::tdx();
    assert!(world.vector("good").verify_with(&memo).is_ok());
    for at in (632 + 4..632 + 4 + 128).step_by(7) {
        let mut vector = world.vector("changed");
        vector.quote[at] ^= 1;
        let code = vector.verify_with(&memo).unwrap_err().code();
        assert!(
            matches!(code, "quote-signature-invalid" | "qe-report-data-differs"),
            "byte {at}: {code}"
        );
    }
}
