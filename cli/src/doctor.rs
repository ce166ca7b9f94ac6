//! `stoa doctor`: each step from the TEE's interface to the vendor's verdict, in order, and the first that fails.
//!
//! A step that fails ends the walk: what comes after it rests on it. Steps and what each looks at:
//! docs/reference/doctor.md. Does not live here: interfaces to TEEs (`stoa-source`), services (`stoa-collateral`), judging
//! (`evidence::judge`).

mod host;
mod vendor;

use serde_json::{Value, json};
use stoa_client::report::Cause;

use crate::args::{Doctor, Global};
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;
use crate::world;

/// Bytes that the evidence is asked over. Freshness is no matter here: that they come back is.
const REPORT_DATA: [u8; 64] = *b"stoa doctor: this quote is bound to nothing and proves no key.  ";

/// The steps in their order.
const STEPS: [&str; 9] = [
    "tee",
    "permissions",
    "evidence",
    "seal key",
    "service",
    "clock",
    "collateral",
    "genuine",
    "platform",
];

/// What a step came to.
enum State {
    Ok,
    /// Not looked at, because nothing was given to look at.
    Skipped,
}

/// The walk so far.
struct Walk {
    done: Vec<(&'static str, State, String)>,
}

/// Why the walk ended before its last step.
struct Stop {
    exit: Exit,
    cause: Cause,
}

impl Stop {
    fn new(exit: Exit, error: &dyn stoa_explain::Explain) -> Self {
        Self {
            exit,
            cause: Cause::of(error),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self {
            exit: failure.exit,
            cause: failure.cause_of_it(),
        }
    }
}

impl Walk {
    fn ok(&mut self, said: impl Into<String>) {
        self.step(State::Ok, said.into());
    }

    fn skipped(&mut self, said: impl Into<String>) {
        self.step(State::Skipped, said.into());
    }

    fn step(&mut self, state: State, said: String) {
        if let Some(name) = STEPS.get(self.done.len()) {
            self.done.push((name, state, said));
        }
    }
}

pub(crate) fn run(
    global: &Global,
    args: &Doctor,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let now = world::now()?;
    let vendor = vendor::Vendor::open(args, terminal)?;
    let file = host::read(args)?;
    let mut walk = Walk { done: Vec::new() };
    let ended = host::walk(args, file, &mut walk)
        .and_then(|evidence| vendor.walk(&evidence, now, &mut walk));
    let stop = ended.err();
    if global.json {
        terminal.data(&json(&walk, stop.as_ref()).to_string());
    } else {
        terminal.data(&text(&walk, stop.as_ref()));
    }
    match stop {
        None => Ok(Exit::Done),
        Some(stop) => {
            let step = STEPS[walk.done.len()];
            Err(Failure::of_step(step, stop.exit, &stop.cause))
        }
    }
}

fn text(walk: &Walk, stop: Option<&Stop>) -> String {
    let line = |name: &str, state: &str, said: &str| {
        format!("{name:<12} {state:<8} {said}")
            .trim_end()
            .to_owned()
    };
    let mut lines: Vec<String> = walk
        .done
        .iter()
        .map(|(name, state, said)| match state {
            State::Ok => line(name, "ok", said),
            State::Skipped => line(name, "-", said),
        })
        .collect();
    if let Some(stop) = stop {
        lines.push(line(STEPS[lines.len()], "FAILED", &stop.cause.text));
        let rest = STEPS.iter().skip(lines.len());
        lines.extend(rest.map(|name| line(name, "-", "not reached")));
    }
    lines.join("\n")
}

fn json(walk: &Walk, stop: Option<&Stop>) -> Value {
    let mut steps: Vec<Value> = walk
        .done
        .iter()
        .map(|(name, state, said)| {
            let state = match state {
                State::Ok => "ok",
                State::Skipped => "skipped",
            };
            json!({"step": name, "state": state, "text": said})
        })
        .collect();
    let failed = stop.map(|stop| {
        let name = STEPS[steps.len()];
        steps.push(json!({
            "step": name, "state": "failed", "text": stop.cause.text,
            "code": stop.cause.code, "remedy": stop.cause.remedy,
        }));
        let rest = STEPS.iter().skip(steps.len());
        let rest: Vec<Value> = rest
            .map(|name| json!({"step": name, "state": "not-reached"}))
            .collect();
        steps.extend(rest);
        name
    });
    json!({"failed": failed, "steps": steps})
}
