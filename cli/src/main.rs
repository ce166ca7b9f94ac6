//! The command line `stoa`: words for people. Verifies a coordinator, sets and checks manifests, explains codes.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done; 1 refused or not verified; 2 wrong usage or input; 3
//! unreachable or unavailable; 70 our bug. Does not live here: any check of evidence (stoa-client, stoa-attestation).

mod args;
mod audit;
mod collateral;
mod coordinator;
mod doctor;
mod evidence;
mod explain;
mod failure;
mod files;
mod first_use;
mod manifest;
mod memory;
mod recover;
mod render;
mod secret;
mod status;
mod terminal;
mod user;
mod verify;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Command, Stoa};
use failure::Exit;
use terminal::Terminal;

fn main() -> ExitCode {
    let mut terminal = Terminal::of_process();
    let exit = match Stoa::try_parse() {
        Ok(stoa) => run(&stoa, &mut terminal),
        Err(error) if error.use_stderr() => {
            terminal.talk(error.render().to_string().trim_end());
            Exit::Usage
        }
        Err(help_or_version) => {
            terminal.data(help_or_version.render().to_string().trim_end());
            Exit::Done
        }
    };
    ExitCode::from(exit.number())
}

fn run(stoa: &Stoa, terminal: &mut Terminal<'_>) -> Exit {
    let done = match &stoa.command {
        Command::Verify(args) => verify::run(&stoa.global, args, terminal),
        Command::Evidence(args) => evidence::run(&stoa.global, &args.command, terminal),
        Command::Measure(args) => evidence::measure::run(&stoa.global, args, terminal),
        Command::Manifest(args) => manifest::run(&stoa.global, args, terminal),
        Command::Secret(args) => secret::run(&stoa.global, args, terminal),
        Command::Recover(args) => recover::run(&stoa.global, args, terminal),
        Command::Status(args) => status::run(&stoa.global, args, terminal),
        Command::Audit(args) => audit::run(&stoa.global, args, terminal),
        Command::Collateral(args) => collateral::run(&stoa.global, args, terminal),
        Command::Doctor(args) => doctor::run(&stoa.global, args, terminal),
        Command::Explain { code } => explain::run(&stoa.global, code.as_deref(), terminal),
    };
    done.unwrap_or_else(|failure| {
        terminal.talk(&failure.text());
        failure.exit
    })
}
