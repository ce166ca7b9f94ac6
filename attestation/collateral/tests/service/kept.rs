//! What is kept and renewed, in which order sources are asked, and what is never believed.

use std::sync::Arc;
use std::time::Duration;

use stoa_attestation::{Floors, Kind, UnverifiedPlatform};
use stoa_collateral::{RENEW_EVERY_SECS_MAX, Source};
use stoa_explain::Explain as _;
use stoa_synthetic::Knobs;

use crate::double::{Double, Reply, answer};
use crate::world::{
    DAY, NOW, accepted, at, judged, keeper, published, published_by, sources, vendor_with,
};

pub(crate) fn unverified() -> UnverifiedPlatform {
    UnverifiedPlatform {
        kind: Kind::SgxDcap,
        fmspc: [0x00, 0x90, 0x67, 0x11, 0x00, 0x00],
        ca: "platform",
    }
}

fn down() -> impl Fn(&str) -> Reply + Send + 'static {
    |_| Reply::Bytes(answer("502 Bad Gateway", &[], b"the vendor is down"))
}

#[tokio::test]
async fn a_thousand_verifications_of_a_warm_platform_ask_nobody() {
    let double = Double::start(published(NOW));
    let keeper = keeper(sources(&[&double]));
    keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert_eq!(double.asked().len(), 4, "cold: one fetch");
    for n in 0..1000 {
        let now = NOW + n;
        let endorsement = keeper.endorsement(&unverified(), at(now)).await.unwrap();
        judged(&keeper, &endorsement, now).unwrap();
        keeper.renew_due(at(now)).await;
    }
    assert_eq!(double.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_hundred_that_want_a_cold_platform_at_once_make_one_fetch() {
    let vendor = crate::world::vendor();
    let double = Double::start(move |target| {
        let response = stoa_synthetic::pccs::respond(&vendor, target, at(NOW));
        Reply::Late(Duration::from_millis(50), crate::world::bytes(&response))
    });
    let keeper = Arc::new(keeper(sources(&[&double])));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let keeper = Arc::clone(&keeper);
            tokio::spawn(async move { keeper.endorsement(&unverified(), at(NOW)).await.is_ok() })
        })
        .collect();
    for one in waiting {
        assert!(one.await.unwrap());
    }
    assert_eq!(double.asked().len(), 4);
}

#[tokio::test]
async fn cut_off_a_warm_platform_works_and_a_cold_one_is_told_with_url_and_answer() {
    let double = Double::start(published(NOW));
    let keeper = keeper(sources(&[&double]));
    let warm = keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    double.now(down());
    let later = NOW + 2 * RENEW_EVERY_SECS_MAX;
    keeper.renew_due(at(later)).await;
    let kept = keeper.endorsement(&unverified(), at(later)).await.unwrap();
    assert!(Arc::ptr_eq(&kept, &warm), "the last stays");
    judged(&keeper, &kept, later).unwrap();
    let row = keeper.report(at(later)).remove(0);
    let said = row.warnings.join(" | ");
    assert!(
        said.contains("answered 502 \"the vendor is down\""),
        "{said}"
    );

    let cold = UnverifiedPlatform {
        fmspc: [9; 6],
        ..unverified()
    };
    let error = keeper.endorsement(&cold, at(later)).await.err().unwrap();
    assert_eq!(error.code(), "collateral-unavailable");
    for part in [
        double.url(),
        "/sgx/certification/v4/",
        "502",
        "the vendor is down",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    // Told again without being asked again.
    double.asked();
    let again = keeper.endorsement(&cold, at(later)).await.err().unwrap();
    assert_eq!((again, double.asked().len()), (error, 0));
}

#[tokio::test]
async fn sources_are_asked_in_order_until_one_is_good() {
    let (first, second) = (Double::start(published(NOW)), Double::start(published(NOW)));
    let both = keeper(sources(&[&first, &second]));
    let kept = both.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(kept.source().starts_with(first.url()));
    assert_eq!((first.asked().len(), second.asked().len()), (4, 0));

    first.now(down());
    let both = keeper(sources(&[&first, &second]));
    let kept = both.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(kept.source().starts_with(second.url()));

    second.now(|_| Reply::Bytes(answer("200 OK", &[], b"{}")));
    let both = keeper(sources(&[&first, &second]));
    let error = both
        .endorsement(&unverified(), at(NOW))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "collateral-unavailable");
    for url in [first.url(), second.url()] {
        assert!(error.to_string().contains(url), "{error}");
    }
}

#[tokio::test]
async fn a_source_whose_collateral_ended_is_passed_over_while_another_has_better() {
    let (old, fresh) = (
        Double::start(published(NOW - 40 * DAY)),
        Double::start(published(NOW)),
    );
    let both = keeper(sources(&[&old, &fresh]));
    let kept = both.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(kept.source().starts_with(fresh.url()));
    // Alone it is taken: the policy says whether it is good for anything.
    let alone = keeper(sources(&[&old]));
    let kept = alone.endorsement(&unverified(), at(NOW)).await.unwrap();
    let claims = judged(&alone, &kept, NOW).unwrap();
    assert_eq!(
        accepted(&claims, 0, NOW).unwrap_err().code(),
        "collateral-expired"
    );
}

#[tokio::test]
async fn older_collateral_never_takes_the_place_of_newer() {
    let double = Double::start(published(NOW));
    let other = Double::start(published(NOW));
    let keeper_of_one = keeper(sources(&[&double]));
    let newest = keeper_of_one
        .endorsement(&unverified(), at(NOW))
        .await
        .unwrap();
    let higher = Knobs {
        tcb_evaluation_number: Knobs::default().tcb_evaluation_number - 1,
        ..Knobs::default()
    };
    for (what, older) in [
        (
            "an hour older",
            published_by(crate::world::vendor(), NOW - 3600),
        ),
        (
            "a lower evaluation number",
            published_by(vendor_with(higher), NOW + 12 * 3600),
        ),
    ] {
        double.now(older);
        let due = NOW + 2 * RENEW_EVERY_SECS_MAX;
        keeper_of_one.renew_due(at(due)).await;
        let kept = keeper_of_one
            .endorsement(&unverified(), at(due))
            .await
            .unwrap();
        assert!(Arc::ptr_eq(&kept, &newest), "{what}");
    }
    let said = keeper_of_one.report(at(NOW)).remove(0).warnings.join(" | ");
    assert!(said.contains("older than what was seen before"), "{said}");

    // What was seen before this process began counts as well, and the next source is asked.
    let floors = Floors::of(newest.verified());
    double.now(published(NOW - 3600));
    let cold = keeper(sources(&[&double]));
    cold.raise_floors(&floors);
    let error = cold
        .endorsement(&unverified(), at(NOW))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "collateral-went-back");
    let cold = keeper(sources(&[&double, &other]));
    cold.raise_floors(&floors);
    let kept = cold.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(kept.source().starts_with(other.url()));
    assert_eq!(cold.floors(), floors);
}

#[tokio::test]
async fn what_does_not_verify_is_never_kept() {
    let stranger = stoa_synthetic::Platform::seeded([8; 32], Knobs::default());
    let double = Double::start(published_by(stranger, NOW));
    let keeper = keeper(sources(&[&double]));
    let error = keeper
        .endorsement(&unverified(), at(NOW))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "collateral-not-verified");
    assert_eq!(keeper.report(at(NOW)).remove(0).not_after, None);
    assert!(keeper.floors().is_empty());
}

#[tokio::test]
async fn renewal_is_ahead_of_the_end_and_not_before_its_time() {
    let double = Double::start(published(NOW));
    let keeper = keeper(sources(&[&double]));
    let first = keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    double.asked();
    assert!(first.renew_at() <= NOW + RENEW_EVERY_SECS_MAX);
    keeper.renew_due(at(first.renew_at() - 1)).await;
    assert_eq!(double.asked().len(), 0);
    double.now(published(NOW + RENEW_EVERY_SECS_MAX));
    keeper.renew_due(at(first.renew_at())).await;
    assert_eq!(double.asked().len(), 4);
    let second = keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(second.verified().valid_until() > first.verified().valid_until());
}

/// July 2026: the vendor publishes nothing for a week, and here for longer than the collateral lives (30 days).
#[tokio::test]
async fn weeks_without_new_collateral_are_told_then_graced_then_refused() {
    let double = Double::start(published(NOW));
    let keeper = keeper(sources(&[&double]));
    keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    for (day, said, grace_of_none, grace_of_a_week) in [
        (1, "", "accepted", "accepted"),
        (
            3,
            "PCK CRL is of 2026-07-16T00:00:00Z, 2 days old",
            "accepted",
            "accepted",
        ),
        (8, "7 days old", "accepted", "accepted"),
        (30, "ends at", "accepted", "accepted"),
        (31, "ended at", "collateral-expired", "accepted"),
        (36, "ended at", "collateral-expired", "accepted"),
        (38, "ended at", "collateral-expired", "collateral-expired"),
    ] {
        let now = NOW + day * DAY - 60;
        keeper.renew_due(at(now)).await;
        let kept = keeper.endorsement(&unverified(), at(now)).await.unwrap();
        let claims = judged(&keeper, &kept, now).unwrap();
        let came = |grace| match accepted(&claims, grace, now) {
            Ok(()) => "accepted",
            Err(refusal) => refusal.code(),
        };
        assert_eq!(
            (came(0), came(7)),
            (grace_of_none, grace_of_a_week),
            "day {day}"
        );
        let warnings = keeper.report(at(now)).remove(0).warnings.join(" | ");
        assert_eq!(
            warnings.is_empty(),
            said.is_empty(),
            "day {day}: {warnings}"
        );
        assert!(warnings.contains(said), "day {day}: {warnings}");
    }
    assert!(double.asked().len() > 4, "it kept asking");
    double.now(published(NOW + 38 * DAY));
    keeper.renew_due(at(NOW + 39 * DAY)).await;
    let row = keeper.report(at(NOW + 39 * DAY)).remove(0);
    assert_eq!(row.warnings, Vec::<String>::new(), "healed by itself");
}

#[tokio::test]
async fn a_bundle_stands_in_when_the_service_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collateral.json");
    let double = Double::start(published(NOW));
    crate::bundles::write(&double, &path).await;
    double.now(down());
    let mut both = sources(&[&double]);
    both.push(Source::parse(&format!("bundle:{}", path.display()), None).unwrap());
    let keeper = keeper(both);
    let kept = keeper.endorsement(&unverified(), at(NOW)).await.unwrap();
    assert!(kept.source().starts_with("bundle:"));
    judged(&keeper, &kept, NOW).unwrap();
}
