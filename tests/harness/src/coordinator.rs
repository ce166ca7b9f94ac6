//! A coordinator inside the synthetic TEE.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::platform::{Enclave, Platform, START_TIME_MAX};
use crate::process::Process;
use crate::programs::{Programs, workspace};
use crate::{Failed, Outcome, failed};

/// A running coordinator.
pub struct Coordinator {
    /// The process `stoa-synthetic run`, with the coordinator inside.
    pub process: Process,
    /// `https://127.0.0.1:port` of the client port.
    pub url: String,
    /// `127.0.0.1:port` of the mesh port.
    pub mesh_addr: String,
    client_addr: String,
    folder: PathBuf,
}

impl Coordinator {
    /// The enclave that a coordinator runs in.
    #[must_use]
    pub fn enclave(programs: &Programs) -> Enclave {
        let mut enclave = Enclave::sgx("coordinator", programs.path("stoa-coordinator"));
        // Signed, so that a later version of the same product opens the state (docs/reference/journal.md).
        enclave.signer = Some(workspace().join("tests/harness/keys/synthetic-signer.pem"));
        enclave.product_id = 3;
        enclave.security_version = 3;
        enclave
    }

    /// Starts one with its state in `folder/state`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(platform: &Platform, enclave: &Enclave, folder: &Path) -> Outcome<Self> {
        Self::start_at(platform, enclave, folder, "127.0.0.1:0", "127.0.0.1:0", &[])
    }

    /// The same on given addresses, with more arguments of the host.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_at(
        platform: &Platform,
        enclave: &Enclave,
        folder: &Path,
        client_addr: &str,
        mesh_addr: &str,
        more: &[&str],
    ) -> Outcome<Self> {
        Self::start_by_host(
            platform,
            enclave,
            folder,
            [client_addr, mesh_addr],
            more,
            &[],
        )
    }

    /// The same with environment variables of the host.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_by_host(
        platform: &Platform,
        enclave: &Enclave,
        folder: &Path,
        [client_addr, mesh_addr]: [&str; 2],
        more: &[&str],
        env: &[(&str, &str)],
    ) -> Outcome<Self> {
        std::fs::create_dir_all(folder)?;
        let state = folder.join("state").display().to_string();
        let root = platform.root().display().to_string();
        let mut args: Vec<String> = [
            "--data",
            &state,
            "--client-addr",
            client_addr,
            "--mesh-addr",
            mesh_addr,
            "--dns-names",
            "localhost,127.0.0.1",
            "--pccs",
            platform.pccs(),
            "--insecure-trust-root",
            &root,
            "--log-format",
            "json",
        ]
        .map(str::to_owned)
        .to_vec();
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        let process = platform.run(enclave, &args, env)?;
        let client = listening(&process, "client")?;
        let mesh = listening(&process, "mesh")?;
        let url = format!("https://{client}");
        Ok(Self {
            process,
            url,
            mesh_addr: mesh,
            client_addr: client,
            folder: folder.to_owned(),
        })
    }

    /// Kills it as a crash would, and starts it again on the same state and ports.
    ///
    /// # Errors
    /// If it does not die or does not come back. The time is from the kill to listening again.
    pub fn crash_and_restart(
        self,
        platform: &Platform,
        enclave: &Enclave,
    ) -> Outcome<(Self, Duration)> {
        let started = Instant::now();
        let back = self.crash_and_restart_after(platform, enclave, |_| Ok(()))?;
        Ok((back, started.elapsed()))
    }

    /// The same with something done to its state folder in between, as the host can.
    ///
    /// # Errors
    /// As there, and what `meanwhile` fails with.
    pub fn crash_and_restart_after(
        self,
        platform: &Platform,
        enclave: &Enclave,
        meanwhile: impl FnOnce(&Path) -> Outcome<()>,
    ) -> Outcome<Self> {
        let Self {
            mut process,
            client_addr,
            mesh_addr,
            folder,
            ..
        } = self;
        process.kill_inner()?;
        process.await_end(START_TIME_MAX)?;
        meanwhile(&folder.join("state"))?;
        Self::start_at(platform, enclave, &folder, &client_addr, &mesh_addr, &[])
    }
}

fn listening(process: &Process, listener: &str) -> Outcome<String> {
    let event = process.await_event(
        &format!("address of the {listener} port"),
        START_TIME_MAX,
        |e| e["event"] == "listening" && e["listener"] == listener,
    )?;
    match event["addr"].as_str() {
        Some(addr) => Ok(addr.to_owned()),
        None => failed(format!(
            "the address of the {listener} port is no text: {event}"
        )),
    }
}

/// Writes a reference file (docs/reference/coordinator-reference.md) for what the TEE measures of `enclave`.
///
/// # Errors
/// If it can't be measured or written.
pub fn write_reference(platform: &Platform, enclave: &Enclave, path: &Path) -> Outcome<()> {
    let measured = platform.measure(enclave)?;
    let identity = match enclave.tee {
        "tdx" => json!({"tee": "tdx", "mrtd": measured["mrtd"]}),
        "snp" => json!({"tee": "snp", "measurement": measured["measurement"]}),
        _ => json!({"tee": "sgx", "unique_id": measured["unique_id"]}),
    };
    let reference = json!({
        "format": 1, "identities": [identity], "debug": false,
        "accepted_tcb": ["UpToDate", "SWHardeningNeeded"], "platforms": null, "security_digest": null,
    });
    std::fs::write(
        path,
        serde_json::to_vec_pretty(&reference).map_err(|e| Failed(e.to_string()))?,
    )?;
    Ok(())
}

/// The command line `stoa`, with its own memory of what it saw.
pub struct Cli {
    program: PathBuf,
    memory: PathBuf,
}

impl Cli {
    /// Keeps what it has seen in `memory`.
    #[must_use]
    pub fn new(programs: &Programs, memory: &Path) -> Self {
        Self {
            program: programs.path("stoa"),
            memory: memory.to_owned(),
        }
    }

    /// Runs it and waits.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn run(&self, args: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_clear()
            .env("STOA_STATE_DIR", &self.memory);
        Ok(command.output()?)
    }

    /// Runs it and gives what it wrote on standard output.
    ///
    /// # Errors
    /// If it does not exit with 0; its words are in the text.
    pub fn succeed(&self, args: &[&str]) -> Outcome<String> {
        let output = self.run(args)?;
        if !output.status.success() {
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            return failed(format!(
                "stoa {} ended with {}:\n{out}{err}",
                args.join(" "),
                output.status
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same with `--json`, parsed.
    ///
    /// # Errors
    /// As there, or if it is no JSON.
    pub fn json(&self, args: &[&str]) -> Outcome<Value> {
        let text = self.succeed(&[args, &["--json"]].concat())?;
        serde_json::from_str(&text)
            .map_err(|error| Failed(format!("stoa {}: {error}:\n{text}", args.join(" "))))
    }
}
