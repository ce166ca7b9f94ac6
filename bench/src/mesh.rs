//! The mesh that is measured: platform, coordinator, and a manifest of one marble.

use std::sync::Arc;

use marble_sdk::MarbleConfig;
use serde_json::{Value, json};
use stoa_attestation::Kind;
use stoa_harness::coordinator::{Cli, Coordinator, write_reference};
use stoa_harness::marble::write_config;
use stoa_harness::platform::Platform;
use stoa_harness::programs::Programs;
use stoa_harness::{Failed, Outcome};
use stoa_source::{SealPolicy, Source, SourceError};
use stoa_synthetic::{Knobs, SgxIdentity};
use tempfile::TempDir;
use zeroize::Zeroizing;

const SEED: [u8; 32] = [0xbe; 32];
const MRENCLAVE: [u8; 32] = [0x11; 32];

/// What each activation gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// One shared secret in the environment.
    Plain,
    /// So many own certificates on P-384 besides: work in the path, to see that work shows.
    Certificates(usize),
}

/// Running programs; stopped when dropped.
pub struct Mesh {
    /// The coordinator.
    pub coordinator: Coordinator,
    /// Its platform.
    pub platform: Platform,
    /// The programs.
    pub programs: Programs,
    /// What marbles believe.
    pub config: Arc<MarbleConfig>,
    folder: TempDir,
}

impl Mesh {
    /// Starts everything and sets the manifest.
    ///
    /// # Errors
    /// If something does not come up.
    pub fn start(programs: &Programs, parameters: Parameters) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let path = |name: &str| folder.path().join(name);
        let platform =
            Platform::start_with(programs, &path("platform"), &["--seed", &hex::encode(SEED)])?;
        let enclave = Coordinator::enclave(programs);
        write_reference(&platform, &enclave, &path("coordinator.json"))?;
        let coordinator = Coordinator::start(&platform, &enclave, folder.path())?;
        let cli = Cli::new(programs, &path("seen"));
        let (reference, root) = (
            path("coordinator.json").display().to_string(),
            platform.root().display().to_string(),
        );
        let trust = [
            "--url",
            &coordinator.url,
            "--coordinator",
            &reference,
            "--insecure-trust-root",
            &root,
        ];
        let status = cli.json(&[&["status"], &trust[..]].concat())?;
        let root_key = status["status"]["root_spki_sha256"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let manifest = path("manifest.json");
        std::fs::write(&manifest, manifest_of(parameters).to_string())?;
        cli.succeed(
            &[
                &["manifest", "set", &manifest.display().to_string()],
                &trust[..],
            ]
            .concat(),
        )?;
        let to = path("stoa-marble.json");
        write_config(
            "worker",
            &path("coordinator.json"),
            &root_key,
            &platform.root(),
            &to,
        )?;
        let config =
            MarbleConfig::parse(&std::fs::read(to)?).map_err(|error| Failed(error.to_string()))?;
        let programs = programs.clone();
        Ok(Self {
            coordinator,
            platform,
            programs,
            config: Arc::new(config),
            folder,
        })
    }

    /// Process id of the coordinator itself.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Outcome<u32> {
        self.coordinator.process.inner_pid()
    }

    /// Kills the coordinator and starts it again; the time is from the kill to listening.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn restart(self) -> Outcome<(Self, std::time::Duration)> {
        let enclave = Coordinator::enclave(&self.programs);
        let Self {
            coordinator,
            platform,
            programs,
            config,
            folder,
        } = self;
        let (coordinator, elapsed) = coordinator.crash_and_restart(&platform, &enclave)?;
        Ok((
            Self {
                coordinator,
                platform,
                programs,
                config,
                folder,
            },
            elapsed,
        ))
    }
}

fn manifest_of(parameters: Parameters) -> Value {
    let mut manifest = json!({
        "Packages": {"worker": {"UniqueID": hex::encode(MRENCLAVE)}},
        "Marbles": {"worker": {
            "Package": "worker",
            "Parameters": {"Env": {"SHARED": "{{ hex .Secrets.shared }}"}, "Files": {}},
        }},
        "Secrets": {"shared": {"Type": "symmetric-key", "Size": 256, "Shared": true}},
    });
    if let Parameters::Certificates(count) = parameters {
        for index in 0..count {
            let name = format!("own{index}");
            manifest["Secrets"][&name] = json!({"Type": "cert-ecdsa", "Size": 384, "ValidFor": 1});
            manifest["Marbles"]["worker"]["Parameters"]["Files"][format!("/certs/{name}.pem")] =
                json!(format!("{{{{ pem .Secrets.{name}.Cert }}}}"));
        }
    }
    manifest
}

/// The marble's TEE: the same platform as the daemon's, from the same seed, in this process.
#[must_use]
pub fn enclave() -> Arc<dyn Source> {
    Arc::new(InProcess {
        platform: stoa_synthetic::Platform::seeded(SEED, Knobs::default()),
        identity: SgxIdentity {
            mrenclave: MRENCLAVE,
            mrsigner: [3; 32],
            isv_prod_id: 1,
            isv_svn: 1,
            debug: false,
        },
    })
}

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
