//! One child process: its lines kept, its JSON events awaited, ended by pid when dropped.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Failed, Outcome, failed};

/// Longest wait for a process to end after SIGTERM.
pub const TERMINATE_TIME_MAX: Duration = Duration::from_secs(5);
/// Lines that are kept of each process; older ones are dropped.
pub const LINES_KEPT_MAX: usize = 20_000;

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    state: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    /// How many were dropped at the front.
    dropped: usize,
    open_pipes: usize,
}

impl Process {
    /// Starts `program` with an environment of PATH alone plus `env`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> Outcome<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(env.iter().copied());
        let mut child = command.spawn().map_err(|error| {
            Failed(format!(
                "{name}: {} does not start: {error}",
                program.display()
            ))
        })?;
        let lines = Arc::new(Lines::default());
        if let Some(stdout) = child.stdout.take() {
            lines.follow(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            lines.follow(stderr);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process that this one started (the program inside the synthetic TEE).
    ///
    /// # Errors
    /// If there is none.
    pub fn inner_pid(&self) -> Outcome<u32> {
        children_of(self.pid()).first().copied().ok_or_else(|| {
            Failed(format!(
                "{}: process {} has no child",
                self.name,
                self.pid()
            ))
        })
    }

    /// The first JSON line for which `wanted` is true; lines of the past count.
    ///
    /// # Errors
    /// When `limit` has passed or the process has ended without it; the last lines are in the text.
    pub fn await_event(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Outcome<Value> {
        self.await_event_after(0, what, limit, wanted)
            .map(|(value, _)| value)
    }

    /// As [`Process::await_event`], looking only behind line number `after`; gives the line's own number too.
    ///
    /// # Errors
    /// As there.
    pub fn await_event_after(
        &self,
        after: usize,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Outcome<(Value, usize)> {
        let deadline = Instant::now() + limit;
        let mut next = after;
        let mut kept = self
            .lines
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            next = next.max(kept.dropped);
            while let Some(line) = kept.lines.get(next - kept.dropped) {
                next += 1;
                if let Ok(value) = serde_json::from_str::<Value>(line)
                    && wanted(&value)
                {
                    return Ok((value, next));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || kept.open_pipes == 0 {
                let why = if left.is_zero() {
                    format!("not within {limit:?}")
                } else {
                    "it ended before".to_owned()
                };
                let tail = kept.tail();
                return failed(format!(
                    "{}: no {what}, {why}; its last lines:\n{tail}",
                    self.name
                ));
            }
            kept = self
                .lines
                .changed
                .wait_timeout(kept, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// How many lines it has printed so far.
    #[must_use]
    pub fn line_count(&self) -> usize {
        let kept = self
            .lines
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.dropped + kept.lines.len()
    }

    /// All kept lines, oldest first.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.lines
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .iter()
            .cloned()
            .collect()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When `limit` has passed.
    pub fn await_end(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return failed(format!("{}: still running after {limit:?}", self.name));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends SIGTERM and waits; SIGKILL to it and its children if it does not end.
    ///
    /// # Errors
    /// If it had to be killed.
    pub fn terminate(&mut self) -> Outcome<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        signal(self.pid(), Signal::TERM);
        match self.await_end(TERMINATE_TIME_MAX) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.kill_whole();
                Err(error)
            }
        }
    }

    /// SIGKILL to the program inside it, as a crash or an out-of-memory kill would.
    ///
    /// # Errors
    /// If there is none.
    pub fn kill_inner(&self) -> Outcome<()> {
        signal(self.inner_pid()?, Signal::KILL);
        Ok(())
    }

    fn kill_whole(&mut self) {
        for pid in children_of(self.pid()) {
            signal(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.terminate().is_err() {
            self.kill_whole();
        }
    }
}

impl Lines {
    fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open_pipes += 1;
        let lines = Arc::clone(self);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut kept = lines.state.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.lines.len() == LINES_KEPT_MAX {
                    kept.lines.pop_front();
                    kept.dropped += 1;
                }
                kept.lines.push_back(text);
                lines.changed.notify_all();
            }
            lines
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .open_pipes -= 1;
            lines.changed.notify_all();
        });
    }
}

impl Kept {
    fn tail(&self) -> String {
        let skip = self.lines.len().saturating_sub(15);
        self.lines
            .iter()
            .skip(skip)
            .map(|line| format!("    {line}\n"))
            .collect()
    }
}

/// Process ids whose parent is `parent`, from /proc: a child belongs to the thread that started it.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let listed = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    listed
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that is gone already is what was wanted.
        let _ = kill_process(pid, signal);
    }
}
