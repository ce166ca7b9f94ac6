//! Judges that share no code with us: npm's @phala/dcap-qvl (pure JavaScript) for SGX and TDX, go-tdx-guest for TDX with
//! the collateral that our own service serves.
//!
//! Their sources are in tests/node and tests/go/tdxcheck of the repository; packages come from the registries that npm
//! and Go are set up for, so these tests run only where those can be reached.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use stoa_synthetic::{
    Flip, Knobs, PckCa, Platform, PlatformTcb, Revoked, Service, SgxIdentity, TdIdentity, Tee,
};

const REPORT_DATA: [u8; 64] = [0xAB; 64];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

fn quote(platform: &Platform, tee: Tee) -> Vec<u8> {
    match tee {
        Tee::Sgx => {
            let identity = SgxIdentity {
                mrenclave: [2; 32],
                mrsigner: [3; 32],
                isv_prod_id: 4,
                isv_svn: 5,
                debug: false,
            };
            platform.quote_sgx(&identity, REPORT_DATA)
        }
        Tee::Tdx => platform.quote_tdx(
            &TdIdentity {
                mrtd: [2; 48],
                rtmr: [[6; 48]; 4],
                debug: false,
            },
            REPORT_DATA,
        ),
    }
}

fn with(turn: impl FnOnce(&mut Knobs)) -> Platform {
    let mut knobs = Knobs::default();
    turn(&mut knobs);
    Platform::seeded([1; 32], knobs)
}

/// What is wrong with each platform, and what a judge must say of it, in part.
fn faulty() -> Vec<(&'static str, Platform)> {
    vec![
        ("revoked PCK", with(|k| k.revoked = vec![Revoked::Pck])),
        ("revoked PCK CA", with(|k| k.revoked = vec![Revoked::PckCa])),
        (
            "expired collateral",
            with(|k| k.collateral_shift_secs = -40 * 24 * 3600),
        ),
        (
            "flipped byte",
            with(|k| {
                k.flip = Some(Flip {
                    byte: 48 + 100,
                    mask: 1,
                })
            }),
        ),
        (
            "no TCB level",
            with(|k| k.tcb = PlatformTcb::BelowAllLevels),
        ),
        (
            "expired PCK",
            with(|k| k.pck_not_after = Some(now().as_secs() - 1)),
        ),
    ]
}

fn done(what: &str, output: Output) -> Output {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// The script with its packages, in a folder of its own: the repository stays as it is.
struct Npm(tempfile::TempDir);

impl Npm {
    fn install() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["package.json", "package-lock.json", ".npmrc", "judge.mjs"] {
            fs::copy(
                repository().join("tests/node").join(name),
                folder.path().join(name),
            )
            .unwrap();
        }
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        done("npm ci", npm);
        Self(folder)
    }

    fn judge(&self, cases: &[Value]) -> Vec<Value> {
        let mut node = Command::new("node")
            .arg("judge.mjs")
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = serde_json::to_vec(cases).unwrap();
        node.stdin.take().unwrap().write_all(&input).unwrap();
        let output = done("node judge.mjs", node.wait_with_output().unwrap());
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answers.len(), cases.len());
        answers
    }
}

fn case(name: &str, platform: &Platform, tee: Tee, root: Value) -> Value {
    let collateral: Value = serde_json::from_slice(&platform.collateral_json(tee, now())).unwrap();
    json!({
        "name": format!("{name}, {}", tee.name()),
        "quote": hex::encode(quote(platform, tee)),
        "collateral": collateral,
        "root": root,
        "now": now().as_secs(),
    })
}

fn ours(platform: &Platform) -> Value {
    json!(hex::encode(platform.root_der()))
}

#[test]
#[ignore = "needs: node, npm"]
fn dcap_qvl_in_javascript_accepts_sgx_and_tdx_under_our_root_and_refuses_them_under_the_vendors() {
    let npm = Npm::install();
    let mut cases = Vec::new();
    let mut wanted = Vec::new();
    for tee in [Tee::Sgx, Tee::Tdx] {
        for ca in [PckCa::Platform, PckCa::Processor] {
            let platform = with(|k| k.pck_ca = ca);
            cases.push(case("good", &platform, tee, ours(&platform)));
            wanted.push(Some("UpToDate"));
            cases.push(case(
                "good under the vendor's root",
                &platform,
                tee,
                Value::Null,
            ));
            wanted.push(None);
        }
        for tcb in PlatformTcb::LEVELS {
            let platform = with(|k| k.tcb = tcb);
            cases.push(case(tcb.name(), &platform, tee, ours(&platform)));
            wanted.push((tcb != PlatformTcb::Revoked).then_some(tcb.vendor_name()));
        }
        for (name, platform) in faulty() {
            cases.push(case(name, &platform, tee, ours(&platform)));
            wanted.push(None);
        }
    }
    let mut wrong = Vec::new();
    for (answer, wanted) in npm.judge(&cases).into_iter().zip(wanted) {
        let right = match wanted {
            Some(status) => {
                answer["status"] == status && answer["report_data"] == hex::encode(REPORT_DATA)
            }
            None => answer["error"].is_string(),
        };
        if !right {
            wrong.push(format!("wanted {wanted:?}, got {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// go-tdx-guest, compiled once.
struct Go {
    folder: tempfile::TempDir,
}

impl Go {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let go = Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(folder.path().join("tdxcheck"))
            .arg(".")
            .current_dir(repository().join("tests/go/tdxcheck"))
            .output()
            .unwrap();
        done("go build", go);
        Self { folder }
    }

    /// `accepted`, or the reason.
    fn judge(&self, platform: &Platform, root: Option<&str>) -> String {
        let service =
            Service::start(platform.clone(), SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let path = |name: &str| self.folder.path().join(name);
        fs::write(path("quote"), quote(platform, Tee::Tdx)).unwrap();
        let mut command = Command::new(path("tdxcheck"));
        command
            .arg("-quote")
            .arg(path("quote"))
            .arg("-pccs")
            .arg(service.url());
        if let Some(pem) = root {
            fs::write(path("root.pem"), pem).unwrap();
            command.arg("-root").arg(path("root.pem"));
        }
        String::from_utf8(command.output().unwrap().stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }
}

#[test]
#[ignore = "needs: go"]
fn go_tdx_guest_accepts_tdx_under_our_root_and_refuses_it_under_the_vendors() {
    let go = Go::build();
    let good = with(|_| ());
    assert_eq!(go.judge(&good, Some(good.root_pem())), "accepted");
    let under_vendors = go.judge(&good, None);
    assert!(
        under_vendors.contains("certificate signed by unknown authority"),
        "{under_vendors}"
    );

    // It accepts up to date only, so every other status is a refusal by name.
    let mut wrong = Vec::new();
    let mut refused = |name: &str, platform: &Platform, cause: &str| {
        let said = go.judge(platform, Some(platform.root_pem()));
        if !said.contains(cause) {
            wrong.push(format!("{name}: wanted `{cause}`, got `{said}`"));
        }
    };
    for tcb in PlatformTcb::LEVELS.into_iter().skip(1) {
        let cause = format!(
            "TCB Status is not \"UpToDate\", found \"{}\"",
            tcb.vendor_name()
        );
        refused(tcb.name(), &with(|k| k.tcb = tcb), &cause);
    }
    let causes = [
        "PCK Leaf certificate in PCK certificate chain was revoked",
        "intermediate certificate in PCK certificate chain was revoked",
        "expired",
        "unable to verify message digest",
        "no matching TCB level found",
        "expired",
    ];
    for ((name, platform), cause) in faulty().into_iter().zip(causes) {
        refused(name, &platform, cause);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
