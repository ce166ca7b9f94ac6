//! The synthetic TEE's platform daemon, and configurations of programs that run inside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::digest::{der_of_pem, sha256};
use crate::process::Process;
use crate::programs::Programs;
use crate::{Failed, Outcome, failed};

/// Longest wait for a program to say that it listens.
pub const START_TIME_MAX: Duration = Duration::from_secs(20);

/// A running platform: vendor PKI, sealing root, collateral service.
pub struct Platform {
    programs: Programs,
    folder: PathBuf,
    pccs: String,
    process: Process,
}

/// What runs inside a TEE, as `stoa-synthetic run` takes it. All of it is measured.
#[derive(Debug, Clone)]
pub struct Enclave {
    /// Name of its configuration file.
    pub name: String,
    /// `sgx`, `tdx` or `snp`.
    pub tee: &'static str,
    /// The program.
    pub executable: PathBuf,
    /// Its measured arguments.
    pub argv: Vec<String>,
    /// Its measured environment.
    pub env: Vec<(String, String)>,
    /// Files that belong to its measurement.
    pub trusted_files: Vec<PathBuf>,
    /// Key of the signer; `None`: one of its own for each measurement.
    pub signer: Option<PathBuf>,
    /// Product id of the signer.
    pub product_id: u16,
    /// Security version.
    pub security_version: u16,
}

impl Enclave {
    /// An SGX enclave of `executable` with version 1 and nothing else.
    #[must_use]
    pub fn sgx(name: &str, executable: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            tee: "sgx",
            executable,
            argv: Vec::new(),
            env: Vec::new(),
            trusted_files: Vec::new(),
            signer: None,
            product_id: 1,
            security_version: 1,
        }
    }

    fn toml(&self) -> String {
        let paths: Vec<_> = self
            .trusted_files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let list = |items: &[String]| {
            let quoted: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
            format!("[{}]", quoted.join(", "))
        };
        let env: String = self
            .env
            .iter()
            .map(|(name, value)| format!("{name} = {value:?}\n"))
            .collect();
        let signer = self
            .signer
            .as_ref()
            .map(|path| format!("signer = {:?}\n", path.display().to_string()));
        let signer = signer.unwrap_or_default();
        format!(
            "{signer}tee = {:?}\nexecutable = {:?}\nargv = {}\ntrusted_files = {}\nproduct_id = {}\nsecurity_version = {}\n\n[env]\n{env}",
            self.tee,
            self.executable.display().to_string(),
            list(&self.argv),
            list(&paths),
            self.product_id,
            self.security_version,
        )
    }
}

impl Platform {
    /// Starts the daemon in `folder`, with a random seed.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(programs: &Programs, folder: &Path) -> Outcome<Self> {
        Self::start_with(programs, folder, &[])
    }

    /// The same with more arguments (`--tcb`, `--seed`).
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with(programs: &Programs, folder: &Path, more: &[&str]) -> Outcome<Self> {
        std::fs::create_dir_all(folder)?;
        let mut args = vec!["platform".to_owned(), folder.display().to_string()];
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        let process = Process::start("platform", &programs.path("stoa-synthetic"), args, &[])?;
        let event =
            process.await_event("address of the collateral service", START_TIME_MAX, |e| {
                e["event"] == "listening" && e["listener"] == "pccs"
            })?;
        let Some(addr) = event["addr"].as_str() else {
            return failed("platform: its address is no text");
        };
        let pccs = format!("http://{addr}");
        Ok(Self {
            programs: programs.clone(),
            folder: folder.to_owned(),
            pccs,
            process,
        })
    }

    /// Base URL of its collateral service.
    #[must_use]
    pub fn pccs(&self) -> &str {
        &self.pccs
    }

    /// From now on, what is started is told of this collateral service instead.
    pub fn serve_collateral_from(&mut self, url: &str) {
        url.clone_into(&mut self.pccs);
    }

    /// Its root certificate (PEM).
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// Its root certificate in AMD's place (PEM), if it was started with `--snp`.
    #[must_use]
    pub fn snp_root(&self) -> PathBuf {
        self.folder.join("snp-root.pem")
    }

    /// SHA-256 of the root certificate's DER, in hex.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn root_sha256(&self) -> Outcome<String> {
        Ok(sha256(&der_of_pem(&self.root())?))
    }

    /// Starts a program inside the TEE; `host_args` and `host_env` are the host's and not measured.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn run(
        &self,
        enclave: &Enclave,
        host_args: &[String],
        host_env: &[(&str, &str)],
    ) -> Outcome<Process> {
        let config = self.write(enclave)?;
        let mut args = vec![
            "run".to_owned(),
            "--platform".to_owned(),
            self.folder.display().to_string(),
        ];
        args.extend([config.display().to_string(), "--".to_owned()]);
        args.extend_from_slice(host_args);
        Process::start(
            &enclave.name,
            &self.programs.path("stoa-synthetic"),
            args,
            host_env,
        )
    }

    /// What the TEE would say of `enclave`: `unique_id`, `mrtd` or `measurement`, `signer_id`, `product_id`,
    /// `security_version`.
    ///
    /// # Errors
    /// If it can't be measured.
    pub fn measure(&self, enclave: &Enclave) -> Outcome<Value> {
        let config = self.write(enclave)?;
        let output = std::process::Command::new(self.programs.path("stoa-synthetic"))
            .args(["measure", "--platform"])
            .args([&self.folder, &config])
            .output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            return failed(format!("{} can't be measured: {words}", enclave.name));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| Failed(format!("measure: {error}")))
    }

    /// The daemon itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn write(&self, enclave: &Enclave) -> Outcome<PathBuf> {
        let path = self.folder.with_file_name(format!("{}.toml", enclave.name));
        std::fs::write(&path, enclave.toml())?;
        Ok(path)
    }
}
