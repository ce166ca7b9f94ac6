#![allow(clippy::unwrap_used, clippy::panic)]

use stoa_explain::Explain;

use super::*;
use crate::conformance::SeededRng;
use crate::head::SLOT_LEN;
use crate::key::DataKey;
use crate::store::Unfinished;

/// A journal in the hands of whoever wants to break it.
struct Bench {
    keys: Keys,
    rng: SeededRng,
    head: Head,
    file: Vec<u8>,
    loaded: Loaded,
}

impl Bench {
    fn new(key: u8) -> Self {
        let keys = Keys::derive(&DataKey::from_bytes(&[key; 32]));
        let (head, file) = head::encode_new(&keys, [0xee; 32]);
        Self {
            keys,
            rng: SeededRng::new(u64::from(key)),
            head,
            file: file.to_vec(),
            loaded: Loaded::default(),
        }
    }

    /// With `records` acknowledged records, `record 1` and so on.
    fn with_records(records: u64) -> Self {
        let mut bench = Self::new(1);
        for _ in 0..records {
            let next = bench.seal_next();
            bench.acknowledge(next);
        }
        bench
    }

    fn seal_next(&mut self) -> (u64, Sealed) {
        let last = self.head.position;
        self.seal(last.sequence + 1, &last.head)
    }

    fn seal(&mut self, sequence: u64, previous: &[u8; 32]) -> (u64, Sealed) {
        let content = format!("record {sequence}");
        let record = envelope::seal(
            &self.keys,
            Kind::Batch,
            sequence,
            previous,
            content.as_bytes(),
            &mut self.rng,
        );
        (sequence, record.unwrap())
    }

    fn acknowledge(&mut self, (sequence, record): (u64, Sealed)) {
        let head = record.hash();
        self.loaded.records.push((sequence, record));
        self.move_head(Position { sequence, head });
    }

    fn move_head(&mut self, position: Position) {
        self.head = self.head.next(position);
        let at = self.head.slot() * SLOT_LEN;
        self.file[at..at + SLOT_LEN].copy_from_slice(&self.head.encode(&self.keys));
    }

    /// Replaces everything by a snapshot, as the journal does: both slots first.
    fn compact(&mut self) {
        let last = self.head.position;
        self.move_head(last);
        let snapshot = envelope::seal(
            &self.keys,
            Kind::Snapshot,
            last.sequence,
            &last.head,
            b"snapshot",
            &mut self.rng,
        );
        self.loaded = Loaded {
            snapshot: Some((last.sequence, snapshot.unwrap())),
            ..Loaded::default()
        };
    }

    fn found(&self) -> Found {
        Found {
            head: self.file.clone(),
            loaded: self.loaded.clone(),
            place: "here".to_owned(),
        }
    }

    fn check(&self) -> Result<Checked, StoreError> {
        let keyed = check(&self.found(), &self.keys);
        // Without the key the same ends are seen, but for what only the key can tell.
        if let Ok(checked) = &keyed {
            let (position, base, key) = check_unkeyed(&self.found()).unwrap();
            assert_eq!(
                (position, base, key),
                (checked.position, checked.base, self.keys.id)
            );
        }
        keyed
    }

    fn contents(&self) -> Vec<String> {
        let checked = self.check().unwrap();
        checked
            .contents
            .iter()
            .map(|content| String::from_utf8(content.to_vec()).unwrap())
            .collect()
    }

    fn refusal(&self) -> (&'static str, String) {
        match self.check() {
            Ok(_) => panic!("it was not refused"),
            Err(error) => (error.code(), error.to_string()),
        }
    }
}

fn records(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|sequence| format!("record {sequence}")).collect()
}

#[test]
fn gives_everything_that_was_acknowledged() {
    for count in 0..5 {
        let bench = Bench::with_records(count);
        assert_eq!(bench.contents(), records(1..=count));
        let checked = bench.check().unwrap();
        assert_eq!(checked.position, bench.head.position);
        assert!(!checked.in_flight());
    }
}

#[test]
fn keeps_exactly_one_record_behind_the_head() {
    for acknowledged in 0..3 {
        let mut bench = Bench::with_records(acknowledged);
        let in_flight = bench.seal_next();
        bench.loaded.records.push(in_flight);
        assert_eq!(bench.contents(), records(1..=acknowledged + 1));
        assert!(bench.check().unwrap().in_flight());
    }
}

#[test]
fn refuses_two_records_behind_the_head() {
    let mut bench = Bench::with_records(5);
    bench.file = Bench::with_records(3).file;
    assert_eq!(
        bench.refusal(),
        (
            "journal-longer-than-head",
            "the journal in here ends at record 5, the head says 3: at most 4 can have been in flight".to_owned()
        )
    );
}

#[test]
fn refuses_a_journal_that_lost_its_end() {
    for lost in 1..=4 {
        let mut bench = Bench::with_records(4);
        bench.loaded.records.truncate(4 - lost);
        let (code, text) = bench.refusal();
        assert_eq!(code, "journal-shorter-than-head");
        let left = 4 - lost;
        assert_eq!(
            text,
            format!(
                "the journal in here ends at record {left}, the head says 4: acknowledged records are lost"
            )
        );
    }
}

#[test]
fn refuses_a_hole_and_names_it() {
    let mut bench = Bench::with_records(5);
    bench.loaded.records.remove(2);
    assert_eq!(
        bench.refusal(),
        (
            "journal-damaged",
            "record 3 in here is missing: 4 follows 2".to_owned()
        )
    );
    let mut bench = Bench::with_records(5);
    bench.loaded.records.remove(0);
    assert_eq!(
        bench.refusal().1,
        "record 1 in here is missing: 2 follows 0"
    );
}

#[test]
fn refuses_swapped_records() {
    let mut bench = Bench::with_records(5);
    let (a, b) = (
        bench.loaded.records[1].1.clone(),
        bench.loaded.records[3].1.clone(),
    );
    bench.loaded.records[1].1 = b;
    bench.loaded.records[3].1 = a;
    assert_eq!(
        bench.refusal(),
        (
            "journal-damaged",
            "record 2 in here is damaged: its header says record 4".to_owned()
        )
    );
}

#[test]
fn refuses_reordered_records() {
    let mut bench = Bench::with_records(5);
    bench.loaded.records.swap(1, 3);
    assert_eq!(
        bench.refusal(),
        (
            "journal-damaged",
            "record 2 in here is missing: 4 follows 1".to_owned()
        )
    );
}

#[test]
fn refuses_a_record_of_another_history_in_the_middle() {
    let mut bench = Bench::with_records(5);
    // Genuine, of the right number and key, written behind another record 2.
    let (_, stranger) = bench.seal(3, &[0x77; 32]);
    let before = hex::encode(bench.loaded.records[1].1.hash());
    bench.loaded.records[2].1 = stranger;
    assert_eq!(
        bench.refusal(),
        (
            "journal-chain-broken",
            format!(
                "record 3 in here continues {}, but the record before it is {before}",
                hex::encode([0x77; 32])
            )
        )
    );
}

#[test]
fn refuses_a_forked_end() {
    let mut bench = Bench::with_records(4);
    let before = bench.loaded.records[2].1.hash();
    let (_, fork) = bench.seal(4, &before);
    bench.loaded.records[3].1 = fork.clone();
    let (code, text) = bench.refusal();
    assert_eq!(code, "journal-forked");
    assert_eq!(
        text,
        format!(
            "at record 4 the head here holds {}, the journal holds {}: two histories",
            hex::encode(bench.head.position.head),
            hex::encode(fork.hash())
        )
    );
    // The same with one more record behind the fork, as if it were in flight.
    let (_, next) = bench.seal(5, &fork.hash());
    bench.loaded.records.push((5, next));
    assert_eq!(bench.refusal().0, "journal-forked");
}

#[test]
fn refuses_a_record_in_flight_that_does_not_continue_the_head() {
    let mut bench = Bench::with_records(0);
    let (_, first) = bench.seal(1, &[0x77; 32]);
    bench.loaded.records.push((1, first));
    assert_eq!(bench.refusal().0, "journal-forked");
}

#[test]
fn refuses_records_of_another_key_under_its_own_head() {
    let mut bench = Bench::with_records(3);
    let mut foreign = Bench::new(2);
    let previous = bench.loaded.records[1].1.hash();
    bench.loaded.records[2] = foreign.seal(3, &previous);
    let (code, text) = bench.refusal();
    assert_eq!(code, "journal-key-foreign");
    assert_eq!(
        text,
        format!(
            "record 3 in here is sealed under data key {}, the key given is {}",
            foreign.keys.id_hex(),
            bench.keys.id_hex()
        )
    );
    assert_eq!(
        check_unkeyed(&bench.found()).unwrap_err().code(),
        "journal-key-foreign"
    );
}

#[test]
fn refuses_a_whole_journal_of_another_key() {
    let bench = Bench::with_records(3);
    let keys = Keys::derive(&DataKey::from_bytes(&[9; 32]));
    let error = check(&bench.found(), &keys).err().unwrap();
    assert_eq!(error.code(), "journal-key-foreign");
    assert!(check_unkeyed(&bench.found()).is_ok());
}

#[test]
fn a_snapshot_stands_for_the_records_before_it() {
    let mut bench = Bench::with_records(3);
    bench.compact();
    assert_eq!(bench.contents(), ["snapshot"]);
    let next = bench.seal_next();
    bench.acknowledge(next);
    assert_eq!(bench.contents(), ["snapshot", "record 4"]);
    let checked = bench.check().unwrap();
    assert_eq!((checked.base, checked.position.sequence), (3, 4));
}

#[test]
fn a_snapshot_survives_damage_to_either_slot_of_the_head() {
    let mut bench = Bench::with_records(3);
    bench.compact();
    for slot in 0..2 {
        let mut damaged = bench.found();
        damaged.head[slot * SLOT_LEN + 40] ^= 1;
        let checked = check(&damaged, &bench.keys).unwrap();
        assert_eq!(checked.position.sequence, 3, "slot {slot}");
    }
}

#[test]
fn refuses_a_snapshot_beyond_the_head_and_one_before_a_hole() {
    let mut bench = Bench::with_records(3);
    bench.compact();
    bench.file = Bench::with_records(2).file;
    assert_eq!(bench.refusal().0, "journal-longer-than-head");

    let mut bench = Bench::with_records(3);
    bench.compact();
    for _ in 0..2 {
        let next = bench.seal_next();
        bench.acknowledge(next);
    }
    bench.loaded.records.remove(0);
    assert_eq!(
        bench.refusal().1,
        "record 4 in here is missing: 5 follows 3"
    );
}

#[test]
fn refuses_a_snapshot_of_another_history() {
    let mut bench = Bench::with_records(3);
    bench.compact();
    let snapshot = envelope::seal(
        &bench.keys,
        Kind::Snapshot,
        3,
        &[0x77; 32],
        b"other",
        &mut bench.rng,
    );
    bench.loaded.snapshot = Some((3, snapshot.unwrap()));
    assert_eq!(bench.refusal().0, "journal-forked");
}

#[test]
fn pieces_of_the_record_in_flight_are_dropped_and_all_others_are_damage() {
    let pieces = |sequence| {
        Some(Unfinished {
            sequence,
            have: 2,
            want: 5,
        })
    };
    let mut bench = Bench::with_records(3);
    bench.loaded.unfinished = pieces(4);
    assert_eq!(bench.contents(), records(1..=3));
    let mut bench = Bench::with_records(0);
    bench.loaded.unfinished = pieces(1);
    assert!(bench.contents().is_empty());

    // Acknowledged, and half of it is gone.
    let mut bench = Bench::with_records(3);
    bench.loaded.records.pop();
    bench.loaded.unfinished = pieces(3);
    assert_eq!(
        bench.refusal(),
        (
            "journal-damaged",
            "record 3 in here is damaged: 2 of its 5 pieces are there".to_owned()
        )
    );
    // Behind a record in flight there can be nothing.
    let mut bench = Bench::with_records(3);
    let next = bench.seal_next();
    bench.loaded.records.push(next);
    bench.loaded.unfinished = pieces(5);
    assert_eq!(bench.refusal().0, "journal-longer-than-head");
    // Nor behind a hole.
    let mut bench = Bench::with_records(3);
    bench.loaded.unfinished = pieces(5);
    assert_eq!(
        bench.refusal().1,
        "record 4 in here is missing: 5 follows 3"
    );
}

/// Section 5 of docs/reference/journal.md says this about itself.
#[test]
fn a_whole_journal_put_back_to_an_older_state_is_not_noticed_here() {
    let older = Bench::with_records(3);
    assert_eq!(older.contents(), records(1..=3));
}
