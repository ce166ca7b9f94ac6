//! Checks 2 and 6: the two revocation lists.

use crate::endings;
use crate::support::der::{OID_AKI, OID_CRL_NUMBER, extension, integer, oid, seq, tlv};
use crate::support::forge::{List, OTHER, World};

endings! {
    refuses_a_root_list_of_another_issuer: World::tdx(), |w| w.root_crl.issuer = w.pck_ca.subject.clone() => "root-crl-issuer-differs";
    refuses_a_root_list_of_another_issuers_key: World::tdx(), |w| w.root_crl.issuer_id = Some(OTHER.id()) => "root-crl-issuer-differs";
    refuses_a_root_list_that_the_root_did_not_sign: World::tdx(), |w| w.root_crl.signer = OTHER => "root-crl-signature-invalid";
    refuses_a_pck_list_of_another_issuer: World::tdx(), |w| w.pck_crl.issuer = w.root.subject.clone() => "pck-crl-issuer-differs";
    refuses_a_pck_list_of_another_issuers_key: World::tdx(), |w| w.pck_crl.issuer_id = Some(OTHER.id()) => "pck-crl-issuer-differs";
    refuses_a_pck_list_that_the_ca_did_not_sign: World::tdx(), |w| w.pck_crl.signer = OTHER => "pck-crl-signature-invalid";
    refuses_a_root_that_revoked_itself: World::tdx(), |w| w.root_crl.revoked.push((w.anchor.serial.clone(), vec![])) => "root-revoked";
    an_empty_list_revokes_nobody: World::tdx(), |w| w.pck_crl.revoked.clear() => "genuine";
    a_list_number_may_be_long: World::tdx(), |w| w.pck_crl.number = Some(vec![0xff; 20]) => "genuine";
    a_reason_in_an_entry_changes_nothing: World::tdx(), |w| w.pck_crl.revoked.push((w.pck.serial.clone(), vec![reason(8)])) => "pck-revoked";
}

/// Both lists go through the same code, and both are looked at.
#[test]
fn refuses_lists_that_are_not_whole_and_plain() {
    let changes: [(&str, fn(&mut List)); 13] = [
        ("no authority key id", |list| list.issuer_id = None),
        ("no number", |list| list.number = None),
        ("no nextUpdate", |list| list.until = None),
        ("version 1", |list| list.version = None),
        ("version 3", |list| list.version = Some(2)),
        ("bytes behind", |list| list.behind = vec![0]),
        ("another algorithm outside", |list| {
            list.outer_algorithm = seq(&[oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03])]);
        }),
        ("a delta list", |list| {
            list.more
                .push(extension(&[0x55, 0x1d, 0x1b], true, &integer(&[1])))
        }),
        ("a part of a list", |list| {
            list.more
                .push(extension(&[0x55, 0x1d, 0x1c], true, &seq(&[])))
        }),
        ("number twice", |list| {
            list.more
                .push(extension(OID_CRL_NUMBER, false, &integer(&[1])))
        }),
        ("key id twice", |list| {
            let id = list.issuer_id.clone().unwrap_or_default();
            list.more
                .push(extension(OID_AKI, false, &seq(&[tlv(0x80, &id)])));
        }),
        ("an indirect entry", |list| {
            list.revoked.push((
                vec![5],
                vec![extension(&[0x55, 0x1d, 0x1d], true, &seq(&[]))],
            ));
        }),
        ("an unknown critical extension", |list| {
            list.more
                .push(extension(&[0x55, 0x1d, 0x7f], true, &[5, 0]))
        }),
    ];
    for (what, change) in changes {
        let mut world = World::tdx();
        change(&mut world.root_crl);
        assert_eq!(
            crate::ending(&world.verify()),
            "root-crl-malformed",
            "{what}"
        );
        let mut world = World::tdx();
        change(&mut world.pck_crl);
        assert_eq!(
            crate::ending(&world.verify()),
            "pck-crl-malformed",
            "{what}"
        );
    }
}

fn reason(code: u8) -> Vec<u8> {
    extension(&[0x55, 0x1d, 0x15], false, &tlv(0x0a, &[code]))
}
