//! A mesh whose manifest changes while it runs: users with certificates, two who must agree, one who may raise a version.

use serde_json::{Value, json};
use stoa_client::http::{Connection, Endpoint, Identity, Pin};
use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use stoa_harness::programs::workspace;

use crate::mesh::{KNOWN, Mesh, runtime};

fn user_file(name: &str) -> String {
    let folder = workspace().join("tests/harness/keys/users");
    folder.join(name).display().to_string()
}

/// Two users who must agree to updates, one who may raise the worker's version, one without a right.
fn manifest(budget: u64, security_version: u16) -> Value {
    let user = |name: &str, roles: &[&str]| {
        let pem = std::fs::read_to_string(user_file(&format!("{name}.pem"))).unwrap();
        json!({"Certificate": pem, "Roles": roles})
    };
    json!({
        "Packages": {"worker": {
            "SignerID": "33".repeat(32), "ProductID": 1, "SecurityVersion": security_version}},
        "Marbles": {"worker": {
            "Package": "worker", "MaxActivations": budget, "DNSNames": ["worker"],
            "Parameters": {"Env": {
                "SHARED": "{{ hex .Secrets.shared }}", "OWN": "{{ hex .Secrets.own }}"}},
        }},
        "Secrets": {
            "shared": {"Type": "symmetric-key", "Size": 256, "Shared": true},
            "own": {"Type": "symmetric-key", "Size": 128},
        },
        "Users": {
            "ann": user("ann", &["updater"]), "bob": user("bob", &["updater"]),
            "ops": user("ops", &["raiser"]), "guest": user("guest", &[]),
        },
        "Roles": {
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "raiser": {
                "ResourceType": "Packages", "ResourceNames": ["worker"], "Actions": ["UpdateSecurityVersion"]},
        },
    })
}

struct Updates {
    mesh: Mesh,
}

impl Updates {
    fn file(&self, name: &str, manifest: &Value) -> String {
        let path = self.mesh.path(name);
        std::fs::write(&path, serde_json::to_vec_pretty(manifest).unwrap()).unwrap();
        path
    }

    /// Runs `stoa manifest ..`: exit code and what it printed, as JSON if that is what it is.
    fn stoa(&self, args: &[&str]) -> (i32, Value, String) {
        let url = ["--url", &self.mesh.coordinator().url, "--json"];
        let output = self.mesh.stoa(&[&["manifest"], args, &url].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let data = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), data, text)
    }

    fn as_user(&self, name: &str, args: &[&str]) -> (i32, Value, String) {
        let (cert, key) = (
            user_file(&format!("{name}.pem")),
            user_file(&format!("{name}.key")),
        );
        self.stoa(&[args, &["--cert", &cert, "--key", &key]].concat())
    }

    fn refused(&self, name: &str, args: &[&str], code: &str) {
        let (exit, _, text) = self.as_user(name, args);
        assert_eq!(exit, 1, "{name}: {text}");
        assert!(text.contains(&format!("[{code}]")), "{name}: {text}");
    }
}

#[test]
fn two_users_change_the_manifest_of_a_mesh_that_runs_and_one_raises_a_version() {
    let mesh = Mesh::founded();
    mesh.set_manifest(&manifest(1, 1));
    let mut updates = Updates { mesh };
    let first = updates.mesh.join("worker", KNOWN).unwrap();
    let full = updates.mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(full.code(), "budget-spent", "{full}");
    let wider = updates.file("wider.json", &manifest(2, 1));

    // What it would change, and who must agree.
    let (exit, data, text) = updates.stoa(&["diff", &wider]);
    assert_eq!(
        (exit, &data["verdict"]),
        (0, &json!("needs-approval")),
        "{text}"
    );
    assert_eq!(
        (&data["needed"], &data["users"]),
        (&json!(2), &json!(["ann", "bob"]))
    );
    assert_eq!(data["changes"][0]["path"], "Marbles.worker.MaxActivations");
    assert_eq!(data["changes"][0]["effect"], "widens");

    // Nobody without the right, and nobody who only has the certificate.
    updates.refused("guest", &["update", &wider], "not-permitted");
    updates.refused("ops", &["update", &wider], "not-permitted");
    let stranger = [
        "update",
        &wider,
        "--cert",
        &user_file("ann.pem"),
        "--key",
        &user_file("bob.key"),
    ];
    let (exit, _, text) = updates.stoa(&stranger);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("[identity-unreadable]"), "{text}");
    let (exit, _, text) = updates.stoa(&["pending"]);
    assert_eq!(exit, 1);
    assert!(text.contains("[no-update-pending]"), "{text}");

    // The first yes waits, also through a crash.
    let (exit, data, text) = updates.as_user("ann", &["update", &wider]);
    assert_eq!((exit, &data["in_force"]), (0, &json!(false)), "{text}");
    let enclave = Coordinator::enclave(&updates.mesh.programs);
    let coordinator = updates.mesh.coordinator.take().unwrap();
    let back = coordinator.crash_and_restart(&updates.mesh.platform, &enclave);
    updates.mesh.coordinator = Some(back.unwrap().0);
    let (exit, data, text) = updates.stoa(&["pending"]);
    assert_eq!((exit, &data["agreed"]), (0, &json!(["ann"])), "{text}");
    let shown = updates.mesh.status()["update"].clone();
    assert_eq!(shown["manifest_sha256"], data["manifest_sha256"]);
    assert_eq!(
        (&shown["agreed"], &shown["missing"], &shown["needed"]),
        (&json!(["ann"]), &json!(["bob"]), &json!(2))
    );
    let url = updates.mesh.coordinator().url.clone();
    let told = updates.mesh.stoa(&["status", "--url", &url]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("1 of 2 agreed (ann); may still: bob"),
        "{told}"
    );
    assert_eq!(
        updates.mesh.join("worker", KNOWN).unwrap_err().code(),
        "budget-spent"
    );

    // Another one has no place meanwhile; what is taken back is gone.
    let other = updates.file("other.json", &manifest(9, 1));
    updates.refused("bob", &["update", &other], "update-pending");
    let digest = data["manifest_sha256"].as_str().unwrap().to_owned();
    updates.refused("guest", &["cancel", &digest], "not-permitted");
    let (exit, _, text) = updates.as_user("bob", &["cancel", &digest]);
    assert_eq!(exit, 0, "{text}");
    updates.refused("bob", &["cancel", &digest], "no-update-pending");
    assert!(updates.mesh.status().get("update").is_none());

    // Both agree: it is in force, read back from a statement, and what it allows is possible.
    for name in ["bob", "ann"] {
        let (exit, data, text) = updates.as_user(name, &["update", &wider]);
        assert_eq!(
            (exit, &data["in_force"]),
            (0, &json!(name == "ann")),
            "{text}"
        );
    }
    let url = updates.mesh.coordinator().url.clone();
    let verified = updates.mesh.stoa(&["verify", &url, "--manifest", &wider]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let second = updates.mesh.join("worker", KNOWN).unwrap();
    assert_eq!(second.secret("SHARED"), first.secret("SHARED"));
    assert_eq!(updates.mesh.live("worker"), 2);
    // The first goes on as itself, under the new issuing CA and the same root.
    let config = updates.mesh.marble_config("worker", &updates.mesh.root_key);
    let options = marble_sdk::Options {
        mesh_addr: updates.mesh.coordinator().mesh_addr.clone(),
        source: updates.mesh.enclave(KNOWN),
        instance: None,
    };
    let renewed = runtime()
        .block_on(marble_sdk::renew(&config, &options, &first))
        .unwrap();
    assert_eq!(renewed.instance(), first.instance());
    assert_eq!(renewed.secret("OWN"), first.secret("OWN"));
    assert_ne!(renewed.chain()[1], first.chain()[1]);
    assert_eq!(renewed.chain()[1], second.chain()[1]);

    // One user raises the version, and code of the old one neither joins nor renews.
    let raised = updates.file("raised.json", &manifest(2, 2));
    let (exit, data, text) = updates.stoa(&["diff", &raised]);
    assert_eq!(
        (exit, &data["verdict"]),
        (0, &json!("compatible")),
        "{text}"
    );
    assert_eq!(data["users"], json!(["ops"]));
    let (exit, data, text) = updates.as_user("ops", &["update", &raised]);
    assert_eq!((exit, &data["epoch"]), (0, &json!(3)), "{text}");
    let error = runtime()
        .block_on(marble_sdk::renew(&config, &options, &renewed))
        .unwrap_err();
    assert_eq!(error.code(), "measurement-differs", "{error}");
    // Down again it does not go alone.
    updates.refused("ops", &["update", &wider], "not-permitted");
}

/// A manifest costs work to read, so whoever could not bring it into force hears that, whatever the manifest is.
#[test]
fn what_nobody_may_post_is_not_read() {
    let mesh = Mesh::founded();
    let garbage = b"{".to_vec();
    let endpoint = Endpoint::parse(&mesh.coordinator().url).unwrap();
    let post = |user: Option<&str>, first: bool| {
        let identity = user.map(|name| {
            let [certificate, key] = ["pem", "key"]
                .map(|end| std::fs::read(user_file(&format!("{name}.{end}"))).unwrap());
            Identity::from_pem(&certificate, &key).unwrap()
        });
        runtime().block_on(async {
            let mut connection = Connection::open_as(&endpoint, &Pin::Anyone, identity.as_ref())
                .await
                .unwrap();
            let error = match first {
                true => connection.set_manifest(garbage.clone()).await.unwrap_err(),
                false => connection.agree(garbage.clone()).await.unwrap_err(),
            };
            error.code()
        })
    };
    assert_eq!(post(None, false), "state-not-accepting");
    assert_eq!(post(None, true), "manifest-invalid");
    mesh.set_manifest(&manifest(1, 1));
    assert_eq!(post(None, true), "manifest-already-set");
    assert_eq!(post(None, false), "user-unknown");
    assert_eq!(post(Some("guest"), false), "not-permitted");
    assert_eq!(post(Some("ops"), false), "manifest-invalid");
    assert_eq!(post(Some("ann"), false), "manifest-invalid");
}
