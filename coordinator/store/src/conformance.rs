//! What every backend must do, as checks that run over any of them.
//!
//! [`run`] goes through the journal, [`store`] through the port [`crate::Store`]. Both are deterministic: the same
//! seed gives the same sequence of operations. Damage, power cuts and kills need to know the backend's files and are
//! tests of this crate (`tests/`).

use std::path::PathBuf;

use rand_core::Rng;
use stoa_explain::Explain;

use crate::envelope::{CHUNK_LEN_MAX, RECORD_OVERHEAD, Sealed};
use crate::error::StoreError;
use crate::head::Position;
use crate::journal::{Backend, Journal, Opened};
use crate::key::DataKey;
use crate::store::{Loaded, Store};

pub use crate::seeded::SeededRng;

/// Where a backend is tested: an empty folder and the backend to use in it. Whoever makes it keeps the folder alive.
#[derive(Debug, Clone)]
pub struct Subject {
    /// An empty folder, or one that is not there yet.
    pub dir: PathBuf,
    /// The backend; a memory backend is a new disk for each subject.
    pub backend: Backend,
}

/// What a backend did not do.
#[derive(Debug, thiserror::Error)]
#[error("{check}: {cause}")]
pub struct Failure {
    /// The name of the check.
    pub check: &'static str,
    /// What was wanted and what came.
    pub cause: String,
}

type Checked = Result<(), String>;

/// Random histories of one backend: seeds times steps.
const HISTORIES: u64 = 6;
const STEPS: u64 = 24;

/// The sizes at which something changes: nothing, one piece, its edges, several windows of pieces.
const SIZES: [usize; 9] = [
    0,
    1,
    CHUNK_LEN_MAX - RECORD_OVERHEAD,
    CHUNK_LEN_MAX - RECORD_OVERHEAD + 1,
    CHUNK_LEN_MAX,
    3 * CHUNK_LEN_MAX,
    32 * CHUNK_LEN_MAX - RECORD_OVERHEAD,
    32 * CHUNK_LEN_MAX,
    1 << 20,
];

/// Runs every check through the journal, each on a new subject.
///
/// # Errors
/// The first check that fails, with the values.
pub fn run(mut make: impl FnMut() -> Subject) -> Result<(), Failure> {
    type Check = fn(&Subject) -> Checked;
    let checks: [(&'static str, Check); 8] = [
        ("a new journal is empty and opens again", new_is_empty),
        ("create refuses where there is a journal", create_refuses),
        ("a second opener is refused at once", second_is_refused),
        (
            "another data key is refused and changes nothing",
            key_is_checked,
        ),
        ("contents of every size come back", sizes_come_back),
        ("records follow one another by hash", position_moves),
        ("a compacted journal keeps its position", compaction_keeps),
        (
            "too large a batch is refused and stops nothing",
            large_is_refused,
        ),
    ];
    for (check, judge) in checks {
        judge(&make()).map_err(|cause| Failure { check, cause })?;
    }
    for seed in 0..HISTORIES {
        history(&make(), seed).map_err(|cause| Failure {
            check: "a random history equals its model",
            cause: format!("seed {seed}: {cause}"),
        })?;
    }
    Ok(())
}

/// Checks one empty store through the port itself.
///
/// # Errors
/// The first thing that is not as the port promises, with the values.
pub fn store(store: &mut dyn Store) -> Result<(), Failure> {
    port(store).map_err(|cause| Failure {
        check: "the port keeps its promises",
        cause,
    })
}

fn new_is_empty(subject: &Subject) -> Checked {
    let made = create(subject)?;
    let start = made.position();
    equal("sequence of a new journal", start.sequence, 0)?;
    drop(made);
    let (opened, contents) = open(subject)?;
    equal("contents of a new journal", contents.len(), 0)?;
    equal("its position after opening", opened.position(), start)?;
    equal("its base", opened.base(), 0)
}

fn create_refuses(subject: &Subject) -> Checked {
    drop(create(subject)?);
    let again = Journal::create(
        &subject.dir,
        key(),
        subject.backend.clone(),
        &mut SeededRng::new(2),
    );
    refused("create", again.map(drop), "journal-exists")
}

fn second_is_refused(subject: &Subject) -> Checked {
    let first = create(subject)?;
    let second = Journal::open(&subject.dir, key(), subject.backend.clone());
    refused("a second open", second.map(drop), "journal-locked")?;
    drop(first);
    open(subject).map(drop)
}

fn key_is_checked(subject: &Subject) -> Checked {
    let mut rng = SeededRng::new(3);
    let mut journal = create(subject)?;
    append(&mut journal, b"one", &mut rng)?;
    drop(journal);
    let other = DataKey::from_bytes(&[0x66; 32]);
    let opened = Journal::open(&subject.dir, other, subject.backend.clone());
    refused(
        "open with another key",
        opened.map(drop),
        "journal-key-foreign",
    )?;
    let (_, contents) = open(subject)?;
    equal(
        "contents after the refusal",
        plain(&contents),
        vec![b"one".to_vec()],
    )
}

fn sizes_come_back(subject: &Subject) -> Checked {
    let mut rng = SeededRng::new(4);
    let mut journal = create(subject)?;
    let mut wanted = Vec::new();
    for size in SIZES {
        let content = random_bytes(size, &mut rng);
        append(&mut journal, &content, &mut rng)?;
        wanted.push(content);
    }
    drop(journal);
    let (_, contents) = open(subject)?;
    for (size, (found, wanted)) in SIZES.into_iter().zip(contents.iter().zip(&wanted)) {
        if **found != *wanted {
            return Err(format!("the content of {size} bytes came back changed"));
        }
    }
    equal("number of contents", contents.len(), wanted.len())
}

fn position_moves(subject: &Subject) -> Checked {
    let mut rng = SeededRng::new(5);
    let mut journal = create(subject)?;
    let mut seen = vec![journal.position().head];
    for sequence in 1..=5 {
        let (number, hash) = append(&mut journal, b"the same content", &mut rng)?;
        equal("number of the record", number, sequence)?;
        equal(
            "position",
            journal.position(),
            Position {
                sequence,
                head: hash,
            },
        )?;
        if seen.contains(&hash) {
            return Err(format!("record {sequence} has the hash of an earlier one"));
        }
        seen.push(hash);
    }
    let end = journal.position();
    drop(journal);
    equal("position after opening", open(subject)?.0.position(), end)
}

fn compaction_keeps(subject: &Subject) -> Checked {
    let mut rng = SeededRng::new(6);
    let mut journal = create(subject)?;
    for content in [b"one", b"two"] {
        append(&mut journal, content, &mut rng)?;
    }
    let before = journal.position();
    journal
        .compact(b"one and two", &mut rng)
        .map_err(|error| error.to_string())?;
    equal("position", journal.position(), before)?;
    equal("base", journal.base(), 2)?;
    append(&mut journal, b"three", &mut rng)?;
    let after = journal.position();
    drop(journal);
    let (journal, contents) = open(subject)?;
    equal(
        "contents",
        plain(&contents),
        vec![b"one and two".to_vec(), b"three".to_vec()],
    )?;
    equal("position after opening", journal.position(), after)?;
    equal("base after opening", journal.base(), 2)
}

fn large_is_refused(subject: &Subject) -> Checked {
    let mut rng = SeededRng::new(7);
    let mut journal = create(subject)?;
    let large = vec![0; crate::envelope::PLAINTEXT_LEN_MAX + 1];
    let refusal = journal.append(&large, &mut rng).map(drop);
    refused("a batch over the limit", refusal, "batch-too-large")?;
    append(&mut journal, b"small", &mut rng).map(drop)
}

/// Appends, compactions and reopenings in random order; the journal must hold what a list holds.
fn history(subject: &Subject, seed: u64) -> Checked {
    let mut rng = SeededRng::new(1000 + seed);
    let mut journal = create(subject)?;
    let mut model: Vec<Vec<u8>> = Vec::new();
    let mut position = journal.position();
    for step in 0..STEPS {
        match rng.next_u32() % 10 {
            0 => {
                if !model.is_empty() {
                    let snapshot = model.concat();
                    journal
                        .compact(&snapshot, &mut rng)
                        .map_err(|error| format!("step {step}: {error}"))?;
                    model = vec![snapshot];
                }
            }
            1 | 2 => {
                drop(journal);
                let (opened, contents) = open(subject)?;
                equal("contents", plain(&contents), model.clone())
                    .map_err(|cause| format!("step {step}: {cause}"))?;
                journal = opened;
            }
            3 => {
                let (opened, contents) = journal
                    .reopen()
                    .map_err(|error| format!("step {step}: {error}"))?;
                equal("contents", plain(&contents), model.clone())
                    .map_err(|cause| format!("step {step}: {cause}"))?;
                journal = opened;
            }
            _ => {
                let size = rng.next_u32() as usize % (2 * CHUNK_LEN_MAX);
                let content = random_bytes(size, &mut rng);
                let (sequence, head) = append(&mut journal, &content, &mut rng)?;
                equal("number", sequence, position.sequence + 1)?;
                position = Position { sequence, head };
                model.push(content);
            }
        }
        equal("position", journal.position(), position)
            .map_err(|cause| format!("step {step}: {cause}"))?;
    }
    drop(journal);
    let (_, contents) = open(subject)?;
    equal("contents at the end", plain(&contents), model)
}

fn port(store: &mut dyn Store) -> Checked {
    // A store moves sealed bytes; these have a true length in the header and nothing else that is true.
    let sealed = |len: usize, mark: u8| {
        let mut bytes = vec![mark; len + RECORD_OVERHEAD];
        bytes[68..72].copy_from_slice(&u32::try_from(len).unwrap_or(0).to_be_bytes());
        Sealed::from_stored(bytes)
    };
    let said = |done: Result<(), StoreError>| done.map_err(|error| error.to_string());
    equal("an empty store", load(store)?, Loaded::default())?;
    let records: Vec<Sealed> = (1..=4u8)
        .map(|mark| sealed(usize::from(mark) * 3000, mark))
        .collect();
    for (after, record) in (0..).zip(&records) {
        said(store.append(after, record))?;
        refused(
            "append behind an older record",
            store.append(after, record),
            "journal-conflict",
        )?;
        refused(
            "append behind a record to come",
            store.append(after + 2, record),
            "journal-conflict",
        )?;
    }
    let numbered: Vec<(u64, Sealed)> = (1..).zip(records).collect();
    let all = Loaded {
        records: numbered.clone(),
        ..Loaded::default()
    };
    equal("four records", load(store)?, all)?;
    let snapshot = sealed(50_000, 9);
    refused(
        "compact up to a record to come",
        store.compact(5, &snapshot),
        "journal-conflict",
    )?;
    said(store.compact(3, &snapshot))?;
    refused(
        "compact up to the snapshot",
        store.compact(3, &snapshot),
        "journal-conflict",
    )?;
    let compacted = Loaded {
        snapshot: Some((3, snapshot)),
        records: numbered[3..].to_vec(),
        unfinished: None,
    };
    equal(
        "the snapshot and the record after it",
        load(store)?,
        compacted,
    )?;
    let last = sealed(0, 5);
    said(store.append(4, &last))?;
    equal(
        "records after compaction",
        load(store)?.records.last(),
        Some(&(5, last)),
    )
}

fn key() -> DataKey {
    DataKey::from_bytes(&[0x55; 32])
}

fn create(subject: &Subject) -> Result<Journal, String> {
    let mut rng = SeededRng::new(1);
    Journal::create(&subject.dir, key(), subject.backend.clone(), &mut rng)
        .map_err(|error| format!("create: {error}"))
}

fn open(subject: &Subject) -> Result<(Journal, Opened), String> {
    Journal::open(&subject.dir, key(), subject.backend.clone())
        .map_err(|error| format!("open: {error}"))
}

fn append(
    journal: &mut Journal,
    content: &[u8],
    rng: &mut SeededRng,
) -> Result<(u64, [u8; 32]), String> {
    journal
        .append(content, rng)
        .map_err(|error| format!("append: {error}"))
}

fn load(store: &mut dyn Store) -> Result<Loaded, String> {
    store.load().map_err(|error| format!("load: {error}"))
}

fn plain(contents: &Opened) -> Vec<Vec<u8>> {
    contents.iter().map(|content| content.to_vec()).collect()
}

fn random_bytes(len: usize, rng: &mut SeededRng) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Checked {
    if found == wanted {
        return Ok(());
    }
    let short = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    Err(format!(
        "{what}: found {}, wanted {}",
        short(&found),
        short(&wanted)
    ))
}

fn refused(what: &str, done: Result<(), StoreError>, code: &str) -> Checked {
    match done {
        Ok(()) => Err(format!("{what} was not refused, wanted is {code}")),
        Err(error) if error.code() == code => Ok(()),
        Err(error) => Err(format!(
            "{what}: found {} ({error}), wanted {code}",
            error.code()
        )),
    }
}
