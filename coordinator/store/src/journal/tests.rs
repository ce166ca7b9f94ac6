#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use rand_core::Rng;
use stoa_explain::Explain;

use super::*;
use crate::conformance::SeededRng;
use crate::disk::Step;
use crate::memory::{Cut, Fault, Operation};

fn key() -> DataKey {
    DataKey::from_bytes(&[0x55; 32])
}

fn create(disk: &Disk) -> Journal {
    let backend = Backend::Memory(disk.clone());
    Journal::create(Path::new("-"), key(), backend, &mut SeededRng::new(1)).unwrap()
}

fn open(disk: &Disk) -> Result<(Journal, Vec<String>), StoreError> {
    let backend = Backend::Memory(disk.clone());
    let (journal, contents) = Journal::open(Path::new("-"), key(), backend)?;
    let contents = contents
        .iter()
        .map(|content| String::from_utf8(content.to_vec()).unwrap())
        .collect();
    Ok((journal, contents))
}

/// Creates, appends and compacts until something fails. Gives what was acknowledged and what was tried last.
fn work(disk: &Disk, rng: &mut SeededRng) -> (Vec<String>, Vec<String>) {
    let backend = Backend::Memory(disk.clone());
    let mut acknowledged: Vec<String> = Vec::new();
    let Ok(mut journal) = Journal::create(Path::new("-"), key(), backend, rng) else {
        return (acknowledged.clone(), acknowledged);
    };
    for step in 1..=6 {
        if step == 4 {
            let snapshot = acknowledged.join("+");
            match journal.compact(snapshot.as_bytes(), rng) {
                Ok(()) => acknowledged = vec![snapshot],
                Err(_) => return (acknowledged, vec![snapshot]),
            }
        }
        let mut tried = acknowledged.clone();
        tried.push(format!("batch {step}"));
        match journal.append(format!("batch {step}").as_bytes(), rng) {
            Ok(_) => acknowledged = tried,
            Err(_) => return (acknowledged, tried),
        }
    }
    (acknowledged.clone(), acknowledged)
}

#[test]
fn acknowledged_batches_survive_every_crash_point_and_every_power_cut() {
    let mut trials = 0;
    let operations = {
        let disk = Disk::new();
        work(&disk, &mut SeededRng::new(2));
        disk.operations().len()
    };
    for at in 0..operations {
        for fault in [Fault::Kill, Fault::FailBefore, Fault::FailAfter] {
            let cuts = [Cut::Lose, Cut::Keep];
            for cut in cuts.into_iter().chain((0..40).map(Cut::Random)) {
                let disk = Disk::new();
                disk.plant(at, fault);
                let (acknowledged, tried) = work(&disk, &mut SeededRng::new(2));
                disk.cut(cut);
                trials += 1;
                let context = format!("{fault:?} at operation {at}, then {cut:?}");
                if disk.image().is_none() {
                    assert!(acknowledged.is_empty(), "{context}: the journal is gone");
                    continue;
                }
                let (mut journal, found) = open(&disk).unwrap_or_else(|error| {
                    panic!("{context}: {error}");
                });
                assert!(
                    found == acknowledged || found == tried,
                    "{context}: found {found:?}, acknowledged {acknowledged:?}"
                );
                // It goes on from there, and what was kept is durable now.
                journal.append(b"after", &mut SeededRng::new(3)).unwrap();
                disk.cut(Cut::Lose);
                let (_, again) = open(&disk).unwrap();
                assert_eq!(again[..again.len() - 1], found, "{context}");
            }
        }
    }
    assert!(trials > 2000, "only {trials} trials");
}

#[test]
fn a_batch_is_acknowledged_only_after_record_and_head_were_synced_in_this_order() {
    let disk = Disk::new();
    let mut journal = create(&disk);
    let before = disk.operations().len();
    let (sequence, hash) = journal.append(b"batch", &mut SeededRng::new(2)).unwrap();
    assert_eq!(
        disk.operations()[before..],
        [
            Operation::WriteRecord,
            Operation::SyncRecords,
            Operation::WriteHead,
            Operation::SyncHead,
        ]
    );
    // The same, seen from the disk: with the power cut right after the acknowledgement, the head names the batch.
    disk.cut(Cut::Lose);
    let image = disk.image().unwrap();
    let keys = Keys::derive(&key());
    let (head, _) = head::read(&image.head, Some(&keys), "head").unwrap();
    assert_eq!(
        head.position,
        Position {
            sequence,
            head: hash
        }
    );
}

#[test]
fn sled_and_head_are_synced_in_this_order_before_a_batch_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let watch = {
        let steps = steps.clone();
        Watch::new(move |step| steps.lock().unwrap().push(step))
    };
    let files = Files::new(Folder::lock(dir.path()).unwrap(), watch);
    let mut rng = SeededRng::new(2);
    let mut journal = Journal::create_on(Box::new(files), &key(), &mut rng).unwrap();

    steps.lock().unwrap().clear();
    journal.append(b"batch", &mut rng).unwrap();
    let one = [
        Step::RecordsWritten,
        Step::RecordsSynced,
        Step::HeadWritten,
        Step::HeadSynced,
    ];
    assert_eq!(*steps.lock().unwrap(), one);

    // 1 MiB is 257 pieces, nine windows: each is synced before the next is written, and the head comes last.
    steps.lock().unwrap().clear();
    journal.append(&vec![7; 1 << 20], &mut rng).unwrap();
    let mut nine = [Step::RecordsWritten, Step::RecordsSynced].repeat(9);
    nine.extend([Step::HeadWritten, Step::HeadSynced]);
    assert_eq!(*steps.lock().unwrap(), nine);

    // A compaction writes the head first, so that both slots agree, and then takes the place of the records.
    steps.lock().unwrap().clear();
    journal.compact(b"snapshot", &mut rng).unwrap();
    assert_eq!(
        *steps.lock().unwrap(),
        [
            Step::HeadWritten,
            Step::HeadSynced,
            Step::Replaced,
            Step::RecordsSynced
        ]
    );
}

#[test]
fn an_acknowledged_batch_that_the_backend_loses_is_refused_and_never_forgotten() {
    for count in 1..4 {
        let disk = Disk::new();
        let mut journal = create(&disk);
        for _ in 0..count {
            journal.append(b"batch", &mut SeededRng::new(2)).unwrap();
        }
        // The power goes right after the acknowledgement, and the backend drops its end without a word, as sled does
        // when its newest segment is damaged. Only a head that was synced before the acknowledgement can tell.
        disk.cut(Cut::Lose);
        let mut image = disk.image().unwrap();
        image.records.pop_last();
        disk.set_image(image);
        assert_eq!(open(&disk).unwrap_err().code(), "journal-shorter-than-head");
    }
}

#[test]
fn a_disk_whose_sync_is_a_lie_is_found_out_and_not_believed() {
    // Operation 0 is the creation; 1 to 4 are the first append. The record's sync lies, then the power goes.
    let disk = Disk::new();
    disk.plant(2, Fault::Lie);
    let mut journal = create(&disk);
    journal.append(b"batch", &mut SeededRng::new(2)).unwrap();
    disk.cut(Cut::Lose);
    assert_eq!(open(&disk).unwrap_err().code(), "journal-shorter-than-head");
}

#[test]
fn a_record_in_flight_is_kept_and_the_head_follows_it() {
    let disk = Disk::new();
    let mut journal = create(&disk);
    // The process dies between the durable record and the head.
    disk.plant(3, Fault::Kill);
    assert!(
        journal
            .append(b"in flight", &mut SeededRng::new(2))
            .is_err()
    );
    disk.cut(Cut::Lose);
    let (journal, contents) = open(&disk).unwrap();
    assert_eq!(contents, ["in flight"]);
    assert_eq!(journal.position().sequence, 1);
    // It counts as acknowledged from here on: losing it now is a refusal.
    disk.cut(Cut::Lose);
    let mut image = disk.image().unwrap();
    image.records.clear();
    disk.set_image(image);
    assert_eq!(open(&disk).unwrap_err().code(), "journal-shorter-than-head");
}

#[test]
fn after_a_failure_the_journal_stops_until_it_is_opened_again() {
    let disk = Disk::new();
    let mut rng = SeededRng::new(2);
    let mut journal = create(&disk);
    journal.append(b"one", &mut rng).unwrap();
    disk.plant(6, Fault::FailAfter);
    let first = journal.append(b"two", &mut rng).unwrap_err();
    assert_eq!(first.code(), "journal-backend-failed");
    let second = journal.append(b"three", &mut rng).unwrap_err();
    assert_eq!(second.code(), "journal-stopped");
    assert!(
        second.to_string().contains(&first.to_string()),
        "{second} does not say {first}"
    );
    assert_eq!(
        journal.compact(b"snapshot", &mut rng).unwrap_err().code(),
        "journal-stopped"
    );
    let (mut journal, contents) = journal.reopen().unwrap();
    assert_eq!(contents.len(), 2);
    journal.append(b"three", &mut rng).unwrap();
}

#[test]
fn a_foreign_journal_is_refused() {
    let disk = Disk::new();
    drop(create(&disk));
    let other = DataKey::from_bytes(&[0x66; 32]);
    let error = Journal::open(Path::new("-"), other, Backend::Memory(disk)).unwrap_err();
    assert_eq!(error.code(), "journal-key-foreign");
}

#[test]
fn any_record_moved_lost_or_taken_from_a_fork_is_refused() {
    let mut rng = SeededRng::new(9);
    let disk = Disk::new();
    let mut journal = create(&disk);
    for step in 1..=6 {
        journal
            .append(format!("batch {step}").as_bytes(), &mut rng)
            .unwrap();
    }
    drop(journal);
    let intact = disk.image().unwrap();
    // A fork: the host puts an older state back and lets the coordinator go on from there.
    let mut older = intact.clone();
    older.records.retain(|sequence, _| *sequence <= 3);
    older.head = {
        let rewound = Disk::new();
        let mut journal = create(&rewound);
        let mut rng = SeededRng::new(9);
        for step in 1..=3 {
            journal
                .append(format!("batch {step}").as_bytes(), &mut rng)
                .unwrap();
        }
        rewound.image().unwrap().head
    };
    disk.set_image(older);
    let (mut journal, contents) = open(&disk).unwrap();
    assert_eq!(contents.len(), 3);
    for step in 4..=6 {
        journal
            .append(format!("fork {step}").as_bytes(), &mut rng)
            .unwrap();
    }
    drop(journal);
    let fork = disk.image().unwrap();

    let mut tried = 0;
    for (what, head) in [("intact", &intact.head), ("fork", &fork.head)] {
        for mask in 0..64_u32 {
            // Each record from either history; only the two pure ones may open.
            let pick = |sequence: u64| {
                let from_fork = mask >> (sequence - 1) & 1 == 1;
                let image = if from_fork { &fork } else { &intact };
                image.records[&sequence].clone()
            };
            let records: std::collections::BTreeMap<u64, Vec<u8>> =
                (1..=6).map(|sequence| (sequence, pick(sequence))).collect();
            let pure = records == intact.records && what == "intact"
                || records == fork.records && what == "fork";
            disk.set_image(crate::memory::Image {
                head: head.clone(),
                snapshot: None,
                records,
            });
            assert_eq!(open(&disk).is_ok(), pure, "head {what}, mask {mask:#b}");
            tried += 1;
        }
    }
    assert_eq!(tried, 128);
    // Exchange and removal of any two records.
    for one in 1..=6_u64 {
        for two in 1..=6_u64 {
            let mut image = intact.clone();
            if one == two {
                image.records.remove(&one);
            } else {
                let (a, b) = (image.records[&one].clone(), image.records[&two].clone());
                image.records.insert(one, b);
                image.records.insert(two, a);
            }
            disk.set_image(image);
            assert!(open(&disk).is_err(), "records {one} and {two}");
        }
    }
}

#[test]
fn a_flipped_byte_or_a_cut_gives_the_exact_state_or_a_refusal() {
    let mut rng = SeededRng::new(9);
    let disk = Disk::new();
    let mut journal = create(&disk);
    for step in 1..=3 {
        journal
            .append(format!("batch {step}").as_bytes(), &mut rng)
            .unwrap();
    }
    journal.compact(b"snapshot", &mut rng).unwrap();
    journal.append(b"batch 4", &mut rng).unwrap();
    drop(journal);
    let intact = disk.image().unwrap();
    let exact = open(&disk).unwrap().1;
    let judge = |image: crate::memory::Image, what: &str| {
        disk.set_image(image);
        match open(&disk) {
            Ok((_, contents)) => assert_eq!(contents, exact, "{what}: silent change"),
            Err(error) => assert!(error.remedy().is_some(), "{what}: {error}"),
        }
    };
    let mask = || 1 << (SeededRng::new(1).next_u32() % 8);
    for at in 0..intact.head.len() {
        let mut image = intact.clone();
        image.head[at] ^= mask();
        judge(image, &format!("head byte {at}"));
        let mut image = intact.clone();
        image.head.truncate(at);
        judge(image, &format!("head cut to {at}"));
    }
    let (upto, snapshot) = intact.snapshot.clone().unwrap();
    for at in 0..snapshot.len() {
        let mut image = intact.clone();
        let mut damaged = snapshot.clone();
        damaged[at] ^= mask();
        image.snapshot = Some((upto, damaged));
        judge(image, &format!("snapshot byte {at}"));
    }
    for at in 0..intact.records[&4].len() {
        let mut image = intact.clone();
        image.records.get_mut(&4).unwrap()[at] ^= mask();
        judge(image, &format!("record byte {at}"));
        let mut image = intact.clone();
        image.records.get_mut(&4).unwrap().truncate(at);
        judge(image, &format!("record cut to {at}"));
    }
}

#[test]
fn a_compacted_journal_survives_damage_to_either_slot_of_the_head() {
    for slot in 0..2 {
        let mut rng = SeededRng::new(2);
        let disk = Disk::new();
        let mut journal = create(&disk);
        for _ in 0..3 {
            journal.append(b"batch", &mut rng).unwrap();
        }
        journal.compact(b"snapshot", &mut rng).unwrap();
        drop(journal);
        let mut image = disk.image().unwrap();
        image.head[slot * head::SLOT_LEN] ^= 1;
        disk.set_image(image);
        let (journal, contents) = open(&disk).unwrap();
        assert_eq!(
            (contents.len(), journal.position().sequence),
            (1, 3),
            "slot {slot}"
        );
    }
}

#[test]
fn a_journal_can_move_to_the_writers_thread() {
    let disk = Disk::new();
    let mut journal = create(&disk);
    let writer = std::thread::spawn(move || journal.append(b"batch", &mut SeededRng::new(2)));
    assert_eq!(writer.join().unwrap().unwrap().0, 1);
}

#[test]
fn debug_output_holds_no_secret() {
    let disk = Disk::new();
    let mut journal = create(&disk);
    journal.append(b"secret", &mut SeededRng::new(2)).unwrap();
    let text = format!("{journal:?} {disk:?}");
    assert!(!text.contains("secret"));
    assert!(!text.contains(&hex::encode([0x55; 32])));
}
