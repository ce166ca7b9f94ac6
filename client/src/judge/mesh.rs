//! What it coordinates: the rows about state, connection, root CA, manifest, history, marbles and memory.

use sha2::{Digest, Sha256};
use stoa_attestation::Floors;
use stoa_attestation::channel::{CoordinatorState, check_seen, check_tls_leaf, history_head};

use super::{Connection, Memory, Question, good, no, not_checked, outcome, same, utc};
use crate::broken::Broken;
use crate::certificates::{self, BadChain, RootFacts};
use crate::marbles::check_counts;
use crate::report::{Check, Row};
use crate::statement::Statement;

pub(super) fn state(statement: &Statement) -> Row {
    let state = &statement.state;
    let facts = format!(
        "{}, journal at {}, rollback witness: {}",
        state.state,
        state.sequence,
        state.witness.name()
    );
    let checked = same(statement.time == state.time, || Broken::TimeRestated {
        body: statement.time,
        state: state.time,
    });
    outcome(Check::State, facts, checked, "consistent")
}

pub(super) fn tls(statement: &Statement, root: Option<&RootFacts>, question: &Question<'_>) -> Row {
    let (leaf, live) = match question.connection {
        Connection::Live(leaf) => (leaf, true),
        Connection::Saved(Some(leaf)) => (leaf, false),
        Connection::Saved(None) => {
            return not_checked(Check::Tls, "TLS leaf", "offline, and none was saved");
        }
    };
    let facts = "TLS leaf certified by the root CA in the quote";
    let spki = match certificates::spki(leaf) {
        Ok(spki) => spki,
        Err(error) => return no(Check::Tls, facts, &error),
    };
    if let Err(error) = check_tls_leaf(&statement.state, &spki) {
        return no(Check::Tls, facts, &error);
    }
    let recovery = matches!(statement.state.state, CoordinatorState::Recovery);
    let facts = match (recovery, root) {
        (true, _) => "TLS leaf is the one in the state; no root CA in recovery",
        (false, Some(root)) => {
            if let Err(error) =
                certificates::check_leaf(leaf, &root.der, question.trust.algorithms, question.now)
            {
                return no(Check::Tls, facts, &error);
            }
            facts
        }
        (false, None) => {
            return not_checked(Check::Tls, facts, "the root CA is not the one in the quote");
        }
    };
    if live {
        good(Check::Tls, facts, "same")
    } else {
        not_checked(
            Check::Tls,
            facts,
            "offline, only the saved leaf was compared",
        )
    }
}

pub(super) fn root_ca(chain: &Result<Option<RootFacts>, BadChain>, statement: &Statement) -> Row {
    match chain {
        Ok(None)
            if statement.state.state == CoordinatorState::Recovery
                && let Some(recovery) = &statement.recovery =>
        {
            let facts = format!("SHA-256 of its key {}", hex::encode(recovery.root));
            not_checked(
                Check::RootCa,
                &facts,
                "unverified: in recovery only the host's clear recovery data says so",
            )
        }
        Ok(Some(root)) => {
            let until = utc(root.not_after);
            let facts = format!(
                "SHA-256 of its key {}, valid to {until}",
                hex::encode(root.key_id)
            );
            good(Check::RootCa, &facts, "same")
        }
        Ok(None) => good(Check::RootCa, "none in this state", "same"),
        Err(error) => no(Check::RootCa, "chain", error),
    }
}

pub(super) fn manifest(statement: &Statement, question: &Question<'_>) -> Row {
    let stated = statement.state.manifest_sha256();
    let bytes = statement.manifest.as_deref();
    let got = bytes.map(|bytes| <[u8; 32]>::from(Sha256::digest(bytes)));
    let epoch = statement.history.last().map_or(0, |last| last.epoch);
    let facts = match got {
        Some(sha256) => format!("sha256:{}, number {epoch}", hex::encode(sha256)),
        None => "none in force".to_owned(),
    };
    if got != stated {
        let broken = Broken::ManifestNotTheSigned {
            got: spelled(got),
            wanted: spelled(stated),
        };
        return no(Check::Manifest, &facts, &broken);
    }
    let Some(given) = question.manifest else {
        return not_checked(Check::Manifest, &facts, "no manifest was given");
    };
    let checked = same(bytes == Some(given), || Broken::ManifestDiffers {
        got: spelled(got),
        wanted: hex::encode(Sha256::digest(given)),
    });
    outcome(Check::Manifest, facts, checked, "same")
}

fn spelled(hash: Option<[u8; 32]>) -> String {
    hash.map_or_else(|| "none".to_owned(), hex::encode)
}

pub(super) fn history(statement: &Statement) -> Row {
    let facts = match statement.history.as_slice() {
        [] => "empty".to_owned(),
        [.., last] => format!(
            "{} entries, the last of {}",
            statement.history.len(),
            utc(last.time)
        ),
    };
    let head = match history_head(&statement.history) {
        Ok(head) => head,
        Err(error) => return no(Check::History, &facts, &error),
    };
    let back = statement
        .history
        .windows(2)
        .find(|pair| pair[1].time < pair[0].time);
    let last = statement.history.last().map(|last| last.manifest_sha256);
    let wanted = statement.state.transition_head();
    let checked = if head != wanted {
        Err(Broken::HistoryHead {
            got: spelled(head),
            wanted: spelled(wanted),
        })
    } else if last != statement.state.manifest_sha256() {
        Err(Broken::HistoryManifest {
            got: spelled(last),
            wanted: spelled(statement.state.manifest_sha256()),
        })
    } else if let Some(pair) = back {
        Err(Broken::HistoryTime {
            epoch: pair[1].epoch,
            time: pair[1].time,
            before: pair[0].time,
        })
    } else {
        Ok(())
    };
    outcome(Check::History, facts, checked, "intact")
}

pub(super) fn marbles(statement: &Statement) -> Row {
    let counts: Vec<String> = statement
        .marbles
        .iter()
        .map(|count| format!("{} {}", count.marble_type.escape_debug(), count.live))
        .collect();
    let facts = if counts.is_empty() {
        "none live".to_owned()
    } else {
        counts.join(", ")
    };
    let checked = match &statement.manifest {
        Some(manifest) => check_counts(&statement.marbles, manifest),
        None if counts.is_empty() => Ok(()),
        None => Err("marbles are live without a manifest".to_owned()),
    };
    outcome(
        Check::Marbles,
        facts,
        checked.map_err(|cause| Broken::MarblesDiffer { cause }),
        "allowed",
    )
}

/// `floors`: how new the collateral of genuine evidence is.
pub(super) fn memory(statement: &Statement, floors: &Floors, question: &Question<'_>) -> Row {
    match question.memory {
        Memory::Seen(seen) => {
            let facts = format!(
                "last seen at {}, now at {}",
                seen.sequence, statement.state.sequence
            );
            if let Err(older) = seen.collateral.check(floors) {
                return no(Check::Memory, &facts, &older);
            }
            outcome(
                Check::Memory,
                facts,
                check_seen(&seen.position(), &statement.state),
                "not behind",
            )
        }
        Memory::Nothing => good(
            Check::Memory,
            "nothing remembered of this mesh",
            "first seen",
        ),
        Memory::NotAsked(why) => not_checked(Check::Memory, "journal against memory", why),
    }
}
