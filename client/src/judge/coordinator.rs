//! Who coordinates: the rows about evidence, session key and signature.

use stoa_attestation::channel::{
    Switches, check_clock, check_security_digest, check_session_signature, default_security_digest,
    session_report_data, statement_signature_input,
};
use stoa_attestation::policy::{appraise_code, appraise_platform};
use stoa_attestation::{
    Anchor, Body, Claims, Collateral, Evidence, Expected, Floors, Invalid, Origin, ReferenceValue,
    Utc, Verified,
};

use super::{Question, good, no, not_checked, outcome, same, utc};
use crate::broken::Broken;
use crate::report::{Check, Row};
use crate::statement::Statement;

/// Evidence and binding at once: the verifier takes what must be bound as an argument. With it comes how new the stapled
/// collateral is.
pub(super) fn verify_evidence(
    statement: &Statement,
    question: &Question<'_>,
) -> Result<(Verified<Claims>, Floors), Invalid> {
    let wanted = session_report_data(
        statement.kind,
        &statement.session_key,
        statement.state.root(),
        &statement.state.security_digest,
        statement.quoted_at,
    );
    let evidence = Evidence::parse(statement.kind, &statement.evidence)?;
    let collateral = Collateral::parse(&statement.collateral)?.verify(question.trust)?;
    let claims = evidence.verify(
        &Expected::bound(wanted)?,
        question.trust,
        &collateral,
        question.now,
    )?;
    Ok((claims, Floors::of(&collateral)))
}

pub(super) fn hardware(
    evidence: &Result<Verified<Claims>, Invalid>,
    question: &Question<'_>,
) -> Row {
    let claims = match evidence {
        Ok(claims) => claims,
        Err(differs @ Invalid::ReportDataDiffers { .. }) => {
            return not_checked(
                Check::Hardware,
                "evidence",
                &format!("it is about something else: {differs}"),
            );
        }
        Err(invalid) => return no(Check::Hardware, "evidence", invalid),
    };
    let insecure = question
        .trust
        .anchors
        .iter()
        .any(|a| a.is_insecure() && a.sha256() == claims.anchor);
    let facts = format!(
        "{}{}, collateral until {}",
        if insecure {
            "no hardware, an insecure root says: "
        } else {
            ""
        },
        platform_words(claims),
        Utc(claims.dates.collateral_until()),
    );
    outcome(
        Check::Hardware,
        facts,
        appraise_platform(claims, &question.reference.tcb, question.now),
        "genuine",
    )
}

fn platform_words(claims: &Claims) -> String {
    match &claims.origin {
        Origin::Intel(origin) => {
            let tee = match claims.body {
                Body::Tdx(_) => "Intel TDX",
                Body::Sgx(_) | Body::Snp(_) => "Intel SGX",
            };
            let advisories = match origin.tcb.advisories.as_slice() {
                [] => String::new(),
                some => format!(" ({})", some.join(", ")),
            };
            format!(
                "{tee}, FMSPC {}, TCB {}{advisories}",
                hex::encode(origin.platform.fmspc),
                origin.tcb.status
            )
        }
        Origin::Amd(origin) => format!(
            "AMD SEV-SNP, {}, committed TCB {}",
            origin.product, origin.committed_tcb
        ),
    }
}

pub(super) fn code(claims: Option<&Verified<Claims>>, question: &Question<'_>) -> Row {
    let Some(claims) = claims else {
        return not_checked(Check::Code, "measurement", NOT_GENUINE);
    };
    let debug = if claims.body.debug() { "on" } else { "off" };
    let facts = match &claims.body {
        Body::Sgx(body) => format!(
            "MRENCLAVE {}, MRSIGNER {}, product {}, SVN {}, debug {debug}",
            hex::encode(body.mr_enclave),
            hex::encode(body.mr_signer),
            body.isv_prod_id,
            body.isv_svn
        ),
        Body::Tdx(body) => {
            let rtmr: Vec<String> = body.rtmr.iter().map(hex::encode).collect();
            format!(
                "MRTD {}, RTMR {}, debug {debug}",
                hex::encode(body.mr_td),
                rtmr.join(" ")
            )
        }
        Body::Snp(body) => format!(
            "measurement {}, host data {}, guest SVN {}, VMPL {}, debug {debug}",
            hex::encode(body.measurement),
            hex::encode(body.host_data),
            body.guest_svn,
            body.vmpl
        ),
    };
    let given = &question.reference.identities;
    if !given.is_empty() {
        let appraised = appraise_code(claims, given, &question.reference.tcb);
        return outcome(Check::Code, facts, appraised, "expected");
    }
    let itself = ReferenceValue::exactly(&claims.body);
    match appraise_code(claims, &[itself], &question.reference.tcb) {
        Ok(()) => not_checked(Check::Code, &facts, "no reference was given"),
        Err(refusal) => no(Check::Code, &facts, &refusal),
    }
}

const NOT_GENUINE: &str = "the evidence is not genuine, or not about this session key";

pub(super) fn switches(
    statement: &Statement,
    claims: Option<&Verified<Claims>>,
    question: &Question<'_>,
) -> Row {
    let digest = &statement.state.security_digest;
    let Some(claims) = claims else {
        return not_checked(Check::Switches, &hex::encode(digest), NOT_GENUINE);
    };
    let under = question.trust.anchors;
    let under = under.iter().find(|anchor| anchor.sha256() == claims.anchor);
    let vendor = Anchor::intel();
    let anchors = question.trust.anchors;
    let set = insecure_switches(anchors, digest);
    let (facts, word) = if *digest == default_security_digest() {
        (
            "none set: the default security digest".to_owned(),
            "as released",
        )
    } else if let Some(switches) = set {
        let each: Vec<String> = switches
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (format!("{} and no other", each.join(", ")), "allowed")
    } else {
        (
            format!("security digest {}", hex::encode(digest)),
            "allowed",
        )
    };
    let under = under.unwrap_or(&vendor);
    let checked = check_security_digest(digest, question.reference, under, anchors);
    outcome(Check::Switches, facts, checked, word)
}

/// Which of the insecure roots that this verifier has are the switches behind a digest, if it is they alone.
fn insecure_switches(anchors: &[Anchor], digest: &[u8; 48]) -> Option<Switches> {
    let insecure: Vec<&Anchor> = anchors.iter().filter(|a| a.is_insecure()).collect();
    let alone = insecure.iter().map(|anchor| vec![*anchor]);
    let pairs = insecure
        .iter()
        .flat_map(|one| insecure.iter().map(|other| vec![*one, *other]));
    alone
        .chain(pairs)
        .filter_map(|roots| Switches::insecure_trust_roots(roots).ok())
        .find(|switches| switches.digest() == *digest)
}

pub(super) fn session(evidence: &Result<Verified<Claims>, Invalid>) -> Row {
    let facts = "the quote names session key, root CA and security digest";
    match evidence {
        Ok(_) => good(Check::Session, facts, "bound"),
        Err(differs @ Invalid::ReportDataDiffers { .. }) => no(Check::Session, facts, differs),
        Err(_) => not_checked(Check::Session, facts, "the evidence is not genuine"),
    }
}

pub(super) fn signature(statement: &Statement, question: &Question<'_>) -> Row {
    let input = statement_signature_input(question.nonce, &statement.state, &statement.body);
    let checked = check_session_signature(
        &input,
        &statement.session_key,
        &statement.signature,
        question.trust.algorithms,
    );
    outcome(
        Check::Signature,
        "by the session key, over nonce, TLS leaf, state and body".to_owned(),
        checked,
        "signed",
    )
}

pub(super) fn nonce(statement: &Statement, question: &Question<'_>) -> Row {
    let facts = "in the body and in what was signed".to_owned();
    let checked = same(statement.nonce == *question.nonce, || {
        Broken::NonceDiffers {
            got: hex::encode(statement.nonce),
            wanted: hex::encode(question.nonce),
        }
    });
    outcome(Check::Nonce, facts, checked, "ours")
}

pub(super) fn time(statement: &Statement, question: &Question<'_>) -> Row {
    let facts = format!(
        "signed {}, quoted {}",
        utc(statement.state.time),
        utc(statement.quoted_at)
    );
    outcome(
        Check::Time,
        facts,
        check_clock(statement.quoted_at, statement.state.time, question.now),
        "fresh",
    )
}
