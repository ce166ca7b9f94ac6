//! One program inside the TEE, from start to end: socket, process, signals, exit code.
//!
//! The daemon starts itself again as [`enter`], which asks the kernel to end it together with the daemon and then becomes
//! the program: a TEE does not outlive its host process. When the program ends, what it left running ends too.
//! Does not live here: what the socket answers (`device`), what is measured (`program`).

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};
use stoa_explain::Explain;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::device::Device;
use crate::peer;
use crate::platform::Platform;
use crate::program::Program;

/// Name of the hidden subcommand that becomes the program.
pub const ENTER: &str = "enter";
/// First part of the name of a run's folder; the daemon's process id follows.
const PLACE_PREFIX: &str = "stoa-tee-";
/// For ending what the program left running.
const CLEAN_UP_TIME_MAX: Duration = Duration::from_secs(2);
/// Exit code of a program that a signal ended: this and the signal's number, as shells have it.
const SIGNAL_EXIT_BASE: i32 = 128;

/// Why a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The socket of the TEE cannot be made.
    #[error("cannot make the TEE's socket {}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The program cannot be started.
    #[error("cannot start {program} inside the TEE: {step}")]
    Start {
        /// As the configuration names it.
        program: String,
        /// What was being done.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel no longer says how the program is.
    #[error("cannot wait for the program inside the TEE")]
    Wait {
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for RunError {
    fn code(&self) -> &'static str {
        match self {
            Self::Socket { .. } => "synthetic-socket-unavailable",
            Self::Start { .. } => "synthetic-start-failed",
            Self::Wait { .. } => "synthetic-wait-failed",
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Socket { .. } => Some(
                "set XDG_RUNTIME_DIR or TMPDIR to a short path that this user may write".to_owned(),
            ),
            Self::Start { .. } => Some(
                "name an executable for this machine, and see that it can be started by hand"
                    .to_owned(),
            ),
            Self::Wait { .. } => None,
        }
    }
}

/// Runs the program with `host_args` after its measured arguments; its exit code, 128 + signal if a signal ended it.
///
/// SIGTERM and SIGINT are passed on to the program. Call it on the process's main thread: the program is ended when the
/// thread that started it ends.
///
/// # Errors
/// [`RunError`]; what the program itself does wrong is in its exit code.
pub fn run(platform: Platform, program: Program, host_args: &[OsString]) -> Result<i32, RunError> {
    let name = program.config().executable.clone();
    let failed = |step| {
        let program = name.clone();
        move |source| RunError::Start {
            program,
            step,
            source,
        }
    };
    // Orphans of the program become our children, not init's (see `peer`).
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|errno| failed("becoming its subreaper")(errno.into()))?;
    let place = Place::new()?;
    let listener = place.listen()?;
    let device = Arc::new(Device::new(platform, program));
    Arc::clone(&device)
        .serve(listener, std::process::id())
        .map_err(failed("serving its device"))?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed("making a runtime for signals"))?;
    let outcome = runtime.block_on(async {
        // Before the start, so that no signal is lost.
        let mut term = signal(SignalKind::terminate()).map_err(failed("watching for SIGTERM"))?;
        let mut int = signal(SignalKind::interrupt()).map_err(failed("watching for SIGINT"))?;
        let child = command(device.program(), &place.socket(), host_args)
            .spawn()
            .map_err(failed("starting the process"))?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("process ids are positive and below 2^22");
        let (ended, mut end) = oneshot::channel();
        std::thread::Builder::new()
            .name("wait".to_owned())
            .spawn(move || ended.send(wait_for(pid)))
            .map_err(failed("starting a thread that waits"))?;
        loop {
            let passed_on = tokio::select! {
                _ = term.recv() => Signal::TERM,
                _ = int.recv() => Signal::INT,
                end = &mut end => {
                    let end = end.expect("the thread sends before it ends");
                    return end.map_err(|errno| RunError::Wait { source: errno.into() });
                }
            };
            // The program may have ended meanwhile; then the end comes next.
            let _ = rustix::process::kill_process(pid, passed_on);
        }
    });
    end_the_rest();
    outcome
}

/// The command that enters the TEE: ourselves, with the program's environment, about to become the program.
fn command(program: &Program, socket: &Path, host_args: &[OsString]) -> Command {
    let config = program.config();
    let mut tee = OsString::from("socket:");
    tee.push(socket);
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(ENTER)
        .arg(program.executable().as_raw_fd().to_string())
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(&config.executable)
        .args(&config.argv)
        .arg("--tee")
        .arg(tee)
        .args(host_args)
        .current_dir(program.folder());
    // The dynamic linker would load the host's code into the program. Whoever wants that can have it measured, in `env`.
    for (name, _) in std::env::vars_os() {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b"LD_") || bytes == b"GLIBC_TUNABLES" {
            command.env_remove(name);
        }
    }
    command.envs(&config.env);
    command
}

/// Becomes the program whose sealed copy is file descriptor `executable` of `daemon`, our parent; returns only if that
/// fails.
pub fn enter(executable: i32, daemon: u32, name: &OsString, args: &[OsString]) -> RunError {
    let failed = |step, source| RunError::Start {
        program: name.to_string_lossy().into_owned(),
        step,
        source,
    };
    if let Err(errno) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return failed("tying its life to the daemon's", errno.into());
    }
    // The daemon may have ended before the line above.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(daemon) {
        return failed(
            "tying its life to the daemon's",
            std::io::Error::other("the daemon has ended"),
        );
    }
    // Opened anew, close-on-exec: the program does not find its own executable among its files.
    let copy = match fs::File::open(format!("/proc/{daemon}/fd/{executable}")) {
        Ok(copy) => copy,
        Err(source) => return failed("opening its sealed copy", source),
    };
    let source = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()))
        .arg0(name)
        .args(args)
        .exec();
    failed("executing its sealed copy", source)
}

/// How the program ended; on the way, orphans of the TEE are reaped.
fn wait_for(program: Pid) -> rustix::io::Result<i32> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                let signal = status.terminating_signal();
                return Ok(match (status.exit_status(), signal) {
                    (Some(code), _) => code,
                    (None, Some(signal)) => SIGNAL_EXIT_BASE + signal,
                    // Stopped or continued: not asked for, so not reported.
                    (None, None) => continue,
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Ends what the program left running, as a TEE's memory goes with it.
fn end_the_rest() {
    let deadline = Instant::now() + CLEAN_UP_TIME_MAX;
    while Instant::now() < deadline {
        let left = peer::children();
        if left.is_empty() {
            return;
        }
        for pid in left {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            }
        }
    }
}

/// A folder of mode 0700 that lives as long as the run, with the socket in it.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self, RunError> {
        let outer = std::env::var_os("XDG_RUNTIME_DIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(std::env::temp_dir, PathBuf::from);
        remove_left_behind(&outer);
        let mut random = [0; 8];
        // Without random bytes the name may be taken, and then the next line says so.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let name = format!(
            "{PLACE_PREFIX}{}-{}",
            std::process::id(),
            hex::encode(random)
        );
        let path = outer.join(name);
        // Fails if the name exists, whoever made it.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| RunError::Socket {
                path: path.clone(),
                source,
            })?;
        Ok(Self(path))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("tee.sock")
    }

    fn listen(&self) -> Result<UnixListener, RunError> {
        let path = self.socket();
        let failed = |source| RunError::Socket {
            path: path.clone(),
            source,
        };
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(listener)
    }
}

/// Removes the places of daemons that were killed: their names say of which process they were.
fn remove_left_behind(outer: &Path) {
    let Ok(entries) = fs::read_dir(outer) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PLACE_PREFIX)?.split_once('-'))
            .and_then(|(pid, _)| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Somebody else's cannot be removed by us, and need not be.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
