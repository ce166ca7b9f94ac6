//! `stoa secret`: set and get secrets as a user, after the coordinator was verified on the same connection.

use std::path::Path;

use serde_json::json;
use stoa_client::http::{SECRETS_ANSWER_BYTES_MAX, Secrets};
use zeroize::Zeroizing;

use crate::args::{self, Global, SecretCommand, Trusted, UserFiles};
use crate::coordinator::{Wanted, block_on, change_failed, endpoint, request_failed};
use crate::failure::{Changed, Exit, Failure};
use crate::files;
use crate::terminal::Terminal;
use crate::user::{identity, verified};

/// A file with values of secrets, in bytes; the coordinator takes as much.
const SECRETS_FILE_BYTES_MAX: usize = 1024 * 1024;

pub(crate) fn run(
    global: &Global,
    args: &args::Secret,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    match &args.command {
        SecretCommand::Set {
            file,
            user,
            trusted,
        } => set(global, file, user, trusted, terminal),
        SecretCommand::Get {
            names,
            save,
            stdout: _,
            user,
            trusted,
        } => get(global, names, save.as_deref(), user, trusted, terminal),
    }
}

fn set(
    global: &Global,
    file: &Path,
    user: &UserFiles,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let untouched = |failure: Failure| failure.changed(Changed::Nothing);
    let read = || -> Result<Secrets, Failure> {
        let json = Zeroizing::new(files::read(file, SECRETS_FILE_BYTES_MAX)?);
        Secrets::parse(json).map_err(|error| Failure::of(Exit::Usage, &error).in_file(file))
    };
    let secrets = read().map_err(untouched)?;
    let identity = identity(user).map_err(untouched)?;
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    block_on(async {
        let mut met = verified(&endpoint, &identity, &wanted, terminal)
            .await
            .map_err(untouched)?;
        let names = met
            .connection
            .set_secrets(secrets)
            .await
            .map_err(|error| change_failed(&error))?;
        if global.json {
            terminal.data(&json!({"set": names}).to_string());
        } else {
            terminal.data(&format!("secrets   set: {}", names.join(", ")));
        }
        Ok(Exit::Done)
    })
}

/// What was read goes into a file for its owner only, or to stdout if that was asked for.
fn get(
    global: &Global,
    names: &[String],
    save: Option<&Path>,
    user: &UserFiles,
    trusted: &Trusted,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let identity = identity(user)?;
    let endpoint = endpoint(global, None)?;
    let wanted = Wanted::load(global, trusted, terminal)?;
    block_on(async {
        let mut met = verified(&endpoint, &identity, &wanted, terminal).await?;
        let read = met
            .connection
            .read_secrets(names)
            .await
            .map_err(|error| request_failed(&error))?;
        // Never grows, so that nothing is left behind of it: what came is the most, and the lines' ends.
        let mut text = Zeroizing::new(Vec::with_capacity(2 * SECRETS_ANSWER_BYTES_MAX));
        // The form that `stoa secret set` takes. It can't fail: names and values are texts.
        let _ = serde_json::to_writer_pretty(&mut *text, &read.secrets);
        text.push(b'\n');
        match save {
            Some(path) => {
                files::write(path, &text)?;
                let saved = path.display().to_string();
                if global.json {
                    terminal.data(&json!({"read": names, "saved": saved}).to_string());
                } else {
                    terminal.data(&format!("secrets   saved to {saved}: {}", names.join(", ")));
                }
            }
            None => terminal.bytes(&text),
        }
        Ok(Exit::Done)
    })
}
