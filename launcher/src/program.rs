//! The program: what is executed, with which arguments and variables.
//!
//! Its environment is what the manifest says, the marble's identity, and what the measured command line keeps
//! (`--keep-env`): the launcher's own environment is the host's, and `LD_PRELOAD` is one of its variables.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use marble_sdk::Marble;
use zeroize::Zeroizing;

use crate::config::Measured;
use crate::error::LaunchError;
use crate::identity;

/// Beginning of the names of variables that every marble is given, MarbleRun's.
const PREDEFINED: &str = "MARBLE_PREDEFINED_";
const PRIVATE_KEY: &str = "MARBLE_PREDEFINED_PRIVATE_KEY";

/// The variables that the manifest itself gives.
pub(crate) fn of_manifest(
    env: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> impl Iterator<Item = &String> {
    env.keys().filter(|name| !name.starts_with(PREDEFINED))
}

/// The program, ready to be executed in the folder of its files.
///
/// # Errors
/// [`LaunchError::NoProgram`], [`LaunchError::VariableRefused`], [`LaunchError::NotExecuted`] without a working folder.
pub(crate) fn of(measured: &Measured, marble: &Marble) -> Result<Command, LaunchError> {
    let kept = measured
        .keep_env
        .iter()
        .filter_map(|name| Some((name.clone(), std::env::var_os(name)?)));
    let key = identity::private_key(marble)?;
    let given = marble
        .env()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .chain([(PRIVATE_KEY, key.as_slice())]);
    let mut command = command(&measured.program, marble.argv(), kept, given)?;
    if let Some(folder) = &measured.files {
        command.current_dir(folder);
    }
    Ok(command)
}

/// Becomes the program; returns only if that fails.
pub(crate) fn become_it(mut program: Command) -> LaunchError {
    let source = program.exec();
    let path = PathBuf::from(program.get_program());
    LaunchError::NotExecuted { path, source }
}

/// `own` is the measured command line's program with its arguments, `argv` the manifest's.
fn command<'a>(
    own: &[OsString],
    argv: &[Vec<u8>],
    kept: impl Iterator<Item = (String, OsString)>,
    given: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Command, LaunchError> {
    let argv: Vec<&OsStr> = argv.iter().map(|word| OsStr::from_bytes(word)).collect();
    let own: Vec<&OsStr> = own.iter().map(OsString::as_os_str).collect();
    // The manifest's arguments, if it has some; the measured program, if one is named.
    let words = if argv.is_empty() { &own } else { &argv };
    let (Some(path), Some((name, arguments))) = (own.first().or(argv.first()), words.split_first())
    else {
        return Err(LaunchError::NoProgram);
    };
    if path.is_empty() {
        return Err(LaunchError::NoProgram);
    }
    // Absolute: the program starts in another folder, and a bare name would be looked for along PATH, the host's.
    let path = std::path::absolute(path).map_err(|source| LaunchError::NotExecuted {
        path: PathBuf::from(path),
        source,
    })?;
    let mut command = Command::new(path);
    command.arg0(name).args(arguments).env_clear().envs(kept);
    // Last, so that nothing kept from the host stands in the way of what the manifest says.
    for (name, value) in given {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains(&0) {
            let name = name.to_owned();
            return Err(LaunchError::VariableRefused { name });
        }
        command.env(name, OsStr::from_bytes(value));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn argv(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn plain(own: &[&str], argv: &[Vec<u8>]) -> Result<Command, LaunchError> {
        let own: Vec<OsString> = own.iter().map(OsString::from).collect();
        command(&own, argv, std::iter::empty(), std::iter::empty())
    }

    fn output(command: Result<Command, LaunchError>) -> String {
        String::from_utf8(command.unwrap().output().unwrap().stdout).unwrap()
    }

    #[test]
    fn the_program_gets_the_manifests_environment_and_no_other() {
        let kept = [
            ("LANG".to_owned(), "C".into()),
            ("TOKEN".to_owned(), "of the host".into()),
        ];
        let given: [(&str, &[u8]); 2] = [("TOKEN", b"of the manifest"), ("BYTES", b"\xff=x")];
        let own = [OsString::from("/usr/bin/env")];
        let mut command = command(&own, &[], kept.into_iter(), given.into_iter()).unwrap();
        assert!(
            std::env::var_os("PATH").is_some(),
            "there is something to leave out"
        );
        let printed = command.output().unwrap().stdout;
        let mut lines: Vec<_> = printed
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [&b"BYTES=\xff=x"[..], b"LANG=C", b"TOKEN=of the manifest"]
        );
    }

    #[test]
    fn arguments_are_the_manifests_and_the_program_is_the_measured_one() {
        let of_manifest = argv(&["name", "-c", "echo \"$0 $1\"", "zero", "one"]);
        assert_eq!(
            output(plain(&["/bin/sh", "-c", "echo measured"], &of_manifest)),
            "zero one\n"
        );
        assert_eq!(
            output(plain(&["/bin/sh", "-c", "echo measured"], &[])),
            "measured\n"
        );
        assert_eq!(
            output(plain(&[], &argv(&["/bin/echo", "a", "b c"]))),
            "a b c\n"
        );
    }

    #[test]
    fn a_bare_name_is_not_looked_for_along_the_hosts_path() {
        let command = plain(&[], &argv(&["env"])).unwrap();
        let here = std::env::current_dir().unwrap().join("env");
        assert_eq!(command.get_program(), here.as_os_str());
        let error = become_it(command);
        assert!(
            error.to_string().contains("/env can't be executed"),
            "{error}"
        );
    }

    #[test]
    fn impossible_programs_and_variables_are_refused() {
        for line in [argv(&[]), argv(&["", "x"])] {
            let refused = plain(&[], &line).unwrap_err();
            assert!(matches!(refused, LaunchError::NoProgram), "{refused}");
        }
        let table: [(&str, &[u8]); 4] = [("", b"x"), ("A=B", b"x"), ("A\0", b"x"), ("A", b"x\0y")];
        for (name, value) in table {
            let own = [OsString::from("/bin/true")];
            let refused = command(
                &own,
                &[],
                std::iter::empty(),
                std::iter::once((name, value)),
            );
            assert!(
                matches!(refused.unwrap_err(), LaunchError::VariableRefused { .. }),
                "{name:?}"
            );
        }
    }

    #[test]
    fn of_what_is_given_only_the_manifests_own_is_counted() {
        let value = || Zeroizing::new(Vec::new());
        let env = [
            ("MARBLE_PREDEFINED_ROOT_CA".to_owned(), value()),
            ("A".to_owned(), value()),
        ]
        .into();
        assert_eq!(of_manifest(&env).collect::<Vec<_>>(), ["A"]);
    }
}
