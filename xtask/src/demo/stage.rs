//! What the steps of the demo share: folders, programs, and the processes that run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use stoa_harness::coordinator::{Cli, Coordinator};
use stoa_harness::platform::{Enclave, Platform};
use stoa_harness::process::Process;
use stoa_harness::programs::Programs;
use stoa_harness::{Failed, Outcome, failed};

/// Longest wait for one answer of a service.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Everything that is there so far.
pub struct Stage {
    /// The built programs.
    pub programs: Programs,
    /// `target/demo`.
    pub folder: PathBuf,
    /// The command line, remembering in the demo's folder.
    pub cli: Cli,
    /// Whether the running step shall deviate.
    pub planted: bool,
    /// Set by step 1.
    pub platform: Option<Platform>,
    /// Set by step 2.
    pub coordinator: Option<Coordinator>,
    /// K(root SPKI), set by step 2.
    pub root_key: String,
    /// Set by steps 4 to 6.
    pub marbles: Vec<(String, Process)>,
    /// Where signer, store and the public port of statuslist listen.
    pub addresses: Vec<(String, String)>,
}

impl Stage {
    /// An empty folder and nothing running.
    pub fn new(programs: Programs, folder: PathBuf) -> Outcome<Self> {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return failed(format!("{}: {error}", folder.display()));
            }
            _ => std::fs::create_dir_all(&folder)?,
        }
        let cli = Cli::new(&programs, &folder.join("seen"));
        Ok(Self {
            programs,
            folder,
            cli,
            planted: false,
            platform: None,
            coordinator: None,
            root_key: String::new(),
            marbles: Vec::new(),
            addresses: Vec::new(),
        })
    }

    /// A file of the demo.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as text, for command lines.
    pub fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// The platform, which step 1 started.
    pub fn platform(&self) -> Outcome<&Platform> {
        self.platform
            .as_ref()
            .ok_or_else(|| Failed("the platform does not run".to_owned()))
    }

    /// The coordinator, which step 2 started.
    pub fn coordinator(&self) -> Outcome<&Coordinator> {
        self.coordinator
            .as_ref()
            .ok_or_else(|| Failed("the coordinator does not run".to_owned()))
    }

    /// Status as the command line gives it.
    pub fn status(&self) -> Outcome<Value> {
        let coordinator = self.coordinator()?;
        let root = self.root_pem()?;
        let reference = self.path("coordinator.json");
        let answer = self.cli.json(&[
            "status",
            "--url",
            &coordinator.url,
            "--coordinator",
            &reference,
            "--insecure-trust-root",
            &root,
        ])?;
        if answer["verified"] != true {
            return failed(format!(
                "status comes from an unverified coordinator: {answer}"
            ));
        }
        Ok(answer["status"].clone())
    }

    /// Path of the synthetic vendor's root.
    pub fn root_pem(&self) -> Outcome<String> {
        Ok(self.platform()?.root().display().to_string())
    }

    /// How many instances of `marble` live, as status says.
    pub fn live(&self, marble: &str) -> Outcome<u64> {
        let status = self.status()?;
        let rows = status["marbles"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["type"] == marble);
        row.and_then(|row| row["live"].as_u64())
            .ok_or_else(|| Failed(format!("status has no marble `{marble}`: {status}")))
    }

    /// Address of one of the services.
    pub fn address(&self, name: &str) -> Outcome<&str> {
        let found = self.addresses.iter().find(|(known, _)| known == name);
        found
            .map(|(_, address)| address.as_str())
            .ok_or_else(|| Failed(format!("{name} does not listen")))
    }

    /// Enclave of one of the demo's programs, with its measured configuration.
    pub fn enclave(&self, marble: &str, program: &str) -> Enclave {
        let config = self.file(&format!("stoa-marble-{marble}.json"));
        let mut enclave = Enclave::sgx(marble, self.programs.path(program));
        enclave.argv = vec!["--config".to_owned(), config.display().to_string()];
        enclave.trusted_files = vec![config];
        enclave
    }

    /// The enclave of the unmodified store: the launcher, with the store among its trusted files.
    pub fn store_enclave(&self) -> Enclave {
        let mut enclave = self.enclave("store", "stoa-launcher");
        let store = self.programs.path("demo-store");
        let files = self.path("store-files");
        enclave.argv.extend([
            "--files".to_owned(),
            files,
            "--".to_owned(),
            store.display().to_string(),
        ]);
        enclave.trusted_files.push(store);
        enclave
    }

    /// What to try on the saved proof.
    pub fn closing_words(&self) -> String {
        let relative = |path: PathBuf| {
            let root = stoa_harness::programs::workspace();
            path.strip_prefix(&root)
                .map_or(path.clone(), Path::to_path_buf)
                .display()
                .to_string()
        };
        let root = self
            .platform
            .as_ref()
            .map(|platform| relative(platform.root()))
            .unwrap_or_default();
        format!(
            "  {} verify --bundle {} --manifest {} \\\n      --coordinator {} --insecure-trust-root {root}",
            relative(self.programs.path("stoa")),
            relative(self.file("mesh.bundle")),
            relative(self.file("credentials.json")),
            relative(self.file("coordinator.json")),
        )
    }

    /// Stops everything, the last started first.
    pub fn stop(mut self) -> Outcome<()> {
        for (_, mut process) in self.marbles.drain(..).rev() {
            process.terminate()?;
        }
        if let Some(mut coordinator) = self.coordinator.take() {
            coordinator.process.terminate()?;
        }
        if let Some(mut platform) = self.platform.take() {
            platform.process().terminate()?;
        }
        Ok(())
    }
}
