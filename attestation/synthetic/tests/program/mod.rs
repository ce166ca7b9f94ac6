//! A platform in a folder of its own, and programs inside it that answer lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;

/// For one line of a program, also on a loaded machine.
const LINE_TIME_MAX: Duration = Duration::from_secs(30);

/// Lines of a program that nobody has read yet, at most.
const LINES_KEPT_MAX: usize = 1024;

/// A platform and a folder for configurations.
pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(world.sockets()).unwrap();
        stoa_synthetic::folder::create_or_open(&world.platform(), None, None).unwrap();
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn platform(&self) -> PathBuf {
        self.path("platform")
    }

    /// Where the daemons of this world put their sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.path("s")
    }

    pub(crate) fn synthetic(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_stoa-synthetic"))
    }

    pub(crate) fn measure(&self, config: &str) -> Value {
        let output = self.command("measure", config, &[], &[]).output().unwrap();
        assert!(output.status.success(), "{config}\n{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn run(&self, config: &str, args: &[&str], env: &[(&str, &str)]) -> Inside {
        Inside::start(&mut self.command("run", config, args, env))
    }

    pub(crate) fn run_to_end(&self, config: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        self.command("run", config, args, env)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn command(&self, verb: &str, config: &str, args: &[&str], env: &[(&str, &str)]) -> Command {
        let file = self.path("config.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(self.synthetic());
        command
            .arg(verb)
            .arg("--platform")
            .arg(self.platform())
            .arg(file);
        if !args.is_empty() {
            command.arg("--").args(args);
        }
        command
            .env("XDG_RUNTIME_DIR", self.sockets())
            .envs(env.iter().copied());
        command
    }
}

/// A process whose standard input and output are lines.
pub(crate) struct Inside {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Inside {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(LINES_KEPT_MAX);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    /// The answer to a line.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
        self.line()
    }

    /// The next line that it says.
    pub(crate) fn line(&self) -> Value {
        let line = self
            .lines
            .recv_timeout(LINE_TIME_MAX)
            .expect("the program says a line in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends its input and waits for it.
    pub(crate) fn end(&mut self) -> ExitStatus {
        drop(self.input.take());
        self.wait()
    }

    /// Waits for it; `Child::wait` would end its input first.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.input.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Whether a process runs; one that ended and waits to be reaped does not.
pub(crate) fn alive(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    })
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .unwrap();
    assert!(sent.success());
}
