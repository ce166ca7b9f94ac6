//! A synthetic chip of AMD's kind: its VCEK, and attestation reports of the guests on it.
//!
//! Reports have version 3 and name a Milan. Source: AMD 56860, table ATTESTATION_REPORT and chapter 10.
//! Does not live here: the certificates above the VCEK (`snp_vendor`), what runs in the guest (`program`).

use std::fmt;

use aws_lc_rs::agreement;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use stoa_attestation::lp::Writer;

use crate::key::derive;
use crate::knobs::PlatformTcb;

/// What the KDS calls the product.
pub(crate) const PRODUCT: &str = "Milan";
/// Bytes of a report, and of what of it is signed.
const REPORT_LEN: usize = 1184;
const SIGNED_LEN: usize = 0x2a0;
const VERSION: u32 = 3;
/// ABI 0.0, SMT allowed, and bit 17, which is always set.
const POLICY: u64 = 0x3_0000;
const POLICY_DEBUG: u64 = 1 << 19;
/// SMT on, memory looked through for aliases.
const PLATFORM_INFO: u64 = 0x21;
/// Family 19h, model 1, stepping 1.
const CPUID: [u8; 3] = [0x19, 0x01, 0x01];
const BOOT_LOADER: u8 = 4;
const TEE: u8 = 0;
const SNP: u8 = 24;
/// Microcode of the lowest status; each better one is one higher.
const MICROCODE: u8 = 200;

/// What a guest is, as its report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestIdentity {
    /// MEASUREMENT.
    pub measurement: [u8; 48],
    /// ID_KEY_DIGEST.
    pub id_key_digest: [u8; 48],
    /// The first two bytes of IMAGE_ID, little-endian.
    pub product_id: u16,
    /// GUEST_SVN.
    pub guest_svn: u32,
    /// The guest policy allows debugging.
    pub debug: bool,
}

/// Versions of the chip's firmware: boot loader, TEE, SNP, microcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChipTcb(pub(crate) [u8; 4]);

impl ChipTcb {
    pub(crate) fn of(tcb: PlatformTcb) -> Self {
        Self([BOOT_LOADER, TEE, SNP, MICROCODE + tcb.svn()])
    }

    /// TCB_VERSION in Milan's layout.
    fn bytes(self) -> [u8; 8] {
        let [boot_loader, tee, snp, microcode] = self.0;
        [boot_loader, tee, 0, 0, 0, 0, snp, microcode]
    }
}

/// One chip at one TCB.
pub(crate) struct Chip {
    pub(crate) id: [u8; 64],
    pub(crate) tcb: ChipTcb,
    vcek: EcdsaKeyPair,
}

impl Chip {
    pub(crate) fn seeded(seed: &[u8; 32], tcb: PlatformTcb) -> Self {
        let tcb = ChipTcb::of(tcb);
        let named = format!("stoa/synthetic/key/vcek/1/{}", hex::encode(tcb.0));
        Self {
            id: *derive(seed, "stoa/synthetic/chip-id/1"),
            tcb,
            vcek: p384(seed, &named),
        }
    }

    /// `04 || x || y`.
    pub(crate) fn vcek(&self) -> &[u8] {
        self.vcek.public_key().as_ref()
    }

    /// `LP(report) LP("")`: the certificate is the KDS's to give (docs/protocol/snp.md, 1).
    pub(crate) fn evidence(&self, guest: &GuestIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let report = self.report(guest, report_data);
        Writer::new().field(&report).field(b"").finish()
    }

    fn report(&self, guest: &GuestIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let mut report = vec![0; REPORT_LEN];
        let mut put = |at: usize, bytes: &[u8]| report[at..at + bytes.len()].copy_from_slice(bytes);
        let policy = if guest.debug {
            POLICY | POLICY_DEBUG
        } else {
            POLICY
        };
        let tcb = self.tcb.bytes();
        put(0x000, &VERSION.to_le_bytes());
        put(0x004, &guest.guest_svn.to_le_bytes());
        put(0x008, &policy.to_le_bytes());
        put(0x020, &guest.product_id.to_le_bytes());
        // ECDSA P-384 with SHA-384.
        put(0x034, &1_u32.to_le_bytes());
        put(0x038, &tcb);
        put(0x040, &PLATFORM_INFO.to_le_bytes());
        put(0x050, &report_data);
        put(0x090, &guest.measurement);
        put(0x0e0, &guest.id_key_digest);
        // No migration agent.
        put(0x160, &[0xff; 32]);
        put(0x180, &tcb);
        put(0x188, &CPUID);
        put(0x1a0, &self.id);
        put(0x1e0, &tcb);
        put(0x1f0, &tcb);
        let signature = self
            .vcek
            .sign(&SystemRandom::new(), &report[..SIGNED_LEN])
            .expect("the system has random bytes for a nonce");
        for (number, at) in signature.as_ref().chunks(48).zip([0x2a0, 0x2e8]) {
            let little: Vec<u8> = number.iter().rev().copied().collect();
            report[at..at + 48].copy_from_slice(&little);
        }
        report
    }
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chip")
            .field("id", &hex::encode(self.id))
            .field("vcek", &"<secret>")
            .finish_non_exhaustive()
    }
}

/// The key that `label` names on the platform with this seed. Its signatures have a fresh nonce each.
fn p384(seed: &[u8; 32], label: &str) -> EcdsaKeyPair {
    for attempt in 0_u32.. {
        let scalar = derive::<48>(seed, &format!("{label}/{attempt}"));
        let private = agreement::PrivateKey::from_private_key(&agreement::ECDH_P384, &scalar[..]);
        let public = private.ok().and_then(|key| key.compute_public_key().ok());
        // Zero and values from the group's order on are no keys.
        let pair = public.and_then(|public| {
            EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P384_SHA384_FIXED_SIGNING,
                &scalar[..],
                public.as_ref(),
            )
            .ok()
        });
        if let Some(pair) = pair {
            return pair;
        }
    }
    unreachable!("2^32 draws in a row that are no scalar")
}
