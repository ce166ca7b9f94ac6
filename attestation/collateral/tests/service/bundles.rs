//! Bundles as sources: what is in them is verified as if a service had sent it.

use std::path::Path;

use stoa_collateral::bundle::Entry;
use stoa_collateral::{Bundle, Platform, Source, read_bundle};
use stoa_explain::Explain as _;

use crate::double::Double;
use crate::kept::unverified;
use crate::world::{NOW, at, keeper, platform, published, published_by};

/// A bundle with what `double` gives for the platform of all tests.
pub(crate) async fn write(double: &Double, path: &Path) {
    write_as(double, path, platform()).await;
}

async fn write_as(double: &Double, path: &Path, name: Platform) {
    let source = Source::parse(double.url(), None).unwrap();
    let json = source.fetch(&platform()).await.unwrap().json;
    let mut bundle = Bundle::empty();
    let fetched_at = NOW;
    bundle.insert(name, Entry { fetched_at, json });
    std::fs::write(path, bundle.encode("new").unwrap()).unwrap();
}

#[tokio::test]
async fn a_bundle_is_read_anew_when_it_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.json");
    let source = Source::parse(&format!("bundle:{}", path.display()), None).unwrap();
    let missing = source.fetch(&platform()).await.unwrap_err();
    assert_eq!(missing.code(), "collateral-bundle-unusable");
    let mut texts = Vec::new();
    for secs in [NOW, NOW + 7200] {
        write(&Double::start(published(secs)), &path).await;
        texts.push(source.fetch(&platform()).await.unwrap().json);
    }
    assert_ne!(texts[0], texts[1]);
    assert_eq!(read_bundle(&path).unwrap().entries().count(), 1);
}

#[tokio::test]
async fn a_platform_that_is_not_in_the_bundle_is_told_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.json");
    write(&Double::start(published(NOW)), &path).await;
    let source = Source::parse(&format!("bundle:{}", path.display()), None).unwrap();
    let other = "sgx:0090ffffffff:processor".parse().unwrap();
    let error = source.fetch(&other).await.unwrap_err();
    assert_eq!(error.code(), "collateral-unavailable");
    for part in ["b.json", "0090ffffffff", "sgx:009067110000:platform"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_bundle_convinces_nobody_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.json");
    let stranger = stoa_synthetic::Platform::seeded([8; 32], stoa_synthetic::Knobs::default());
    write(&Double::start(published_by(stranger, NOW)), &path).await;
    let text = format!("bundle:{}", path.display());
    let keep = || keeper(vec![Source::parse(&text, None).unwrap()]);
    let error = keep()
        .endorsement(&unverified(), at(NOW))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "collateral-not-verified");

    // Genuine, but of another platform than its name says.
    let other: Platform = "sgx:0090ffffffff:platform".parse().unwrap();
    write_as(&Double::start(published(NOW)), &path, other.clone()).await;
    let error = keep().endorsement(other, at(NOW)).await.err().unwrap();
    assert_eq!(error.code(), "collateral-not-verified");
    assert!(error.to_string().contains("not of"), "{error}");
}
