//! What the command line says, word by word: command, stdout, stderr, exit code.
//!
//! Each file in `transcripts/` is a session in one folder: its commands run one after the other in a folder with a saved
//! proof, its manifest, reference and root, and spoiled variants of them. `STOA_BLESS=1 cargo test -p stoa-cli --test
//! transcripts` writes the files anew; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn folder(parts: &[&str]) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(parts.iter().collect::<PathBuf>())
}

/// The proof of the client's golden test, and what a careless or hostile hand could make of it.
fn prepare(into: &Path) {
    for name in [
        "mesh.bundle",
        "manifest.json",
        "coordinator.json",
        "synthetic-root.pem",
    ] {
        fs::copy(
            folder(&["..", "client", "tests", "data", name]),
            into.join(name),
        )
        .unwrap();
    }
    let vectors = folder(&["..", "tests", "vectors"]);
    std::os::unix::fs::symlink(vectors, into.join("vectors")).unwrap();
    let bundle: Value =
        serde_json::from_slice(&fs::read(into.join("mesh.bundle")).unwrap()).unwrap();
    // Members in one order in every build, because fingerprints of these files are shown.
    let write = |name: &str, value: &Value| {
        fs::write(into.join(name), sorted(value.clone()).to_string()).unwrap();
    };

    let mut changed = bundle.clone();
    changed["nonce"] = json!("A".repeat(43));
    write("other-nonce.bundle", &changed);

    let mut changed = bundle.clone();
    let body = STANDARD
        .decode(changed["statement"]["body"].as_str().unwrap())
        .unwrap();
    let body = String::from_utf8(body)
        .unwrap()
        .replace("\"live\":1", "\"live\":0");
    changed["statement"]["body"] = json!(STANDARD.encode(body));
    write("tampered.bundle", &changed);

    let mut changed = bundle.clone();
    changed["statement"]
        .as_object_mut()
        .unwrap()
        .remove("signature");
    write("unsigned.bundle", &changed);

    let whole = bundle.to_string();
    fs::write(into.join("cut.bundle"), &whole[..whole.len() / 2]).unwrap();
    fs::write(
        into.join("twice.bundle"),
        whole.replacen('{', "{\"format\":1,", 1),
    )
    .unwrap();

    fs::write(
        into.join("other-manifest.json"),
        [&fs::read(into.join("manifest.json")).unwrap()[..], b"\n"].concat(),
    )
    .unwrap();
    write(
        "other-coordinator.json",
        &json!({"format": 1, "identities": [{"tee": "sgx", "unique_id": "ab".repeat(32)}]}),
    );
    write(
        "bad-coordinator.json",
        &json!({"format": 1, "identities": [{"tee": "sgx", "unique_id": "ab"}], "debgu": true}),
    );
    fs::write(
        into.join("good.json"),
        fs::read(folder(&["..", "manifests", "examples", "credentials.json"])).unwrap(),
    )
    .unwrap();
    fs::write(
        into.join("faults.json"),
        r#"{"Packages": {"store": {"UniqueID": "11", "SecurityVersion": "2"}}, "Marbles": {"signer": {"Package": "stor"}}}"#,
    )
    .unwrap();
    // What somebody who comes from MarbleRun may have, and what a federation may add to it.
    let id = "ab".repeat(32);
    let marblerun = json!({
        "Packages": {"web": {"SignerID": id, "ProductID": 1, "SecurityVersion": 2, "AcceptedTCBStatuses": ["UpToDate", "OutOfDate"]}},
        "Marbles": {"web": {"Package": "web", "Parameters": {"Env": {"KEY": "{{ hex .Secrets.key }}"}}, "TLS": []}},
        "Secrets": {"key": {"Type": "symmetric-key", "Size": 128, "Shared": true}, "old": {"Type": "cert-rsa", "Size": 2048}},
        "Roles": {"op": {"ResourceType": "Packages", "ResourceNames": ["web"], "Actions": ["UpdateSecurityVersion"]}},
    });
    write("marblerun.json", &marblerun);
    let mut plain = marblerun.clone();
    plain.as_object_mut().unwrap().remove("Roles");
    plain["Marbles"]["web"]["MaxActivations"] = json!(2);
    write("base.json", &plain);
    write(
        "overlay.json",
        &json!({
            "Packages": {"audit": {"UniqueID": id}},
            "Marbles": {"web": {"MaxActivations": 5, "DNSNames": ["web.member.example"]}, "audit": {"Package": "audit"}},
            "Config": {"MeshName": "member.example"},
        }),
    );
    // The same with people who may change it.
    let pem = |name: &str| {
        let file = format!("{name}.pem");
        let path = folder(&["..", "tests", "harness", "keys", "users", &file]);
        fs::read_to_string(path).unwrap()
    };
    let mut users = plain.clone();
    users["Users"] = json!({
        "ann": {"Certificate": pem("ann"), "Roles": ["updater"]},
        "bob": {"Certificate": pem("bob"), "Roles": ["updater"]},
        "ops": {"Certificate": pem("ops"), "Roles": ["op"]},
    });
    users["Roles"] = json!({
        "op": marblerun["Roles"]["op"],
        "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
    });
    write("users.json", &users);
    let mut raised = users.clone();
    raised["Packages"]["web"]["SecurityVersion"] = json!(3);
    write("raised.json", &raised);
    raised["Roles"]["op"] = json!({"ResourceType": "Manifest", "Actions": ["UpdateManifest"]});
    raised["Marbles"]["web"]["MaxActivations"] = json!(1);
    raised["Config"] = json!({"UpdateThreshold": 1});
    write("wider.json", &raised);
    raised["Config"] = json!({"MeshName": "other.example"});
    write("renamed.json", &raised);
    let mut last = users.clone();
    last["Roles"].as_object_mut().unwrap().remove("updater");
    for name in ["ann", "bob"] {
        last["Users"][name]["Roles"] = json!([]);
    }
    write("last.json", &last);
    write(
        "role.json",
        &json!({"Roles": {"op": {"ResourceType": "Manifest", "ResourceNames": [], "Actions": ["UpdateManifest"]}}}),
    );
    write(
        "typo.json",
        &json!({"Marbles": {"web": {"MaxActivation": 5}}, "LegacyMarbles": true}),
    );
}

/// One command of a session: words are split at blanks, there is no quoting.
fn run(line: &str, folder: &Path) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let variables = words.iter().take_while(|word| word.contains('=')).count();
    let (variables, words) = words.split_at(variables);
    assert_eq!(words[0], "stoa");
    let output = Command::new(env!("CARGO_BIN_EXE_stoa"))
        .args(&words[1..])
        .current_dir(folder)
        .env_clear()
        .env("STOA_STATE_DIR", folder.join("state"))
        .envs(variables.iter().map(|word| word.split_once('=').unwrap()))
        .output()
        .unwrap();
    let mut out = format!("$ {line}\n");
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        for text in String::from_utf8(bytes.clone()).unwrap().lines() {
            out.push_str(format!("{stream}| {}", settled(text)).trim_end());
            out.push('\n');
        }
    }
    out.push_str(&format!("exit {}\n", output.status.code().unwrap()));
    out
}

/// A line without what differs from build to build: an oracle of other tests makes serde_json keep members in order of
/// insertion when all packages are built together, so members are sorted here, and columns of spoiled files have no number.
fn settled(text: &str) -> String {
    if let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(text) {
        return sorted(value).to_string();
    }
    match text.split_once(" column ") {
        Some((before, after)) => format!(
            "{before} column N{}",
            after.trim_start_matches(|c: char| c.is_ascii_digit())
        ),
        None => text.to_owned(),
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: std::collections::BTreeMap<_, _> = members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            members.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn replay(session: &str) -> String {
    let temporary = tempfile::tempdir().unwrap();
    prepare(temporary.path());
    let commands = session.lines().filter_map(|line| line.strip_prefix("$ "));
    commands
        .map(|line| run(line, temporary.path()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_command_line_says_what_its_transcripts_say() {
    let mut wrong = Vec::new();
    let mut sessions = 0;
    for entry in fs::read_dir(folder(&["tests", "transcripts"])).unwrap() {
        let path = entry.unwrap().path();
        let wanted = fs::read_to_string(&path).unwrap();
        let got = replay(&wanted);
        sessions += 1;
        if got == wanted {
            continue;
        }
        if std::env::var_os("STOA_BLESS").is_some() {
            fs::write(&path, &got).unwrap();
        }
        let at = got
            .lines()
            .zip(wanted.lines())
            .position(|(got, wanted)| got != wanted);
        let line = |text: &str| {
            at.and_then(|at| text.lines().nth(at))
                .unwrap_or("(the end)")
                .to_owned()
        };
        wrong.push(format!(
            "{}: wanted\n  {}\ngot\n  {}",
            path.display(),
            line(&wanted),
            line(&got)
        ));
    }
    assert!(sessions >= 5, "only {sessions} transcripts");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_exit_code_but_that_of_a_bug_is_seen_in_a_transcript() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in fs::read_dir(folder(&["tests", "transcripts"])).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        seen.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("exit "))
                .map(str::to_owned),
        );
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}
