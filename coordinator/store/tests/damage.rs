//! Damage to any file of a data folder: the start gives exactly what was acknowledged, or a refusal that changed
//! nothing. Never anything in between.
//!
//! Samples by default; `STOA_TEST_FULL=1` tries some thousand places. Promises I3 and I5.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_core::Rng;
use stoa_explain::Explain;
use stoa_store::conformance::SeededRng;
use stoa_store::keyfile::{self, SealMode};
use stoa_store::{DataKey, Folder, Journal, Position};

const SEALING_KEY: [u8; 32] = [0x33; 32];

/// Places tried in each file, flips and cuts each.
fn places() -> usize {
    if std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1") {
        600
    } else {
        40
    }
}

/// How the writer ended.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    Closed,
    Compacted,
}

/// A data folder as a coordinator leaves it, and what is in it.
struct Sample {
    dir: PathBuf,
    position: Position,
    contents: Vec<Vec<u8>>,
}

fn sample(test: &str, dir: &Path, end: End) -> Sample {
    let orders = match end {
        End::Killed => "create append:24 close open append:9",
        End::Closed => "create append:24 close",
        End::Compacted => "create append:20 compact append:9",
    };
    let (said, code) = writer::run(test, dir, orders);
    assert_eq!(code, Some(0), "{said:?}");
    let folder = Folder::lock(dir).unwrap();
    let wrapped = keyfile::wrap(
        &SEALING_KEY,
        &writer::key(),
        SealMode::ProductKey,
        &mut SeededRng::new(1),
    );
    folder.write_sealed_key(&wrapped).unwrap();
    drop(folder);
    // Read on a copy: reading the folder itself would tidy up what the writer left.
    let copy = dir.with_extension("read");
    writer::copy(dir, &copy);
    let (position, contents) = start(&copy).unwrap();
    assert_eq!(position.sequence, said.acknowledged);
    std::fs::remove_dir_all(&copy).unwrap();
    Sample {
        dir: dir.to_owned(),
        position,
        contents,
    }
}

/// Where the journal ends, and its contents.
type Started = (Position, Vec<Vec<u8>>);

/// Starts as the coordinator does: the key from `sealed_key`, then the journal.
fn start(dir: &Path) -> Result<Started, Box<dyn Explain>> {
    let boxed = |error| -> Box<dyn Explain> { Box::new(error) };
    let folder = Folder::lock(dir).map_err(boxed)?;
    if !folder.has_journal().map_err(boxed)? {
        panic!("the start would found a new mesh over {}", dir.display());
    }
    let file = folder.read_sealed_key().map_err(boxed)?.unwrap_or_default();
    let key: DataKey = keyfile::unwrap(&SEALING_KEY, &file, SealMode::ProductKey)
        .map_err(|error| -> Box<dyn Explain> { Box::new(error) })?;
    let (journal, contents) = Journal::open_in(folder, key).map_err(boxed)?;
    let contents = contents.iter().map(|content| content.to_vec()).collect();
    Ok((journal.position(), contents))
}

/// Damages a copy and starts on it; tells how it ended.
fn judge(sample: &Sample, what: &str, damage: impl FnOnce(&Path)) -> String {
    let copy = sample.dir.with_extension("damaged");
    writer::copy(&sample.dir, &copy);
    damage(&copy);
    let before = writer::fingerprint(&copy);
    let verdict = match start(&copy) {
        Ok((position, contents)) => {
            assert_eq!(position, sample.position, "{what}: another position");
            assert!(contents == sample.contents, "{what}: other contents");
            "exact".to_owned()
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(
                writer::fingerprint(&copy),
                before,
                "{what}: a refusal ({error}) changed the folder"
            );
            error.code().to_owned()
        }
    };
    std::fs::remove_dir_all(&copy).unwrap();
    verdict
}

/// Offsets worth damaging: the first bytes, the newest bytes, and any sector that is not empty.
fn offsets(content: &[u8], rng: &mut SeededRng) -> Vec<usize> {
    let sectors: Vec<usize> = (0..content.len())
        .step_by(512)
        .filter(|at| content[*at..].iter().take(512).any(|byte| *byte != 0))
        .collect();
    let end = sectors
        .last()
        .map_or(0, |last| last + 512)
        .min(content.len());
    let mut found = Vec::new();
    for trial in 0..places().min(4 * content.len()) {
        let any = rng.next_u32() as usize;
        found.push(match trial % 4 {
            0 => any % content.len().min(512),
            1 => end - 1 - any % end.min(8192),
            _ => (sectors[any % sectors.len()] + rng.next_u32() as usize % 512)
                .min(content.len() - 1),
        });
    }
    found
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let files = writer::tree(dir).into_iter().filter(|path| path.is_file());
    files
        .map(|path| path.strip_prefix(dir).unwrap().to_owned())
        .collect()
}

fn damage_everything(test: &str, end: End) {
    writer::child_if_told();
    let dir = writer::folder_in_memory();
    let sample = sample(test, &dir.path().join("data"), end);
    let mut rng = SeededRng::new(77);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |verdict: String| *verdicts.entry(verdict).or_default() += 1;
    for file in files(&sample.dir) {
        let content = std::fs::read(sample.dir.join(&file)).unwrap();
        count(judge(
            &sample,
            &format!("{} removed", file.display()),
            |dir| {
                std::fs::remove_file(dir.join(&file)).unwrap();
            },
        ));
        if content.is_empty() {
            continue;
        }
        for at in offsets(&content, &mut rng) {
            let mask = (rng.next_u32() % 255) as u8 + 1;
            count(judge(
                &sample,
                &format!("{} byte {at} ^ {mask:#x}", file.display()),
                |dir| {
                    let mut content = content.clone();
                    content[at] ^= mask;
                    std::fs::write(dir.join(&file), content).unwrap();
                },
            ));
        }
        for at in offsets(&content, &mut rng).into_iter().step_by(4) {
            count(judge(
                &sample,
                &format!("{} cut to {at}", file.display()),
                |dir| {
                    std::fs::write(dir.join(&file), &content[..at]).unwrap();
                },
            ));
        }
    }
    // Shown with --nocapture or on failure. Both kinds of end must have been seen, or nothing was tested.
    eprintln!("{end:?}: {verdicts:?}");
    let exact = verdicts.get("exact").copied().unwrap_or(0);
    let all: usize = verdicts.values().sum();
    assert!(exact > 0 && all - exact > all / 4, "{verdicts:?}");
}

#[test]
fn damage_after_a_kill_gives_the_exact_state_or_a_refusal_that_changed_nothing() {
    damage_everything(
        "damage_after_a_kill_gives_the_exact_state_or_a_refusal_that_changed_nothing",
        End::Killed,
    );
}

#[test]
fn damage_after_a_clean_close_gives_the_exact_state_or_a_refusal_that_changed_nothing() {
    damage_everything(
        "damage_after_a_clean_close_gives_the_exact_state_or_a_refusal_that_changed_nothing",
        End::Closed,
    );
}

#[test]
fn damage_after_a_compaction_gives_the_exact_state_or_a_refusal_that_changed_nothing() {
    damage_everything(
        "damage_after_a_compaction_gives_the_exact_state_or_a_refusal_that_changed_nothing",
        End::Compacted,
    );
}
