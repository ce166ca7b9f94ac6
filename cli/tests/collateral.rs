//! `stoa collateral` against a collateral service on loopback: what is fetched, shown, packed and refused.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use stoa_synthetic::{Knobs, Platform, Service};
use tempfile::TempDir;

const PLATFORM: &str = "sgx:009067110000:platform";

fn platform(knobs: Knobs) -> Platform {
    Platform::seeded([7; 32], knobs)
}

fn service(knobs: Knobs) -> Service {
    Service::start(platform(knobs), SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// A folder with the synthetic vendor's root.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = platform(Knobs::default()).root_pem().to_owned();
    std::fs::write(folder.path().join("root.pem"), root).unwrap();
    folder
}

fn stoa(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stoa"))
        .arg("collateral")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

/// Standard output, or a panic with all that was said.
fn done(folder: &Path, args: &[&str]) -> String {
    let output = stoa(folder, args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and what stood on standard error.
fn refused(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = stoa(folder, args);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    (output.status.code().unwrap(), said)
}

fn fetch(folder: &Path, url: &str, save: &str) -> String {
    let args = ["fetch", "--from", url, "--platform", PLATFORM];
    let more = ["--save", save, "--insecure-trust-root", "root.pem"];
    done(folder, &[&args[..], &more].concat())
}

#[test]
fn what_is_fetched_is_verified_shown_and_written_as_a_bundle() {
    let (folder, service) = (folder(), service(Knobs::default()));
    let fetched = fetch(folder.path(), &service.url(), "b.json");
    assert!(
        fetched.starts_with(&format!("{PLATFORM}  fetched ")),
        "{fetched}"
    );
    assert!(fetched.contains("\n  verified       until "), "{fetched}");
    assert!(fetched.contains("TCB evaluation 20"), "{fetched}");
    let shown = done(
        folder.path(),
        &["show", "b.json", "--insecure-trust-root", "root.pem"],
    );
    assert_eq!(shown, fetched);
    let json = [
        "show",
        "b.json",
        "--json",
        "--insecure-trust-root",
        "root.pem",
    ];
    let json: serde_json::Value = serde_json::from_str(&done(folder.path(), &json)).unwrap();
    let row = &json["platforms"][0];
    assert_eq!(
        (&row["verified"], &row["platform"]),
        (&true.into(), &PLATFORM.into())
    );
    assert_eq!(row["objects"].as_array().unwrap().len(), 7);

    // By a quote instead of by name, from the bundle as the second source.
    let quote = platform(Knobs::default()).quote_sgx(
        &stoa_synthetic::SgxIdentity {
            mrenclave: [1; 32],
            mrsigner: [2; 32],
            isv_prod_id: 1,
            isv_svn: 1,
            debug: false,
        },
        [3; 64],
    );
    std::fs::write(folder.path().join("quote.bin"), quote).unwrap();
    let from = "http://127.0.0.1:1,bundle:b.json";
    let args = [
        "fetch",
        "--from",
        from,
        "--evidence",
        "quote.bin",
        "--save",
        "c.json",
    ];
    let again = done(
        folder.path(),
        &[&args[..], &["--insecure-trust-root", "root.pem"]].concat(),
    );
    assert!(again.starts_with(PLATFORM));
}

#[test]
fn under_the_vendors_root_alone_it_is_refused_and_nothing_is_written() {
    let (folder, service) = (folder(), service(Knobs::default()));
    let args = [
        "fetch",
        "--from",
        &service.url(),
        "--platform",
        PLATFORM,
        "--save",
        "x.json",
    ];
    let (exit, said) = refused(folder.path(), &args);
    assert_eq!(exit, 1, "{said}");
    assert!(
        said.contains("[collateral-not-verified]") && said.contains("root-untrusted"),
        "{said}"
    );
    assert!(!folder.path().join("x.json").exists());
    fetch(folder.path(), &service.url(), "b.json");
    let (exit, said) = refused(folder.path(), &["show", "b.json"]);
    assert_eq!(exit, 1);
    assert!(said.contains("not verified"), "{said}");
    let (exit, said) = refused(folder.path(), &["pack", "b.json", "--save", "y.json"]);
    assert_eq!(exit, 1, "{said}");
    assert!(!folder.path().join("y.json").exists());
}

#[test]
fn a_pack_has_the_newest_of_each_platform_in_whatever_order() {
    let folder = folder();
    let newer = Knobs {
        tcb_evaluation_number: 21,
        ..Knobs::default()
    };
    fetch(folder.path(), &service(Knobs::default()).url(), "old.json");
    fetch(folder.path(), &service(newer).url(), "new.json");
    for order in [["old.json", "new.json"], ["new.json", "old.json"]] {
        let save = ["--save", "all.json", "--insecure-trust-root", "root.pem"];
        let packed = done(folder.path(), &[&["pack"], &order[..], &save].concat());
        assert!(packed.contains("TCB evaluation 21"), "{order:?}: {packed}");
        assert_eq!(packed.matches(PLATFORM).count(), 1);
    }
}

#[test]
fn each_failure_has_its_exit_code_and_names_the_url() {
    let folder = folder();
    let fetch = |from: &str, platform: &str| {
        let args = [
            "fetch",
            "--from",
            from,
            "--platform",
            platform,
            "--save",
            "x.json",
        ];
        refused(folder.path(), &args)
    };
    let url = service(Knobs::default()).url();
    for (from, of, exit, code, part) in [
        (
            "http://127.0.0.1:1",
            PLATFORM,
            3,
            "collateral-unavailable",
            "http://127.0.0.1:1/",
        ),
        (
            url.as_str(),
            "sgx:00ffffffffff:platform",
            3,
            "collateral-unavailable",
            "answered 404",
        ),
        (
            "127.0.0.1",
            PLATFORM,
            2,
            "collateral-source-invalid",
            "127.0.0.1",
        ),
        (
            url.as_str(),
            "sgx",
            2,
            "collateral-platform-unknown",
            "`sgx`",
        ),
        (
            "bundle:none.json",
            PLATFORM,
            2,
            "collateral-bundle-unusable",
            "none.json",
        ),
    ] {
        let (got, said) = fetch(from, of);
        assert_eq!(got, exit, "{said}");
        assert!(
            said.contains(&format!("[{code}]")) && said.contains(part),
            "{said}"
        );
    }
    let (exit, said) = refused(
        folder.path(),
        &["fetch", "--from", &url, "--save", "x.json"],
    );
    assert_eq!(exit, 2, "{said}");
    assert!(!folder.path().join("x.json").exists());
}
