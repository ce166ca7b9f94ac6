//! One file of evidence, judged: the verdict that anybody would come to, and whether a policy accepts it.

use rustls_pki_types::UnixTime;
use stoa_attestation::policy::appraise;
use stoa_attestation::{
    Anchor, Claims, Collateral, Evidence, Expected, Invalid, Kind, NoMemo, Reference,
    ReferenceValue, TcbPolicy, Trust, Verdict, Verified, verdict,
};
use stoa_client::report::Cause;

use crate::coordinator::algorithms;
use crate::failure::{Failure, Refused};

/// What is accepted beside genuineness.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// What the code must be; `None` compares nothing.
    pub(crate) references: Option<Vec<ReferenceValue>>,
    pub(crate) tcb: TcbPolicy,
}

impl Policy {
    pub(crate) fn of_reference(reference: Reference) -> Self {
        Self {
            references: Some(reference.identities),
            tcb: reference.tcb,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.references {
            Some(_) => "the policy given",
            None => "the default policy",
        }
    }

    /// # Errors
    /// The first rule that refuses, as [`appraise`] has it.
    pub(crate) fn appraise(
        &self,
        claims: &Verified<Claims>,
        now: UnixTime,
    ) -> Result<(), stoa_attestation::policy::Refusal> {
        let itself;
        let references = match &self.references {
            Some(references) => references.as_slice(),
            None => {
                itself = [ReferenceValue::exactly(&claims.body)];
                &itself
            }
        };
        appraise(claims, references, &self.tcb, now)
    }
}

/// Everything that a judgement depends on.
pub(crate) struct Question<'a> {
    /// What the bytes are; `None` finds it from them.
    pub(crate) kind: Option<Kind>,
    pub(crate) evidence: &'a [u8],
    pub(crate) collateral: Option<&'a [u8]>,
    pub(crate) anchors: &'a [Anchor],
    /// What the evidence must be bound to; `None` compares nothing.
    pub(crate) report_data: Option<[u8; 64]>,
    pub(crate) policy: &'a Policy,
    pub(crate) now: UnixTime,
}

/// What came of it.
pub(crate) struct Judgement {
    /// `None` if the bytes are no evidence.
    pub(crate) kind: Option<Kind>,
    pub(crate) verdict: Verdict,
    /// What stands against `genuine`.
    pub(crate) failure_class: Option<String>,
    /// The classes of vectors that the same cause counts for.
    pub(crate) vector_classes: &'static [&'static str],
    /// `None` if they are not verified.
    pub(crate) claims: Option<Verified<Claims>>,
    /// Why it is not accepted.
    pub(crate) refused: Option<Cause>,
}

/// Judges.
///
/// # Errors
/// Only if something is missing to judge with; evidence that does not hold is a judgement.
pub(crate) fn judge(question: &Question<'_>) -> Result<Judgement, Failure> {
    let evidence = match question.kind {
        Some(kind) => Evidence::parse(kind, question.evidence),
        None => Evidence::detect(question.evidence),
    };
    let evidence = match evidence {
        Ok(evidence) => evidence,
        Err(invalid) => return Ok(never(None, &invalid)),
    };
    let kind = evidence.kind();
    let Some(collateral) = question.collateral else {
        return Err(Refused::Argument {
            option: "--collateral",
            cause: format!(
                "is missing; {kind} is judged with what the vendor says of the platform"
            ),
        }
        .into());
    };
    let claims = match verify(evidence, collateral, question) {
        Ok(claims) => claims,
        Err(invalid) => return Ok(never(Some(kind), &invalid)),
    };
    let (verdict, against) = verdict(&claims, question.now);
    let refused = question.policy.appraise(&claims, question.now).err();
    Ok(Judgement {
        kind: Some(kind),
        verdict,
        failure_class: against.as_ref().map(|refusal| refusal.failure_class(kind)),
        vector_classes: against.map_or(&[], |refusal| refusal.vector_classes(kind)),
        claims: Some(claims),
        refused: refused.map(|refusal| Cause::of(&refusal)),
    })
}

fn verify(
    evidence: Evidence,
    collateral: &[u8],
    question: &Question<'_>,
) -> Result<Verified<Claims>, Invalid> {
    let trust = Trust {
        anchors: question.anchors,
        algorithms: algorithms(),
        seen: &NoMemo,
    };
    let collateral = Collateral::parse(collateral)?.verify(&trust)?;
    let expected = match question.report_data {
        Some(report_data) => Expected::as_given(report_data),
        None => Expected::as_given(*evidence.unverified_body().report_data()),
    };
    evidence.verify(&expected, &trust, &collateral, question.now)
}

fn never(kind: Option<Kind>, invalid: &Invalid) -> Judgement {
    Judgement {
        kind,
        verdict: invalid.verdict(),
        failure_class: Some(invalid.failure_class()),
        vector_classes: invalid.vector_classes(),
        claims: None,
        refused: Some(Cause::of(invalid)),
    }
}
