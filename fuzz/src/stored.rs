//! The journal's records. They come out of a sealed store; what a store of a later version or a faulty disk gives must end
//! in an error all the same.

use stoa_mesh::Machine;

use crate::{Seed, seeds};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(machine) = Machine::replay([bytes]) {
        let snapshot = machine.snapshot();
        let again = Machine::replay([snapshot.as_slice()]).map(|machine| machine.snapshot());
        assert!(
            again.is_ok_and(|again| again == snapshot),
            "the snapshot of {} is not read as it was written",
            hex::encode(bytes)
        );
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    seeds::files("coordinator/mesh/tests/stored", "hex")
        .into_iter()
        .map(|file| Seed {
            bytes: hex::decode(String::from_utf8_lossy(&file.bytes).replace('\n', ""))
                .unwrap_or_default(),
            ..file
        })
        .collect()
}
