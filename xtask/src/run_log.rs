//! docs/reference/test-runs.md: one row for each full run of the tests.
//!
//! Does not live here: the run (`test`).

use std::io::Write;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::workspace::Workspace;

const PAGE: &str = "docs/reference/test-runs.md";
const HEAD: &str = "\
# Full runs of the tests

One row for each `cargo xtask test --full`, written by it: the day (UTC), the commit that was tested (`+` if the tree
differed from it), and the counts.

| day | commit | passed | failed | left out | seconds |
|---|---|---|---|---|---|
";

/// What one row says.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed, and broken promises and faults.
    pub failed: usize,
    /// Ignored tests whose needs were not met.
    pub left_out: usize,
    /// Wall clock of the whole run.
    pub seconds: u64,
}

/// Appends a row, with the heading if the page is new.
///
/// # Errors
/// [`Failure::File`] if the page can't be written.
pub fn append(workspace: &Workspace, row: Row) -> Result<(), Failure> {
    let path = workspace.path(PAGE);
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let Row {
        passed,
        failed,
        left_out,
        seconds,
    } = row;
    let (day, commit) = (day(since_epoch / 86_400), commit(workspace));
    let line = format!("| {day} | {commit} | {passed} | {failed} | {left_out} | {seconds} |\n");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::file("make", folder))?;
    }
    let head = if path.exists() { "" } else { HEAD };
    let mut page = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Failure::file("write", &path))?;
    page.write_all(format!("{head}{line}").as_bytes())
        .map_err(Failure::file("write", &path))
}

/// Short id of the checked-out commit; `none` outside a git repository.
fn commit(workspace: &Workspace) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(workspace.root())
            .args(arguments)
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(id) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "none".to_owned();
    };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|list| !list.is_empty());
    if changed { id + "+" } else { id }
}

/// `2026-11-23` for a number of days since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn day(days_since_epoch: u64) -> String {
    let shifted = days_since_epoch + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days_as_the_calendar_does() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_780), "2026-11-23");
        assert_eq!(day(20_819), "2027-01-01");
    }
}
