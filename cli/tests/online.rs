//! The command line against a coordinator that a test plays: a real TLS server, real evidence of a synthetic TEE, and
//! whatever the test wants it to say.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../../client/tests/world/serve.rs"]
mod serve;
#[path = "../../client/tests/world/mod.rs"]
mod world;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stoa_attestation::channel::{CoordinatorState, Transition, history_head};
use tempfile::TempDir;
use world::{Key, World, params, self_signed};

const GOOD: &str = include_str!("../../manifests/examples/credentials.json");

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A coordinator and the folder of the person who asks it.
struct Scene {
    world: Arc<Mutex<World>>,
    /// What was posted.
    posted: Arc<Mutex<Vec<Vec<u8>>>>,
    url: String,
    folder: TempDir,
    /// Keeps the server alive.
    _runtime: tokio::runtime::Runtime,
}

/// Whether the coordinator does with a manifest what it says.
#[derive(Clone, Copy, PartialEq)]
enum Honesty {
    Honest,
    KeepsAnother,
}

impl Scene {
    fn new(honesty: Honesty) -> Self {
        let mut world = World::at(now());
        world.without_manifest();
        let (leaf, pkcs8) = (world.tls_leaf.clone(), world.leaf.pkcs8());
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("root.pem", world.platform.root_pem().as_bytes());
        write("good.json", GOOD.as_bytes());
        let identity = json!({"tee": "sgx", "unique_id": hex::encode(world.identity.mrenclave)});
        write(
            "coordinator.json",
            json!({"format": 1, "identities": [identity]})
                .to_string()
                .as_bytes(),
        );
        let other = json!({"tee": "sgx", "unique_id": "ab".repeat(32)});
        write(
            "other-coordinator.json",
            json!({"format": 1, "identities": [other]})
                .to_string()
                .as_bytes(),
        );

        let world = Arc::new(Mutex::new(world));
        let posted = Arc::new(Mutex::new(Vec::new()));
        let (serving, kept) = (Arc::clone(&world), Arc::clone(&posted));
        let answer: serve::Answer = Box::new(move |method, target, body| {
            let mut world = serving.lock().unwrap();
            if let Some(nonce) = target.strip_prefix("/api/stoa/v1/statement?nonce=") {
                world.answered = URL_SAFE_NO_PAD.decode(nonce).unwrap().try_into().unwrap();
                (world.state.time, world.quoted_at) = (now(), now() - 5);
                return (200, serde_json::to_vec(&world.wire()).unwrap());
            }
            if target == "/api/stoa/v1/status" {
                return (200, status(&world).to_string().into_bytes());
            }
            assert_eq!((method, target), ("POST", "/api/stoa/v1/manifest"));
            kept.lock().unwrap().push(body.to_vec());
            let in_force = if honesty == Honesty::Honest {
                body.to_vec()
            } else {
                [body, b" "].concat()
            };
            put_in_force(&mut world, in_force);
            let answer = json!({"manifest_sha256": hex::encode(Sha256::digest(body)), "epoch": 1, "marbles": [], "warnings": ["mind the gap"]});
            (200, answer.to_string().into_bytes())
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let endpoint = runtime.block_on(serve::serve(leaf, pkcs8, answer));
        Self {
            world,
            posted,
            url: format!("https://{}", endpoint.authority()),
            folder,
            _runtime: runtime,
        }
    }

    /// With a manifest in force and nothing wrong.
    fn running() -> Self {
        let scene = Self::new(Honesty::Honest);
        put_in_force(&mut scene.world.lock().unwrap(), GOOD.as_bytes().to_vec());
        scene
    }

    /// Exit code, stdout, stderr.
    fn stoa(&self, line: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_stoa"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("STOA_STATE_DIR", self.path("state"))
            .env("STOA_URL", &self.url)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn verify(&self) -> (i32, Value, String) {
        let line = "verify --coordinator coordinator.json --manifest good.json --insecure-trust-root root.pem --json";
        let (code, out, err) = self.stoa(line);
        let report =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        (code, report, err)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn files_below(&self, name: &str) -> usize {
        std::fs::read_dir(self.path(name)).map_or(0, |entries| {
            entries
                .filter(|entry| {
                    entry
                        .as_ref()
                        .unwrap()
                        .path()
                        .extension()
                        .is_some_and(|e| e == "json")
                })
                .count()
        })
    }
}

fn put_in_force(world: &mut World, manifest: Vec<u8>) {
    let entry = Transition {
        manifest_sha256: Sha256::digest(&manifest).into(),
        epoch: 1,
        time: now(),
    };
    world.history = vec![entry];
    world.state.state = CoordinatorState::AcceptingMarbles {
        root: world.root.id(),
        issuing: world.issuing.id(),
        manifest_sha256: entry.manifest_sha256,
        transition_head: history_head(&[entry]).unwrap().unwrap(),
        owner: None,
    };
    world.manifest = manifest;
    world.state.sequence += 1;
    if world.chain.len() == 1 {
        let root = params("root", true, now(), now());
        let issuing = params("issuing", true, now() - 60, now() + 3600);
        let der = world::signed_by(&issuing, &world.issuing, &root, &world.root);
        world.chain.insert(0, der);
    }
}

fn status(world: &World) -> Value {
    json!({
        "state": world.state.state.number(), "state_text": "as\u{1b}[31m it is", "version": "0.1.0",
        "sequence": world.state.sequence, "head": hex::encode(world.state.head),
        "root_spki_sha256": world.state.root().map(hex::encode),
        "manifest_sha256": world.state.manifest_sha256().map(hex::encode), "epoch": world.history.len(),
        "marbles": [{"type": "signer", "live": 1, "budget": 4}], "rollback_witness": "none", "recoverable": false,
        "expiries": [{"what": "issuing-ca", "not_after": 1_800_000_000}], "warnings": ["not recoverable"],
    })
}

fn failed(report: &Value) -> Vec<&str> {
    let rows = report["checks"].as_array().unwrap().iter();
    rows.filter(|row| row["outcome"] == "NO")
        .map(|row| row["check"].as_str().unwrap())
        .collect()
}

const SET: &str = "manifest set good.json --insecure-trust-root root.pem";

#[test]
fn a_manifest_is_set_after_the_coordinator_was_verified_and_then_read_back() {
    let scene = Scene::new(Honesty::Honest);
    let (code, out, err) = scene.stoa(&format!("{SET} --coordinator coordinator.json"));
    assert_eq!(code, 0, "{err}");
    let sha256 = hex::encode(Sha256::digest(GOOD));
    assert_eq!(
        out,
        format!(
            "manifest  sha256:{sha256}  set, number 1\nmarbles   signer, statuslist, store may now activate\n"
        )
    );
    assert!(err.contains("warning: mind the gap"), "{err}");
    assert_eq!(*scene.posted.lock().unwrap(), [GOOD.as_bytes()]);
    assert_eq!(scene.files_below("state/seen"), 1);

    let (code, out, _) =
        scene.stoa("manifest get --insecure-trust-root root.pem --coordinator coordinator.json");
    assert_eq!((code, out.as_str()), (0, GOOD), "byte for byte");
}

#[test]
fn nothing_is_handed_to_a_coordinator_that_is_not_verified() {
    let scene = Scene::new(Honesty::Honest);
    for (line, code) in [
        (
            format!("{SET} --coordinator other-coordinator.json"),
            "measurement-differs",
        ),
        (
            "manifest set good.json --coordinator coordinator.json".to_owned(),
            "root-untrusted",
        ),
        (SET.to_owned(), "reference-missing"),
    ] {
        let (exit, out, err) = scene.stoa(&line);
        assert!(exit == 1 || exit == 2, "{line}: {exit}");
        assert!(
            err.contains(&format!("[{code}]")) && err.ends_with("nothing was changed\n"),
            "{line}: {err}"
        );
        assert_eq!(out, "", "{line}");
    }
    assert_eq!(scene.posted.lock().unwrap().len(), 0);
    assert_eq!(
        scene.files_below("state/seen"),
        0,
        "nothing that was not verified is remembered"
    );
}

#[test]
fn a_coordinator_that_puts_another_manifest_in_force_is_found_out() {
    let scene = Scene::new(Honesty::KeepsAnother);
    let (code, out, err) = scene.stoa(&format!("{SET} --coordinator coordinator.json"));
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(
        err.contains("[manifest-differs]") && err.contains("[manifest-not-confirmed]"),
        "{err}"
    );
    assert!(err.contains("it may have been changed or not"), "{err}");
}

#[test]
fn first_use_is_trusted_only_when_asked_and_remembered() {
    let scene = Scene::new(Honesty::Honest);
    let line = format!("{SET} --trust-on-first-use");
    let (code, _, err) = scene.stoa(&line);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains(&"aa".repeat(32)),
        "the measurement is shown: {err}"
    );
    assert_eq!(scene.files_below("state/first-use"), 1);

    // The same address with other code is not trusted, with the flag or with the file that was remembered.
    scene.world.lock().unwrap().identity.mrenclave = [0xcc; 32];
    let (code, _, err) = scene.stoa(&line);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("[measurement-differs]"), "{err}");
    assert_eq!(scene.posted.lock().unwrap().len(), 1);
}

#[test]
fn first_use_does_not_excuse_evidence_that_is_not_genuine() {
    let scene = Scene::new(Honesty::Honest);
    let (code, _, err) = scene.stoa("manifest set good.json --trust-on-first-use");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("[root-untrusted]"), "{err}");
    assert_eq!(
        (
            scene.posted.lock().unwrap().len(),
            scene.files_below("state/first-use")
        ),
        (0, 0)
    );
}

#[test]
fn a_mesh_that_went_back_or_was_replaced_or_hides_is_refused_by_who_remembers_it() {
    let scene = Scene::running();
    let (code, report, err) = scene.verify();
    assert_eq!((code, &report["verdict"]), (0, &json!("verified")), "{err}");
    let (code, report, _) = scene.verify();
    assert_eq!(
        (code, &report["verdict"]),
        (0, &json!("verified")),
        "seen again at the same sequence"
    );

    let sequence = scene.world.lock().unwrap().state.sequence;
    scene.world.lock().unwrap().state.sequence = sequence - 1;
    let (code, report, err) = scene.verify();
    assert_eq!((code, failed(&report)), (1, vec!["memory"]), "{err}");
    assert!(
        err.contains("[history-went-back]") && err.contains("state/seen/"),
        "{err}"
    );

    scene.world.lock().unwrap().state.sequence = sequence;
    assert_eq!(scene.verify().0, 0, "the twin");

    // Another mesh at the same address.
    {
        let mut world = scene.world.lock().unwrap();
        world.root = Key::named("another root");
        world.chain = vec![self_signed(
            &params("root", true, now() - 60, now() + 3600),
            &world.root,
        )];
        put_in_force(&mut world, GOOD.as_bytes().to_vec());
    }
    let (code, report, _) = scene.verify();
    assert_eq!(code, 1);
    assert!(failed(&report).contains(&"memory"), "{report}");

    // A coordinator that shows no mesh at all.
    scene.world.lock().unwrap().in_recovery();
    let line = "verify --coordinator coordinator.json --insecure-trust-root root.pem --json";
    let (code, out, _) = scene.stoa(line);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, failed(&report)), (1, vec!["memory"]), "{report}");
}

#[test]
fn the_twin_without_memory_sees_nothing_wrong_in_another_mesh() {
    let scene = Scene::running();
    scene.verify();
    let seen = scene.path("state");
    std::fs::remove_dir_all(&seen).unwrap();
    scene.world.lock().unwrap().state.sequence = 1;
    assert_eq!(scene.verify().0, 0);
}

#[test]
fn status_says_whether_anybody_vouches_for_it_and_can_not_steer_the_terminal() {
    let scene = Scene::running();
    let (code, out, err) = scene.stoa("status");
    assert_eq!(code, 0);
    assert!(
        out.contains("not verified\n") && err.contains("nobody vouches for this"),
        "{out}{err}"
    );
    assert!(
        out.contains("as\\u{1b}[31m it is") && !out.contains('\u{1b}'),
        "{out}"
    );
    let (code, out, err) =
        scene.stoa("status --coordinator coordinator.json --insecure-trust-root root.pem");
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains(", verified\n")
            && out.contains(&hex::encode(scene.world.lock().unwrap().root.id())),
        "{out}"
    );
    let (code, _, err) =
        scene.stoa("status --coordinator other-coordinator.json --insecure-trust-root root.pem");
    assert_eq!(code, 1);
    assert!(err.contains("[measurement-differs]"), "{err}");
}

#[test]
fn a_saved_proof_is_judged_again_without_the_coordinator() {
    let scene = Scene::running();
    let trust =
        "--coordinator coordinator.json --manifest good.json --insecure-trust-root root.pem";
    let (code, _, err) = scene.stoa(&format!(
        "verify {trust} --save mesh.bundle --save-root mesh-root.pem"
    ));
    assert_eq!(code, 0, "{err}");
    let saved = std::fs::read_to_string(scene.path("mesh-root.pem")).unwrap();
    assert!(
        saved.starts_with("-----BEGIN CERTIFICATE-----\n"),
        "{saved}"
    );
    let Scene { folder, .. } = scene;
    let line = format!("verify {trust} --bundle mesh.bundle");
    let output = |folder: &Path| {
        Command::new(env!("CARGO_BIN_EXE_stoa"))
            .args(line.split_whitespace())
            .current_dir(folder)
            .env_clear()
            .output()
            .unwrap()
    };
    let offline = output(folder.path());
    assert_eq!(
        offline.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&offline.stderr)
    );
    assert!(
        String::from_utf8_lossy(&offline.stdout)
            .contains("\nverified       what runs behind this root CA is what good.json says")
    );
}

#[test]
fn a_proof_is_saved_even_if_it_does_not_hold_and_a_root_never() {
    let scene = Scene::running();
    let line = "verify --coordinator other-coordinator.json --manifest good.json --insecure-trust-root root.pem \
                --save mesh.bundle --save-root mesh-root.pem";
    assert_eq!(scene.stoa(line).0, 1);
    assert!(scene.path("mesh.bundle").exists());
    assert!(!scene.path("mesh-root.pem").exists());
}

#[test]
fn the_doctor_names_a_collateral_service_whose_certificate_nobody_signed() {
    let scene = Scene::new(Honesty::Honest);
    let quote = {
        let world = scene.world.lock().unwrap();
        world.platform.quote_sgx(&world.identity, [7; 64])
    };
    std::fs::write(scene.path("quote.bin"), quote).unwrap();
    let line = format!("doctor --evidence quote.bin --from {}", scene.url);
    let (exit, said, error) = scene.stoa(&line);
    assert_eq!(exit, 3, "{said}{error}");
    assert!(
        said.contains("\nservice      FAILED   GET https://127.0.0.1:"),
        "{said}"
    );
    assert!(
        error.contains("UnknownIssuer") && error.contains("[collateral-unavailable]"),
        "{error}"
    );
}
