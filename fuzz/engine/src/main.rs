//! libFuzzer around one target of `stoa-fuzz`: `STOA_FUZZ_TARGET` names it, the arguments are libFuzzer's.
//!
//! Started by `cargo xtask fuzz`, which builds it with coverage counters. Does not live here: targets, seeds.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use stoa_fuzz::{Target, target};

/// The variable with the target's name. It chooses which function runs in this process and nothing else.
const TARGET_VARIABLE: &str = "STOA_FUZZ_TARGET";

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
        match target(&name) {
            Some(chosen) => drop(TARGET.set(chosen)),
            None => panic!("{TARGET_VARIABLE} is `{name}`, which is no target"),
        }
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(bytes);
        }
    }
);
