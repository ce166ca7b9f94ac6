//! Who is at the other end of the TEE's socket: a process of the TEE, or a stranger.
//!
//! The kernel says which process connected (SO_PEERCRED); /proc says whose child it is. The TEE's daemon is the
//! subreaper of what it started, so an orphan of the program becomes the daemon's child, not init's, and is still found.

use std::fs;
use std::os::unix::net::UnixStream;

/// Ancestors that are looked at, at most.
const ANCESTORS_MAX: usize = 256;
/// Walks, at most, each after one on which a process was gone.
const WALKS_MAX: usize = 16;

/// The process at the other end, if it is a descendant of `root`.
///
/// # Errors
/// The reason in words, for whoever runs the daemon; the peer hears nothing.
pub(crate) fn admitted(stream: &UnixStream, root: u32) -> Result<u32, String> {
    let peer = rustix::net::sockopt::socket_peercred(stream)
        .map_err(|error| format!("the kernel does not say who connected: {error}"))?;
    let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
    if descends_from(pid, root) {
        Ok(pid)
    } else {
        Err(format!("process {pid} is not one of this TEE"))
    }
}

/// Whether `pid` is a child, grandchild or so on of `root`; `root` itself is not.
fn descends_from(pid: u32, root: u32) -> bool {
    // A process in between may end while we walk; then `pid` has another parent, and the walk starts anew.
    (0..WALKS_MAX)
        .find_map(|_| walk(pid, root))
        .unwrap_or(false)
}

/// The answer, or `None` if a process on the way is gone.
fn walk(pid: u32, root: u32) -> Option<bool> {
    let mut next = pid;
    for _ in 0..ANCESTORS_MAX {
        next = parent(next)?;
        if next == root {
            return Some(true);
        }
        if next <= 1 {
            return Some(false);
        }
    }
    Some(false)
}

/// Field 4 of /proc/PID/stat; the name in field 2 may hold spaces and parentheses, so count from its end.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// Children of this process, whichever thread started them.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| parent(pid) == Some(own))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_that_is_gone_descends_from_nobody() {
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        assert_eq!(walk(gone.id(), std::process::id()), None);
        assert!(!descends_from(gone.id(), std::process::id()));
    }

    #[test]
    fn a_child_and_its_child_descend_and_we_and_init_do_not() {
        let own = std::process::id();
        // The shell's child is the `cat`; both wait for the end of our pipe.
        let mut shell = Command::new("sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert!(descends_from(shell.id(), own));
        let grandchild = (0..500)
            .find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                let all = fs::read_dir("/proc").unwrap().flatten();
                all.filter_map(|e| e.file_name().to_str()?.parse().ok())
                    .find(|&pid: &u32| parent(pid) == Some(shell.id()))
            })
            .expect("the shell starts `cat` within five seconds");
        assert!(descends_from(grandchild, own));
        assert!(descends_from(grandchild, shell.id()));
        assert!(!descends_from(shell.id(), grandchild));
        assert!(!descends_from(own, own));
        assert!(!descends_from(1, own));
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }
}
