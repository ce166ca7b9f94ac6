#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn with_unsynced_writes() -> Disk {
    let disk = Disk::new();
    let mut held = disk.lock().unwrap();
    drop(held.create(&[0; HEAD_LEN]).unwrap());
    let mut state = disk.state();
    state.unsynced.push(Write::Record(1, vec![1; 1000]));
    state.unsynced.push(Write::Head(0, vec![2; SLOT_LEN]));
    drop(state);
    disk
}

/// The simulation is worth as much as its power cuts: each outcome must happen.
#[test]
fn random_power_cuts_lose_keep_and_tear() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let disk = with_unsynced_writes();
        disk.cut(Cut::Random(seed));
        let image = disk.image().unwrap();
        let new = image.head.iter().filter(|byte| **byte == 2).count();
        for (len, whole) in [
            (image.records.get(&1).map_or(0, Vec::len), 1000),
            (new, SLOT_LEN),
        ] {
            match len {
                0 => lost += 1,
                len if len == whole => kept += 1,
                _ => torn += 1,
            }
        }
    }
    assert!(
        lost > 100 && kept > 50 && torn > 20,
        "lost {lost}, kept {kept}, torn {torn}"
    );
}

#[test]
fn cuts_that_lose_and_cuts_that_keep_do_so() {
    let disk = with_unsynced_writes();
    disk.cut(Cut::Lose);
    assert!(disk.image().unwrap().records.is_empty());
    let disk = with_unsynced_writes();
    disk.cut(Cut::Keep);
    assert_eq!(disk.image().unwrap().records.len(), 1);
}

#[test]
fn whoever_held_the_disk_before_a_cut_can_do_nothing_after_it() {
    let disk = Disk::new();
    let mut held = disk.lock().unwrap();
    let mut store = held.create(&[0; HEAD_LEN]).unwrap();
    disk.cut(Cut::Lose);
    let record = Sealed::from_stored(vec![0; 100]);
    assert!(store.append(0, &record).is_err());
    let second = disk.lock().unwrap();
    drop(held);
    assert!(
        disk.lock().is_err(),
        "the old handle gave the new lock back"
    );
    drop(second);
    assert!(disk.lock().is_ok());
}

#[test]
fn the_store_in_memory_keeps_the_promises_of_the_port() {
    let disk = Disk::new();
    let mut held = disk.lock().unwrap();
    let mut store = held.create(&[0; HEAD_LEN]).unwrap();
    crate::conformance::store(store.as_mut()).unwrap();
}
