//! Codes of the room `attestation`: why evidence is not genuine, and why genuine evidence is not acceptable.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "evidence-too-large",
        meaning: "Evidence, collateral or a trust anchor is longer than its limit.",
        remedy: "Send what the hardware and the vendor made, unchanged; evidence is at most 64 KiB, collateral 1 MiB, an anchor 16 KiB.",
    },
    Code {
        code: "expected-report-data-zero",
        meaning: "The caller expects all-zero report data, which binds the evidence to nothing.",
        remedy: "Compute the report data from the session, as docs/protocol/attest-1.md says; for a file looked at by hand give the 64 bytes explicitly.",
    },
    Code {
        code: "signature-algorithm-missing",
        meaning: "No algorithm with which evidence of this kind is signed was passed to the verifier.",
        remedy: "Pass all of the crypto library's algorithms; for Intel ECDSA P-256 with SHA-256, for AMD ECDSA P-384 and RSASSA-PSS with SHA-384.",
    },
    Code {
        code: "evidence-kind-unsupported",
        meaning: "Evidence of this kind can't be verified by this version.",
        remedy: "Use SGX, TDX or SNP evidence, or a version of Stoa that knows the kind.",
    },
    Code {
        code: "evidence-kind-differs",
        meaning: "The evidence is of another kind than the one announced.",
        remedy: "Announce the kind that the evidence is; see which device made it.",
    },
    Code {
        code: "openenclave-header-invalid",
        meaning: "The 16-byte OpenEnclave header before the quote has another version, type or length than it must have.",
        remedy: "Send version 1, type 2 and the exact length of the quote, with nothing behind it.",
    },
    Code {
        code: "evidence-malformed",
        meaning: "A field or length of the quote or report is not as the format says.",
        remedy: "Take the quote again and hand it on byte for byte; if it comes from hardware, report it with the exact cause.",
    },
    Code {
        code: "quote-version-unsupported",
        meaning: "The quote has a version other than 3, 4 or 5.",
        remedy: "Update the quoting software on the platform.",
    },
    Code {
        code: "attestation-key-type-unsupported",
        meaning: "The quote is signed by a key that is not ECDSA P-256.",
        remedy: "Choose ECDSA P-256 in the platform's quote configuration.",
    },
    Code {
        code: "tee-type-unsupported",
        meaning: "The quote names a TEE that is neither SGX nor TDX, or one that does not go with its version.",
        remedy: "Take the evidence from the TEE's own device; a version 3 quote is always SGX.",
    },
    Code {
        code: "qe-vendor-unknown",
        meaning: "The quoting enclave is not Intel's.",
        remedy: "Use Intel's quoting enclave; no other is supported.",
    },
    Code {
        code: "quote-body-unsupported",
        meaning: "A version 5 quote has a body of a type that is not known for its TEE.",
        remedy: "Use a version of Stoa that knows this report, or an older quoting library.",
    },
    Code {
        code: "certification-data-unsupported",
        meaning: "The quote does not carry its PCK certificate chain (type 5), or not where it belongs.",
        remedy: "Configure the platform's quote provider to embed the PCK certificate chain, as PCCS and Azure's provider do.",
    },
    Code {
        code: "collateral-malformed",
        meaning: "The collateral's JSON, or a hex member of it, can't be read.",
        remedy: "Fetch the collateral again; its members are those of sgx_ql_qve_collateral_t.",
    },
    Code {
        code: "chain-malformed",
        meaning: "A certificate chain is not a sequence of PEM certificates and nothing else.",
        remedy: "Fetch the collateral or take the quote again; remove text around the certificates.",
    },
    Code {
        code: "chain-incomplete",
        meaning: "A certificate chain has more or fewer certificates than its place wants.",
        remedy: "Give the chain of a quote as PCK certificate, PCK CA, root; an issuer chain as signer, root; an anchor as one certificate.",
    },
    Code {
        code: "certificate-malformed",
        meaning: "A certificate can't be read, or has parts that are not understood.",
        remedy: "Fetch the collateral or take the quote again; if the vendor changed its certificates, update Stoa.",
    },
    Code {
        code: "certificate-profile-differs",
        meaning: "A certificate is not what its place in the chain wants: name, issuer, key usage, CA flag.",
        remedy: "Check which certificates the chain has and in which order; the profile is in docs/protocol/dcap.md, section 3.",
    },
    Code {
        code: "root-untrusted",
        meaning: "A chain ends in a root that is no trust anchor here.",
        remedy: "If this is a synthetic TEE, give its root with --insecure-trust-root; otherwise refuse the evidence: somebody imitates the vendor.",
    },
    Code {
        code: "collateral-anchor-differs",
        meaning: "The collateral was verified under another root than the ones that are trusted for this evidence.",
        remedy: "Use the same trust anchors for collateral and evidence.",
    },
    Code {
        code: "pck-signature-invalid",
        meaning: "The platform's certificate is not signed by the PCK CA.",
        remedy: "Refuse the evidence: it was changed, or it is forged.",
    },
    Code {
        code: "pck-ca-signature-invalid",
        meaning: "The PCK CA is not signed by the root.",
        remedy: "Refuse the evidence or the collateral: it was changed, or it is forged.",
    },
    Code {
        code: "root-signature-invalid",
        meaning: "A chain ends in a root with the anchor's name and key that is neither the anchor nor signed by its key.",
        remedy: "Fetch evidence and collateral again, from a source that you trust to deliver them unchanged.",
    },
    Code {
        code: "tcb-signer-signature-invalid",
        meaning: "The certificate that signs TCB info or QE identity is not signed by the root.",
        remedy: "Fetch the collateral again, from a source that you trust to deliver it unchanged.",
    },
    Code {
        code: "root-crl-malformed",
        meaning: "The root's revocation list can't be read, or has parts that are not understood.",
        remedy: "Fetch the collateral again.",
    },
    Code {
        code: "pck-crl-malformed",
        meaning: "The PCK CA's revocation list can't be read, or has parts that are not understood.",
        remedy: "Fetch the collateral again.",
    },
    Code {
        code: "root-crl-issuer-differs",
        meaning: "The list in the root's place is of another issuer.",
        remedy: "Fetch the collateral again; root_ca_crl and pck_crl may have been swapped.",
    },
    Code {
        code: "pck-crl-issuer-differs",
        meaning: "The list in the PCK CA's place is of another issuer.",
        remedy: "Fetch the collateral again; root_ca_crl and pck_crl may have been swapped.",
    },
    Code {
        code: "root-crl-signature-invalid",
        meaning: "The root's revocation list is not signed by the root.",
        remedy: "Refuse the collateral: it was changed. Fetch it again.",
    },
    Code {
        code: "pck-crl-signature-invalid",
        meaning: "The PCK CA's revocation list is not signed by the PCK CA.",
        remedy: "Refuse the collateral: it was changed. Fetch it again.",
    },
    Code {
        code: "root-revoked",
        meaning: "The root revoked itself.",
        remedy: "Refuse everything under this root, and ask the vendor.",
    },
    Code {
        code: "pck-ca-revoked",
        meaning: "The root revoked the PCK CA.",
        remedy: "Refuse every platform under this CA until the vendor issues new certificates; fetch collateral again.",
    },
    Code {
        code: "pck-revoked",
        meaning: "The vendor revoked this platform: its keys are known to somebody.",
        remedy: "Take the platform out of service; no policy may accept it.",
    },
    Code {
        code: "tcb-signer-revoked",
        meaning: "The root revoked the certificate that signs TCB info or QE identity.",
        remedy: "Fetch the collateral again: the vendor has a new signing certificate.",
    },
    Code {
        code: "tcb-info-signature-invalid",
        meaning: "The TCB info is not signed by its signer.",
        remedy: "Refuse the collateral: it was changed. Fetch it again and keep the exact bytes.",
    },
    Code {
        code: "tcb-info-malformed",
        meaning: "The signed TCB info is not what the format says, or says one thing twice.",
        remedy: "Fetch the collateral again; if the vendor changed the format, update Stoa.",
    },
    Code {
        code: "tcb-info-version-unsupported",
        meaning: "The TCB info is not of version 3.",
        remedy: "Fetch the collateral from PCS API v4, or update the PCCS: version 2 came from API v3.",
    },
    Code {
        code: "tcb-status-unknown",
        meaning: "A TCB level has a status that is not known in that place.",
        remedy: "Update Stoa if the vendor has a new status.",
    },
    Code {
        code: "qe-identity-signature-invalid",
        meaning: "The QE identity is not signed by its signer.",
        remedy: "Refuse the collateral: it was changed. Fetch it again and keep the exact bytes.",
    },
    Code {
        code: "qe-identity-malformed",
        meaning: "The signed QE identity is not what the format says, or says one thing twice.",
        remedy: "Fetch the collateral again; if the vendor changed the format, update Stoa.",
    },
    Code {
        code: "qe-identity-tee-differs",
        meaning: "The QE identity is for the other TEE, or of an unknown version.",
        remedy: "Fetch the QE identity of the same TEE as the TCB info (sgx or tdx in the path).",
    },
    Code {
        code: "collateral-tee-differs",
        meaning: "The collateral is for the other TEE.",
        remedy: "Fetch collateral for the evidence's TEE (sgx or tdx in the path).",
    },
    Code {
        code: "pck-crl-other-ca",
        meaning: "The revocation list is of the other PCK CA, so it says nothing about this platform.",
        remedy: "Fetch the PCK CRL with ca=platform or ca=processor, as the quote's chain says.",
    },
    Code {
        code: "pck-extension-malformed",
        meaning: "The SGX extension of the platform's certificate is not as the vendor's profile says.",
        remedy: "Refuse the evidence; if the certificate is the vendor's, report it with the exact cause.",
    },
    Code {
        code: "fmspc-differs",
        meaning: "The TCB info is for another family of platforms.",
        remedy: "Fetch the TCB info for the FMSPC in the platform's certificate.",
    },
    Code {
        code: "pce-id-differs",
        meaning: "The TCB info is for another provisioning enclave.",
        remedy: "Fetch the TCB info for the platform's PCE id.",
    },
    Code {
        code: "qe-report-signature-invalid",
        meaning: "The quoting enclave's report is not signed by the platform's certificate.",
        remedy: "Refuse the evidence: it was changed, or it is forged.",
    },
    Code {
        code: "qe-report-data-differs",
        meaning: "The quoting enclave vouches for another attestation key than the quote's.",
        remedy: "Refuse the evidence: it was changed, or it is forged.",
    },
    Code {
        code: "quote-signature-invalid",
        meaning: "The quote is not signed by its attestation key.",
        remedy: "Refuse the evidence: it was changed, or it is forged.",
    },
    Code {
        code: "binding-differs",
        meaning: "The evidence is genuine but bound to something else: another session, key, nonce or purpose.",
        remedy: "Take new evidence for this session; if it keeps happening, somebody replays or relays evidence.",
    },
    Code {
        code: "qe-differs",
        meaning: "The quoting enclave is not the one that the vendor's QE identity describes.",
        remedy: "Refuse the evidence; update the platform's quoting enclave if it is an old one of the vendor.",
    },
    Code {
        code: "tdx-module-differs",
        meaning: "The TDX module is not one that the vendor's TCB info describes.",
        remedy: "Update the TDX module, or fetch newer TCB info.",
    },
    Code {
        code: "tcb-level-none",
        meaning: "The platform is older than every TCB level that the vendor lists.",
        remedy: "Update firmware, microcode and TDX module of the platform; then register it again so that it gets a new PCK certificate.",
    },
    Code {
        code: "tcb-revoked",
        meaning: "The vendor's status for this platform, TDX module or quoting enclave is Revoked.",
        remedy: "Update the platform; no policy may accept this status.",
    },
    Code {
        code: "pck-not-yet-valid",
        meaning: "The platform's certificate begins in the future.",
        remedy: "Check the clock; if it is right, refuse the evidence.",
    },
    Code {
        code: "pck-ca-not-yet-valid",
        meaning: "The PCK CA's certificate begins in the future.",
        remedy: "Check the clock; if it is right, refuse the evidence.",
    },
    Code {
        code: "root-not-yet-valid",
        meaning: "The trust anchor begins in the future.",
        remedy: "Check the clock and the file of the anchor.",
    },
    Code {
        code: "pck-expired",
        meaning: "The platform's certificate has ended.",
        remedy: "Get a new PCK certificate for the platform from the vendor or PCCS.",
    },
    Code {
        code: "pck-ca-expired",
        meaning: "The PCK CA's certificate has ended.",
        remedy: "Get a new PCK certificate chain for the platform from the vendor or PCCS.",
    },
    Code {
        code: "root-expired",
        meaning: "The trust anchor has ended.",
        remedy: "Use the vendor's new root; make a new synthetic platform if it is one.",
    },
    Code {
        code: "collateral-not-yet-valid",
        meaning: "A part of the collateral begins in the future; no grace accepts that.",
        remedy: "Check the clock; if it is right, fetch the collateral again.",
    },
    Code {
        code: "measurement-differs",
        meaning: "The code that runs is none of the reference values.",
        remedy: "Compare the measurement in the message with the one that you built; update the reference only if you know why it changed.",
    },
    Code {
        code: "debug-not-accepted",
        meaning: "The DEBUG attribute is not as the policy wants.",
        remedy: "Build and start the program for production; set debug in the policy only where the host may read all its memory.",
    },
    Code {
        code: "tcb-not-accepted",
        meaning: "The platform's TCB status is not among the accepted ones.",
        remedy: "Update the platform's firmware and microcode, or accept the status if you know what it means.",
    },
    Code {
        code: "advisory-not-accepted",
        meaning: "A security advisory that is not accepted applies to the platform.",
        remedy: "Read the advisory; mitigate it in the program and accept it by name, or update the platform.",
    },
    Code {
        code: "td-profiling-not-accepted",
        meaning: "The host may profile the TD.",
        remedy: "Start the TD without the profiling attributes, or tolerate profiling in the policy.",
    },
    Code {
        code: "service-td-not-accepted",
        meaning: "A service TD is bound to the TD, or may be bound later.",
        remedy: "Start the TD without a service TD, or tolerate it in the policy if you know which one it is.",
    },
    Code {
        code: "td-migratable-not-accepted",
        meaning: "The TD may be migrated to another platform.",
        remedy: "Start the TD without the MIGRATABLE attribute, or tolerate migration in the policy.",
    },
    Code {
        code: "td-sept-ve-not-accepted",
        meaning: "The host may inject exceptions into the TD, because SEPT_VE_DISABLE is off.",
        remedy: "Start the TD with SEPT_VE_DISABLE, as current Linux guests want it, or tolerate it in the policy.",
    },
    Code {
        code: "td-attributes-not-accepted",
        meaning: "The TD has attribute bits that the specification does not define.",
        remedy: "Update Stoa if the specification defines them now, or tolerate unknown attributes in the policy.",
    },
    Code {
        code: "tcb-below-minimum",
        meaning: "The platform, or the collateral that judges it, is below a minimum of the policy.",
        remedy: "Update firmware, microcode and TDX module of the platform, or lower the minimum if you accept what it was set against.",
    },
    Code {
        code: "family-not-listed",
        meaning: "The policy does not accept this kind of platform.",
        remedy: "Add the family, as the message shows it, if no attack known on it matters to you; or use another machine.",
    },
    Code {
        code: "infrastructure-differs",
        meaning: "The platform fits none of the manifest's infrastructures.",
        remedy: "Compare what the message says of each; a RootCA must be one of the coordinator's anchors, it never adds one.",
    },
    Code {
        code: "platform-not-listed",
        meaning: "The platform is not on the allow-list.",
        remedy: "Add its PPID or PIID, as the message shows it, if the machine is yours.",
    },
    Code {
        code: "collateral-expired",
        meaning: "A part of the collateral has ended, and the policy gives it no more time.",
        remedy: "Fetch collateral again; see why the refresh fails if this is a server.",
    },
    Code {
        code: "snp-report-version-unsupported",
        meaning: "The SNP report has a version other than 2 to 5.",
        remedy: "Use firmware whose reports have one of these versions, or a version of Stoa that knows the new one.",
    },
    Code {
        code: "snp-signature-algorithm-unsupported",
        meaning: "The SNP report is signed with an algorithm other than ECDSA P-384 with SHA-384.",
        remedy: "Take the report from the guest's own device; firmware knows no other algorithm.",
    },
    Code {
        code: "snp-signing-key-unknown",
        meaning: "The SNP report was signed by no key that can be known: the host masked it, or the report names another kind.",
        remedy: "Have the host clear MASK_CHIP_KEY, and ask for a report signed by VCEK or VLEK.",
    },
    Code {
        code: "vek-missing",
        meaning: "There is no certificate to verify the SNP report with: none came with it, and the collateral has none.",
        remedy: "Let the guest send its certificate (extended report), or let the collateral be fetched for this chip from the KDS.",
    },
    Code {
        code: "vek-extension-malformed",
        meaning: "AMD's extensions in the VCEK or VLEK certificate are not as AMD's specification says.",
        remedy: "Take the certificate from the KDS again; if it is AMD's, report it with the exact cause.",
    },
    Code {
        code: "vek-signature-invalid",
        meaning: "The VCEK or VLEK certificate was not signed by the ASK of the collateral.",
        remedy: "Use the certificate chain of the platform's own product, from the KDS.",
    },
    Code {
        code: "vek-revoked",
        meaning: "The VCEK or VLEK certificate is on the ARK's revocation list.",
        remedy: "Do not trust the platform; AMD revoked its key.",
    },
    Code {
        code: "vek-expired",
        meaning: "The VCEK or VLEK certificate has ended.",
        remedy: "Fetch the certificate again; a VLEK lives one year and is the provider's to renew.",
    },
    Code {
        code: "vek-not-yet-valid",
        meaning: "The VCEK or VLEK certificate is not valid yet.",
        remedy: "Set the clock of the verifier.",
    },
    Code {
        code: "vek-kind-differs",
        meaning: "The SNP report was signed by a VCEK and certificate or collateral are for a VLEK, or the other way round.",
        remedy: "Fetch the chain under /vcek/ or /vlek/, as the report's signing key says.",
    },
    Code {
        code: "snp-product-unknown",
        meaning: "The SNP report names a CPU of no product that is known, or none at all.",
        remedy: "Use a version of Stoa that knows the product; with reports of version 2 send the certificate with the evidence.",
    },
    Code {
        code: "snp-product-differs",
        meaning: "The SNP report is of one product, its certificate or the collateral of another.",
        remedy: "Fetch certificate and chain for the product that the report names.",
    },
    Code {
        code: "ask-signature-invalid",
        meaning: "The ASK certificate was not signed by the ARK.",
        remedy: "Take the chain from the KDS again, unchanged.",
    },
    Code {
        code: "ask-revoked",
        meaning: "The ASK certificate is on the ARK's revocation list.",
        remedy: "Fetch the chain again: AMD has issued another ASK. Certificates under the old one are worth nothing.",
    },
    Code {
        code: "ask-expired",
        meaning: "The ASK certificate has ended.",
        remedy: "Fetch the chain from the KDS again.",
    },
    Code {
        code: "ask-not-yet-valid",
        meaning: "The ASK certificate is not valid yet.",
        remedy: "Set the clock of the verifier.",
    },
    Code {
        code: "ark-crl-malformed",
        meaning: "The ARK's revocation list is not one, or has parts that are not understood.",
        remedy: "Take the list from the KDS again, in DER.",
    },
    Code {
        code: "ark-crl-issuer-differs",
        meaning: "The revocation list is not of the ARK of the collateral's chain.",
        remedy: "Fetch chain and list for the same product.",
    },
    Code {
        code: "ark-crl-signature-invalid",
        meaning: "The revocation list was not signed by the ARK.",
        remedy: "Take the list from the KDS again, unchanged.",
    },
    Code {
        code: "report-signature-invalid",
        meaning: "The SNP report was not signed by the key of its certificate.",
        remedy: "Use the certificate of this chip at the report's REPORTED_TCB; if it is, the report was changed on its way.",
    },
    Code {
        code: "hardware-id-differs",
        meaning: "The chip id of the SNP report is not the hardware id of its certificate.",
        remedy: "Fetch the VCEK for the chip id of the report.",
    },
    Code {
        code: "reported-tcb-differs",
        meaning: "The REPORTED_TCB of the SNP report is not the TCB of its certificate.",
        remedy: "Fetch the VCEK for the REPORTED_TCB of the report.",
    },
    Code {
        code: "snp-migratable-not-accepted",
        meaning: "The SNP guest can be given a migration agent, which could hand its memory on.",
        remedy: "Launch the guest with policy bit 18 clear, or tolerate it expressly.",
    },
    Code {
        code: "snp-smt-not-accepted",
        meaning: "The SNP guest may run with SMT, and the policy wants none.",
        remedy: "Launch the guest with policy bit 16 clear, on a host with SMT off.",
    },
    Code {
        code: "snp-sockets-not-accepted",
        meaning: "The SNP guest may run on several sockets, and the policy wants one.",
        remedy: "Launch the guest with policy bit 20 set.",
    },
    Code {
        code: "snp-abi-not-accepted",
        meaning: "The SNP guest accepts firmware with an older ABI than the policy wants.",
        remedy: "Raise the ABI version in the guest's policy at launch.",
    },
    Code {
        code: "snp-vmpl-not-accepted",
        meaning: "The SNP report was asked for at a lower privilege level than the policy accepts.",
        remedy: "Ask for the report at VMPL 0, or accept the level at which the service runs.",
    },
    Code {
        code: "snp-alias-check-missing",
        meaning: "The platform's firmware has not checked for memory aliases (CVE-2024-21944).",
        remedy: "Update the host's firmware and BIOS, or tolerate it expressly.",
    },
    Code {
        code: "revocation-unknown",
        meaning: "The collateral for an SNP report has no revocation list, so nobody knows whether its keys were revoked.",
        remedy: "Let the list be fetched from the KDS, or tolerate its absence expressly.",
    },
];
