//! Secrets that users set and read on a mesh that runs: whose right it is, through crashes, beside updates, and what
//! attackers with a certificate send.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use stoa_coordinator::rest::{SECRETS_ASKED_MAX, SECRETS_BYTES_MAX};
use stoa_explain::Explain as _;
use stoa_harness::coordinator::Coordinator;
use stoa_harness::programs::workspace;
use stoa_tests::relay::client_config_as;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::mesh::{KNOWN, Mesh, runtime};

/// base64 of `one`, `two`, `three`.
const ONE: &str = "b25l";
const TWO: &str = "dHdv";
const THREE: &str = "dGhyZWU=";

fn user_file(name: &str) -> String {
    let folder = workspace().join("tests/harness/keys/users");
    folder.join(name).display().to_string()
}

/// `ann` may update and audit, `ops` write, `bob` read, `guest` nothing. `worker` needs `word`.
fn manifest(budget: u64) -> Value {
    let user = |name: &str, roles: &[&str]| {
        let pem = std::fs::read_to_string(user_file(&format!("{name}.pem"))).unwrap();
        json!({"Certificate": pem, "Roles": roles})
    };
    json!({
        "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
        "Marbles": {"worker": {
            "Package": "worker", "MaxActivations": budget, "DNSNames": ["worker"],
            "Parameters": {"Env": {
                "SHARED": "{{ hex .Secrets.shared }}", "WORD": "{{ string .Secrets.word }}"}},
        }},
        "Secrets": {
            "shared": {"Type": "symmetric-key", "Size": 256, "Shared": true},
            "word": {"Type": "plain", "UserDefined": true},
            "tls": {"Type": "cert-ecdsa", "Size": 256, "UserDefined": true},
            "other": {"Type": "plain", "UserDefined": true},
        },
        "Users": {
            "ann": user("ann", &["updater", "auditor"]), "ops": user("ops", &["writer"]),
            "bob": user("bob", &["reader"]), "guest": user("guest", &[]),
        },
        "Roles": {
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "auditor": {"ResourceType": "Audit", "Actions": ["ReadAudit"]},
            "writer": {"ResourceType": "Secrets", "ResourceNames": ["word", "tls"], "Actions": ["WriteSecret"]},
            "reader": {"ResourceType": "Secrets", "ResourceNames": ["word", "tls", "shared"], "Actions": ["ReadSecret"]},
        },
    })
}

struct Secrets {
    mesh: Mesh,
}

impl Secrets {
    fn file(&self, name: &str, content: &Value) -> String {
        let path = self.mesh.path(name);
        std::fs::write(&path, serde_json::to_vec_pretty(content).unwrap()).unwrap();
        path
    }

    fn as_user(&self, name: &str, args: &[&str]) -> (i32, String, String) {
        let files = (
            user_file(&format!("{name}.pem")),
            user_file(&format!("{name}.key")),
        );
        let url = self.mesh.coordinator().url.clone();
        let more = ["--url", &url, "--cert", &files.0, "--key", &files.1];
        let output = self.mesh.stoa(&[args, &more].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn done(&self, name: &str, args: &[&str]) -> String {
        let (exit, out, text) = self.as_user(name, args);
        assert_eq!(exit, 0, "{name} {args:?}: {text}");
        out
    }

    fn refused(&self, name: &str, args: &[&str], exit: i32, code: &str) {
        let (got, out, text) = self.as_user(name, args);
        assert_eq!(got, exit, "{name} {args:?}: {text}");
        assert!(
            text.contains(&format!("[{code}]")),
            "{name} {args:?}: {text}"
        );
        assert_eq!(out, "", "{name} {args:?}");
    }

    fn crash(&mut self) {
        let enclave = Coordinator::enclave(&self.mesh.programs);
        let coordinator = self.mesh.coordinator.take().unwrap();
        let back = coordinator.crash_and_restart(&self.mesh.platform, &enclave);
        self.mesh.coordinator = Some(back.unwrap().0);
    }

    fn word(&self) -> Vec<u8> {
        let marble = self.mesh.join("worker", KNOWN).unwrap();
        marble.secret("WORD").unwrap().to_vec()
    }

    /// Sends these bytes to the client port as a user; the status and the body that came back.
    fn raw(&self, name: &str, request: &[u8]) -> (u16, Value) {
        let url = &self.mesh.coordinator().url;
        let addr = url.trim_start_matches("https://").to_owned();
        let pem = |end: &str| std::fs::read(user_file(&format!("{name}.{end}"))).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(&pem("pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&pem("key")).unwrap();
        let config = client_config_as(&[b"http/1.1"], chain, key).unwrap();
        let answer = runtime().block_on(async {
            let tcp = TcpStream::connect(addr).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            let mut stream = connector.connect(name, tcp).await.unwrap();
            // What is too much may be answered before it was read.
            let _ = stream.write_all(request).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        });
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn post(&self, name: &str, body: &[u8]) -> (u16, Value) {
        let head = format!(
            "POST /api/stoa/v1/secrets HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.raw(name, &[head.as_bytes(), body].concat())
    }

    fn ask(&self, name: &str, query: &str) -> (u16, Value) {
        let head = format!(
            "GET /api/stoa/v1/secrets?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        );
        self.raw(name, head.as_bytes())
    }
}

fn set_up() -> Secrets {
    let mesh = Mesh::founded();
    mesh.set_manifest(&manifest(9));
    Secrets { mesh }
}

#[test]
fn users_set_and_read_secrets_of_a_mesh_that_runs_and_a_crash_loses_none() {
    let mut secrets = set_up();
    let early = secrets.mesh.join("worker", KNOWN).unwrap_err();
    assert_eq!(early.code(), "secret-not-set", "{early}");
    assert_eq!(secrets.mesh.live("worker"), 0);
    let pem = |end: &str| std::fs::read_to_string(user_file(&format!("ops.{end}"))).unwrap();
    let good = secrets.file(
        "good.json",
        &json!({"word": {"Key": ONE}, "tls": {"Cert": pem("pem"), "Private": pem("key")}}),
    );
    let wide = secrets.file(
        "wide.json",
        &json!({"word": {"Key": TWO}, "other": {"Key": TWO}}),
    );
    let unfit = secrets.file(
        "unfit.json",
        &json!({"word": {"Key": TWO}, "tls": {"Cert": pem("pem"), "Private":
            std::fs::read_to_string(user_file("ann.key")).unwrap()}}),
    );
    secrets.refused("guest", &["secret", "set", &good], 1, "not-permitted");
    secrets.refused("bob", &["secret", "set", &good], 1, "not-permitted");
    secrets.refused("ops", &["secret", "set", &wide], 1, "not-permitted");
    secrets.refused("ops", &["secret", "set", &unfit], 2, "secret-unfit");
    let to = secrets.mesh.path("read.json");
    secrets.refused(
        "bob",
        &["secret", "get", "word", "--save", &to],
        1,
        "secret-not-set",
    );
    assert_eq!(
        secrets.mesh.join("worker", KNOWN).unwrap_err().code(),
        "secret-not-set"
    );

    // Acknowledged, then killed.
    let told = secrets.done("ops", &["secret", "set", &good]);
    assert_eq!(told, "secrets   set: tls, word\n");
    secrets.crash();
    assert_eq!(secrets.word(), b"one");

    // To a file for its owner only, in the form in which it can be set again.
    let names = ["secret", "get", "word", "tls", "shared", "--save", &to];
    secrets.refused("guest", &names, 1, "not-permitted");
    secrets.refused("ops", &names, 1, "not-permitted");
    let more = ["secret", "get", "word", "other", "--save", &to];
    secrets.refused("bob", &more, 1, "not-permitted");
    assert!(!std::path::Path::new(&to).exists());
    secrets.done("bob", &names);
    let mode = std::fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read: Value = serde_json::from_slice(&std::fs::read(&to).unwrap()).unwrap();
    assert_eq!(read["word"], json!({"Key": ONE}));
    assert_eq!(read.as_object().unwrap().len(), 3);
    let again = secrets.file("again.json", &json!({"tls": read["tls"]}));
    secrets.done("ops", &["secret", "set", &again]);
    let printed = secrets.done("bob", &["secret", "get", "word", "--stdout"]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, json!({"word": {"Key": ONE}}));
    // One of the two must be said.
    let (exit, _, text) = secrets.as_user("bob", &["secret", "get", "word"]);
    assert_eq!(exit, 2, "{text}");

    // Nothing is handed to a coordinator that can't be verified.
    let url = secrets.mesh.coordinator().url.clone();
    let root = secrets.mesh.root_pem();
    let ops = (user_file("ops.pem"), user_file("ops.key"));
    let unverified = [
        "secret", "set", &good, "--url", &url, "--cert", &ops.0, "--key", &ops.1,
    ];
    let output = secrets
        .mesh
        .cli
        .run(&[&unverified[..], &["--insecure-trust-root", &root]].concat())
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("[reference-missing]") && text.contains("nothing was changed"),
        "{text}"
    );
}

#[test]
fn an_auditor_sees_what_was_done_and_who_was_refused_and_no_secret() {
    let mut secrets = set_up();
    let first = secrets.file("first.json", &json!({"word": {"Key": ONE}}));
    let second = secrets.file("second.json", &json!({"word": {"Key": TWO}}));
    for file in [&first, &second, &first] {
        secrets.done("ops", &["secret", "set", file]);
    }
    secrets.done("bob", &["secret", "get", "word", "--stdout"]);
    secrets.refused(
        "guest",
        &["secret", "get", "word", "--stdout"],
        1,
        "not-permitted",
    );
    secrets.refused("guest", &["audit"], 1, "not-permitted");
    secrets.refused("ops", &["audit"], 1, "not-permitted");
    let next = secrets.file("next.json", &manifest(11));
    secrets.done("ann", &["manifest", "update", &next]);
    let printed = secrets.done("ann", &["audit", "--json"]);
    let audit: Value = serde_json::from_str(&printed).unwrap();
    let entries = audit["audit"]["entries"].as_array().unwrap();
    let brief: Vec<(&str, &str)> = entries
        .iter()
        .rev()
        .map(|entry| {
            let user = entry["user"].as_str().unwrap_or("");
            (entry["what"].as_str().unwrap(), user)
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("founded", ""),
            ("manifest-set", ""),
            ("secret-set", "ops"),
            ("secret-set", "ops"),
            ("secret-set", "ops"),
            ("secret-read", "bob"),
            ("manifest-updated", "ann"),
        ]
    );
    // Newest first: update, read, then one, two, one.
    assert_eq!(entries[2]["after"], entries[4]["after"]);
    assert_eq!(entries[1]["after"], entries[2]["after"]);
    assert_ne!(entries[3]["after"], entries[4]["after"]);
    assert_eq!(entries[4]["before"], Value::Null);
    assert_eq!(entries[0]["after"], audit["history"][1]["manifest_sha256"]);
    let denied = audit["audit"]["denied"].as_array().unwrap();
    let whats: Vec<_> = denied
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        whats,
        [
            "GET /api/stoa/v1/secrets",
            "GET /api/stoa/v1/audit",
            "GET /api/stoa/v1/audit"
        ]
    );
    assert_ne!(
        denied[1]["certificate_sha256"],
        denied[2]["certificate_sha256"]
    );
    assert!(
        !printed.contains(ONE) && !printed.contains(TWO),
        "{printed}"
    );
    let text = secrets.done("ann", &["audit", "--limit", "2"]);
    assert!(
        text.contains("secret-read word  by bob (") && !text.contains("secret-set"),
        "{text}"
    );
    assert!(
        text.contains("[not-permitted]") && text.contains("number 2"),
        "{text}"
    );

    // It comes from the journal; who was refused does not.
    secrets.crash();
    let again = secrets.done("ann", &["audit", "--json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["audit"]["entries"], audit["audit"]["entries"]);
    assert_eq!(again["audit"]["denied"], json!([]));
}

#[test]
fn what_is_written_while_the_manifest_changes_is_there_afterwards() {
    let mut secrets = set_up();
    let first = secrets.file("first.json", &json!({"word": {"Key": ONE}}));
    secrets.done("ops", &["secret", "set", &first]);
    let files: Vec<String> = [TWO, THREE]
        .iter()
        .map(|word| secrets.file(&format!("{word}.json"), &json!({"word": {"Key": word}})))
        .collect();
    for round in 0..3 {
        let next = secrets.file("next.json", &manifest(20 + round));
        // Who was refused was told so; everybody else is there.
        let done = std::thread::scope(|scope| {
            let secrets = &secrets;
            let writers: Vec<_> = files
                .iter()
                .map(|file| scope.spawn(|| secrets.as_user("ops", &["secret", "set", file])))
                .collect();
            let update = scope.spawn(|| secrets.as_user("ann", &["manifest", "update", &next]));
            let (exit, _, text) = update.join().unwrap();
            assert_eq!(exit, 0, "{text}");
            let ends = writers.into_iter().map(|writer| writer.join().unwrap());
            ends.map(|(exit, _, text)| {
                assert_eq!(exit, 0, "{text}");
            })
            .count()
        });
        assert_eq!(done, files.len());
        secrets.crash();
        let word = secrets.word();
        assert!(word == b"two" || word == b"three", "{word:?}");
        secrets.done("ops", &["secret", "set", &first]);
        assert_eq!(secrets.word(), b"one");
    }
}

#[test]
fn an_attacker_with_a_certificate_gets_nothing_by_names_numbers_and_sizes() {
    let secrets = set_up();
    let sequence = secrets.mesh.status()["sequence"].clone();
    let huge = vec![b' '; SECRETS_BYTES_MAX + 1];
    let many = format!(
        "{{{}}}",
        (0..40_000)
            .map(|number| format!(r#""s{number}":{{}}"#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let long = format!(r#"{{"{}": {{"Key": "b25l"}}}}"#, "x".repeat(500_000));
    for (name, body, status, code) in [
        (
            "guest",
            r#"{"word": {"Key": "b25l"}}"#.as_bytes(),
            403,
            "not-permitted",
        ),
        (
            "ops",
            br#"{"other": {"Key": "b25l"}}"#,
            403,
            "not-permitted",
        ),
        (
            "ops",
            br#"{"word": {"Key": "b25l"}, "word": {"Key": "b25l"}}"#,
            400,
            "request-invalid",
        ),
        (
            "ops",
            br#"{"word": {"Key": "b25l"}, "\u0077ord": {"Key": "b25l"}}"#,
            400,
            "request-invalid",
        ),
        (
            "ops",
            br#"{"../secrets/word": {"Key": "b25l"}}"#,
            403,
            "not-permitted",
        ),
        (
            "ops",
            br#"{"word\u0000": {"Key": "b25l"}}"#,
            403,
            "not-permitted",
        ),
        ("ops", br#"{"Word": {"Key": "b25l"}}"#, 403, "not-permitted"),
        ("ops", b"{}", 400, "no-secrets-named"),
        ("ops", b"", 400, "request-invalid"),
        ("ops", br#"{"word": "b25l"}"#, 400, "request-invalid"),
        ("ops", br#"{"word": {}}"#, 400, "secret-unfit"),
        ("ops", br#"{"word": {"Key": ""}}"#, 400, "secret-unfit"),
        ("ops", &huge, 413, "too-large"),
        ("guest", many.as_bytes(), 403, "not-permitted"),
        ("ops", long.as_bytes(), 403, "not-permitted"),
    ] {
        let (got, answer) = secrets.post(name, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            (got, &answer["code"]),
            (status, &json!(code)),
            "{shown}: {answer}"
        );
        let length = answer.to_string().len();
        assert!(length < 4096, "{shown}: an answer of {length} bytes");
    }
    let all: Vec<String> = (0..=SECRETS_ASKED_MAX)
        .map(|n| format!("name=s{n}"))
        .collect();
    for (name, query, status, code) in [
        ("guest", "name=shared", 403, "not-permitted"),
        ("ops", "name=word", 403, "not-permitted"),
        ("bob", "name=other", 403, "not-permitted"),
        ("bob", "name=shared&name=other", 403, "not-permitted"),
        ("bob", "name=shared&name=shared", 400, "request-invalid"),
        ("bob", "name=shared&name=%73hared", 400, "request-invalid"),
        ("bob", "name=..%2Fshared", 403, "not-permitted"),
        ("bob", "name=shared%00", 403, "not-permitted"),
        ("bob", "name=", 403, "not-permitted"),
        ("bob", "", 400, "request-invalid"),
        ("bob", "s=shared", 400, "request-invalid"),
        ("bob", "name=word", 409, "secret-not-set"),
        ("bob", &all.join("&"), 400, "request-invalid"),
    ] {
        let (got, answer) = secrets.ask(name, query);
        assert_eq!(
            (got, &answer["code"]),
            (status, &json!(code)),
            "{query}: {answer}"
        );
    }
    assert_eq!(
        secrets.mesh.status()["sequence"],
        sequence,
        "nothing was written"
    );
    let (status, answer) = secrets.ask("bob", "name=shared");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["secrets"]["shared"]["Key"].as_str().unwrap().len(),
        44
    );
}
