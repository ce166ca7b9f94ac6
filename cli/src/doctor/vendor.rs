//! The vendor's steps: a collateral service, the clock, what the service gave, and what it says of this platform.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use stoa_attestation::channel::limits::CLOCK_DIFFERENCE_SECS_MAX;
use stoa_attestation::{Anchor, Collateral, Evidence, NoMemo, Trust, Utc};
use stoa_collateral::{CollateralError, Fetched, Platform, Source, none_gave, report};

use super::host::Found;
use super::{Stop, Walk};
use crate::args::Doctor;
use crate::collateral::{anchors, tls};
use crate::coordinator::{algorithms, block_on};
use crate::evidence::judge::{self, Policy, Question};
use crate::failure::{Exit, Failure, Refused};
use crate::terminal::Terminal;

/// Whom to ask and whom to believe.
pub(super) struct Vendor {
    sources: Vec<Source>,
    anchors: Vec<Anchor>,
}

impl Vendor {
    pub(super) fn open(args: &Doctor, terminal: &mut Terminal<'_>) -> Result<Self, Failure> {
        let sources = if args.from.is_empty() {
            Vec::new()
        } else {
            Source::parse_all(&args.from, tls)?
        };
        Ok(Self {
            sources,
            anchors: anchors(&args.insecure_trust_root, terminal)?,
        })
    }

    /// The steps from the service on.
    pub(super) fn walk(&self, found: &Found, now: UnixTime, walk: &mut Walk) -> Result<(), Stop> {
        if self.sources.is_empty() {
            walk.skipped("not asked; name one with --from URL");
            for _ in 0..4 {
                walk.skipped("needs a service");
            }
            return Ok(());
        }
        let platform = Evidence::detect(&found.bytes)
            .and_then(|evidence| Platform::of_evidence(&evidence))
            .map_err(|invalid| Stop::new(Exit::Refused, &invalid))?;
        let fetched = self.fetched(&platform, walk)?;
        self.clock(&fetched, now, walk)?;
        self.judged(found, &fetched, now, walk)
    }

    /// The first source that answers; those before it are told.
    fn fetched(&self, platform: &Platform, walk: &mut Walk) -> Result<Fetched, Stop> {
        let mut failed = Vec::new();
        for source in self.sources.iter().filter(|source| source.serves(platform)) {
            match block_on(async { Ok(source.fetch(platform).await) })? {
                Ok(fetched) => {
                    let before: String = failed
                        .iter()
                        .map(|error: &CollateralError| format!("; {error}"))
                        .collect();
                    walk.ok(format!("{} has {platform}{before}", fetched.source));
                    return Ok(fetched);
                }
                Err(error) => failed.push(error),
            }
        }
        let error = none_gave(platform, failed);
        Err(Stop::new(Exit::Unavailable, &error))
    }

    /// Against the service's, if it says its time: nobody vouches for it, and a difference is worth a look all the same.
    fn clock(&self, fetched: &Fetched, now: UnixTime, walk: &mut Walk) -> Result<(), Stop> {
        let Some(served_at) = fetched.served_at else {
            walk.skipped("the service does not say its time");
            return Ok(());
        };
        if now.as_secs().abs_diff(served_at) > CLOCK_DIFFERENCE_SECS_MAX {
            let error = Refused::ClockDiffers {
                ours: Utc(now).to_string(),
                theirs: Utc(UnixTime::since_unix_epoch(Duration::from_secs(served_at))).to_string(),
                source_name: fetched.source.clone(),
            };
            return Err(Stop::new(Exit::Unavailable, &error));
        }
        walk.ok(format!("{}, as the service's", Utc(now)));
        Ok(())
    }

    fn judged(
        &self,
        found: &Found,
        fetched: &Fetched,
        now: UnixTime,
        walk: &mut Walk,
    ) -> Result<(), Stop> {
        let refused = |error: &dyn stoa_explain::Explain| Stop::new(Exit::Refused, error);
        let trust = Trust {
            anchors: &self.anchors,
            algorithms: algorithms(),
            seen: &NoMemo,
        };
        let collateral = Collateral::parse(&fetched.json)
            .and_then(|parsed| parsed.verify(&trust))
            .map_err(|invalid| refused(&invalid))?;
        let warnings: String = report::dates(&collateral, now)
            .iter()
            .map(|warning| format!("; {warning}"))
            .collect();
        walk.ok(format!(
            "signed under the root, until {}{warnings}",
            Utc(collateral.valid_until())
        ));
        let question = Question {
            kind: None,
            evidence: &found.bytes,
            collateral: Some(&fetched.json),
            anchors: &self.anchors,
            report_data: found.report_data,
            policy: &Policy::default(),
            now,
        };
        let judgement = judge::judge(&question)?;
        if judgement.claims.is_some() {
            walk.ok(match found.report_data {
                Some(_) => "verified, over the bytes that were asked for",
                None => "verified",
            });
        }
        if let Some(cause) = judgement.refused {
            return Err(Stop {
                exit: Exit::Refused,
                cause,
            });
        }
        if let Some(claims) = &judgement.claims {
            let advisories = match claims.tcb().map(|tcb| tcb.advisories.as_slice()) {
                None => String::new(),
                Some([]) => "; no advisories".to_owned(),
                Some(some) => format!("; {}", some.join(", ")),
            };
            walk.ok(format!("{}{advisories}", claims.tcb_words()));
        }
        Ok(())
    }
}
