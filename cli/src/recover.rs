//! `stoa recover`: who asks for shares, and giving one to a coordinator that was verified.
//!
//! A coordinator in recovery proves its code, not its mesh: which mesh it is, its host says. The holder's own share says it
//! too, and only if both say the same, and nothing went back behind what is remembered, is the share encrypted for the key
//! that came over the verified connection.
//!
//! Source: docs/reference/recovery.md, section 4. Does not live here: what the coordinator checks (`mesh`).

mod holder;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use stoa_attestation::channel::{CoordinatorState, Share, key_id, share_signature_input};
use stoa_client::http::Endpoint;
use stoa_client::recovery::{RECOVERY_FILE_BYTES_MAX, StatedRecovery};
use stoa_client::{RecoveryFile, Report};

use self::holder::HolderKey;
use crate::args::{self, Global};
use crate::coordinator::{
    Met, Wanted, block_on, change_failed, endpoint, request_failed, require_verified,
};
use crate::failure::{Changed, Exit, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;

/// Longest wait for a recovered coordinator to prove itself in state 3, in tries of one second.
const CONFIRM_TRIES_MAX: u32 = 60;
const CONFIRM_PAUSE: Duration = Duration::from_secs(1);
/// A private key, in bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn run(
    global: &Global,
    args: &args::Recover,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let untouched = |failure: Failure| failure.changed(Changed::Nothing);
    let own = match (&args.recovery_data, &args.key) {
        (Some(file), Some(key)) => Some(Own::read(file, key).map_err(untouched)?),
        _ => None,
    };
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, &args.trusted, terminal)?;
    block_on(async {
        let mut met = Met::ask(&endpoint).await.map_err(untouched)?;
        let recovery = asking(&met, &wanted, terminal).map_err(untouched)?;
        if let Some(own) = &own {
            own.is_asked_for(&recovery)
                .map_err(|refused| untouched(refused.into()))?;
        }
        let asked = met.connection.recovery_asked().await;
        let asked = asked.map_err(|error| untouched(request_failed(&error)))?;
        let Some(own) = &own else {
            let shown = Shown {
                recovery: &recovery,
                given: &asked.given,
                holders: &asked.holders,
            };
            shown.tell(global, terminal);
            return Ok(Exit::Done);
        };
        let upload = holder::decoded(&asked.upload_key).map_err(untouched)?;
        let (encrypted, signature) = own.sealed_for(&upload).map_err(untouched)?;
        let taken = met
            .connection
            .give_share(&encrypted, &signature)
            .await
            .map_err(|error| change_failed(&error))?;
        if taken.recovered {
            confirmed(&endpoint, &wanted, &own.share.root, terminal).await?;
        }
        if global.json {
            let value = json!({
                "holder": own.name, "given": taken.given, "needed": taken.needed, "recovered": taken.recovered,
                "root_spki_sha256": hex::encode(own.share.root),
            });
            terminal.data(&value.to_string());
        } else {
            terminal.data(&format!(
                "share      of {} taken, {} of {}",
                own.name, taken.given, taken.needed
            ));
            if taken.recovered {
                terminal.data(&format!(
                    "recovered  root CA with the key {}, the same as in the share",
                    hex::encode(own.share.root)
                ));
            }
        }
        Ok(Exit::Done)
    })
}

/// The mesh that a verified coordinator in recovery says it is.
fn asking(
    met: &Met,
    wanted: &Wanted,
    terminal: &mut Terminal<'_>,
) -> Result<StatedRecovery, Failure> {
    if met.statement.state.state != CoordinatorState::Recovery {
        return Err(Refused::NotInRecovery {
            state: met.statement.state.state.to_string(),
        }
        .into());
    }
    let stated = met.statement.recovery.clone();
    let report = met.judge_in_recovery(wanted, stated.as_ref().map(|stated| &stated.root))?;
    require_verified(met, &report, wanted, terminal)?;
    stated.ok_or_else(|| Refused::NoRecoveryData.into())
}

/// After the last share: the coordinator proves itself again, with the root CA that the share names.
async fn confirmed(
    endpoint: &Endpoint,
    wanted: &Wanted,
    root: &[u8; 32],
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut last = "it did not answer".to_owned();
    for _ in 0..CONFIRM_TRIES_MAX {
        match Met::ask(endpoint).await {
            Ok(met) if met.statement.state.state == CoordinatorState::Recovery => {
                "it is still in recovery".clone_into(&mut last);
            }
            Ok(met) => {
                let report: Report = met.judge(wanted, None)?;
                require_verified(&met, &report, wanted, terminal)?;
                return match met.statement.state.root() {
                    Some(got) if got == *root => Ok(()),
                    got => Err(not_confirmed(format!(
                        "its root CA has the key {}",
                        got.map_or_else(|| "none".to_owned(), hex::encode)
                    ))),
                };
            }
            Err(failure) => last = failure.cause_of_it().text,
        }
        tokio::time::sleep(CONFIRM_PAUSE).await;
    }
    Err(not_confirmed(last))
}

fn not_confirmed(cause: String) -> Failure {
    Failure::from(Refused::RecoveryNotConfirmed { cause }).changed(Changed::Unknown)
}

/// What a holder has: the share, decrypted, and the key that signs for it.
struct Own {
    name: String,
    share: Share,
    key: HolderKey,
}

impl Own {
    fn read(file: &Path, key: &Path) -> Result<Self, Failure> {
        let bytes = files::read(file, RECOVERY_FILE_BYTES_MAX)?;
        let malformed = |error| Failure::of(Exit::Usage, &error).in_file(file);
        let recovery = RecoveryFile::parse(&bytes).map_err(malformed)?;
        let pem = zeroize::Zeroizing::new(files::read(key, KEY_BYTES_MAX)?);
        let key = HolderKey::from_pem(&pem, key)?;
        let (name, encrypted) = recovery
            .share_of(&key.spki)
            .map_err(malformed)?
            .ok_or_else(|| Refused::NoShareForKey {
                holders: recovery.holders().collect::<Vec<_>>().join(", "),
                key: hex::encode(key_id(&key.spki)),
            })?;
        let plain = key.decrypt(&encrypted)?;
        let share = Share::decode(&plain)
            .map_err(|error| Failure::of(Exit::Usage, &error).in_file(file))?;
        Ok(Self {
            name: name.to_owned(),
            share,
            key,
        })
    }

    /// The share is of the very mesh and data key that the coordinator asks for.
    fn is_asked_for(&self, asked: &StatedRecovery) -> Result<(), Refused> {
        if (self.share.root, self.share.data_key) == (asked.root, asked.data_key) {
            return Ok(());
        }
        Err(Refused::ShareOfAnother {
            own: spelled(&self.share.root, &self.share.data_key),
            asked: spelled(&asked.root, &asked.data_key),
        })
    }

    /// The share, encrypted for the upload key, and the holder's signature.
    fn sealed_for(&self, upload: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let signed = share_signature_input(
            &self.share.root,
            &self.share.data_key,
            &self.share.fingerprint(),
            &key_id(upload),
        );
        Ok((
            holder::encrypt(upload, &self.share.encode())?,
            self.key.sign(&signed)?,
        ))
    }
}

fn spelled(root: &[u8; 32], data_key: &[u8; 8]) -> String {
    format!("{} of mesh {}", hex::encode(data_key), hex::encode(root))
}

/// Who asks.
struct Shown<'a> {
    recovery: &'a StatedRecovery,
    given: &'a [String],
    holders: &'a [String],
}

impl Shown<'_> {
    fn tell(&self, global: &Global, terminal: &mut Terminal<'_>) {
        let (root, data_key) = (
            hex::encode(self.recovery.root),
            hex::encode(self.recovery.data_key),
        );
        if global.json {
            let value = json!({
                "root_spki_sha256": root, "root_verified": false, "data_key": data_key,
                "threshold": self.recovery.threshold, "holders": self.holders, "given": self.given,
            });
            terminal.data(&value.to_string());
            return;
        }
        let names = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        terminal.data(&format!(
            "mesh      root CA with the key {root}; unverified: only the coordinator's host says so"
        ));
        terminal.data(&format!("data key  {data_key}"));
        terminal.data(&format!(
            "shares    {} of {} needed; given: {}; holders: {}",
            self.given.len(),
            self.recovery.threshold,
            names(self.given),
            names(self.holders)
        ));
    }
}
