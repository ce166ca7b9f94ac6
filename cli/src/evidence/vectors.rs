//! `stoa evidence verify --dir`: folders of vectors (`tee-vector/1`, tests/vectors/README.md), each held against what its
//! `verdict.json` states.

mod snp;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use stoa_attestation::{
    Anchor, COLLATERAL_LEN_MAX, EVIDENCE_LEN_MAX, Kind, TcbPolicy, Verdict, snp_of_vectors,
};

use crate::args::Global;
use crate::coordinator::parse_anchor;
use crate::evidence::fields;
use crate::evidence::judge::{self, Judgement, Policy, Question};
use crate::failure::{Exit, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;

const SCHEMA: &str = "tee-vector/1";
/// A `verdict.json`, in bytes.
const VERDICT_BYTES_MAX: usize = 1024 * 1024;
/// Folders below the one that is named: group, vector.
const FOLDERS_DEPTH_MAX: usize = 3;
/// Vectors in one run.
const VECTORS_MAX: usize = 100_000;
/// TEEs whose vectors are run.
const TEES: [&str; 3] = ["sgx", "tdx", "snp"];

pub(crate) fn run(
    global: &Global,
    dir: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let mut folders = Vec::new();
    find(dir, 0, &mut folders)?;
    folders.sort();
    let (mut rows, mut left_out) = (Vec::new(), BTreeMap::new());
    for folder in &folders {
        let vector = Vector::read(dir, folder)?;
        if TEES.contains(&vector.tee()) && vector.evidence().is_file() {
            rows.push(Row::of(&vector)?);
        } else {
            *left_out.entry(vector.what()).or_insert(0_usize) += 1;
        }
    }
    if rows.is_empty() {
        return Err(Refused::Argument {
            option: "--dir",
            cause: format!("{} holds no vector of {}", dir.display(), TEES.join(", ")),
        }
        .into());
    }
    let wrong = rows.iter().filter(|row| !row.faults.is_empty()).count();
    if global.json {
        let list: Vec<Value> = rows.iter().map(Row::json).collect();
        let value = json!({
            "vectors": list, "as_stated": rows.len() - wrong, "otherwise": wrong, "left_out": left_out,
        });
        terminal.data(&value.to_string());
    } else {
        terminal.data(&table(&rows));
        terminal.data(&totals(&rows, wrong, &left_out));
    }
    Ok(if wrong == 0 {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Folders with a `verdict.json`.
fn find(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<(), Refused> {
    let failed = |cause: String| Refused::NotReadable {
        path: folder.display().to_string(),
        cause,
    };
    if folder.join("verdict.json").is_file() {
        into.push(folder.to_owned());
        if into.len() > VECTORS_MAX {
            return Err(failed(format!("it holds more than {VECTORS_MAX} vectors")));
        }
        return Ok(());
    }
    if depth == FOLDERS_DEPTH_MAX {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(|error| failed(error.to_string()))? {
        let entry = entry.map_err(|error| failed(error.to_string()))?;
        // A link could lead around in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&entry.path(), depth + 1, into)?;
        }
    }
    Ok(())
}

struct Vector {
    name: String,
    folder: PathBuf,
    stated: Value,
}

impl Vector {
    fn read(root: &Path, folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("verdict.json");
        let refused = |cause: String| Refused::NotReadable {
            path: path.display().to_string(),
            cause,
        };
        let bytes = files::read(&path, VERDICT_BYTES_MAX)?;
        let stated: Value = serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("it is no JSON: {error}")))?;
        if stated["schema"] != SCHEMA {
            return Err(refused(format!(
                "its schema is {}, wanted \"{SCHEMA}\"",
                stated["schema"]
            ))
            .into());
        }
        let name = folder
            .strip_prefix(root)
            .ok()
            .filter(|name| !name.as_os_str().is_empty())
            .or_else(|| folder.file_name().map(Path::new));
        Ok(Self {
            name: name.unwrap_or(folder).display().to_string(),
            folder: folder.to_owned(),
            stated,
        })
    }

    fn tee(&self) -> &str {
        self.stated["tee"].as_str().unwrap_or("unknown")
    }

    fn is_snp(&self) -> bool {
        self.tee() == "snp"
    }

    fn evidence(&self) -> PathBuf {
        let name = if self.is_snp() {
            "report.bin"
        } else {
            "quote.bin"
        };
        self.folder.join(name)
    }

    /// What a vector that is not run is about.
    fn what(&self) -> String {
        if self.evidence().is_file() {
            self.tee().to_owned()
        } else {
            format!("{} without evidence", self.tee())
        }
    }

    fn expected(&self, member: &str) -> Option<&str> {
        self.stated["expected"][member].as_str()
    }

    /// A member of the verdict that names a file, from the vector's folder or from one above it. What stands behind a
    /// space is for people.
    fn file(&self, member: &str) -> Option<PathBuf> {
        let named = self.stated[member].as_str()?.split(' ').next()?;
        self.folder
            .ancestors()
            .map(|folder| folder.join(named))
            .find(|path| path.is_file())
    }

    fn anchors(&self) -> Result<Vec<Anchor>, Failure> {
        let vendors = Anchor::vendors();
        let Some(path) = self.file("trust_anchor") else {
            return Ok(vendors);
        };
        let anchor = parse_anchor(&snp::last_certificate(&path)?, &path)?;
        let known = vendors.iter().any(|v| v.sha256() == anchor.sha256());
        Ok(if known { vendors } else { vec![anchor] })
    }

    /// What is judged under `policy`, as of the vector's time.
    fn judge(&self, policy: &Policy) -> Result<Judgement, Failure> {
        let (evidence, collateral) = if self.is_snp() {
            self.snp_parts()?
        } else {
            self.dcap_parts()?
        };
        let secs = self.stated["evaluation_unix"].as_u64().unwrap_or(0);
        judge::judge(&Question {
            // A report that was cut does not show what it was.
            kind: self.is_snp().then_some(Kind::Snp),
            evidence: &evidence,
            collateral: Some(&collateral),
            anchors: &self.anchors()?,
            report_data: None,
            policy,
            now: UnixTime::since_unix_epoch(core::time::Duration::from_secs(secs)),
        })
    }

    fn dcap_parts(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let evidence = files::read(&self.evidence(), EVIDENCE_LEN_MAX)?;
        let collateral = self
            .file("collateral")
            .unwrap_or_else(|| self.folder.join("collateral.json"));
        // Evidence without collateral must be refused before anybody asks for it.
        let collateral = if collateral.is_file() {
            files::read(&collateral, COLLATERAL_LEN_MAX)?
        } else {
            Vec::new()
        };
        Ok((evidence, collateral))
    }

    fn snp_parts(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let chain = self.file("chain").ok_or_else(|| Refused::NotReadable {
            path: self.folder.display().to_string(),
            cause: "its verdict names no `chain` that is there".to_owned(),
        })?;
        let certificate = self.file("leaf_certificate");
        Ok((
            snp::evidence(&self.evidence(), certificate.as_deref())?,
            snp::collateral(&chain, self.file("crl").as_deref())?,
        ))
    }
}

/// A vector and what came of it.
struct Row {
    name: String,
    stated: String,
    judgement: Judgement,
    faults: Vec<String>,
}

impl Row {
    fn of(vector: &Vector) -> Result<Self, Failure> {
        let strict = Policy {
            references: None,
            tcb: TcbPolicy {
                accepted: BTreeSet::new(),
                snp: snp_of_vectors(),
                ..TcbPolicy::default()
            },
        };
        let judgement = vector.judge(&strict)?;
        Ok(Self {
            name: vector.name.clone(),
            stated: vector.expected("verdict").unwrap_or("nothing").to_owned(),
            faults: faults(vector, &judgement),
            judgement,
        })
    }

    fn reason(&self) -> &'static str {
        self.judgement
            .refused
            .as_ref()
            .map_or("", |cause| cause.code)
    }

    fn tcb_status(&self) -> Option<String> {
        let claims = self.judgement.claims.as_ref();
        let tcb = claims.and_then(|claims| claims.tcb());
        tcb.map(|tcb| tcb.status.to_string())
    }

    fn json(&self) -> Value {
        json!({
            "vector": self.name,
            "stated": self.stated,
            "verdict": self.judgement.verdict.name(),
            "failure_class": self.judgement.failure_class,
            "code": self.judgement.refused.as_ref().map(|cause| cause.code),
            "tcb_status": self.tcb_status(),
            "faults": self.faults,
        })
    }
}

/// Everything in which the judgement differs from what the vector states.
fn faults(vector: &Vector, judgement: &Judgement) -> Vec<String> {
    let mut faults = Vec::new();
    let mut compare = |what: &str, stated: Option<&str>, found: &str| {
        if let Some(stated) = stated.filter(|stated| *stated != found) {
            faults.push(format!("{what} is {found}, stated {stated}"));
        }
    };
    let code = judgement.refused.as_ref().map_or("", |cause| cause.code);
    let stated = vector.expected("verdict").filter(|stated| {
        // Both outcomes are defensible; or the vector leaves a verifier free to refuse an old format by name.
        let free = vector.expected("collateral") == Some("unsupported_format_or_ok")
            && code == "tcb-info-version-unsupported";
        *stated != "either" && !free
    });
    compare("verdict", stated, judgement.verdict.name());
    let strict = if code.is_empty() { "accept" } else { "reject" };
    compare("strict policy", vector.expected("strict_policy"), strict);
    let class = vector.expected("failure_class");
    if class.is_some_and(|class| !judgement.vector_classes.contains(&class)) {
        compare(
            "failure class",
            class,
            judgement.failure_class.as_deref().unwrap_or("none"),
        );
    }
    let Some(claims) = &judgement.claims else {
        return faults;
    };
    compare(
        "TCB status",
        vector.expected("tcb_status"),
        &claims.tcb_words(),
    );
    if let Some(stated) = vector.stated["expected"]["advisory_ids"].as_array() {
        let found = json!(claims.tcb().map(|tcb| &tcb.advisories));
        if found.as_array() != Some(stated) {
            faults.push(format!("advisories are {found}, stated {}", json!(stated)));
        }
    }
    if judgement.verdict != Verdict::Never {
        compare_fields(
            "",
            &vector.stated["fields"],
            &fields::verified(claims),
            &mut faults,
        );
    }
    faults
}

/// Fields that both have.
fn compare_fields(path: &str, stated: &Value, found: &Value, faults: &mut Vec<String>) {
    match (stated, found) {
        (Value::Object(stated), Value::Object(found)) => {
            for (name, value) in found {
                if let Some(stated) = stated.get(name) {
                    compare_fields(&format!("{path}.{name}"), stated, value, faults);
                }
            }
        }
        _ if stated == found || stated.is_null() && path.is_empty() => {}
        _ => faults.push(format!("fields{path} is {found}, stated {stated}")),
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        let word = if row.faults.is_empty() { "ok" } else { "NO" };
        let tcb = row.tcb_status().unwrap_or_else(|| "-".to_owned());
        let line = format!(
            "{word}  {:<width$}  {:<9}  {tcb:<34}  {}",
            row.name,
            row.judgement.verdict.name(),
            row.reason()
        );
        lines.push(line.trim_end().to_owned());
        lines.extend(row.faults.iter().map(|fault| format!("      {fault}")));
    }
    lines.join("\n")
}

fn totals(rows: &[Row], wrong: usize, left_out: &BTreeMap<String, usize>) -> String {
    let count = |verdict| {
        let of_it = rows.iter().filter(|row| row.judgement.verdict == verdict);
        format!("{} {verdict}", of_it.count())
    };
    let verdicts = [
        Verdict::Genuine,
        Verdict::Policy,
        Verdict::Freshness,
        Verdict::Never,
    ];
    let mut lines = vec![
        format!(
            "{} vectors    {}",
            rows.len(),
            verdicts.map(count).join(", ")
        ),
        format!("as stated      {} of {}", rows.len() - wrong, rows.len()),
    ];
    if !left_out.is_empty() {
        let each: Vec<String> = left_out
            .iter()
            .map(|(tee, n)| format!("{n} {tee}"))
            .collect();
        lines.push(format!("left out       {}", each.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One vector, with one statement at a time turned into another.
    #[test]
    fn a_vector_that_states_anything_else_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
        let folder = root.join("tdx/06-v5-service-td-bound");
        let vector = Vector::read(&root, &folder).unwrap();
        assert_eq!(Row::of(&vector).unwrap().faults, Vec::<String>::new());
        for (pointer, other) in [
            ("/expected/verdict", json!("genuine")),
            ("/expected/strict_policy", json!("accept")),
            ("/expected/failure_class", json!("debug_td")),
            ("/expected/tcb_status", json!("OutOfDate")),
            ("/expected/advisory_ids", json!(["INTEL-SA-00001"])),
            ("/fields/body/debug", json!(true)),
            ("/fields/body/mr_service_td", json!("00")),
            ("/fields/pck/fmspc", json!("000000000000")),
            ("/fields/pck/comp/0", json!(7)),
            ("/fields/qe/isvsvn", json!(0)),
        ] {
            let mut vector = Vector::read(&root, &folder).unwrap();
            *vector.stated.pointer_mut(pointer).unwrap() = other;
            assert_eq!(Row::of(&vector).unwrap().faults.len(), 1, "{pointer}");
        }
        let folder = root.join("snp/07-milan-debug-policy");
        assert_eq!(
            Row::of(&Vector::read(&root, &folder).unwrap())
                .unwrap()
                .faults,
            Vec::<String>::new()
        );
        for (pointer, other) in [
            ("/expected/failure_class", json!("debug_td")),
            ("/fields/measurement", json!("00")),
            ("/fields/vmpl", json!(1)),
            ("/fields/debug", json!(false)),
        ] {
            let mut vector = Vector::read(&root, &folder).unwrap();
            *vector.stated.pointer_mut(pointer).unwrap() = other;
            assert!(!Row::of(&vector).unwrap().faults.is_empty(), "{pointer}");
        }
    }
}
