//! A mesh under test: platform, coordinator, manifest, and marbles of this process.

use std::path::PathBuf;
use std::sync::Arc;

use marble_sdk::{Marble, MarbleConfig, Options, SdkError};
use serde_json::{Value, json};
use stoa_attestation::Kind;
use stoa_harness::coordinator::{Cli, Coordinator, write_reference};
use stoa_harness::marble::write_config_of_roots;
use stoa_harness::platform::Platform;
use stoa_harness::programs::Programs;
use stoa_source::{SealPolicy, Source, SourceError};
use stoa_synthetic::{Knobs, SgxIdentity};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Measurement of the marble that the manifest knows.
pub(crate) const KNOWN: [u8; 32] = [0x11; 32];
/// Measurement of one that it does not know.
pub(crate) const UNKNOWN: [u8; 32] = [0x22; 32];

/// Everything of one test; stopped and removed when dropped.
pub(crate) struct Mesh {
    // Dropped in this order: programs first, their folder last.
    pub(crate) coordinator: Option<Coordinator>,
    pub(crate) platform: Platform,
    pub(crate) programs: Programs,
    pub(crate) cli: Cli,
    pub(crate) root_key: String,
    pub(crate) seed: [u8; 32],
    pub(crate) folder: TempDir,
    /// The platform is an AMD machine too, and the coordinator believes its root.
    snp: bool,
}

impl Mesh {
    /// Founded, without a manifest.
    pub(crate) fn founded() -> Self {
        Self::founded_behind(|_| None)
    }

    /// The same with a collateral service of the test's own, given the URL of the platform's.
    pub(crate) fn founded_behind(service: impl FnOnce(&str) -> Option<String>) -> Self {
        Self::founded_on("sgx", &[], service)
    }

    /// On a platform that is an AMD machine too, with the coordinator itself in a TEE of some kind.
    pub(crate) fn founded_of_both_vendors(tee: &'static str) -> Self {
        Self::founded_on(tee, &["--snp"], |_| None)
    }

    fn founded_on(
        tee: &'static str,
        more: &[&str],
        service: impl FnOnce(&str) -> Option<String>,
    ) -> Self {
        let programs = Programs::for_tests().unwrap();
        let folder = TempDir::new().unwrap();
        let seed = [0x5e; 32];
        let seeded = hex::encode(seed);
        let args = [&["--seed", &seeded], more].concat();
        let mut platform =
            Platform::start_with(&programs, &folder.path().join("platform"), &args).unwrap();
        if let Some(url) = service(platform.pccs()) {
            platform.serve_collateral_from(&url);
        }
        let mut enclave = Coordinator::enclave(&programs);
        enclave.tee = tee;
        write_reference(&platform, &enclave, &folder.path().join("coordinator.json")).unwrap();
        let snp = more.contains(&"--snp");
        let (kds, root) = (
            format!("kds:{}", platform.pccs()),
            platform.snp_root().display().to_string(),
        );
        let of_amd = ["--collateral", &kds, "--insecure-trust-root", &root];
        let loopback = "127.0.0.1:0";
        let coordinator = Coordinator::start_at(
            &platform,
            &enclave,
            folder.path(),
            loopback,
            loopback,
            if snp { &of_amd } else { &[] },
        )
        .unwrap();
        let cli = Cli::new(&programs, &folder.path().join("seen"));
        let mut mesh = Self {
            coordinator: Some(coordinator),
            platform,
            programs,
            cli,
            root_key: String::new(),
            seed,
            folder,
            snp,
        };
        mesh.root_key = mesh.status()["root_spki_sha256"]
            .as_str()
            .unwrap()
            .to_owned();
        mesh
    }

    /// With a manifest that knows one marble, `worker`, and lets `budget` of it in.
    pub(crate) fn with_budget(budget: u64) -> Self {
        Self::founded().budgeted(budget)
    }

    /// The same on a mesh that was founded in some way.
    pub(crate) fn budgeted(self, budget: u64) -> Self {
        let mesh = self;
        mesh.set_manifest(&json!({
            "Packages": {"worker": {"UniqueID": hex::encode(KNOWN)}},
            "Marbles": {"worker": {
                "Package": "worker", "MaxActivations": budget, "DNSNames": ["worker"],
                "Parameters": {"Env": {"SHARED": "{{ hex .Secrets.shared }}", "OWN": "{{ hex .Secrets.own }}"}},
            }},
            "Secrets": {
                "shared": {"Type": "symmetric-key", "Size": 256, "Shared": true},
                "own": {"Type": "symmetric-key", "Size": 128},
            },
        }));
        mesh
    }

    /// Path of a file in the mesh's folder, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn coordinator(&self) -> &Coordinator {
        self.coordinator.as_ref().unwrap()
    }

    pub(crate) fn root_pem(&self) -> String {
        self.platform.root().display().to_string()
    }

    /// Arguments that say what this mesh's coordinator is.
    pub(crate) fn trust(&self) -> Vec<String> {
        let mut args = vec!["--coordinator".to_owned(), self.path("coordinator.json")];
        for root in self.roots() {
            args.extend([
                "--insecure-trust-root".to_owned(),
                root.display().to_string(),
            ]);
        }
        args
    }

    fn roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.platform.root()];
        if self.snp {
            roots.push(self.platform.snp_root());
        }
        roots
    }

    /// Runs `stoa` with `args` and what this mesh's coordinator is.
    pub(crate) fn stoa(&self, args: &[&str]) -> std::process::Output {
        let trust = self.trust();
        let trust: Vec<_> = trust.iter().map(String::as_str).collect();
        self.cli.run(&[args, &trust].concat()).unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        let output = self.stoa(&["status", "--url", &self.coordinator().url, "--json"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["verified"], true, "{answer}");
        answer["status"].clone()
    }

    /// Live instances of `marble`.
    pub(crate) fn live(&self, marble: &str) -> u64 {
        let status = self.status();
        let rows = status["marbles"].as_array().unwrap();
        rows.iter().find(|row| row["type"] == marble).unwrap()["live"]
            .as_u64()
            .unwrap()
    }

    pub(crate) fn set_manifest(&self, manifest: &Value) {
        let path = self.path("manifest.json");
        std::fs::write(&path, serde_json::to_vec_pretty(manifest).unwrap()).unwrap();
        let output = self.stoa(&["manifest", "set", &path, "--url", &self.coordinator().url]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The measured configuration of a marble of this mesh, or of one that pins another.
    pub(crate) fn marble_config(&self, marble: &str, root_key: &str) -> MarbleConfig {
        let to = PathBuf::from(self.path(&format!("stoa-marble-{marble}.json")));
        let reference = PathBuf::from(self.path("coordinator.json"));
        let roots = self.roots();
        let roots: Vec<_> = roots.iter().map(PathBuf::as_path).collect();
        write_config_of_roots(marble, &reference, root_key, &roots, &to).unwrap();
        MarbleConfig::parse(&std::fs::read(to).unwrap()).unwrap()
    }

    /// An enclave of this mesh's platform with the given measurement.
    pub(crate) fn enclave(&self, mrenclave: [u8; 32]) -> Arc<dyn Source> {
        Self::enclave_of(self.seed, mrenclave)
    }

    /// An enclave of the platform that is made from `seed`.
    pub(crate) fn enclave_of(seed: [u8; 32], mrenclave: [u8; 32]) -> Arc<dyn Source> {
        Arc::new(InProcess {
            platform: stoa_synthetic::Platform::seeded(seed, Knobs::default()),
            identity: SgxIdentity {
                mrenclave,
                mrsigner: [0x33; 32],
                isv_prod_id: 1,
                isv_svn: 1,
                debug: false,
            },
        })
    }

    /// One marble joins at `mesh_addr`.
    pub(crate) fn join(&self, marble: &str, mrenclave: [u8; 32]) -> Result<Marble, SdkError> {
        self.join_at(
            &self.coordinator().mesh_addr,
            &self.marble_config(marble, &self.root_key),
            mrenclave,
        )
    }

    pub(crate) fn join_at(
        &self,
        addr: &str,
        config: &MarbleConfig,
        mrenclave: [u8; 32],
    ) -> Result<Marble, SdkError> {
        let options = Options {
            mesh_addr: addr.to_owned(),
            source: self.enclave(mrenclave),
            instance: None,
        };
        runtime().block_on(marble_sdk::activate(config, &options))
    }
}

/// A TEE without a daemon: the same platform, made from the same seed, in this process.
struct InProcess {
    platform: stoa_synthetic::Platform,
    identity: SgxIdentity,
}

impl Source for InProcess {
    fn kind(&self) -> Kind {
        Kind::SgxDcap
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, SourceError> {
        Ok(self.platform.quote_sgx(&self.identity, *report_data))
    }

    fn sealing_key(
        &self,
        _policy: SealPolicy,
        id: &[u8; 32],
    ) -> Result<Zeroizing<[u8; 32]>, SourceError> {
        Ok(self.platform.sealing_key(&self.identity.mrenclave, id))
    }

    fn is_hardware(&self) -> bool {
        false
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
