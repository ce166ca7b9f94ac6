//! `cargo demo`: a whole mesh on this machine, step by step, each step checked and measured.
//!
//! Real programs as separate processes on free loopback ports: synthetic TEE, coordinator, three marbles, a client. A
//! step whose check fails ends the demo with that step's number and name. What a reader may want to look at stays in
//! `target/demo/`; every process is stopped by pid, however the demo ends.

mod stage;
mod steps;

use std::path::PathBuf;
use std::time::Instant;

use stoa_harness::Outcome;
use stoa_harness::programs::Programs;

pub use stage::Stage;

/// What the person asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Leave everything running until Enter.
    pub keep: bool,
    /// Where its files go; `None`: `target/demo`.
    pub folder: Option<PathBuf>,
    /// Make the world deviate in this step, so that a test can see the step's check fail.
    pub plant: Option<usize>,
}

impl Options {
    /// From the words after `cargo demo`.
    ///
    /// # Errors
    /// The word that is none of its own.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--keep" => options.keep = true,
                "--folder" => options.folder = words.next().map(PathBuf::from),
                "--plant" => {
                    let step = words.next().and_then(|step| step.parse().ok());
                    options.plant = Some(step.ok_or("--plant needs the number of a step")?);
                }
                other => {
                    return Err(format!(
                        "`{other}` is no option of the demo; there are --keep and --folder DIR"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// One step: its name and what it does; the text that it gives stands behind the name.
type Step = (&'static str, fn(&mut Stage) -> Outcome<String>);

const STEPS: [Step; 10] = [
    ("synthetic TEE", steps::synthetic_tee),
    ("coordinator", steps::coordinator),
    ("manifest", steps::manifest),
    ("marble signer", steps::signer),
    ("marble statuslist", steps::statuslist),
    ("marble store", steps::store),
    ("mutual TLS", steps::mutual_tls),
    ("altered signer", steps::altered_signer),
    ("crash", steps::crash),
    ("client", steps::client),
];

/// Runs all steps.
///
/// # Errors
/// Number and name of the first step whose check failed, and why.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> Result<(), String> {
    say(&format!(
        "building {} programs (some minutes the first time, seconds after)",
        stoa_harness::programs::PROGRAMS.len()
    ));
    let programs = Programs::build(false).map_err(|error| format!("building: {error}"))?;
    let started = Instant::now();
    let folder = options
        .folder
        .clone()
        .unwrap_or_else(|| stoa_harness::programs::workspace().join("target/demo"));
    let mut stage = Stage::new(programs, folder).map_err(|error| format!("preparing: {error}"))?;
    for (index, (name, step)) in STEPS.iter().enumerate() {
        let number = index + 1;
        stage.planted = options.plant == Some(number);
        let told = step(&mut stage).map_err(|error| format!("step {number}, {name}: {error}"))?;
        say(&format!("{number:>2} {name:<17} {told}"));
    }
    if options.keep {
        say("running; press Enter to stop everything");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
    let closing = stage.closing_words();
    stage.stop().map_err(|error| format!("stopping: {error}"))?;
    say(&format!(
        "done in {:.1} s, everything stopped.  Check the saved proof yourself:\n{closing}\nkeep it running: cargo demo --keep",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}
