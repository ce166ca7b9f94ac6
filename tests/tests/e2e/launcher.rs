//! The launcher: what an unmodified program finds, and what the host can and can't change about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use stoa_harness::marble::{altered, package};
use stoa_harness::platform::Enclave;
use stoa_harness::process::Process;

use crate::mesh::Mesh;

/// Longest life of the short programs of these tests.
const END_TIME_MAX: Duration = Duration::from_secs(20);
/// What the program does: it shows its environment, its folder and its files, and ends with a code of its own.
const SHOW: &str = "env; echo \"arguments $0 $1\"; pwd; stat -c '%a %n' deep/own.bin tls/*; stat -c %a tls deep; \
                    od -An -tx1 deep/own.bin; cat tls/cert.pem tls/ca.pem | grep -c BEGIN; exit 7";

/// A mesh with one marble, `shown`, that is the shell behind the launcher.
struct Launched {
    mesh: Mesh,
    enclave: Enclave,
}

impl Launched {
    fn new() -> Self {
        let mesh = Mesh::founded();
        mesh.marble_config("shown", &mesh.root_key);
        // A copy, so that a test can alter it.
        let shell = mesh.folder.path().join("shell");
        std::fs::copy("/bin/sh", &shell).unwrap();
        let mut enclave = Enclave::sgx("shown", mesh.programs.path("stoa-launcher"));
        let config = mesh.path("stoa-marble-shown.json");
        enclave.argv = [
            "--config",
            &config,
            "--files",
            &mesh.path("files"),
            "--keep-env",
            "LANG",
            "--",
        ]
        .map(str::to_owned)
        .to_vec();
        enclave.argv.push(shell.display().to_string());
        enclave.trusted_files = vec![PathBuf::from(config), shell];
        mesh.set_manifest(&json!({
            "Packages": {"shown": package(&mesh.platform, &enclave).unwrap()},
            "Marbles": {"shown": {"Package": "shown", "MaxActivations": 5, "Parameters": {
                "Argv": ["sh", "-c", SHOW, "zero", "one"],
                "Env": {"TOKEN": "<{{ hex .Secrets.token }}>", "LANG": "of the manifest"},
                "Files": {"deep/own.bin": "{{ raw .Secrets.own }}"},
            }}},
            "Secrets": {
                "token": {"Type": "symmetric-key", "Size": 128, "Shared": true},
                "own": {"Type": "symmetric-key", "Size": 32},
            },
        }));
        Self { mesh, enclave }
    }

    fn run(&self, enclave: &Enclave, host_args: &[&str], env: &[(&str, &str)]) -> Process {
        let host_args: Vec<_> = host_args.iter().map(|arg| (*arg).to_owned()).collect();
        let addr = ("STOA_MESH_ADDR", self.mesh.coordinator().mesh_addr.as_str());
        self.mesh
            .platform
            .run(enclave, &host_args, &[&[addr], env].concat())
            .unwrap()
    }

    fn files(&self) -> PathBuf {
        self.mesh.folder.path().join("files")
    }
}

/// Ends with `code`; gives what it printed.
fn ended(mut process: Process, code: i32) -> Vec<String> {
    let status = process.await_end(END_TIME_MAX).unwrap();
    let output = process.output();
    assert_eq!(status.code(), Some(code), "{}", output.join("\n"));
    output
}

fn has_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn an_unmodified_program_finds_what_the_manifest_says_and_nothing_of_the_host() {
    let launched = Launched::new();
    let host = [
        ("HOST_SECRET", "x"),
        ("LANG", "of the host"),
        ("PATH", "/usr/bin:/bin"),
    ];
    let output = ended(launched.run(&launched.enclave, &[], &host), 7);
    let activated = output
        .iter()
        .find(|line| line.contains("\"activated\""))
        .unwrap();
    let activated: Value = serde_json::from_str(activated).unwrap();
    assert_eq!(
        (&activated["marble"], &activated["secrets"]),
        (&json!("shown"), &json!(2))
    );
    assert_eq!(activated["files"], json!(1));

    let line = |beginning: &str| output.iter().find(|line| line.starts_with(beginning));
    let token = line("TOKEN=").unwrap();
    assert!(
        token.starts_with("TOKEN=<") && token.len() == "TOKEN=<>".len() + 32,
        "{token}"
    );
    assert_eq!(line("LANG=").unwrap(), "LANG=of the manifest");
    for variable in ["HOST_SECRET=", "STOA_MESH_ADDR="] {
        assert_eq!(line(variable), None);
    }
    assert!(line("MARBLE_PREDEFINED_PRIVATE_KEY=-----BEGIN PRIVATE KEY-----").is_some());
    assert!(
        line("MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN=-----BEGIN CERTIFICATE-----").is_some()
    );

    let folder = launched.files().canonicalize().unwrap();
    for wanted in [
        "arguments zero one",
        &folder.display().to_string(),
        "600 deep/own.bin",
        "600 tls/ca.pem",
        "600 tls/cert.pem",
        "600 tls/key.pem",
        "3",
    ] {
        assert!(
            output.iter().any(|line| line == wanted),
            "no `{wanted}` in\n{}",
            output.join("\n")
        );
    }
    assert_eq!(
        output.iter().filter(|line| *line == "700").count(),
        2,
        "folders of secrets"
    );
    assert_eq!(std::fs::read(folder.join("deep/own.bin")).unwrap().len(), 4);
    assert_eq!(launched.mesh.live("shown"), 1);
}

#[test]
fn an_altered_program_behind_the_launcher_is_refused_and_no_file_is_written() {
    let launched = Launched::new();
    let shell = launched.mesh.folder.path().join("shell");
    let other = altered(
        &shell,
        b"OLDPWD",
        &launched.mesh.folder.path().join("altered"),
    )
    .unwrap();
    // The host puts another program in the place of the measured one.
    std::fs::rename(other, &shell).unwrap();
    let output = ended(launched.run(&launched.enclave, &[], &[]), 1);
    assert!(
        output
            .iter()
            .any(|line| line.contains("measurement-differs")),
        "{}",
        output.join("\n")
    );
    assert!(
        !has_files(&launched.files()),
        "files of a marble that was refused"
    );
    assert_eq!(launched.mesh.live("shown"), 0);
}

#[test]
fn what_the_host_adds_can_not_change_whom_the_launcher_believes_or_what_it_runs() {
    let launched = Launched::new();
    let other = launched.mesh.path("other.json");
    std::fs::copy(launched.mesh.path("stoa-marble-shown.json"), &other).unwrap();
    for late in [
        &["--config", &other][..],
        &["--", "/bin/sh"],
        &["--keep-env", "HOST_SECRET"],
        &["--tee", "socket:/x"],
    ] {
        ended(launched.run(&launched.enclave, late, &[]), 2);
    }
    assert!(!has_files(&launched.files()));
    assert_eq!(launched.mesh.live("shown"), 0);
}

#[test]
fn a_coordinator_that_is_not_there_is_worth_a_retry() {
    let launched = Launched::new();
    // The port was free a moment ago, and nothing of ours listens there now.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = ended(
        launched.run(&launched.enclave, &["--mesh-addr", &free.to_string()], &[]),
        3,
    );
    assert!(
        output
            .iter()
            .any(|line| line.contains("coordinator-unreachable")),
        "{}",
        output.join("\n")
    );
}
