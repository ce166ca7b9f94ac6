//! The power cut: un-synced writes are lost, torn or reordered at any moment, and every acknowledged batch is there.
//!
//! A writer runs under strace; a model of the disk replays what it did up to a moment, loses what a power cut may
//! lose, and the journal is opened on what is left. Covers creation, appends of one and of many windows, compaction,
//! close, and opening after a kill. Promise I3.
//!
//! Needs strace, so it is ignored by default: `cargo test -p stoa-store --test power_cut -- --ignored`. What runs
//! always: the kill loop (`tests/crash.rs`) and the order of syncs (`src/journal/tests.rs`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod disk;
mod trace;
#[path = "../writer/mod.rs"]
mod writer;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use rand_core::Rng;
use stoa_explain::Explain;
use stoa_store::conformance::SeededRng;
use stoa_store::{Backend, Journal};

use disk::{Cut, Disk};
use trace::Event;

/// Moments at which the power goes; three models each.
fn moments() -> usize {
    if std::env::var_os("STOA_TEST_FULL").is_some_and(|value| value == "1") {
        1200
    } else {
        150
    }
}

/// sled's log is a row of segments of this size.
const SEGMENT: u64 = 512 << 10;

/// One process after the other; each ends as if killed, some in the middle of an append: at that fdatasync(2), counted
/// from 1, so that the next life begins with writes that nobody synced.
const LIVES: [(&str, Option<u32>); 6] = [
    ("create append:17", None),
    ("open append:60", Some(80)),
    ("open append:9 compact append:9", Some(18)),
    ("open append:40", Some(43)),
    (
        "open append:6 close open append:5 compact append:4 compact append:3",
        None,
    ),
    ("open append:5", None),
];

/// What the processes did, life by life.
struct History {
    lives: Vec<Vec<Event>>,
}

impl History {
    fn record(test: &str, dir: &Path) -> Self {
        let data = dir.join("data");
        std::fs::create_dir(&data).unwrap();
        let lives = LIVES.iter().enumerate().map(|(number, (orders, killed))| {
            let path = dir.join(format!("trace-{number}"));
            let mut strace = Command::new("strace");
            strace
                .args(["-f", "-qq", "-y", "-xx", "-s", "4194304", "-o"])
                .arg(&path)
                .args(["-e", &format!("trace={}", trace::CALLS)]);
            if let Some(at) = killed {
                strace.args(["-e", &format!("inject=fdatasync:signal=KILL:when={at}")]);
            }
            let writer = writer::command(test, &data, orders);
            let environment = writer.get_envs();
            strace
                .arg(writer.get_program())
                .args(writer.get_args())
                .envs(environment.filter_map(|(key, value)| Some((key, value?))));
            let done = strace.output().expect("strace is there");
            assert_eq!(
                done.status.success(),
                killed.is_none(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            // The copy that is checked is thrown away in any case.
            trace::parse(&text, &data, &["opening", "lock"])
        });
        Self {
            lives: lives.collect(),
        }
    }

    /// How often a place in sled's log was written again from its start: the part of sled that a missing sync hurts.
    fn segments_reused(&self) -> usize {
        let mut started = BTreeSet::new();
        let mut reused = 0;
        for event in self.lives.iter().flatten() {
            match event {
                Event::Open { fd, .. } => started.retain(|(other, _)| other != fd),
                Event::Write {
                    fd,
                    offset: Some(offset),
                    bytes,
                    ..
                } if offset.is_multiple_of(SEGMENT) && bytes.iter().any(|byte| *byte != 0) => {
                    reused += usize::from(!started.insert((*fd, *offset)));
                }
                _ => {}
            }
        }
        reused
    }

    fn events(&self) -> usize {
        self.lives.iter().map(Vec::len).sum()
    }

    /// Stops at each of `moments` (ascending) and shows the disk and what was said until then.
    fn replay(
        &self,
        ignore: Option<&'static str>,
        moments: &[usize],
        mut look: impl FnMut(usize, &Disk, &Heard),
    ) -> Disk {
        let mut disk = Disk::new(ignore);
        let mut heard = Heard::default();
        let mut moments = moments.iter().copied().peekable();
        let mut moment = 0;
        for life in &self.lives {
            for event in life {
                disk.apply(event);
                if let Event::Said(text) = event {
                    text.lines().for_each(|line| heard.hear(line));
                }
                moment += 1;
                while moments.next_if(|at| *at <= moment).is_some() {
                    look(moment, &disk, &heard);
                }
            }
            disk.process_ended();
        }
        disk
    }
}

#[derive(Debug, Default)]
struct Heard {
    said: writer::Said,
    created: bool,
}

impl Heard {
    fn hear(&mut self, line: &str) {
        self.created |= line.starts_with("writer: created");
        self.said.hear(line);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    whole: usize,
    in_flight: usize,
    not_founded: usize,
    lost: usize,
    refused: usize,
    first: Option<(usize, String)>,
}

/// Opens what a cut left. Kept are all acknowledged batches, perhaps the one in flight, and nothing else.
fn judge(folder: &Path, heard: &Heard, tally: &mut Tally, (moment, cut): (usize, Cut)) {
    let context = format!("event {moment}, {cut:?}");
    let mut bad = |text: String| {
        tally
            .first
            .get_or_insert((moment, format!("{context}: {text}")));
    };
    if !folder.join("journal").exists() {
        if heard.created {
            bad("the journal is gone".to_owned());
            tally.lost += 1;
        } else {
            tally.not_founded += 1;
        }
        return;
    }
    match writer::open_and_judge(folder) {
        Err(error) => {
            bad(format!("{} ({})", error, error.code()));
            tally.refused += 1;
        }
        Ok(mut journal) => {
            let found = journal.position().sequence;
            let said = &heard.said;
            if found == said.acknowledged {
                tally.whole += 1;
            } else if found == said.tried && found == said.acknowledged + 1 {
                tally.in_flight += 1;
            } else {
                bad(format!(
                    "found {found}, acknowledged {}, tried {}",
                    said.acknowledged, said.tried
                ));
                tally.lost += 1;
                return;
            }
            // It goes on from there.
            let mut rng = SeededRng::new(1);
            journal.append(&writer::batch(found + 1), &mut rng).unwrap();
            drop(journal);
            let (journal, _) = Journal::open(folder, writer::key(), Backend::Sled).unwrap();
            assert_eq!(journal.position().sequence, found + 1, "{context}");
        }
    }
}

fn cut_everywhere(
    history: &History,
    ignore: Option<&'static str>,
    count: usize,
    dir: &Path,
) -> Tally {
    let mut rng = SeededRng::new(4);
    let mut moments: Vec<usize> = (0..count)
        .map(|_| rng.next_u32() as usize % history.events())
        .collect();
    moments.sort_unstable();
    let mut tally = Tally::default();
    let folder = dir.join("left");
    history.replay(ignore, &moments, |moment, disk, heard| {
        let seed = moment as u64;
        for cut in [Cut::Lose, Cut::Some(seed), Cut::Torn(seed)] {
            disk.after(cut, &folder);
            judge(&folder, heard, &mut tally, (moment, cut));
            std::fs::remove_dir_all(&folder).unwrap();
        }
    });
    tally
}

#[test]
#[ignore = "needs: strace"]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    writer::child_if_told();
    let dir = writer::folder_in_memory();
    let test = "a_power_cut_at_any_moment_loses_nothing_acknowledged";
    let history = History::record(test, dir.path());

    // The model is true: replayed to the end it gives the folder that is there, byte for byte.
    let disk = history.replay(None, &[], |_, _, _| {});
    let replayed = dir.path().join("replayed");
    disk.whole(&replayed);
    let real = dir.path().join("data");
    std::fs::remove_file(real.join("lock")).unwrap();
    assert_eq!(writer::fingerprint(&replayed), writer::fingerprint(&real));

    let tally = cut_everywhere(&history, None, moments(), dir.path());
    if let Some((moment, _)) = &tally.first {
        let events: Vec<_> = history.lives.iter().flatten().collect();
        for (number, event) in (0..*moment).zip(events).skip(moment.saturating_sub(120)) {
            eprintln!("{number}: {event:?}");
        }
    }
    let reused = history.segments_reused();
    eprintln!(
        "{} events, {reused} segments reused: {tally:?}",
        history.events()
    );
    assert_eq!((tally.lost, tally.refused), (0, 0), "{:?}", tally.first);
    assert!(tally.in_flight > 0 && tally.not_founded > 0 && tally.whole > 50);

    // The model has teeth: without the syncs of the log, acknowledged batches are lost, and the head finds it out.
    let tally = cut_everywhere(&history, Some("/db"), 60, dir.path());
    eprintln!("without the syncs of the log: {tally:?}");
    assert!(tally.refused > 20, "{tally:?}");
    assert_eq!(tally.lost, 0, "lost without a refusal: {tally:?}");
    // And without the syncs of folders and head there is no journal, or one that is ahead of its head.
    let tally = cut_everywhere(&history, Some("/head"), 60, dir.path());
    eprintln!("without the syncs of the head: {tally:?}");
    assert!(tally.refused > 20, "{tally:?}");
}
