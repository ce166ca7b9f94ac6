//! `stoa-synthetic`: a platform with its collateral service, programs inside its TEEs, their measurements.
//!
//! Words for people and exit codes live here: 0 done, 1 refused, 2 wrong usage or input, 3 unavailable, 70 our bug;
//! `run` exits with the program's own code.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stoa_explain::Explain;
use stoa_synthetic::{
    Config, Flip, Knobs, Platform, PlatformTcb, Program, ProgramTee, Revoked, Service, ask, folder,
    run, signer,
};
use tokio::signal::unix::{SignalKind, signal};

/// The synthetic TEE: own vendor, real formats, no hardware. For tests and demos, never for secrets that matter
#[derive(Parser)]
#[command(name = "stoa-synthetic", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make or reopen a platform in DIR, write DIR/root.pem, serve its collateral until SIGTERM
    Platform {
        /// Where the platform is kept between runs
        dir: PathBuf,
        /// 64 hex digits that everything of the platform comes from; random when DIR is new
        #[arg(long, value_parser = seed)]
        seed: Option<[u8; 32]>,
        /// What the platform's SVNs reach, from now on: up-to-date, out-of-date, ...
        #[arg(long)]
        tcb: Option<PlatformTcb>,
        /// Loopback address of the collateral service
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Also be an AMD machine: make an own ARK and ASK once, write DIR/snp-root.pem, serve the routes of the KDS
        #[arg(long)]
        snp: bool,
        /// Revoke in the CRLs: pck, pck-ca, tcb-signer, ask, vcek
        #[arg(long)]
        revoke: Vec<Revoked>,
        /// Seconds from issue to next update of collateral
        #[arg(long, default_value_t = Knobs::default().collateral_lifetime_secs)]
        collateral_lifetime_secs: u64,
        /// Seconds by which collateral's dates are moved: negative is older
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        collateral_shift_secs: i64,
        /// tcbEvaluationDataNumber of TCB info and QE identity
        #[arg(long, default_value_t = Knobs::default().tcb_evaluation_number)]
        tcb_evaluation_number: u32,
    },
    /// Run the program that CONFIG describes inside the TEE, with `--tee socket:PATH` and ARGS after its own arguments
    Run {
        /// Folder of the platform
        #[arg(long)]
        platform: PathBuf,
        /// What runs (TOML)
        config: PathBuf,
        /// The host's arguments; not measured
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Print what the TEE would measure of CONFIG, as JSON
    Measure {
        /// Folder of the platform
        #[arg(long)]
        platform: PathBuf,
        /// What would run (TOML)
        config: PathBuf,
    },
    /// Make a signer's key (RSA-3072, PEM) in FILE
    Signer {
        /// Where; refused if it exists
        file: PathBuf,
    },
    /// From inside: ask the TEE what lines on standard input say (info, evidence HEX, seal measurement|signer HEX)
    Ask {
        /// Where the TEE is
        #[arg(long)]
        tee: String,
        /// Whatever else the host gives
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        rest: Vec<OsString>,
    },
    /// The program itself, on its way into the TEE
    #[command(name = run::ENTER, hide = true)]
    Enter {
        executable: i32,
        daemon: u32,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// What to tell and with which code to leave.
struct Failure {
    code: &'static str,
    cause: String,
    remedy: Option<String>,
    exit: u8,
}

const EXIT_USAGE: u8 = 2;
const EXIT_UNAVAILABLE: u8 = 3;
const EXIT_BUG: u8 = 70;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Platform {
            dir,
            seed,
            tcb,
            listen,
            snp,
            revoke,
            collateral_lifetime_secs,
            collateral_shift_secs,
            tcb_evaluation_number,
        } => platform(&dir, (seed, tcb, snp), listen, |knobs| Knobs {
            revoked: revoke,
            collateral_lifetime_secs,
            collateral_shift_secs,
            tcb_evaluation_number,
            ..knobs
        }),
        Command::Run {
            platform,
            config,
            args,
        } => run_program(&platform, &config, &args),
        Command::Measure { platform, config } => measure(&platform, &config),
        Command::Signer { file } => signer::create(&file)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| failure(&error, EXIT_USAGE)),
        Command::Ask { tee, rest: _ } => {
            ask::answer_lines(&tee, std::io::stdin().lock(), std::io::stdout().lock())
                .map(|()| ExitCode::SUCCESS)
                .map_err(|error| Failure {
                    code: "synthetic-wait-failed",
                    cause: format!("standard input or output: {error}"),
                    remedy: None,
                    exit: EXIT_UNAVAILABLE,
                })
        }
        Command::Enter {
            executable,
            daemon,
            command,
        } => match command.split_first() {
            Some((name, args)) => Err(failure(
                &run::enter(executable, daemon, name, args),
                EXIT_UNAVAILABLE,
            )),
            None => Ok(ExitCode::from(EXIT_BUG)),
        },
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {}  [{}]", failure.cause, failure.code);
        if let Some(remedy) = failure.remedy {
            eprintln!("  to do: {remedy}");
        }
        ExitCode::from(failure.exit)
    })
}

fn platform(
    dir: &Path,
    (seed, tcb, snp): (Option<[u8; 32]>, Option<PlatformTcb>, bool),
    listen: SocketAddr,
    turn: impl FnOnce(Knobs) -> Knobs,
) -> Result<ExitCode, Failure> {
    let platform =
        folder::create_or_open(dir, seed, tcb).map_err(|error| failure(&error, EXIT_USAGE))?;
    let platform = if snp {
        folder::with_snp_vendor(dir, platform).map_err(|error| failure(&error, EXIT_USAGE))?
    } else {
        platform
    };
    let knobs = turn(platform.knobs().clone());
    let service = Service::start(platform.with_knobs(knobs), listen).map_err(|error| Failure {
        code: "synthetic-service-unavailable",
        cause: format!("cannot serve collateral on {listen}: {error}"),
        remedy: Some("give a free loopback address, or none".to_owned()),
        exit: EXIT_UNAVAILABLE,
    })?;
    let ready = serde_json::json!({
        "event": "listening", "listener": "pccs", "addr": service.addr().to_string(),
    });
    say(&ready);
    until_asked_to_end().map_err(|error| Failure {
        code: "synthetic-wait-failed",
        cause: format!("cannot watch for signals: {error}"),
        remedy: None,
        exit: EXIT_BUG,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_program(platform: &Path, config: &Path, args: &[OsString]) -> Result<ExitCode, Failure> {
    let (platform, program) = load(platform, config)?;
    let code =
        run::run(platform, program, args).map_err(|error| failure(&error, EXIT_UNAVAILABLE))?;
    // Exit statuses are a byte; 128 + 64 is the largest that `run` makes.
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn measure(platform: &Path, config: &Path) -> Result<ExitCode, Failure> {
    let (_, program) = load(platform, config)?;
    let identity = program.identity();
    let name = match identity.tee {
        ProgramTee::Sgx => "unique_id",
        ProgramTee::Tdx => "mrtd",
        ProgramTee::Snp => "measurement",
    };
    let said = serde_json::json!({
        "tee": identity.tee.name(),
        name: hex::encode(&identity.measurement),
        "signer_id": hex::encode(identity.signer_id),
        "product_id": identity.product_id,
        "security_version": identity.security_version,
        "debug": identity.debug,
    });
    say(&said);
    Ok(ExitCode::SUCCESS)
}

/// The platform as this program meets it, and the program.
fn load(platform: &Path, config: &Path) -> Result<(Platform, Program), Failure> {
    let platform = folder::open(platform).map_err(|error| failure(&error, EXIT_USAGE))?;
    let program = Config::read(config).map_err(|error| failure(&error, EXIT_USAGE))?;
    let (tcb, flip): (Option<PlatformTcb>, Option<Flip>) = (program.tcb, program.flip);
    // The folder of `c.toml` is "", which is no path to go to.
    let folder = Path::new(".").join(config.parent().unwrap_or(Path::new("")));
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let program = Program::load(program, &folder).map_err(|error| failure(&error, EXIT_USAGE))?;
    let platform = platform.with_knobs(Knobs {
        tcb: tcb.unwrap_or(platform.tcb()),
        flip,
        ..platform.knobs().clone()
    });
    Ok((platform, program))
}

/// One JSON line, flushed: whoever started us waits for it.
fn say(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // Nobody to tell is nobody to fail.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn until_asked_to_end() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(async {
            let mut term = signal(SignalKind::terminate())?;
            let mut int = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = term.recv() => (),
                _ = int.recv() => (),
            }
            Ok(())
        })
}

fn failure(error: &dyn Explain, exit: u8) -> Failure {
    let mut cause = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        next = inner.source();
    }
    Failure {
        code: error.code(),
        cause,
        remedy: error.remedy(),
        exit,
    }
}

fn seed(text: &str) -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    hex::decode_to_slice(text, &mut seed).map_err(|error| format!("not 64 hex digits: {error}"))?;
    Ok(seed)
}
