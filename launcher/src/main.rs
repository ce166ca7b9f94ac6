//! Makes an unmodified program a marble: prove what this is, receive, write files, set the environment, become the program.
//!
//! The program is executed in place of the launcher, so there is one process, one measurement, one SIGTERM, and nothing of
//! the launcher's memory is left. Its certificate is renewed by starting again before it ends, or by the SDK.
//!
//! Exit codes: 1 refused; 2 wrong usage or input; 3 unreachable or unavailable; 70 our bug; after that the program's own.
//! Does not live here: the channel (`marble-sdk`), the flags (`config`).

mod config;
mod error;
mod files;
mod identity;
mod program;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use marble_sdk::{CONFIG_BYTES_MAX, Marble, MarbleConfig, Options};
use stoa_explain::Explain as _;
use stoa_source::Tee;

use crate::config::Config;
use crate::error::LaunchError;

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return ExitCode::from(error::EXIT_USAGE);
        }
        // --help and --version
        Err(error) => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    // On success the program runs in our place, and this does not return.
    let Err(error) = launch(&config);
    tell(&error);
    ExitCode::from(error.exit_code())
}

fn launch(config: &Config) -> Result<std::convert::Infallible, LaunchError> {
    let started = Instant::now();
    let marble = activate(config)?;
    let folder = match &config.measured.files {
        Some(dir) => Some(files::Folder::open(dir, config.measured.tmpfs)?),
        None => None,
    };
    let program = program::of(&config.measured, &marble)?;
    let written = write(folder.as_ref(), &marble)?;
    say_activated(&marble, started);
    let error = program::become_it(program);
    // Nobody will use them now.
    files::remove(&written);
    Err(error)
}

fn activate(config: &Config) -> Result<Marble, LaunchError> {
    let marble_config =
        MarbleConfig::parse(&read(&config.measured.config)?).map_err(marble_sdk::SdkError::from)?;
    let options = Options {
        mesh_addr: config.host.mesh_addr.clone(),
        source: Tee::open(&config.host.tee)
            .map_err(LaunchError::Tee)?
            .into(),
        instance: config.host.instance,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LaunchError::Bug(format!("no runtime: {error}")))?;
    Ok(runtime.block_on(marble_sdk::activate(&marble_config, &options))?)
}

/// The measured configuration's bytes, no more than it may have.
fn read(path: &Path) -> Result<Vec<u8>, LaunchError> {
    let unreadable = |source| LaunchError::ConfigUnreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let limit = CONFIG_BYTES_MAX as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

fn write(folder: Option<&files::Folder>, marble: &Marble) -> Result<Vec<PathBuf>, LaunchError> {
    let mut plan = files::plan(marble.files(), folder)?;
    if let Some(folder) = folder {
        plan.extend(identity::files(marble, folder)?);
    }
    files::write_all(&plan)
}

/// One JSON line on stdout, as every program of a mesh prints; then stdout is the program's.
#[allow(clippy::print_stdout)] // the launcher's own output
fn say_activated(marble: &Marble, started: Instant) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let line = serde_json::json!({
        "event": "activated",
        "marble": marble.name(),
        "instance": hex::encode(marble.instance()),
        "elapsed_us": started.elapsed().as_micros(),
        "secrets": program::of_manifest(marble.env()).count(),
        "files": marble.files().len(),
        "certificate_s": marble.not_after().saturating_sub(now),
    });
    println!("{line}");
    // Whoever closed stdout does not want to know.
    let _ = std::io::stdout().flush();
}

/// What failed, why, and what now: docs/reference/errors.md has every code.
#[allow(clippy::print_stderr)] // the launcher's own output
fn tell(error: &LaunchError) {
    eprintln!("error: {error}  [{}]", error.code());
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        eprintln!("  cause   {inner}");
        cause = inner.source();
    }
    if let Some(remedy) = error.remedy() {
        eprintln!("  remedy  {remedy}");
    }
    eprintln!("the program was not started");
}
