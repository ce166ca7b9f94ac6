//! A coordinator that lost its sealing key comes back through shares of several people, whatever else is sent to it.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use stoa_attestation::channel::{Share, key_id, share_signature_input};
use stoa_client::http::{Connection, Endpoint, HttpError, Pin};
use stoa_coordinator::oaep;
use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use stoa_harness::programs::workspace;

use crate::mesh::{KNOWN, Mesh, runtime};

/// Kills during `manifest set`.
const KILLS: u64 = 8;
const HOLDERS: [&str; 3] = ["ann", "bob", "eve"];

fn key_file(name: &str) -> String {
    let folder = workspace().join("tests/harness/keys/recovery");
    folder.join(name).display().to_string()
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(key_file(&format!("{name}.pub"))).unwrap()
}

/// One marble, and shares for ann, bob and eve of which two make the key.
fn manifest(holders: &[&str], threshold: u32) -> Value {
    let keys = holders
        .iter()
        .map(|name| ((*name).to_owned(), json!(pem(name))));
    json!({
        "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
        "Marbles": {"worker": {
            "Package": "worker", "MaxActivations": 10, "DNSNames": ["worker"],
            "Parameters": {"Env": {
                "SHARED": "{{ hex .Secrets.shared }}", "OWN": "{{ hex .Secrets.own }}"}},
        }},
        "Secrets": {
            "shared": {"Type": "symmetric-key", "Size": 256, "Shared": true},
            "own": {"Type": "symmetric-key", "Size": 128},
        },
        "RecoveryKeys": serde_json::Map::from_iter(keys),
        "Config": {"RecoveryThreshold": threshold},
    })
}

struct Recovery {
    mesh: Mesh,
}

impl Recovery {
    /// With a manifest in force and its recovery file written.
    fn of(manifest: &Value) -> Self {
        let recovery = Self {
            mesh: Mesh::founded(),
        };
        let (exit, _, text) = recovery.set(manifest);
        assert_eq!(exit, 0, "{text}");
        recovery
    }

    fn set(&self, manifest: &Value) -> (i32, Value, String) {
        let path = self.mesh.path("manifest.json");
        std::fs::write(&path, serde_json::to_vec_pretty(manifest).unwrap()).unwrap();
        self.stoa(&["manifest", "set", &path, "--recovery-data", &self.file()])
    }

    fn file(&self) -> String {
        self.mesh.path("recovery.json")
    }

    /// Runs `stoa ..`: exit code, what it printed as JSON, and its words.
    fn stoa(&self, args: &[&str]) -> (i32, Value, String) {
        let url = ["--url", &self.mesh.coordinator().url, "--json"];
        let output = self.mesh.stoa(&[args, &url].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let data = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), data, text)
    }

    fn give_from(&self, file: &str, name: &str) -> (i32, Value, String) {
        let key = key_file(&format!("{name}.key"));
        self.stoa(&["recover", "--recovery-data", file, "--key", &key])
    }

    fn give(&self, name: &str) -> (i32, Value, String) {
        self.give_from(&self.file(), name)
    }

    /// Kills the coordinator and starts it without what `lost` takes away.
    fn crash(&mut self, lost: impl FnOnce(&Path)) {
        let enclave = Coordinator::enclave(&self.mesh.programs);
        let coordinator = self.mesh.coordinator.take().unwrap();
        let back = coordinator.crash_and_restart_after(&self.mesh.platform, &enclave, |state| {
            lost(state);
            Ok(())
        });
        self.mesh.coordinator = Some(back.unwrap());
    }

    /// The same on other ports, with arguments of the host.
    fn restart(&mut self, more: &[&str], lost: impl FnOnce(&Path)) {
        let mut coordinator = self.mesh.coordinator.take().unwrap();
        coordinator.process.kill_inner().unwrap();
        coordinator
            .process
            .await_end(Duration::from_secs(30))
            .unwrap();
        drop(coordinator);
        lost(&self.mesh.folder.path().join("state"));
        let enclave = Coordinator::enclave(&self.mesh.programs);
        let (platform, folder) = (&self.mesh.platform, self.mesh.folder.path());
        let port = "127.0.0.1:0";
        let started = Coordinator::start_at(platform, &enclave, folder, port, port, more);
        self.mesh.coordinator = Some(started.unwrap());
    }

    fn lose_the_key(&mut self) {
        self.crash(|state| std::fs::remove_file(state.join("sealed_key")).unwrap());
    }

    fn asked(&self) -> Value {
        let (exit, data, text) = self.stoa(&["recover"]);
        assert_eq!(exit, 0, "{text}");
        data
    }
}

#[test]
fn two_of_three_holders_bring_a_coordinator_back_with_its_root_and_its_marbles() {
    let mut recovery = Recovery::of(&manifest(&HOLDERS, 2));
    let before = recovery.mesh.status();
    assert_eq!(before["recoverable"], true, "{before}");
    assert_eq!(
        before["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|text| text.to_string().contains("recoverable"))
            .count(),
        0
    );
    let first = recovery.mesh.join("worker", KNOWN).unwrap();
    let mode = std::fs::metadata(recovery.file()).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );

    // In force it takes no shares; the file is not written over.
    let (exit, _, text) = recovery.give("ann");
    assert!(exit == 1 && text.contains("[not-in-recovery]"), "{text}");
    let (exit, _, text) = recovery.set(&manifest(&HOLDERS, 2));
    assert!(exit == 2 && text.contains("[file-not-written]"), "{text}");

    recovery.lose_the_key();
    let error = recovery.mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(error.code(), "state-not-accepting", "{error}");
    // A holder sees which mesh asks, and that nobody vouches for that.
    let asked = recovery.asked();
    assert_eq!(asked["root_spki_sha256"], before["root_spki_sha256"]);
    assert_eq!(
        (
            &asked["root_verified"],
            &asked["threshold"],
            &asked["given"]
        ),
        (&json!(false), &json!(2), &json!([]))
    );
    let (_, report, _) = recovery.stoa(&["verify"]);
    let rows = report["checks"].as_array().unwrap();
    let root = rows
        .iter()
        .find(|row| row["check"] == "root CA")
        .unwrap()
        .to_string();
    let key = before["root_spki_sha256"].as_str().unwrap();
    assert!(root.contains("unverified") && root.contains(key), "{root}");

    // One share, the same again, and a crash: it is forgotten.
    for _ in 0..2 {
        let (exit, data, text) = recovery.give("eve");
        assert_eq!(
            (exit, &data["given"], &data["recovered"]),
            (0, &json!(1), &json!(false)),
            "{text}"
        );
    }
    recovery.crash(|_| ());
    assert_eq!(recovery.asked()["given"], json!([]));

    // Junk before, between and after is refused and in nobody's way.
    junk(&recovery);
    let (exit, data, text) = recovery.give("bob");
    assert_eq!((exit, &data["given"]), (0, &json!(1)), "{text}");
    junk(&recovery);
    assert_eq!(recovery.asked()["given"], json!(["bob"]));
    let (exit, data, text) = recovery.give("ann");
    assert_eq!((exit, &data["recovered"]), (0, &json!(true)), "{text}");

    // The same mesh, in the same process, and the old marble goes on as itself.
    let after = recovery.mesh.status();
    for member in [
        "root_spki_sha256",
        "manifest_sha256",
        "epoch",
        "state",
        "recoverable",
    ] {
        assert_eq!(after[member], before[member], "{member}");
    }
    let config = recovery
        .mesh
        .marble_config("worker", &recovery.mesh.root_key);
    let options = marble_sdk::Options {
        mesh_addr: recovery.mesh.coordinator().mesh_addr.clone(),
        source: recovery.mesh.enclave(KNOWN),
        instance: None,
    };
    let renewed = runtime()
        .block_on(marble_sdk::renew(&config, &options, &first))
        .unwrap();
    assert_eq!(renewed.instance(), first.instance());
    assert_eq!(renewed.secret("OWN"), first.secret("OWN"));
    let second = recovery.mesh.join("worker", KNOWN).unwrap();
    assert_eq!(second.secret("SHARED"), first.secret("SHARED"));
    // It is sealed again: the next start asks nobody.
    recovery.crash(|_| ());
    assert_eq!(recovery.mesh.status()["state"], 3);
}

/// Everything that is no right share; each is refused with its code.
fn junk(recovery: &Recovery) {
    let genuine: Value = serde_json::from_slice(&std::fs::read(recovery.file()).unwrap()).unwrap();
    // The share of another holder under one's own name: one can't even read it.
    let mut swapped = genuine.clone();
    swapped["shares"][1]["share"] = genuine["shares"][0]["share"].clone();
    let path = recovery.mesh.path("swapped.json");
    std::fs::write(&path, serde_json::to_vec(&swapped).unwrap()).unwrap();
    let (exit, _, text) = recovery.give_from(&path, "bob");
    assert!(exit == 2 && text.contains("[recovery-key-unfit]"), "{text}");

    // What strangers can post, among them one who stole a share and not its holder's key.
    let share = Share::decode(&decrypted(&genuine, "eve")).unwrap();
    let key = |name: &str| KeyPair::from_pkcs8(&private(name)).unwrap();
    let flipped = {
        let mut other = share.clone();
        other.value[7] ^= 1;
        other
    };
    let foreign = Share {
        data_key: [9; 8],
        ..share.clone()
    };
    let of_other_mesh = Share {
        root: [9; 32],
        ..share.clone()
    };
    let posted = |bytes: &[u8], signer: &KeyPair, signed: &Share| {
        post(recovery, |upload| {
            let input = share_signature_input(
                &signed.root,
                &signed.data_key,
                &signed.fingerprint(),
                &key_id(upload),
            );
            let mut signature = vec![0; signer.public_modulus_len()];
            let rng = SystemRandom::new();
            signer
                .sign(&RSA_PKCS1_SHA256, &rng, &input, &mut signature)
                .unwrap();
            (oaep::encrypt(upload, bytes).unwrap(), signature)
        })
    };
    let (ann, eve) = (key("ann"), key("eve"));
    for (what, got, wanted) in [
        (
            "a stolen share",
            posted(&share.encode(), &ann, &share),
            "share-not-signed",
        ),
        (
            "a signature over another share",
            posted(&share.encode(), &eve, &flipped),
            "share-not-signed",
        ),
        (
            "a share with one bit changed",
            posted(&flipped.encode(), &eve, &flipped),
            "share-unknown",
        ),
        (
            "a share of a retired key",
            posted(&foreign.encode(), &eve, &foreign),
            "share-of-another-key",
        ),
        (
            "a share of another mesh",
            posted(&of_other_mesh.encode(), &eve, &of_other_mesh),
            "share-of-another-key",
        ),
        ("no share", posted(b"junk", &eve, &share), "share-malformed"),
        (
            "no ciphertext",
            post(recovery, |_| (vec![1; 384], vec![2; 256])),
            "upload-unreadable",
        ),
        (
            "another upload key",
            post(recovery, |_| {
                let other = oaep::UploadKey::generate().unwrap();
                (
                    oaep::encrypt(&other.spki, &share.encode()).unwrap(),
                    vec![2; 256],
                )
            }),
            "upload-unreadable",
        ),
        (
            "nothing",
            post(recovery, |_| (vec![], vec![])),
            "upload-unreadable",
        ),
        (
            "more than a share can have",
            post(recovery, |_| (vec![1; 9000], vec![])),
            "too-large",
        ),
    ] {
        assert_eq!(got, Err(wanted.to_owned()), "{what}");
    }
}

/// The private key of a holder, PKCS #8.
fn private(name: &str) -> Vec<u8> {
    let pem = std::fs::read(key_file(&format!("{name}.key"))).unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
    der.secret_pkcs8_der().to_vec()
}

/// The share of a holder, from the recovery file.
fn decrypted(file: &Value, name: &str) -> Vec<u8> {
    let shares = file["shares"].as_array().unwrap();
    let share = shares.iter().find(|share| share["name"] == name).unwrap();
    let encrypted = STANDARD.decode(share["share"].as_str().unwrap()).unwrap();
    let key = PrivateDecryptingKey::from_pkcs8(&private(name)).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut out = vec![0; key.min_output_size()];
    let len = key
        .decrypt(&OAEP_SHA256_MGF1SHA256, &encrypted, &mut out, None)
        .unwrap()
        .len();
    out.truncate(len);
    out
}

/// Posts what `make` makes for the upload key, as anybody can; the code of the refusal, or how many are given.
fn post(
    recovery: &Recovery,
    make: impl FnOnce(&[u8]) -> (Vec<u8>, Vec<u8>),
) -> Result<u64, String> {
    // Each request of one address takes from a small budget.
    std::thread::sleep(Duration::from_millis(250));
    let endpoint = Endpoint::parse(&recovery.mesh.coordinator().url).unwrap();
    runtime().block_on(async {
        let mut connection = Connection::open(&endpoint, &Pin::Anyone).await.unwrap();
        let asked = connection.recovery_asked().await.unwrap();
        let (share, signature) = make(&STANDARD.decode(asked.upload_key).unwrap());
        match connection.give_share(&share, &signature).await {
            Ok(taken) => Ok(taken.given),
            Err(HttpError::Refused(refused)) => Err(refused.body.code.clone()),
            Err(other) => panic!("{other}"),
        }
    })
}

#[test]
fn all_holders_must_come_together_without_a_threshold_and_one_key_is_enough_alone() {
    for (holders, given) in [(&HOLDERS[..], 3), (&HOLDERS[1..2], 1)] {
        let mut recovery = Recovery::of(&manifest(holders, 0));
        let before = recovery.mesh.status();
        recovery.lose_the_key();
        for (at, name) in holders.iter().rev().enumerate() {
            let (exit, data, text) = recovery.give(name);
            let last = at + 1 == given;
            assert_eq!(
                (exit, &data["given"], &data["recovered"]),
                (0, &json!(at + 1), &json!(last)),
                "{text}"
            );
        }
        let after = recovery.mesh.status();
        assert_eq!(after["root_spki_sha256"], before["root_spki_sha256"]);
        assert_eq!(after["state"], 3);
    }
}

#[test]
fn a_share_goes_to_no_other_mesh_and_not_to_one_that_went_back() {
    let mut recovery = Recovery::of(&manifest(&HOLDERS, 2));
    let old = recovery.mesh.folder.path().join("old");
    let copy = old.clone();
    recovery.crash(|state| copy_folder(state, &copy));
    recovery.mesh.join("worker", KNOWN).unwrap();
    recovery.mesh.status();
    // The host puts back the folder as it was before the marble joined.
    recovery.crash(|state| {
        std::fs::remove_dir_all(state).unwrap();
        copy_folder(&old, state);
        std::fs::remove_file(state.join("sealed_key")).unwrap();
    });
    let (exit, _, text) = recovery.give("ann");
    assert!(exit == 1 && text.contains("[history-went-back]"), "{text}");

    // Another mesh asks, with clear recovery data of its own.
    let mut other = Recovery::of(&manifest(&HOLDERS, 2));
    other.lose_the_key();
    let (exit, _, text) = other.give_from(&recovery.file(), "ann");
    assert!(
        exit == 1 && text.contains("[share-of-another-key]"),
        "{text}"
    );
    assert_eq!(other.asked()["given"], json!([]));
}

#[test]
fn clear_recovery_data_of_the_host_opens_nothing_and_is_written_again_when_the_key_is_there() {
    let mut recovery = Recovery::of(&manifest(&HOLDERS, 2));
    let sealed_data = |state: &Path| std::fs::read(state.join("sealed_data")).unwrap();
    let mut genuine = Vec::new();
    // Damaged: no share is taken, and the cause is said.
    recovery.crash(|state| {
        genuine = sealed_data(state);
        std::fs::remove_file(state.join("sealed_key")).unwrap();
        let mut damaged = genuine.clone();
        damaged[40] ^= 1;
        std::fs::write(state.join("sealed_data"), damaged).unwrap();
    });
    let (exit, _, text) = recovery.stoa(&["recover"]);
    assert!(
        exit == 1 && text.contains("[recovery-data-missing]"),
        "{text}"
    );
    // Whoever remembers the mesh verifies no state 1, so this asks without a reference.
    let url = ["status", "--url", &recovery.mesh.coordinator().url];
    let status = recovery.mesh.cli.json(&url).unwrap();
    assert_eq!(status["status"]["recoverable"], false, "{status}");
    let text = status["status"]["state_text"].as_str().unwrap();
    assert!(
        text.contains("sealed_data") && text.contains("damaged"),
        "{text}"
    );
    // From the recovery file it is put back, byte for byte.
    let file: Value = serde_json::from_slice(&std::fs::read(recovery.file()).unwrap()).unwrap();
    let kept = STANDARD
        .decode(file["sealed_data"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept, genuine);
    recovery.crash(|state| std::fs::write(state.join("sealed_data"), &kept).unwrap());
    for name in ["eve", "bob"] {
        let (exit, _, text) = recovery.give(name);
        assert_eq!(exit, 0, "{text}");
    }
    // With the key at hand what is missing follows from the journal.
    recovery.crash(|state| std::fs::remove_file(state.join("sealed_data")).unwrap());
    recovery.crash(|state| assert_eq!(sealed_data(state), genuine));
}

#[test]
fn an_update_keeps_the_holders_of_shares_and_says_why() {
    let user = |manifest: &mut Value| {
        let folder = workspace().join("tests/harness/keys/users");
        let pem = std::fs::read_to_string(folder.join("ann.pem")).unwrap();
        manifest["Users"] = json!({"ann": {"Certificate": pem, "Roles": ["updater"]}});
        manifest["Roles"] =
            json!({"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}});
        folder
    };
    let mut first = manifest(&HOLDERS, 2);
    let users = user(&mut first);
    let mut recovery = Recovery::of(&first);
    let update = |recovery: &Recovery, manifest: &Value| {
        let path = recovery.mesh.path("update.json");
        std::fs::write(&path, serde_json::to_vec(manifest).unwrap()).unwrap();
        let (cert, key) = (users.join("ann.pem"), users.join("ann.key"));
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        recovery.stoa(&["manifest", "update", &path, "--cert", &cert, "--key", &key])
    };
    for (holders, threshold) in [(&HOLDERS[..], 3), (&HOLDERS[..2], 2), (&[][..], 0)] {
        let mut other = manifest(holders, threshold);
        user(&mut other);
        let (exit, _, text) = update(&recovery, &other);
        assert!(
            exit == 1 && text.contains("[recovery-keys-fixed]"),
            "{text}"
        );
    }
    let mut other = first.clone();
    other["Marbles"]["worker"]["MaxActivations"] = json!(11);
    let (exit, data, text) = update(&recovery, &other);
    assert_eq!((exit, &data["epoch"]), (0, &json!(2)), "{text}");
    // The shares of the first manifest still are those.
    recovery.lose_the_key();
    for name in ["ann", "eve"] {
        let (exit, _, text) = recovery.give(name);
        assert_eq!(exit, 0, "{text}");
    }
    assert_eq!(recovery.mesh.status()["epoch"], 2);
}

#[test]
fn a_reset_founds_anew_and_what_was_set_aside_can_still_be_recovered() {
    let mut recovery = Recovery::of(&manifest(&HOLDERS, 2));
    let before = recovery.mesh.status()["root_spki_sha256"].clone();
    recovery.lose_the_key();
    let id = recovery.asked()["data_key"].as_str().unwrap().to_owned();
    // Another state is left alone.
    recovery.restart(&["--reset", "0011223344556677"], |_| ());
    assert_eq!(recovery.asked()["root_spki_sha256"], before);
    // The one that is named makes room, once.
    recovery.restart(&["--reset", &id], |_| ());
    let founded = recovery.mesh.status();
    assert_eq!(founded["state"], 2, "{founded}");
    assert_ne!(founded["root_spki_sha256"], before);
    recovery.restart(&["--reset", &id], |_| ());
    let again = recovery.mesh.status();
    assert_eq!(again["root_spki_sha256"], founded["root_spki_sha256"]);
    // Nothing was lost.
    recovery.restart(&[], |state| {
        let new = state.with_file_name("new");
        std::fs::rename(state, &new).unwrap();
        std::fs::rename(new.join(format!("set-aside-{id}")), state).unwrap();
    });
    for name in ["ann", "bob"] {
        let (exit, _, text) = recovery.give(name);
        assert_eq!(exit, 0, "{text}");
    }
    assert_eq!(recovery.mesh.status()["root_spki_sha256"], before);
}

#[test]
fn a_kill_at_any_moment_of_setting_the_manifest_leaves_it_recoverable_or_not_set() {
    let manifest = manifest(&HOLDERS, 2);
    let (mut set, mut not_set) = (0, 0);
    for round in 0..KILLS {
        let mut recovery = Recovery {
            mesh: Mesh::founded(),
        };
        // From before the request to after its answer.
        let moment = Duration::from_millis(3 * round);
        let body = serde_json::to_vec(&manifest).unwrap();
        let url = recovery.mesh.coordinator().url.clone();
        let answered = std::thread::spawn(move || {
            runtime().block_on(async {
                let endpoint = Endpoint::parse(&url).unwrap();
                let mut connection = Connection::open(&endpoint, &Pin::Anyone).await.ok()?;
                connection.set_manifest(body).await.ok()
            })
        });
        std::thread::sleep(moment);
        recovery.crash(|_| ());
        let answered = answered.join().unwrap();
        let state = recovery.mesh.status()["state"].clone();
        if answered.is_some() {
            assert_eq!(state, 3, "an acknowledged manifest is gone");
        }
        // Whether it was set or not, and whether the answer came or not: now the shares are there.
        let (exit, _, text) = recovery.set(&manifest);
        assert_eq!(exit, 0, "{text}");
        *(if state == 3 { &mut set } else { &mut not_set }) += 1;
        let before = recovery.mesh.status();
        recovery.lose_the_key();
        for name in ["bob", "ann"] {
            let (exit, _, text) = recovery.give(name);
            assert_eq!(exit, 0, "{text}");
        }
        assert_eq!(
            recovery.mesh.status()["root_spki_sha256"],
            before["root_spki_sha256"]
        );
    }
    eprintln!("killed before the manifest was set: {not_set}, after: {set}");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
