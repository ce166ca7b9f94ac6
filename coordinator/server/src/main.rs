//! The coordinator: reads its configuration, opens or founds the state, serves until it is told to stop.
//!
//! Standard output is data (one JSON line for each listener), standard error is the log.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks to whoever started it"
)]

use std::process::ExitCode;

use clap::Parser as _;
use stoa_coordinator::config::{Config, LogFormat};
use stoa_coordinator::run::{self, Stopped};
use tracing_subscriber::EnvFilter;

/// Ended as asked.
const DONE: u8 = 0;
/// A rule refuses the start.
const REFUSED: u8 = 1;
/// Wrong usage or input.
const USAGE: u8 = 2;
/// Our bug.
const BUG: u8 = 70;

fn main() -> ExitCode {
    let config = Config::parse();
    let Ok(filter) = EnvFilter::try_new(&config.log) else {
        eprintln!(
            "error: --log is `{}`; wanted a filter such as `info` or `info,stoa_coordinator=debug`",
            config.log
        );
        return ExitCode::from(USAGE);
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
    }
    let listening = |listener: &str, addr: std::net::SocketAddr| {
        println!(
            r#"{{"event":"listening","listener":"{listener}","addr":"{addr}","pid":{}}}"#,
            std::process::id()
        );
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no threads: {error}");
            return ExitCode::from(BUG);
        }
    };
    match runtime.block_on(run::run(&config, listening)) {
        Ok(Stopped::Asked) => ExitCode::from(DONE),
        Ok(Stopped::WriterGone) => {
            eprintln!(
                "error: the writer's thread ended; nothing that was acknowledged is lost  [bug]"
            );
            ExitCode::from(BUG)
        }
        Err(error) => {
            eprintln!("{}", run::words(&error));
            ExitCode::from(REFUSED)
        }
    }
}
