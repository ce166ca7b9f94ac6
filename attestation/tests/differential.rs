//! dcap-qvl 0.7.1 holds against us: over seeded changes it must agree on acceptance, TCB status and advisories, but for
//! the differences of docs/decisions/0001-own-dcap-verifier.md, which are the table below.
//!
//! `STOA_DIFFERENTIAL_RUNS` sets how many changes are tried of each sort, `STOA_DIFFERENTIAL_SEED` where they start; both
//! for longer runs by hand. A difference that is not explained prints its seed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::config::{Config, CryptoProvider};
use dcap_qvl::verify::QuoteVerifier;
use rustls_pki_types::SignatureVerificationAlgorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384};
use stoa_attestation::{Body, Claims, CrlName, Dated, Invalid, Kind, Role, Verified};
use stoa_explain::Explain;
use support::forge::{DAY, KeyNumber, World, components, level, qe_level, tdx_svn, utc};
use support::random::{Random, setting};
use support::{Vector, time};

/// Of each of three sorts: 2 100 in all; `STOA_TEST_FULL=1` tries 21 000.
const RUNS: u64 = 700;
const RUNS_FULL: u64 = 7_000;
const SEED: u64 = 1;

struct Oracle;

impl Config for Oracle {
    type X509 = dcap_qvl::x509::X509CertBackend;
    type SigEncoder = dcap_qvl::signature::DerSigEncoder;
    type Crypto = Oracle;
}

impl CryptoProvider for Oracle {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        webpki::aws_lc_rs::ECDSA_P256_SHA256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        Sha384::digest(data).into()
    }
}

/// Status and advisories, or why not.
type Said = Result<(String, Vec<String>), String>;

fn oracle(vector: &Vector) -> Said {
    let collateral: QuoteCollateralV3 =
        serde_json::from_slice(&vector.collateral).map_err(|error| error.to_string())?;
    let root = support::pem_der(&vector.anchor_pem);
    QuoteVerifier::<Oracle>::new_with_config(root)
        .allow_debug(true)
        .allow_service_td(true)
        .verify(&vector.quote, &collateral, vector.now)
        .map(|report| (report.status, report.advisory_ids))
        .map_err(|error| format!("{error:#}"))
}

/// Ours, with what dcap-qvl can't switch off applied on top.
fn ours(vector: &Vector) -> (Said, Option<Invalid>) {
    match vector.verify() {
        Err(invalid) => (Err(format!("{}: {invalid}", invalid.code())), Some(invalid)),
        Ok(claims) => match policy_of_the_oracle(&claims, vector) {
            Some(refusal) => (Err(refusal), None),
            None => (
                Ok((
                    claims.tcb().unwrap().status.to_string(),
                    claims.tcb().unwrap().advisories.clone(),
                )),
                None,
            ),
        },
    }
}

fn policy_of_the_oracle(claims: &Verified<Claims>, vector: &Vector) -> Option<String> {
    // It does not look at the chain of the PCK CRL.
    let expired = claims.dates.expired(time(vector.now));
    let expired = expired
        .iter()
        .find(|(object, _)| *object != Dated::Certificate(Role::PckCa));
    if let Some((object, _)) = expired {
        return Some(format!("policy: {object} expired"));
    }
    let Body::Tdx(td) = &claims.body else {
        return None;
    };
    let attributes = td.td_attributes;
    let servtd_ext = attributes.service_td_ext() && td.v15.is_none();
    (attributes.reserved() != 0
        || attributes.migratable()
        || servtd_ext
        || !attributes.sept_ve_disable())
    .then(|| format!("policy: TD attributes {:#x}", attributes.0))
}

/// The written list: why a difference is right. `None` is a difference that nobody explained.
fn explanation(
    vector: &Vector,
    ours: &Said,
    invalid: Option<&Invalid>,
    theirs: &Said,
) -> Option<&'static str> {
    match (ours, theirs) {
        (Ok((status, advisories)), Ok((their_status, their_advisories))) => {
            if advisories != their_advisories {
                return None;
            }
            // They advise it whenever TEE_TCB_SVN2's level is not out of date.
            if their_status.starts_with("TDRelaunchAdvised") && status.starts_with("OutOfDate") {
                return Some("relaunch advised only by Intel's rule");
            }
            // They let such a status of the quoting enclave pass without effect.
            let collateral: Value = serde_json::from_slice(&vector.collateral).unwrap();
            let qe_identity = collateral["qe_identity"].as_str().unwrap();
            let configuration = qe_identity.contains("ConfigurationNeeded\"");
            (configuration && status.starts_with("OutOfDate"))
                .then_some("a QE that is neither current nor revoked is out of date")
        }
        (Ok(_), Err(text)) => accepted_by_us(vector, text),
        (Err(_), Ok(_)) => refused_by_us(invalid?),
        (Err(_), Err(_)) => Some("both refuse"),
    }
}

fn accepted_by_us(vector: &Vector, text: &str) -> Option<&'static str> {
    for (theirs, why) in [
        (
            "Invalid QE auth data length",
            "QE authentication data of any length",
        ),
        (
            "SGX TEE quote must have version 3",
            "SGX in versions 4 and 5",
        ),
        ("CrlExpired", "a CRL at exactly nextUpdate"),
    ] {
        if text.contains(theirs) {
            let exact = format!("next_update: UnixTime({})", vector.now);
            return (!text.contains("CrlExpired") || text.contains(&exact)).then_some(why);
        }
    }
    None
}

fn refused_by_us(invalid: &Invalid) -> Option<&'static str> {
    match invalid {
        Invalid::CollateralNotYetValid { object, .. } => match object {
            Dated::Crl(_) => Some("thisUpdate of a CRL in the future"),
            Dated::Certificate(Role::PckCa) => Some("chain of the PCK CRL is looked at"),
            _ => None,
        },
        Invalid::CertificateExpired {
            role: Role::Root, ..
        }
        | Invalid::CertificateNotYetValid {
            role: Role::Root, ..
        } => Some("dates of the anchor"),
        Invalid::Malformed { .. } => Some("exact lengths, zero reserved bytes"),
        Invalid::CertificationData { place: "outer", .. } => {
            Some("outer certification data is of type 6")
        }
        Invalid::ChainMalformed { .. } => Some("no text around certificates"),
        Invalid::ChainIncomplete { .. } => Some("chains have their exact shape"),
        Invalid::RootUntrusted { .. } => Some("the chain's own root is the anchor"),
        Invalid::CertificateMalformed { .. } => {
            Some("every certificate of a chain is read strictly")
        }
        Invalid::CertificateProfile { .. } => Some("each certificate at its place"),
        Invalid::CertificateSignature { role: Role::Root } => {
            Some("the chain's own root is the anchor, or signed by it")
        }
        Invalid::CertificateSignature { role: Role::PckCa } | Invalid::PckCrlOfOtherCa { .. } => {
            Some("chain of the PCK CRL is looked at")
        }
        Invalid::CrlMalformed { .. } => {
            Some("lists have number and key id, and no unknown critical parts")
        }
        Invalid::CrlIssuer {
            crl: CrlName::Root | CrlName::Pck,
            ..
        } => Some("key id of a list is its issuer's"),
        Invalid::TcbInfoVersion { .. } => Some("TCB info of version 3"),
        Invalid::TcbInfoMalformed { .. } => Some("TCB info says one thing once, in the exact form"),
        Invalid::QeIdentityMalformed { .. } => {
            Some("QE identity says one thing once, in the exact form")
        }
        Invalid::TcbStatusUnknown { .. } => {
            Some("every level's status is one of its place, not only the matched one's")
        }
        Invalid::PceIdDiffers { .. } => Some("PCE id"),
        Invalid::PckExtension { .. } => {
            Some("each element of the SGX extension once, CPUSVN equal to components")
        }
        Invalid::QeReportData { found, .. } => {
            (!found.ends_with(&"0".repeat(64))).then_some("second half of the QE report data")
        }
        Invalid::TdxModuleDiffers { field, .. } => {
            (*field == "SEAMATTRIBUTES").then_some("SEAMATTRIBUTES are zero")
        }
        Invalid::CollateralMalformed { .. } => Some("form of the collateral's JSON"),
        _ => None,
    }
}

fn run(sort: &str, change: impl Fn(&mut Random) -> Vector) {
    let (runs, first) = (
        setting(
            "STOA_DIFFERENTIAL_RUNS",
            if support::full() { RUNS_FULL } else { RUNS },
        ),
        setting("STOA_DIFFERENTIAL_SEED", SEED),
    );
    let (mut wrong, mut endings) = (Vec::new(), BTreeMap::new());
    for seed in first..first + runs {
        let vector = change(&mut Random(seed));
        let (said, invalid) = ours(&vector);
        let theirs = oracle(&vector);
        let why = if said == theirs {
            Some("both accept alike")
        } else {
            explanation(&vector, &said, invalid.as_ref(), &theirs)
        };
        match why {
            Some(why) => *endings.entry(why).or_insert(0) += 1,
            None => wrong.push(format!(
                "seed {seed}, {}: we say {said:?}, they say {theirs:?}",
                vector.name
            )),
        }
    }
    println!("{runs} {sort} from seed {first}: {endings:?}");
    assert!(
        wrong.is_empty(),
        "{} of {runs} differ without explanation:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let alike = endings.get("both accept alike").copied().unwrap_or(0);
    assert!(
        runs < RUNS || alike >= runs / 20,
        "no change left evidence good: {endings:?}"
    );
}

#[test]
fn every_vector_ends_alike() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for vector in Vector::all()
        .into_iter()
        .filter(|vector| vector.kind != Kind::Snp && !vector.collateral.is_empty())
    {
        let (said, invalid) = ours(&vector);
        let theirs = oracle(&vector);
        if said != theirs && explanation(&vector, &said, invalid.as_ref(), &theirs).is_none() {
            wrong.push(format!(
                "{}: we say {said:?}, they say {theirs:?}",
                vector.name
            ));
        }
        count += 1;
    }
    assert!(
        count >= 130 && wrong.is_empty(),
        "{count}:\n{}",
        wrong.join("\n")
    );
}

/// Bytes of genuine evidence and collateral, anywhere.
#[test]
fn changed_bytes_end_alike() {
    let names = [
        "sgx/01-processor-config-and-sw-hardening",
        "sgx/03-platform-out-of-date",
        "tdx/01-v4-up-to-date",
        "tdx/04-v4-platform-out-of-date-module-current",
        "tdx/05-v5-td-relaunch-advised",
        "tdx/06-v5-service-td-bound",
    ];
    let vectors: Vec<Vector> = names.iter().map(|name| Vector::load(name)).collect();
    run("changed bytes", |random| {
        let mut vector = random.pick(&vectors).clone();
        let bytes = if random.below(3) == 0 {
            &mut vector.collateral
        } else {
            &mut vector.quote
        };
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => {
                bytes.remove(at);
            }
            1 => bytes.insert(at, random.next() as u8),
            2 => bytes.truncate(at),
            3 => bytes.push(random.below(2) as u8),
            _ => bytes[at] ^= 1 << random.below(8),
        }
        vector
    });
}

/// The same evidence at other times.
#[test]
fn other_times_end_alike() {
    let vectors: Vec<Vector> = Vector::all()
        .into_iter()
        .filter(|vector| vector.kind != Kind::Snp && !vector.collateral.is_empty())
        .filter(|vector| vector.verify().is_ok())
        .collect();
    run("other times", |random| {
        let mut vector = random.pick(&vectors).clone();
        let back = random.below(40) as u64 * DAY + random.below(DAY as usize) as u64;
        vector.now = vector.now + 20 * DAY - back;
        vector
    });
}

/// Well-signed worlds whose contents are drawn at random: here the levels, statuses and dates themselves are compared.
#[test]
fn forged_worlds_end_alike() {
    run("forged worlds", |random| {
        let mut world = match random.below(4) {
            0 | 1 => World::sgx(),
            2 => World::tdx(),
            _ => {
                let svn = tdx_svn(
                    random.below(6) as u8,
                    random.below(2) as u8,
                    random.below(4) as u8,
                );
                World::tdx15(svn)
            }
        };
        draw_platform(&mut world, random);
        draw_levels(&mut world, random);
        for _ in 0..random.below(3) {
            draw_change(&mut world, random);
        }
        world.vector("forged")
    });
}

fn draw_platform(world: &mut World, random: &mut Random) {
    world.sgx.components = [0; 16].map(|_| *random.pick(&[2, 2, 2, 2, 3, 3, 255, 1]));
    world.sgx.cpu_svn = world.sgx.components;
    world.sgx.pce_svn = *random.pick(&[11, 11, 11, 10, 12, 5]);
    world.qe_report.0[258] = *random.pick(&[4, 4, 4, 5, 3, 3, 2, 1]);
    if world.kind == Kind::TdxDcap {
        world.body[0] = *random.pick(&[4, 4, 4, 2, 3, 3, 5, 1]);
        world.body[1] = *random.pick(&[1, 1, 1, 1, 0, 0, 0, 3]);
        world.body[2] = *random.pick(&[2, 2, 2, 3, 1, 0]);
    }
}

fn draw_levels(world: &mut World, random: &mut Random) {
    const STATUSES: [&str; 7] = [
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
    ];
    const COMPONENT: [&str; 8] = [
        "UpToDate",
        "UpToDate",
        "UpToDate",
        "UpToDate",
        "OutOfDate",
        "OutOfDate",
        "ConfigurationNeeded",
        "Revoked",
    ];
    let tdx = world.kind == Kind::TdxDcap;
    let levels: Vec<Value> = (0..1 + random.below(5))
        .map(|_| {
            let svn = tdx.then(|| {
                tdx_svn(
                    random.below(5) as u8,
                    random.below(2) as u8,
                    random.below(3) as u8,
                )
            });
            let pce_svn = *random.pick(&[5, 10, 11]);
            let status: &str = random.pick::<&str>(&STATUSES);
            let mut level = level(random.below(3) as u8, pce_svn, svn, status);
            if random.below(3) == 0 {
                level["tcb"]["sgxtcbcomponents"] =
                    components(&[0; 16].map(|_| random.below(4) as u8));
            }
            level["advisoryIDs"] = json!([
                format!("INTEL-SA-1{:04}", random.below(3)),
                "INTEL-SA-00001"
            ]);
            level
        })
        .collect();
    world.tcb_info["tcbLevels"] = levels.into();
    if random.below(4) > 0 {
        // Something that every platform of these draws meets.
        let lowest = level(0, 1, tdx.then_some([0; 16]), "OutOfDate");
        world.tcb_info["tcbLevels"]
            .as_array_mut()
            .unwrap()
            .push(lowest);
    }
    // Highest first, as the vendor writes them: they take the order of the text for these two.
    let status = |random: &mut Random| *random.pick(&COMPONENT);
    world.qe_identity["tcbLevels"] =
        json!([qe_level(4, status(random)), qe_level(2, status(random))]);
    world.qe_identity["tcbLevels"][random.below(2)]["advisoryIDs"] =
        json!(["INTEL-SA-00002", "INTEL-SA-00003"]);
    if tdx {
        for at in 0..2 {
            let level = &mut world.tcb_info["tdxModuleIdentities"][0]["tcbLevels"][at];
            level["tcbStatus"] = json!(status(random));
            level["advisoryIDs"] = json!([format!("INTEL-SA-{:05}", 3 + random.below(2))]);
        }
    }
}

fn draw_change(world: &mut World, random: &mut Random) {
    let now = world.now;
    let day = |random: &mut Random| now + 3 * DAY - random.below(6) as u64 * DAY;
    let key = KeyNumber(random.below(6) as u8 + 1);
    match random.below(34) {
        0 => world.pck.until = day(random),
        1 => world.pck.from = day(random),
        2 => world.pck_ca.until = day(random),
        3 => world.tcb_signer.until = day(random),
        4 => world.qe_signer.from = day(random),
        5 => world.root_crl.until = Some(day(random)),
        6 => world.pck_crl.until = Some(day(random)),
        7 => world.pck_crl.from = day(random),
        8 => world.root_crl.from = day(random),
        9 => world.tcb_info["nextUpdate"] = json!(utc(day(random))),
        10 => world.tcb_info["issueDate"] = json!(utc(day(random))),
        11 => world.qe_identity["nextUpdate"] = json!(utc(day(random))),
        12 => world.qe_identity["issueDate"] = json!(utc(day(random))),
        13 => world.tcb_info_key = key,
        14 => world.qe_identity_key = key,
        15 => world.pck.signer = key,
        16 => world.pck_ca.signer = key,
        17 => world.tcb_signer.signer = key,
        18 => world.pck_crl.signer = key,
        19 => world.root_crl.signer = key,
        20 => world.qe_report_key = key,
        21 => world.quote_key = key,
        22 => world
            .pck_crl
            .revoked
            .push((vec![0x80, random.below(6) as u8], vec![])),
        23 => world
            .root_crl
            .revoked
            .push((vec![0x80, random.below(6) as u8], vec![])),
        24 => world.tcb_info["fmspc"] = json!("90C06F000001"),
        25 => world.qe_report.0[random.below(384 - 64)] ^= 1 << random.below(8),
        26 => world.qe_auth_data.truncate(random.below(33)),
        27 => world.version = 3 + random.below(3) as u16,
        28 => world.behind = vec![random.below(2) as u8; 7],
        29 if world.kind == Kind::TdxDcap => {
            world.body[120 + random.below(8)] ^= 1 << random.below(8)
        }
        30 if world.kind == Kind::TdxDcap => {
            world.body[112 + random.below(8)] ^= 1 << random.below(8)
        }
        31 if world.kind == Kind::TdxDcap => {
            world.body[64 + random.below(48)] ^= 1 << random.below(8)
        }
        32 => world.qe_identity["version"] = json!(random.below(5)),
        33 => world.tcb_info["tcbEvaluationDataNumber"] = json!(random.below(30)),
        _ => {}
    }
}
