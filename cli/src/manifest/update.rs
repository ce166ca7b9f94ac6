//! `stoa manifest diff`, `update`, `pending` and `cancel`: another manifest for a mesh that runs.

use std::path::Path;

use serde_json::{Value, json};
use stoa_client::RecoveryFile;
use stoa_manifest::{Action, Asks, Change, Effect, Manifest, Never, changes};

use super::keep::Keep;
use super::offline;
use crate::args::{Global, Trusted, UserFiles};
use crate::coordinator::{
    Met, Wanted, block_on, change_failed, endpoint, request_failed, require_verified,
};
use crate::failure::{Changed, Exit, Failure, Refused};
use crate::terminal::Terminal;
use crate::user::{identity, verified};

/// What differs, and what that asks for: from a file, or from the manifest in force.
pub(super) fn diff(
    global: &Global,
    new: &Path,
    from: Option<&Path>,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let after = offline::read(global, new, terminal)?;
    let before = match from {
        Some(from) => offline::read(global, from, terminal)?,
        None => {
            let endpoint = endpoint(global, None)?;
            let wanted = Wanted::load(global, trusted, terminal)?;
            let met = block_on(Met::ask(&endpoint))?;
            in_force(global, &met, &wanted, terminal)?
        }
    };
    let difference = Difference::of(&before, &after);
    if global.json {
        terminal.data(&difference.json(&after).to_string());
    } else {
        difference.lines().for_each(|line| terminal.data(&line));
    }
    Ok(match difference.asks {
        Asks::Never(Never::MeshNameDiffers { .. }) => Exit::Refused,
        _ => Exit::Done,
    })
}

/// Says yes to a manifest, after the coordinator was verified on the same connection.
pub(super) fn agree(
    global: &Global,
    file: &Path,
    user: &UserFiles,
    recovery_data: Option<&Path>,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let untouched = |failure: Failure| failure.changed(Changed::Nothing);
    let manifest = offline::read(global, file, terminal).map_err(untouched)?;
    let identity = identity(user).map_err(untouched)?;
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    block_on(async {
        let mut met = verified(&endpoint, &identity, &wanted, terminal)
            .await
            .map_err(untouched)?;
        let keep = Keep::of_update(met.statement.manifest.as_deref(), &manifest, recovery_data)
            .map_err(untouched)?;
        let answer = met
            .connection
            .agree(manifest.bytes().to_vec())
            .await
            .map_err(|error| change_failed(&error))?;
        if answer.in_force {
            keep.shares(answer.recovery.as_ref().map(RecoveryFile::of))?;
            let unknown = |failure: Failure| failure.changed(Changed::Unknown);
            met.again().await.map_err(unknown)?;
            let report = met
                .judge(&wanted, Some(manifest.bytes()))
                .map_err(unknown)?;
            if report.failed().next().is_some() {
                met.complain(&report, terminal);
                return Err(Failure::from(Refused::ManifestNotConfirmed).changed(Changed::Unknown));
            }
        }
        let told = Told {
            sha256: &answer.manifest_sha256,
            in_force: answer.in_force,
            epoch: answer.epoch,
            agreed: &answer.agreed,
            may_agree: &answer.may_agree,
            needed: answer.needed,
        };
        told.tell(global, terminal);
        if answer.in_force && !global.json {
            keep.tell(terminal);
        }
        if !global.json && !global.quiet {
            for warning in &answer.warnings {
                terminal.talk(&format!("warning: {warning}"));
            }
        }
        Ok(Exit::Done)
    })
}

/// What came of a yes.
struct Told<'a> {
    sha256: &'a str,
    in_force: bool,
    epoch: u64,
    agreed: &'a [String],
    may_agree: &'a [String],
    needed: u64,
}

impl Told<'_> {
    fn tell(&self, global: &Global, terminal: &mut Terminal<'_>) {
        if global.json {
            let value = json!({
                "manifest_sha256": self.sha256, "in_force": self.in_force, "epoch": self.epoch,
                "agreed": self.agreed, "may_agree": self.may_agree, "needed": self.needed,
            });
            terminal.data(&value.to_string());
        } else if self.in_force {
            terminal.data(&format!(
                "manifest  sha256:{}  in force, number {}",
                self.sha256, self.epoch
            ));
        } else {
            terminal.data(&format!("manifest  sha256:{}  waits", self.sha256));
            terminal.data(&agreement(self.agreed, self.may_agree, self.needed));
        }
    }
}

fn agreement(agreed: &[String], may_agree: &[String], needed: u64) -> String {
    format!(
        "agreed    {} of {needed}: {}; may agree: {}",
        agreed.len(),
        agreed.join(", "),
        may_agree.join(", ")
    )
}

/// The update that waits, and what it would change.
pub(super) fn pending(
    global: &Global,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    block_on(async {
        let mut met = Met::ask(&endpoint).await?;
        let before = in_force(global, &met, &wanted, terminal)?;
        let (waiting, bytes) = met
            .connection
            .waiting_update()
            .await
            .map_err(|error| request_failed(&error))?;
        let after =
            Manifest::parse(&bytes).map_err(|faults| Failure::of(Exit::Refused, &faults))?;
        let difference = Difference::of(&before, &after);
        if global.json {
            let mut value = difference.json(&after);
            value["since"] = json!(waiting.since);
            value["agreed"] = json!(waiting.agreed);
            value["may_agree"] = json!(waiting.may_agree);
            value["needed"] = json!(waiting.needed);
            terminal.data(&value.to_string());
            return Ok(Exit::Done);
        }
        let sha256 = hex::encode(after.sha256());
        terminal.data(&format!("manifest  sha256:{sha256}  waits"));
        terminal.data(&agreement(
            &waiting.agreed,
            &waiting.may_agree,
            waiting.needed,
        ));
        for change in &difference.changes {
            terminal.data(&change.to_string());
        }
        Ok(Exit::Done)
    })
}

/// Takes back the update that waits, if it is the one of that digest.
pub(super) fn cancel(
    global: &Global,
    digest: &str,
    user: &UserFiles,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let untouched = |failure: Failure| failure.changed(Changed::Nothing);
    let mut manifest_sha256 = [0; 32];
    let untagged = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex::decode_to_slice(untagged, &mut manifest_sha256).map_err(|error| Refused::Argument {
        option: "SHA256",
        cause: format!("is no SHA-256 in hex: {error}"),
    })?;
    let identity = identity(user).map_err(untouched)?;
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    block_on(async {
        let mut met = verified(&endpoint, &identity, &wanted, terminal)
            .await
            .map_err(untouched)?;
        met.connection
            .cancel_update(&manifest_sha256)
            .await
            .map_err(|error| change_failed(&error))?;
        let text = hex::encode(manifest_sha256);
        if global.json {
            let value = json!({"manifest_sha256": text, "cancelled": true});
            terminal.data(&value.to_string());
        } else {
            terminal.data(&format!("manifest  sha256:{text}  taken back"));
        }
        Ok(Exit::Done)
    })
}

/// The manifest in force, from a statement that holds as far as it was asked.
fn in_force(
    global: &Global,
    met: &Met,
    wanted: &Wanted,
    terminal: &mut Terminal<'_>,
) -> Result<Manifest, Failure> {
    let report = met.judge(wanted, None)?;
    if report.failed().next().is_some() || wanted.has_identities() {
        require_verified(met, &report, wanted, terminal)?;
    } else if !global.quiet {
        terminal.talk("warning: the coordinator's code was not compared with anything; give --coordinator FILE");
    }
    let bytes = met.statement.manifest.as_deref();
    let bytes = bytes.ok_or(Refused::NoManifest)?;
    Manifest::parse(bytes).map_err(|faults| Failure::of(Exit::Refused, &faults))
}

/// What differs between two manifests, and what it takes to go from one to the other.
struct Difference {
    changes: Vec<Change>,
    asks: Asks,
    /// Who may do a raise alone, or agree.
    users: Vec<String>,
}

impl Difference {
    fn of(before: &Manifest, after: &Manifest) -> Self {
        let asks = Asks::of(before, after);
        let users = match &asks {
            Asks::Raise { packages } => {
                let names: Vec<&str> = packages.iter().map(String::as_str).collect();
                let users = before.users_who_may(Action::UpdateSecurityVersion, &names);
                users.map(str::to_owned).collect()
            }
            Asks::Approval { users, .. } => users.clone(),
            Asks::Never(_) => Vec::new(),
        };
        Self {
            changes: changes(before, after),
            asks,
            users,
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let changes = self.changes.iter().map(ToString::to_string);
        changes.chain([self.verdict()])
    }

    /// Compatible, needs approval, refused.
    fn verdict(&self) -> String {
        let users = match self.users.as_slice() {
            [] => "nobody".to_owned(),
            users => users.join(", "),
        };
        match &self.asks {
            Asks::Raise { packages } => format!(
                "compatible: only security versions go up; one who may raise {} does it: {users}",
                packages.join(", ")
            ),
            Asks::Approval { needed, .. } => {
                format!("needs approval: {needed} of those who may UpdateManifest: {users}")
            }
            Asks::Never(Never::Same) => "the same manifest, byte for byte".to_owned(),
            Asks::Never(Never::MeshNameDiffers { before, after }) => {
                let shown = |name: &Option<String>| name.clone().unwrap_or("absent".to_owned());
                format!(
                    "refused: Config.MeshName would be {}, is {}; it stands in every identity of the mesh",
                    shown(after),
                    shown(before)
                )
            }
        }
    }

    fn json(&self, after: &Manifest) -> Value {
        let (verdict, needed) = match &self.asks {
            Asks::Raise { .. } => ("compatible", 1),
            Asks::Approval { needed, .. } => ("needs-approval", *needed),
            Asks::Never(Never::Same) => ("same", 0),
            Asks::Never(_) => ("refused", 0),
        };
        json!({
            "manifest_sha256": hex::encode(after.sha256()), "verdict": verdict, "needed": needed, "users": self.users,
            "changes": listed(&self.changes),
        })
    }
}

/// Changes as data.
pub(super) fn listed(changes: &[Change]) -> Vec<Value> {
    let each = changes.iter().map(|one| {
        let effect = match one.effect {
            Effect::Widens => "widens",
            Effect::Differs => "differs",
            Effect::Narrows => "narrows",
        };
        json!({"path": one.path, "what": one.what, "effect": effect})
    });
    each.collect()
}
