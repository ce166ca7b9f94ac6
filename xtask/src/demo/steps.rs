//! The ten steps. Each does something real, checks what came of it, and says what it measured.
//!
//! `stage.planted` makes the world deviate, never the check: an altered program, another root, another file. That is
//! how a test sees that each step can fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use stoa_harness::coordinator::{Coordinator, write_reference};
use stoa_harness::digest::{der_of_pem, read, sha256, sha256_of_file, short};
use stoa_harness::marble;
use stoa_harness::platform::{Enclave, Platform};
use stoa_harness::{Failed, Outcome, failed};

use super::stage::{ANSWER_TIME_MAX, Stage};

/// Credentials in the demo's status list.
const CREDENTIALS: u64 = 128;
/// The one that is revoked.
const REVOKED: u64 = 1;
/// A constant in the code of the demo's programs, to alter one byte of.
const MARKER: &[u8] = b"stoa-demo: one byte of this text is as good as any other";

/// 1: the vendor of the synthetic TEE.
pub(super) fn synthetic_tee(stage: &mut Stage) -> Outcome<String> {
    let platform = Platform::start(&stage.programs, &stage.file("platform"))?;
    if stage.planted {
        // Somebody else's root under our name.
        let other = Platform::start(&stage.programs, &stage.file("other-platform"))?;
        std::fs::copy(other.root(), platform.root())?;
    }
    let root = platform.root_sha256()?;
    let chain = vendors_own_chain(&platform)?;
    if chain != root {
        return failed(format!(
            "root.pem is {root}, the vendor's collateral leads to {chain}"
        ));
    }
    stage.platform = Some(platform);
    Ok(format!(
        "own vendor PKI, real SGX quotes v3; root SHA-256 {}",
        short(&root)
    ))
}

/// SHA-256 of the root at the end of the issuer chain that the collateral service sends.
fn vendors_own_chain(platform: &Platform) -> Outcome<String> {
    let url = format!("{}/sgx/certification/v4/qe/identity", platform.pccs());
    let head = curl(&["--dump-header", "-", "--output", "/dev/null", &url])?;
    let name = "sgx-enclave-identity-issuer-chain:";
    let line = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with(name));
    let Some(line) = line else {
        return failed("the collateral service sent no issuer chain");
    };
    let pem = percent_decoded(line[name.len()..].trim());
    let last = pem
        .split_inclusive("-----END CERTIFICATE-----")
        .filter(|part| part.contains("BEGIN"))
        .last();
    let path = platform.root().with_file_name("vendor-chain-end.pem");
    std::fs::write(&path, last.unwrap_or_default())?;
    Ok(sha256(&der_of_pem(&path)?))
}

/// 2: a coordinator that founds its mesh, and is what it was measured to be.
pub(super) fn coordinator(stage: &mut Stage) -> Outcome<String> {
    let platform = stage.platform()?;
    let genuine = Coordinator::enclave(&stage.programs);
    write_reference(platform, &genuine, &stage.file("coordinator.json"))?;
    let started = Instant::now();
    let mut enclave = genuine;
    if stage.planted {
        let altered = stage.file("altered-coordinator");
        enclave.executable = marble::altered(&enclave.executable, b"stoa-coordinator", &altered)?;
    }
    let coordinator = Coordinator::start(platform, &enclave, &stage.folder)?;
    let elapsed = started.elapsed();
    let url = coordinator.url.clone();
    stage.coordinator = Some(coordinator);
    let status = stage.status()?;
    expect("state", &status["state"], &Value::from(2))?;
    stage.root_key = status["root_spki_sha256"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if stage.root_key.len() != 64 {
        return failed(format!("status names no root CA: {status}"));
    }
    let root = short(&stage.root_key);
    Ok(format!(
        "{url}, founded in {} ms, root CA {root}, waiting for a manifest",
        elapsed.as_millis()
    ))
}

/// 3: the manifest, with what was measured of the marbles.
pub(super) fn manifest(stage: &mut Stage) -> Outcome<String> {
    let platform = stage.platform()?;
    let (reference, root) = (stage.file("coordinator.json"), platform.root());
    for name in ["signer", "statuslist", "store"] {
        let config = stage.file(&format!("stoa-marble-{name}.json"));
        marble::write_config(name, &reference, &stage.root_key, &root, &config)?;
    }
    let path = stage.file("credentials.json");
    write_manifest(stage, &path)?;
    let url = stage.coordinator()?.url.clone();
    let (reference, root) = (stage.path("coordinator.json"), stage.root_pem()?);
    let trust = ["--coordinator", &reference, "--insecure-trust-root", &root];
    let file = path.display().to_string();
    stage
        .cli
        .succeed(&[&["manifest", "set", &file, "--url", &url], &trust[..]].concat())?;
    if stage.planted {
        // The deployer's file changes by one byte after it was set.
        let mut bytes = read(&path)?;
        bytes.push(b'\n');
        std::fs::write(&path, bytes)?;
    }
    let digest = sha256_of_file(&path)?;
    let status = stage.status()?;
    expect(
        "manifest in force",
        &status["manifest_sha256"],
        &Value::from(digest.clone()),
    )?;
    expect("state", &status["state"], &Value::from(3))?;
    Ok(format!(
        "manifests/examples/credentials.json  sha256:{}  set",
        short(&digest)
    ))
}

/// The example of the repository, with the measurements of this build.
fn write_manifest(stage: &Stage, to: &Path) -> Outcome<()> {
    let example = stoa_harness::programs::workspace().join("manifests/examples/credentials.json");
    let mut manifest: Value =
        serde_json::from_slice(&read(&example)?).map_err(|error| Failed(error.to_string()))?;
    let platform = stage.platform()?;
    let enclaves = [
        stage.enclave("signer", "demo-signer"),
        stage.enclave("statuslist", "demo-statuslist"),
        stage.store_enclave(),
    ];
    for enclave in enclaves {
        let name = enclave.name.clone();
        if manifest["Packages"].get(&name).is_none() {
            return failed(format!("{} has no package `{name}`", example.display()));
        }
        manifest["Packages"][&name] = marble::package(platform, &enclave)?;
    }
    let text =
        serde_json::to_string_pretty(&manifest).map_err(|error| Failed(error.to_string()))?;
    std::fs::write(to, text)?;
    Ok(())
}

/// 4: a service that links the SDK.
pub(super) fn signer(stage: &mut Stage) -> Outcome<String> {
    let mut enclave = stage.enclave("signer", "demo-signer");
    if stage.planted {
        enclave.executable =
            marble::altered(&enclave.executable, MARKER, &stage.file("planted-signer"))?;
    }
    start_marble(
        stage,
        &enclave,
        &["--listen".to_owned(), "127.0.0.1:0".to_owned()],
        "mesh",
    )
}

/// 6: a program that knows only files and environment, started by the launcher.
pub(super) fn store(stage: &mut Stage) -> Outcome<String> {
    let mut enclave = stage.store_enclave();
    if stage.planted {
        // Another program behind the launcher, which the manifest does not know.
        let altered = marble::altered(
            &stage.programs.path("demo-store"),
            MARKER,
            &stage.file("planted-store"),
        )?;
        enclave.trusted_files.pop();
        enclave.trusted_files.push(altered.clone());
        enclave.argv.pop();
        enclave.argv.push(altered.display().to_string());
    }
    let told = start_marble(stage, &enclave, &[], "store")?;
    Ok(format!("an unmodified program under the launcher: {told}"))
}

/// 5: a service that calls the other two; they are given to it as addresses, by the host.
pub(super) fn statuslist(stage: &mut Stage) -> Outcome<String> {
    let enclave = stage.enclave("statuslist", "demo-statuslist");
    if stage.planted {
        // Its measured configuration changes after the deployer measured it: another mesh is pinned.
        let (reference, root) = (stage.file("coordinator.json"), stage.platform()?.root());
        let config = stage.file("stoa-marble-statuslist.json");
        marble::write_config(
            "statuslist",
            &reference,
            &sha256(b"another mesh"),
            &root,
            &config,
        )?;
    }
    let args = ["--public", "127.0.0.1:0"].map(str::to_owned);
    start_marble(stage, &enclave, &args, "public")
}

fn start_marble(
    stage: &mut Stage,
    enclave: &Enclave,
    args: &[String],
    listener: &str,
) -> Outcome<String> {
    let name = enclave.name.clone();
    let (process, activated) =
        marble::start(stage.platform()?, enclave, stage.coordinator()?, args)?;
    let listening = process.await_event("address", ANSWER_TIME_MAX, |event| {
        event["event"] == "listening" && event["listener"] == listener
    })?;
    let address = listening["addr"].as_str().unwrap_or_default().to_owned();
    stage.marbles.push((name.clone(), process));
    stage.addresses.push((name.clone(), address));
    let live = stage.live(&name)?;
    if live != 1 {
        return failed(format!(
            "status counts {live} live instances of `{name}`, wanted 1"
        ));
    }
    let number = |member: &str| activated[member].as_u64().unwrap_or_default();
    Ok(format!(
        "activated in {:.1} ms, certificate for {} h, {}, {}",
        number("elapsed_us") as f64 / 1000.0,
        number("certificate_s").div_ceil(3600),
        counted(number("secrets"), "secret"),
        counted(number("files"), "file"),
    ))
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// 7: the three work together over mutual TLS, and curl sees the result.
pub(super) fn mutual_tls(stage: &mut Stage) -> Outcome<String> {
    let (signer, store) = (
        stage.address("signer")?.to_owned(),
        stage.address("store")?.to_owned(),
    );
    if stage.planted {
        for (name, process) in &mut stage.marbles {
            if name == "signer" {
                process.terminate()?;
            }
        }
    }
    let public = stage.address("statuslist")?.to_owned();
    let root = save_mesh_root(stage)?;
    let url = |path: &str| format!("https://localhost:{}{path}", port(&public));
    let work = format!(
        "{}?signer={signer}&store={store}&credentials={CREDENTIALS}&revoke={REVOKED}",
        url("/publish")
    );
    curl(&["--request", "POST", "--cacert", &root, &work])?;
    for (index, wanted) in [(REVOKED, "revoked"), (REVOKED + 1, "valid")] {
        let text = curl(&["--cacert", &root, &url(&format!("/status/{index}"))])?;
        let answer: Value =
            serde_json::from_str(&text).map_err(|error| Failed(format!("{error}: {text}")))?;
        expect("status", &answer["status"], &Value::from(wanted))?;
        expect(
            "signature of the list",
            &answer["signature"],
            &Value::from("good"),
        )?;
    }
    Ok(format!(
        "list of {CREDENTIALS} credentials signed, 1 revoked, stored\n   curl --cacert {root} {}  200",
        url(&format!("/status/{REVOKED}"))
    ))
}

/// The root CA, as the verified statement has it.
fn save_mesh_root(stage: &Stage) -> Outcome<String> {
    let url = stage.coordinator()?.url.clone();
    let (reference, insecure) = (stage.path("coordinator.json"), stage.root_pem()?);
    let (manifest, root) = (stage.path("credentials.json"), stage.path("mesh-root.pem"));
    stage.cli.succeed(&[
        "verify",
        &url,
        "--coordinator",
        &reference,
        "--manifest",
        &manifest,
        "--insecure-trust-root",
        &insecure,
        "--save-root",
        &root,
    ])?;
    Ok(root)
}

/// 8: one byte of a marble's code is another, and the mesh does not let it in.
pub(super) fn altered_signer(stage: &mut Stage) -> Outcome<String> {
    let mut enclave = stage.enclave("signer", "demo-signer");
    let genuine = measured(stage.platform()?, &enclave)?;
    if !stage.planted {
        enclave.executable =
            marble::altered(&enclave.executable, MARKER, &stage.file("altered-signer"))?;
    }
    let altered = measured(stage.platform()?, &enclave)?;
    let coordinator = stage.coordinator()?;
    let after = coordinator.process.line_count();
    let env = [("STOA_MESH_ADDR", coordinator.mesh_addr.as_str())];
    let args = ["--listen", "127.0.0.1:0"].map(str::to_owned);
    let mut process = stage.platform()?.run(&enclave, &args, &env)?;
    let (refusal, _) =
        coordinator
            .process
            .await_event_after(after, "refusal", ANSWER_TIME_MAX, |event| {
                event["event"] == "activation.refused"
            })?;
    expect(
        "code",
        &refusal["code"],
        &Value::from("measurement-differs"),
    )?;
    let text = refusal["error"].as_str().unwrap_or_default().to_owned();
    for hash in [&genuine, &altered] {
        if !text.contains(hash.as_str()) {
            return failed(format!("the refusal does not name {hash}: {text}"));
        }
    }
    let status = process.await_end(ANSWER_TIME_MAX)?;
    if status.code() != Some(1) {
        return failed(format!(
            "the altered signer ended with {status}, wanted exit code 1"
        ));
    }
    Ok(format!(
        "(one byte of its code changed) asks to join:\n     refused: package `signer` wants MRENCLAVE {}, the enclave has {}   [measurement-differs]",
        short(&genuine),
        short(&altered)
    ))
}

/// 9: the coordinator dies as in a crash, and nothing that it said is lost.
pub(super) fn crash(stage: &mut Stage) -> Outcome<String> {
    let before = stage.status()?;
    let (state, copy) = (stage.file("state"), stage.file("state-before"));
    if stage.planted {
        // What the host can do while the coordinator is down: put an older folder back.
        copy_folder(&state, &copy)?;
        let enclave = stage.enclave("signer", "demo-signer");
        let args = ["--listen", "127.0.0.1:0"].map(str::to_owned);
        let (process, _) = marble::start(stage.platform()?, &enclave, stage.coordinator()?, &args)?;
        stage.marbles.push(("second signer".to_owned(), process));
    }
    let before = if stage.planted {
        stage.status()?
    } else {
        before
    };
    let Some(coordinator) = stage.coordinator.take() else {
        return failed("the coordinator does not run");
    };
    let enclave = Coordinator::enclave(&stage.programs);
    let (coordinator, elapsed) = if stage.planted {
        restart_on_older_state(stage, coordinator, &enclave, &copy)?
    } else {
        coordinator.crash_and_restart(stage.platform()?, &enclave)?
    };
    stage.coordinator = Some(coordinator);
    let after = stage.status()?;
    for member in ["root_spki_sha256", "manifest_sha256", "epoch", "marbles"] {
        expect(member, &after[member], &before[member])?;
    }
    Ok(format!(
        "coordinator killed (-9) and back in {} ms: same root, same manifest, same counts, nothing lost",
        elapsed.as_millis()
    ))
}

fn restart_on_older_state(
    stage: &Stage,
    coordinator: Coordinator,
    enclave: &Enclave,
    older: &Path,
) -> Outcome<(Coordinator, Duration)> {
    let started = Instant::now();
    let back = coordinator.crash_and_restart_after(stage.platform()?, enclave, |state| {
        std::fs::remove_dir_all(state)?;
        copy_folder(older, state)
    })?;
    Ok((back, started.elapsed()))
}

/// 10: an external client verifies one quote, and by it the whole mesh.
pub(super) fn client(stage: &mut Stage) -> Outcome<String> {
    let url = stage.coordinator()?.url.clone();
    let (reference, insecure) = (stage.path("coordinator.json"), stage.root_pem()?);
    let (manifest, bundle, root) = (
        stage.path("credentials.json"),
        stage.path("mesh.bundle"),
        stage.path("mesh-root.pem"),
    );
    if stage.planted {
        let mut bytes = read(Path::new(&manifest))?;
        bytes.push(b' ');
        std::fs::write(&manifest, bytes)?;
    }
    let digest = sha256_of_file(Path::new(&manifest))?;
    let trust = [
        "--coordinator",
        &reference,
        "--manifest",
        &manifest,
        "--insecure-trust-root",
        &insecure,
    ];
    let live = [
        &["verify", &url][..],
        &trust,
        &["--save", &bundle, "--save-root", &root],
    ]
    .concat();
    let report = stage.cli.json(&live)?;
    expect("verdict", &report["verdict"], &Value::from("verified"))?;
    // The saved proof says the same without the coordinator.
    let saved = stage
        .cli
        .json(&[&["verify", "--bundle", &bundle][..], &trust].concat())?;
    expect(
        "verdict on the saved bundle",
        &saved["verdict"],
        &Value::from("verified"),
    )?;
    let marbles = stage.status()?["marbles"].as_array().map_or(0, Vec::len);
    Ok(format!(
        "verifies the whole mesh by one quote:\n     verified  {marbles} marbles, manifest sha256:{}, root CA saved to {root}",
        short(&digest)
    ))
}

fn measured(platform: &Platform, enclave: &Enclave) -> Outcome<String> {
    let measured = platform.measure(enclave)?;
    match measured["unique_id"].as_str() {
        Some(hash) => Ok(hash.to_owned()),
        None => failed(format!("{} has no measurement: {measured}", enclave.name)),
    }
}

fn expect(what: &str, found: &Value, wanted: &Value) -> Outcome<()> {
    if found == wanted {
        Ok(())
    } else {
        failed(format!("{what} is {found}, wanted {wanted}"))
    }
}

/// curl, quiet, failing on a status of 400 or more, within [`ANSWER_TIME_MAX`].
fn curl(args: &[&str]) -> Outcome<String> {
    let limit = ANSWER_TIME_MAX.as_secs().to_string();
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            &limit,
        ])
        .args(args);
    let output = command
        .output()
        .map_err(|error| Failed(format!("curl does not start: {error}")))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.success() {
        Ok(out.into_owned())
    } else {
        failed(format!("curl {}: {err}{out}", args.join(" ")))
    }
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
