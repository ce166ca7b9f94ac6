//! AMD's service: what is asked, how answers are read, and what is kept.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stoa_attestation::{Anchor, Collateral, Evidence, Expected, Kind, NoMemo};
use stoa_collateral::{Keeper, Platform, Source};
use stoa_explain::Explain as _;
use stoa_synthetic::pccs::respond;
use stoa_synthetic::{GuestIdentity, Knobs, SnpVendor};

use crate::double::{Double, Reply, answer};
use crate::world::{NOW, at, bytes};

const GUEST: GuestIdentity = GuestIdentity {
    measurement: [0x11; 48],
    id_key_digest: [0; 48],
    product_id: 0,
    guest_svn: 0,
    debug: false,
};

fn vendor() -> Arc<SnpVendor> {
    static VENDOR: OnceLock<Arc<SnpVendor>> = OnceLock::new();
    let made = VENDOR.get_or_init(|| Arc::new(SnpVendor::generate().unwrap()));
    Arc::clone(made)
}

fn machine() -> stoa_synthetic::Platform {
    stoa_synthetic::Platform::seeded([7; 32], Knobs::default()).with_snp_vendor(vendor())
}

fn evidence() -> Evidence {
    let bytes = machine().evidence_snp(&GUEST, [3; 64]);
    Evidence::parse(Kind::Snp, &bytes).unwrap()
}

fn platform() -> Platform {
    Platform::of_evidence(&evidence()).unwrap()
}

fn published() -> impl Fn(&str) -> Reply + Send + 'static {
    let machine = machine();
    move |target| Reply::Bytes(bytes(&respond(&machine, target, at(NOW))))
}

fn kds(double: &Double) -> Source {
    Source::parse(&format!("kds:{}", double.url()), None).unwrap()
}

fn keeper(sources: Vec<Source>) -> Keeper {
    let anchors = vec![Anchor::insecure_from_pem(&vendor().root_pem()).unwrap()];
    Keeper::new(
        sources,
        anchors,
        webpki::ALL_VERIFICATION_ALGS,
        Arc::new(NoMemo),
    )
}

#[tokio::test]
async fn three_requests_make_a_chips_collateral_and_a_warm_chip_asks_nobody() {
    let double = Double::start(published());
    let keeper = keeper(vec![kds(&double)]);
    let kept = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    let id = hex::encode(machine().chip_id());
    assert_eq!(
        double.asked(),
        [
            "/vcek/v1/Milan/cert_chain".to_owned(),
            "/vcek/v1/Milan/crl".to_owned(),
            format!("/vcek/v1/Milan/{id}?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=212"),
        ]
    );
    let expected = Expected::bound([3; 64]).unwrap();
    let trust = keeper.trust();
    evidence()
        .verify(&expected, &trust, kept.verified(), at(NOW))
        .unwrap();
    kept.proved();
    for _ in 0..100 {
        keeper.endorsement(platform(), at(NOW)).await.unwrap();
    }
    assert!(double.asked().is_empty());
    // The list, and the certificate, are the vendor's at the time of the next renewal.
    keeper.renew_due(at(kept.renew_at())).await;
    assert_eq!(double.asked().len(), 3);
}

/// Anybody can name a chip, and at each firmware version: what no evidence verified with costs no request later.
#[tokio::test]
async fn a_chip_that_nobody_proved_is_forgotten_when_its_collateral_is_due() {
    let double = Double::start(published());
    let keeper = keeper(vec![kds(&double)]);
    let kept = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    double.asked();
    let due = at(kept.renew_at());
    keeper.renew_due(due).await;
    assert!(double.asked().is_empty() && keeper.report(due).is_empty());
    keeper.endorsement(platform(), due).await.unwrap();
    assert_eq!(double.asked().len(), 3, "fetched anew when asked for");
}

#[tokio::test]
async fn evidence_that_brings_its_certificate_asks_for_chain_and_list_alone() {
    let double = Double::start(published());
    let all: Platform = "snp:milan:vcek".parse().unwrap();
    let fetched = kds(&double).fetch(&all).await.unwrap();
    assert_eq!(
        double.asked(),
        ["/vcek/v1/Milan/cert_chain", "/vcek/v1/Milan/crl"]
    );
    let verified = Collateral::parse(&fetched.json).unwrap();
    let verified = verified.verify(&keeper(Vec::new()).trust()).unwrap();
    assert_eq!(verified.chip(), None);
    all.check(&verified).unwrap();
    assert!(
        platform().check(&verified).is_err(),
        "the chip's is missing"
    );
}

#[tokio::test]
async fn turins_requests_have_its_short_id_and_its_fmc_and_vleks_have_paths_of_their_own() {
    let double = Double::start(|_| Reply::Bytes(answer("404 Not Found", &[], b"")));
    let id = "0123456789abcdef";
    let turin: Platform = format!("snp:turin:vcek:{id}:1.2.3.4.81").parse().unwrap();
    let vlek: Platform = "snp:genoa:vlek".parse().unwrap();
    let chain = |target: &str| target.ends_with("/cert_chain");
    double.now(move |target| {
        Reply::Bytes(match chain(target) {
            true => answer("200 OK", &[], b"-----"),
            false => answer("404 Not Found", &[], b""),
        })
    });
    let error = kds(&double).fetch(&turin).await.unwrap_err();
    assert_eq!(error.code(), "collateral-unavailable");
    let none = kds(&double).fetch(&vlek).await.unwrap();
    assert!(
        String::from_utf8(none.json)
            .unwrap()
            .contains(r#""crl":"""#)
    );
    assert_eq!(
        double.asked(),
        [
            "/vcek/v1/Turin/cert_chain".to_owned(),
            "/vcek/v1/Turin/crl".to_owned(),
            format!("/vcek/v1/Turin/{id}?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=81"),
            "/vlek/v1/Genoa/cert_chain".to_owned(),
            "/vlek/v1/Genoa/crl".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_service_that_limits_its_callers_is_left_alone_as_long_as_it_says() {
    let double = Double::start(|target| {
        Reply::Bytes(match target.ends_with("/crl") {
            true => answer("429 Too Many Requests", &[("Retry-After", "60")], b""),
            false => answer("200 OK", &[], b"-----"),
        })
    });
    let keeper = keeper(vec![kds(&double)]);
    let error = keeper.endorsement(platform(), at(NOW)).await.err().unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(double.asked().len(), 2, "nothing after the refusal");
    let other: Platform = "snp:milan:vcek".parse().unwrap();
    let error = keeper.endorsement(other, at(NOW)).await.err().unwrap();
    assert_eq!(error.code(), "collateral-unavailable");
    assert!(error.retry_after().is_some());
    assert!(double.asked().is_empty(), "not asked again, for any chip");
}

#[tokio::test]
async fn what_a_service_gives_wrongly_is_told_and_not_kept() {
    for (what, wanted) in [
        ("cert_chain", "collateral-not-verified"),
        ("crl", "collateral-unavailable"),
        ("?blSPL", "collateral-unavailable"),
    ] {
        let machine = machine();
        let double = Double::start(move |target| {
            if target.contains(what) {
                return Reply::Bytes(answer("200 OK", &[], b"something else"));
            }
            Reply::Bytes(bytes(&respond(&machine, target, at(NOW))))
        });
        let keeper = keeper(vec![kds(&double)]);
        let error = keeper.endorsement(platform(), at(NOW)).await.err().unwrap();
        assert_eq!(error.code(), wanted, "{what}: {error}");
        assert!(error.to_string().contains(double.url()), "{error}");
    }
    // Genuine, of another chip than was asked for.
    let other = stoa_synthetic::Platform::seeded([8; 32], Knobs::default());
    let other = other.with_snp_vendor(vendor());
    let double = Double::start(move |target| {
        let own = hex::encode(other.chip_id());
        let asked = hex::encode(machine().chip_id());
        let target = target.replace(&asked, &own);
        Reply::Bytes(bytes(&respond(&other, &target, at(NOW))))
    });
    let keeper = keeper(vec![kds(&double)]);
    let error = keeper.endorsement(platform(), at(NOW)).await.err().unwrap();
    assert_eq!(error.code(), "collateral-not-verified");
}

#[tokio::test]
async fn sources_of_one_vendor_are_not_asked_for_the_others_platforms() {
    let double = Double::start(published());
    let intel = Source::parse(double.url(), None).unwrap();
    let keeper = keeper(vec![intel, kds(&double)]);
    keeper.endorsement(platform(), at(NOW)).await.unwrap();
    assert!(
        double
            .asked()
            .iter()
            .all(|target| target.starts_with("/vcek/"))
    );

    let keeper = self::keeper(vec![Source::parse(double.url(), None).unwrap()]);
    let error = keeper.endorsement(platform(), at(NOW)).await.err().unwrap();
    assert_eq!(error.code(), "collateral-source-missing");
    assert!(error.to_string().contains("snp Milan (VCEK)"), "{error}");
    assert!(double.asked().is_empty());
}

/// Genuine in all that it answers; it has no list (404).
fn published_without_list() -> impl Fn(&str) -> Reply + Send + 'static {
    let all = published();
    move |target| match target.ends_with("/crl") {
        true => Reply::Bytes(answer("404 Not Found", &[], b"")),
        false => all(target),
    }
}

#[tokio::test]
async fn a_list_that_is_gone_at_renewal_leaves_the_collateral_that_has_it() {
    let double = Double::start(published());
    let keeper = keeper(vec![kds(&double)]);
    let with_list = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    with_list.proved();
    assert_eq!(with_list.verified().crl_numbers().len(), 1);
    double.now(published_without_list());
    let due = at(with_list.renew_at());
    double.asked();
    keeper.renew_due(due).await;
    assert_eq!(double.asked().len(), 3, "it was asked");
    let kept = keeper.endorsement(platform(), due).await.unwrap();
    assert!(Arc::ptr_eq(&kept, &with_list));
    let said = keeper.report(due).remove(0).warnings.join(" | ");
    assert!(said.contains("older than what was seen before"), "{said}");

    // Cold: another place for the same product, and this one after a restart.
    let all: Platform = "snp:milan:vcek".parse().unwrap();
    let error = keeper.endorsement(all, due).await.err().unwrap();
    assert_eq!(error.code(), "collateral-went-back");
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.contains("ark-crl/vcek of the collateral is missing, but number"),
        "{cause}"
    );
    let restarted = self::keeper(vec![kds(&double)]);
    restarted.raise_floors(&keeper.floors());
    let error = restarted.endorsement(platform(), due).await.err().unwrap();
    assert_eq!(error.code(), "collateral-went-back");
}

#[tokio::test]
async fn a_place_that_never_saw_a_list_takes_collateral_without_one_until_there_is_one() {
    let double = Double::start(published_without_list());
    let keeper = keeper(vec![kds(&double)]);
    let first = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    first.proved();
    assert!(first.verified().crl_numbers().is_empty());
    assert!(keeper.floors().is_empty());
    assert_eq!((keeper.floors_raised(), keeper.newest_issue()), (0, None));
    keeper.renew_due(at(first.renew_at())).await;
    let again = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &again), "renewed, again without");
    double.now(published());
    keeper.renew_due(at(again.renew_at())).await;
    let listed = keeper.endorsement(platform(), at(NOW)).await.unwrap();
    assert_eq!(listed.verified().crl_numbers().len(), 1);
    assert_eq!(keeper.floors_raised(), 1);
}
