//! What a manifest that was written for MarbleRun does here, and how to make it stronger.
//!
//! For people; nothing is decided by it. What is a fault here is said by `Manifest::parse`.

use std::collections::BTreeMap;

use stoa_attestation::TcbStatus;
use stoa_attestation::policy::{Advisories, ReferenceValue};

use crate::fault::{Fault, Path};
use crate::manifest::Manifest;
use crate::marble::{Marble, Parameter, SecretBinding};
use crate::package::Package;
use crate::secret::Source;

/// Something to know about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Of which sort it is.
    pub sort: Sort,
    /// Where, what, and what to do.
    pub fault: Fault,
}

/// Of which sort an advice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// It is not served yet: this manifest can't be set as it is.
    NotYet,
    /// It does something else here than there.
    Different,
    /// It could be stronger.
    Stronger,
}

/// Everything to know about a manifest, by sort and path.
#[must_use]
pub fn advice(manifest: &Manifest) -> Vec<Advice> {
    let mut list = List(Vec::new());
    for fault in manifest.unserved() {
        list.0.push(Advice {
            sort: Sort::NotYet,
            fault: fault.clone(),
        });
    }
    let top = Path::default();
    for (name, package) in manifest.packages() {
        list.package(package, &top.key("Packages").name(name));
    }
    for (name, marble) in manifest.marbles() {
        list.marble(marble, &top.key("Marbles").name(name));
    }
    list.secrets(manifest, &top.key("Secrets"));
    list.mesh(manifest, &top);
    list.0
        .sort_by(|a, b| (a.sort, &a.fault.path).cmp(&(b.sort, &b.fault.path)));
    list.0
}

struct List(Vec<Advice>);

impl List {
    fn say(&mut self, sort: Sort, path: &Path, cause: impl Into<String>, remedy: &str) {
        let fault = Fault {
            path: path.to_string(),
            cause: cause.into(),
            remedy: Some(remedy.to_owned()),
        };
        self.0.push(Advice { sort, fault });
    }

    fn package(&mut self, package: &Package, path: &Path) {
        let tcb = &package.tcb;
        if tcb.debug {
            let cause = "admits debug enclaves, whose memory their host can read";
            self.say(Sort::Stronger, &path.key("Debug"), cause, "take Debug out");
        }
        if let ReferenceValue::Sgx(sgx) = &package.reference
            && sgx.unique_id.is_none()
        {
            let cause = "admits whatever its signer signs later";
            let remedy = "write UniqueID if every release shall be agreed on";
            self.say(Sort::Stronger, path, cause, remedy);
        }
        let statuses = path.key("AcceptedTCBStatuses");
        let weak = |status: &&TcbStatus| {
            !matches!(status, TcbStatus::UpToDate | TcbStatus::SwHardeningNeeded)
        };
        for status in tcb.accepted.iter().filter(weak) {
            let cause = format!("accepts platforms whose status is `{status}`");
            let remedy = "take it out, or bound it by Minimum";
            self.say(Sort::Stronger, &statuses, cause, remedy);
        }
        let hardening = tcb.accepted.contains(&TcbStatus::SwHardeningNeeded);
        if hardening && tcb.advisories == Advisories::All {
            let cause = "is empty: with SWHardeningNeeded any advisory is accepted";
            let remedy = "list the advisories that the code is hardened against";
            self.say(
                Sort::Stronger,
                &path.key("AcceptedAdvisories"),
                cause,
                remedy,
            );
        }
        if tcb.platforms.is_none() {
            let cause = "is absent: it may run on anybody's machines";
            let remedy = "list the PPIDs of your own";
            self.say(Sort::Stronger, &path.key("Platforms"), cause, remedy);
        }
    }

    fn marble(&mut self, marble: &Marble, path: &Path) {
        if marble.max_activations.is_none() {
            let cause = "is absent: any number of instances may join";
            let remedy = "write how many there are to be";
            self.say(Sort::Stronger, &path.key("MaxActivations"), cause, remedy);
        }
        if marble.dns_names.is_empty() {
            let cause =
                "is absent: here names come from the manifest, not from the marble's request";
            let remedy = "list the names that its peers connect to";
            self.say(Sort::Different, &path.key("DNSNames"), cause, remedy);
        }
        if marble.binding == SecretBinding::Instance {
            let cause = "lets any other marble have its secrets that takes its instance's name";
            let remedy = "take it out once no instance needs its old secrets";
            let path = path.key("DisableSecretBinding");
            self.say(Sort::Stronger, &path, cause, remedy);
        }
        let secret = |parameter: &Parameter| parameter.names_a_secret();
        let variables = path.key("Parameters").key("Env");
        for (name, _) in marble.env.iter().filter(|(_, parameter)| secret(parameter)) {
            let cause = "holds a secret, which child processes inherit and crash reports show";
            let remedy = "put it into a file";
            self.say(Sort::Stronger, &variables.name(name), cause, remedy);
        }
    }

    fn secrets(&mut self, manifest: &Manifest, path: &Path) {
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (marble, definition) in manifest.marbles() {
            for used in definition.secrets_used() {
                let marbles = users.entry(used.name.as_str()).or_default();
                if !marbles.contains(&marble.as_str()) {
                    marbles.push(marble);
                }
            }
        }
        for (name, definition) in manifest.secrets() {
            let users = users.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            if users.is_empty() {
                let cause = "is used by no marble; here it is then not made for any";
                self.say(Sort::Different, &path.name(name), cause, "take it out");
            } else if let (Source::Shared, [only]) = (definition.source, users)
                && manifest.marbles()[*only].max_activations == Some(1)
            {
                let cause = format!("is shared, and only the one instance of `{only}` uses it");
                let remedy = "take Shared out";
                self.say(
                    Sort::Stronger,
                    &path.name(name).key("Shared"),
                    cause,
                    remedy,
                );
            }
        }
    }

    fn mesh(&mut self, manifest: &Manifest, top: &Path) {
        let config = top.key("Config");
        if !manifest.infrastructures().is_empty() {
            let cause = "are enforced here: evidence must fit one of them";
            let remedy = "make sure that they say what you mean";
            self.say(Sort::Different, &top.key("Infrastructures"), cause, remedy);
        }
        let hours = manifest.config().certificate_lifetime.as_secs() / 3600;
        let cause = format!(
            "is {hours} h here, renewed at half of it; there a marble's certificate holds for a year"
        );
        let remedy = "let programs read the renewed files again";
        self.say(
            Sort::Different,
            &config.key("CertificateLifetime"),
            cause,
            remedy,
        );
        let cause =
            "of a marble is made in the marble here and never leaves it; templates can't name it";
        let remedy = "read MARBLE_PREDEFINED_PRIVATE_KEY or the launcher's tls/key.pem";
        self.say(
            Sort::Different,
            &top.key("MarbleRun.MarbleCert.Private"),
            cause,
            remedy,
        );
        if !manifest.roles().is_empty() {
            let cause =
                "allow updates that are whole manifests here, also to raise a security version";
            let remedy = "post the manifest with the version changed; `stoa manifest diff` says who must agree";
            self.say(Sort::Different, &top.key("Roles"), cause, remedy);
        }
        if manifest.config().mesh_name.is_none() {
            let cause = "is absent: the mesh is named after its root's key";
            self.say(
                Sort::Stronger,
                &config.key("MeshName"),
                cause,
                "write a domain of yours",
            );
        }
        if manifest.approval().0.is_empty() {
            let cause = "may none of them UpdateManifest: this manifest can never be changed";
            let remedy =
                "give several people a role with UpdateManifest, and write Config.UpdateThreshold";
            self.say(Sort::Stronger, &top.key("Users"), cause, remedy);
        }
        if manifest.recovery_keys().is_empty() {
            let cause = "are absent: a coordinator that loses its sealing key is lost";
            let remedy = "plan for keys of several people";
            self.say(Sort::Stronger, &top.key("RecoveryKeys"), cause, remedy);
        }
    }
}
