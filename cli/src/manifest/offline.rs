//! `stoa manifest check`, `import` and `merge`: what can be said of a manifest without a coordinator.

use std::path::{Path, PathBuf};

use serde_json::json;
use stoa_attestation::channel::limits::STATEMENT_MANIFEST_BYTES_MAX;
use stoa_manifest::{Advice, Faults, Manifest, Sort, advice, changes, merge};

use super::update::listed;
use crate::args::Global;
use crate::coordinator::remedied;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::terminal::Terminal;

/// Every fault, or what the manifest has and what MarbleRun would ignore of it.
pub(crate) fn check(
    global: &Global,
    file: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let manifest = read(global, file, terminal)?;
    let packages: Vec<&str> = manifest.packages().keys().map(String::as_str).collect();
    let marbles: Vec<&str> = manifest.marbles().keys().map(String::as_str).collect();
    let secrets: Vec<&str> = manifest.secrets().keys().map(String::as_str).collect();
    let ours: Vec<&str> = manifest
        .keys_of_our_own()
        .iter()
        .map(String::as_str)
        .collect();
    let sha256 = hex::encode(manifest.sha256());
    if global.json {
        let warnings: Vec<String> = manifest
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect();
        let value = json!({
            "manifest_sha256": sha256, "packages": packages, "marbles": marbles, "secrets": secrets,
            "ignored_by_marblerun": ours, "warnings": warnings, "faults": [],
        });
        terminal.data(&value.to_string());
        return Ok(Exit::Done);
    }
    terminal.data(&format!("{}  sha256:{sha256}", file.display()));
    for (what, names) in [
        ("packages", packages),
        ("marbles", marbles),
        ("secrets", secrets),
    ] {
        terminal.data(format!("  {what:<9} {}", names.join(", ")).trim_end());
    }
    if !ours.is_empty() {
        let ours = ours.join(", ");
        terminal.data(&format!("  ours      {ours} (MarbleRun would ignore them)"));
    }
    Ok(Exit::Done)
}

/// What a manifest of MarbleRun does here, and how to make it stronger.
pub(crate) fn import(
    global: &Global,
    file: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let bytes = files::read(file, STATEMENT_MANIFEST_BYTES_MAX)?;
    let manifest = Manifest::parse_with_unserved(&bytes)
        .map_err(|faults| refused(global, &faults, terminal))?;
    warn(global, &manifest, terminal);
    let advice = advice(&manifest);
    let not_yet = advice.iter().filter(|one| one.sort == Sort::NotYet).count();
    let exit = if not_yet == 0 {
        Exit::Done
    } else {
        Exit::Refused
    };
    if global.json {
        let of = |sort: Sort| {
            let each = advice.iter().filter(move |one| one.sort == sort);
            each.map(|one| json!({"path": one.fault.path, "cause": one.fault.cause, "remedy": one.fault.remedy}))
                .collect::<Vec<_>>()
        };
        let value = json!({
            "manifest_sha256": hex::encode(manifest.sha256()), "not_yet": of(Sort::NotYet),
            "different": of(Sort::Different), "stronger": of(Sort::Stronger),
        });
        terminal.data(&value.to_string());
        return Ok(exit);
    }
    terminal.data(&format!(
        "{}  sha256:{}",
        file.display(),
        hex::encode(manifest.sha256())
    ));
    for (sort, heading) in [
        (Sort::NotYet, "not served yet: it can't be set as it is"),
        (Sort::Different, "different here"),
        (Sort::Stronger, "could be stronger"),
    ] {
        part(&advice, sort, heading, terminal);
    }
    Ok(exit)
}

fn part(advice: &[Advice], sort: Sort, heading: &str, terminal: &mut Terminal<'_>) {
    let mut each = advice.iter().filter(|one| one.sort == sort).peekable();
    if each.peek().is_some() {
        terminal.data(heading);
    }
    for one in each {
        terminal.data(&format!("  {}", one.fault));
    }
}

/// Joins a base and an overlay; the result goes to `output` or stdout, what it changes to stderr.
pub(crate) fn join(
    global: &Global,
    base: &Path,
    overlay: &Path,
    output: Option<&PathBuf>,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let base_bytes = files::read(base, STATEMENT_MANIFEST_BYTES_MAX)?;
    let overlay_bytes = files::read(overlay, STATEMENT_MANIFEST_BYTES_MAX)?;
    let before = Manifest::parse_with_unserved(&base_bytes)
        .map_err(|faults| refused(global, &faults, terminal).in_file(base))?;
    let merged = merge(&base_bytes, &overlay_bytes)
        .map_err(|faults| refused(global, &faults, terminal).in_file(overlay))?;
    let after = Manifest::parse_with_unserved(&merged.bytes)
        .map_err(|faults| refused(global, &faults, terminal).in_file(overlay))?;
    let changes = changes(&before, &after);
    let sha256 = hex::encode(after.sha256());
    if let Some(output) = output {
        files::write(output, &merged.bytes)?;
    }
    if global.json {
        let conflicts: Vec<_> = merged
            .conflicts
            .iter()
            .map(|one| json!({"path": one.path, "base": one.base, "overlay": one.overlay}))
            .collect();
        let changed = listed(&changes);
        let value = json!({"manifest_sha256": sha256, "conflicts": conflicts, "changes": changed});
        terminal.data(&value.to_string());
        return Ok(Exit::Done);
    }
    for one in &merged.conflicts {
        terminal.talk(&format!(
            "conflict  {} is {} in the base; the overlay's {} holds",
            one.path, one.base, one.overlay
        ));
    }
    for one in &changes {
        terminal.talk(&one.to_string());
    }
    match output {
        None => terminal.bytes(&merged.bytes),
        Some(output) => terminal.data(&format!("{}  sha256:{sha256}", output.display())),
    }
    Ok(Exit::Done)
}

/// Reads and parses, all faults at once; warnings go to stderr.
pub(crate) fn read(
    global: &Global,
    file: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<Manifest, Failure> {
    let bytes = files::read(file, STATEMENT_MANIFEST_BYTES_MAX)?;
    let manifest = Manifest::parse(&bytes).map_err(|faults| refused(global, &faults, terminal))?;
    warn(global, &manifest, terminal);
    Ok(manifest)
}

fn warn(global: &Global, manifest: &Manifest, terminal: &mut Terminal<'_>) {
    if !global.quiet {
        for warning in manifest.warnings() {
            terminal.talk(&format!("warning: {warning}"));
        }
    }
}

/// All faults as rows, and with `--json` also as data.
fn refused(global: &Global, faults: &Faults, terminal: &mut Terminal<'_>) -> Failure {
    if global.json {
        let rows: Vec<_> = faults
            .faults()
            .iter()
            .map(|fault| json!({"path": fault.path, "cause": fault.cause, "remedy": fault.remedy}))
            .collect();
        terminal.data(&json!({"faults": rows, "more": faults.more()}).to_string());
    }
    let mut rows: Vec<_> = faults
        .faults()
        .iter()
        .map(|fault| {
            (
                fault.path.clone(),
                remedied(&fault.cause, fault.remedy.as_deref()),
            )
        })
        .collect();
    if faults.more() > 0 {
        rows.push((format!("and {} more", faults.more()), String::new()));
    }
    Failure::of(Exit::Usage, faults).with_rows(rows)
}
