//! One synthetic platform: its vendor, its PCK, its quoting enclaves; makes quotes, collateral and sealing keys.
//!
//! Does not live here: programs and their measurement (`measure`), folders and daemons (`folder`, `pccs`, `run`).

use std::sync::Arc;

use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

use crate::extension::PlatformFacts;
use crate::key::{VendorKey, derive};
use crate::knobs::{Flip, Knobs, PlatformTcb, Tee};
use crate::pki::{Vendor, unix};
use crate::quote::{QuotingEnclave, SgxIdentity, TdIdentity};
use crate::snp::{Chip, GuestIdentity};
use crate::snp_vendor::SnpVendor;
use crate::tcb::{self, PCE_ID, PCE_SVN, cpu_svn};

/// Collateral is issued at the start of such a period, so that its bytes stay the same for a while, as a vendor's do;
/// shorter when its lifetime is.
const ISSUE_PERIOD_SECS: u64 = 3600;

/// A synthetic machine of a synthetic vendor.
///
/// The same seed gives the same root, keys and sealing keys, whatever the knobs. Two platforms of one seed with other
/// knobs are the same vendor's and differ in what the knobs say. It is an Intel machine and an AMD one at once, so that one
/// folder is enough for a mesh of both; the vendor of the AMD one is not of the seed ([`Platform::with_snp_vendor`]).
#[derive(Clone)]
pub struct Platform {
    seed: Zeroizing<[u8; 32]>,
    knobs: Knobs,
    vendor: Vendor,
    pck_key: VendorKey,
    pck_chain_pem: String,
    facts: PlatformFacts,
    sgx_qe: QuotingEnclave,
    tdx_qe: QuotingEnclave,
    chip: Arc<Chip>,
    snp_vendor: Option<Arc<SnpVendor>>,
}

impl Platform {
    /// The platform with this seed.
    #[must_use]
    pub fn seeded(seed: [u8; 32], knobs: Knobs) -> Self {
        let vendor = Vendor::seeded(&seed, knobs.pck_ca);
        let pck_key = VendorKey::seeded(&seed, "stoa/synthetic/key/pck/1");
        let facts = PlatformFacts {
            ppid: *derive(&seed, "stoa/synthetic/ppid/1"),
            cpu_svn: cpu_svn(knobs.tcb),
            pce_svn: PCE_SVN,
            pce_id: PCE_ID,
            fmspc: knobs.fmspc,
            instance_id: *derive(&seed, "stoa/synthetic/instance/1"),
            ca: knobs.pck_ca,
        };
        let pck = vendor.pck(&pck_key, &facts, &knobs);
        let qe = |tee: Tee| {
            let key = VendorKey::seeded(
                &seed,
                &format!("stoa/synthetic/key/attest-{}/1", tee.name()),
            );
            let qe_id = *derive(&seed, &format!("stoa/synthetic/qe-id/1/{}", tee.name()));
            QuotingEnclave::new(tee, key, &pck_key, facts.cpu_svn, knobs.qe_isv_svn, qe_id)
        };
        Self {
            sgx_qe: qe(Tee::Sgx),
            tdx_qe: qe(Tee::Tdx),
            chip: Arc::new(Chip::seeded(&seed, knobs.tcb)),
            snp_vendor: None,
            pck_chain_pem: format!("{}{}", pck.pem, vendor.pck_ca_chain()),
            seed: Zeroizing::new(seed),
            knobs,
            vendor,
            pck_key,
            facts,
        }
    }

    /// The same machine with other knobs: another TCB status, say.
    #[must_use]
    pub fn with_knobs(&self, knobs: Knobs) -> Self {
        Self {
            snp_vendor: self.snp_vendor.clone(),
            ..Self::seeded(*self.seed, knobs)
        }
    }

    /// The same machine, whose chip this vendor certifies: without one, nobody publishes anything of it.
    #[must_use]
    pub fn with_snp_vendor(mut self, vendor: Arc<SnpVendor>) -> Self {
        self.snp_vendor = Some(vendor);
        self
    }

    /// Who certifies the chip.
    #[must_use]
    pub fn snp_vendor(&self) -> Option<&SnpVendor> {
        self.snp_vendor.as_deref()
    }

    /// CHIP_ID of SNP reports.
    #[must_use]
    pub fn chip_id(&self) -> [u8; 64] {
        self.chip.id
    }

    /// Boot loader, TEE, SNP and microcode, as SNP reports and the VCEK have them.
    #[must_use]
    pub fn snp_tcb(&self) -> [u8; 4] {
        self.chip.tcb.0
    }

    /// SNP evidence over `report_data` as it travels, without certificate, with the knobs' flip applied.
    #[must_use]
    pub fn evidence_snp(&self, guest: &GuestIdentity, report_data: [u8; 64]) -> Vec<u8> {
        flipped(self.chip.evidence(guest, report_data), self.knobs.flip)
    }

    /// What the vendor publishes of the chip at `now`, in the layout of docs/protocol/snp.md, 2; `None` without a vendor.
    #[must_use]
    pub fn snp_collateral_json(&self, now: UnixTime) -> Option<Vec<u8>> {
        let json = serde_json::json!({
            "tee": "snp", "ask_ark_chain": self.snp_vendor()?.chain_pem(),
            "crl": hex::encode(self.ark_crl(now)?), "vek": hex::encode(self.vcek()?),
        });
        Some(json.to_string().into_bytes())
    }

    /// DER of the chip's VCEK certificate; `None` without a vendor.
    #[must_use]
    pub fn vcek(&self) -> Option<Vec<u8>> {
        Some(self.snp_vendor()?.vcek(&self.chip))
    }

    /// DER of the list of the vendor's ARK at `now`; `None` without a vendor.
    #[must_use]
    pub fn ark_crl(&self, now: UnixTime) -> Option<Vec<u8>> {
        let window = self.collateral_window(now);
        let vendor = self.snp_vendor()?;
        Some(vendor.crl(&self.chip, &self.knobs.revoked, window))
    }

    /// What was turned.
    #[must_use]
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// The vendor's root certificate, PEM: what `--insecure-trust-root` takes.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.vendor.root.pem
    }

    /// The vendor's root certificate, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.vendor.root.der
    }

    /// PEM of PCK leaf, PCK CA and root, as it stands in quotes.
    #[must_use]
    pub fn pck_chain_pem(&self) -> &str {
        &self.pck_chain_pem
    }

    /// PPID in the PCK certificate, 16 bytes.
    #[must_use]
    pub fn ppid(&self) -> [u8; 16] {
        self.facts.ppid
    }

    /// Platform instance id in the PCK certificate (with the Platform CA only), 16 bytes.
    #[must_use]
    pub fn instance_id(&self) -> Option<[u8; 16]> {
        (self.facts.ca == crate::knobs::PckCa::Platform).then_some(self.facts.instance_id)
    }

    /// SGX quote v3 over `report_data`, with the knobs' flip applied.
    #[must_use]
    pub fn quote_sgx(&self, identity: &SgxIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let quote = crate::quote::sgx(
            &self.sgx_qe,
            &self.pck_chain_pem,
            self.facts.cpu_svn,
            identity,
            report_data,
        );
        flipped(quote, self.knobs.flip)
    }

    /// TDX quote v4 over `report_data`, with the knobs' flip applied.
    #[must_use]
    pub fn quote_tdx(&self, identity: &TdIdentity, report_data: [u8; 64]) -> Vec<u8> {
        let quote = crate::quote::tdx(&self.tdx_qe, &self.pck_chain_pem, identity, report_data);
        flipped(quote, self.knobs.flip)
    }

    /// What the vendor publishes for this platform's model at `now`.
    #[must_use]
    pub fn collateral(&self, tee: Tee, now: UnixTime) -> Collateral {
        let window = self.collateral_window(now);
        let tcb_info = tcb::tcb_info(tee, &self.knobs, window);
        let qe_identity = tcb::qe_identity(tee, &self.knobs, window);
        let signer = &self.vendor.tcb_signer_key;
        Collateral {
            pck_crl_issuer_chain: self.vendor.pck_ca_chain(),
            root_ca_crl: self.vendor.root_crl(&self.knobs, window),
            pck_crl: self.vendor.pck_crl(&self.pck_key, &self.knobs, window),
            tcb_signer_chain: self.vendor.tcb_signer_chain(),
            tcb_info_signature: signer.sign_fixed(tcb_info.as_bytes()),
            tcb_info,
            qe_identity_signature: signer.sign_fixed(qe_identity.as_bytes()),
            qe_identity,
        }
    }

    /// [`Platform::collateral`] as one JSON document, the layout of docs/protocol/attest-1.md, 1.
    #[must_use]
    pub fn collateral_json(&self, tee: Tee, now: UnixTime) -> Vec<u8> {
        self.collateral(tee, now).json()
    }

    /// When collateral that is asked for at `now` was issued, and when the next is due.
    #[must_use]
    pub fn collateral_window(&self, now: UnixTime) -> (UnixTime, UnixTime) {
        let lifetime = self.knobs.collateral_lifetime_secs.max(1);
        let period = ISSUE_PERIOD_SECS.min((lifetime / 4).max(1));
        let issued = now.as_secs() - now.as_secs() % period;
        let issued = issued.saturating_add_signed(self.knobs.collateral_shift_secs);
        (unix(issued), unix(issued.saturating_add(lifetime)))
    }

    /// The key that a program with this sealing identity gets for `id`, on this machine at this TCB.
    ///
    /// `bound_to` is what the policy binds the key to (see `device`): another program, policy, id, seed or CPUSVN gives
    /// another key, as EGETKEY does (Intel SDM vol. 3D, 39.4).
    #[must_use]
    pub fn sealing_key(&self, bound_to: &[u8], id: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let root: Zeroizing<[u8; 32]> = derive(&self.seed, "stoa/synthetic/sealing-root/1");
        let mut label = String::from("stoa/synthetic/seal/1/");
        label.push_str(&hex::encode(bound_to));
        label.push('/');
        label.push_str(&hex::encode(self.facts.cpu_svn));
        label.push('/');
        label.push_str(&hex::encode(id));
        derive(&root, &label)
    }

    /// The status that the platform's SVNs reach.
    #[must_use]
    pub fn tcb(&self) -> PlatformTcb {
        self.knobs.tcb
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform")
            .field("seed", &"<secret>")
            .field("knobs", &self.knobs)
            .finish_non_exhaustive()
    }
}

fn flipped(mut quote: Vec<u8>, flip: Option<Flip>) -> Vec<u8> {
    if let Some(flip) = flip
        && let Some(byte) = quote.get_mut(flip.byte)
    {
        *byte ^= flip.mask;
    }
    quote
}

/// What the vendor publishes: CRLs in DER, signed JSON as exact text, issuer chains in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collateral {
    /// PCK CA, root.
    pub pck_crl_issuer_chain: String,
    /// DER.
    pub root_ca_crl: Vec<u8>,
    /// DER.
    pub pck_crl: Vec<u8>,
    /// TCB signer, root: issues both JSON documents.
    pub tcb_signer_chain: String,
    /// The signed text.
    pub tcb_info: String,
    /// r, s.
    pub tcb_info_signature: [u8; 64],
    /// The signed text.
    pub qe_identity: String,
    /// r, s.
    pub qe_identity_signature: [u8; 64],
}

impl Collateral {
    /// One JSON document: CRLs and signatures in hex, the signed texts as strings.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Document<'a> {
            pck_crl_issuer_chain: &'a str,
            root_ca_crl: String,
            pck_crl: String,
            tcb_info_issuer_chain: &'a str,
            tcb_info: &'a str,
            tcb_info_signature: String,
            qe_identity_issuer_chain: &'a str,
            qe_identity: &'a str,
            qe_identity_signature: String,
        }
        serde_json::to_vec(&Document {
            pck_crl_issuer_chain: &self.pck_crl_issuer_chain,
            root_ca_crl: hex::encode(&self.root_ca_crl),
            pck_crl: hex::encode(&self.pck_crl),
            tcb_info_issuer_chain: &self.tcb_signer_chain,
            tcb_info: &self.tcb_info,
            tcb_info_signature: hex::encode(self.tcb_info_signature),
            qe_identity_issuer_chain: &self.tcb_signer_chain,
            qe_identity: &self.qe_identity,
            qe_identity_signature: hex::encode(self.qe_identity_signature),
        })
        .expect("a struct of text always serialises")
    }
}
