//! Meeting a coordinator: what it must be, the statement that it makes, and what comes of the checks.

use std::path::Path;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use stoa_attestation::channel::ChannelError;
use stoa_attestation::policy::Advisories;
use stoa_attestation::{Anchor, NoMemo, Reference, TcbStatus, Trust};
use stoa_client::http::{Connection, Endpoint, Fault, HttpError, Identity, Pin};
use stoa_client::reference::REFERENCE_BYTES_MAX;
use stoa_client::{Check, Memory, Outcome, Question, Report, Statement, judge, reference};

use crate::args::{Global, Trusted};
use crate::failure::{Changed, Exit, Failure, Refused};
use crate::files;
use crate::memory::{MemoryFolder, Remembered};
use crate::terminal::Terminal;
use crate::world;

/// A trust anchor, in bytes.
const ANCHOR_BYTES_MAX: usize = 16 * 1024;

/// What the coordinator must be, and whom evidence is believed from.
pub(crate) struct Wanted {
    pub(crate) reference: Reference,
    anchors: Vec<Anchor>,
}

impl Wanted {
    /// From the options. An insecure root is announced each time that it is used.
    pub(crate) fn load(
        global: &Global,
        trusted: &Trusted,
        terminal: &mut Terminal<'_>,
    ) -> Result<Self, Failure> {
        let mut reference = match &global.coordinator {
            Some(path) => read_reference(path)?,
            None => Reference {
                identities: reference::RELEASED
                    .iter()
                    .map(|(_, identity)| identity.clone())
                    .collect(),
                ..Reference::default()
            },
        };
        for text in &trusted.accept_tcb {
            let status = text
                .parse()
                .map_err(|_| text)
                .and_then(|status| match status {
                    TcbStatus::Revoked => Err(text),
                    other => Ok(other),
                });
            let status = status.map_err(|text| Refused::Argument {
                option: "--accept-tcb",
                cause: format!(
                    "names `{}`, which is no TCB status that can be accepted",
                    text.escape_debug()
                ),
            })?;
            reference.tcb.accepted.insert(status);
        }
        if let Advisories::Only(accepted) = &mut reference.tcb.advisories {
            accepted.extend(trusted.accept_advisory.iter().cloned());
        }
        let mut anchors = Anchor::vendors();
        for path in &trusted.insecure_trust_root {
            let anchor = read_anchor("--insecure-trust-root", path)?;
            terminal.talk(&format!(
                "warning: evidence under {} (SHA-256 {}) is believed; whoever holds its key can forge all of it",
                path.display(),
                hex::encode(anchor.sha256())
            ));
            anchors.push(anchor);
        }
        Ok(Self { reference, anchors })
    }

    /// Whether there is anything to compare the coordinator's code with.
    pub(crate) fn has_identities(&self) -> bool {
        !self.reference.identities.is_empty()
    }

    /// Runs all checks.
    pub(crate) fn judge(
        &self,
        statement: &Statement,
        nonce: &[u8; 32],
        connection: stoa_client::Connection<'_>,
        manifest: Option<&[u8]>,
        memory: Memory<'_>,
        now: UnixTime,
    ) -> Report {
        let trust = Trust {
            anchors: &self.anchors,
            algorithms: algorithms(),
            seen: &NoMemo,
        };
        let question = Question {
            nonce,
            connection,
            reference: &self.reference,
            manifest,
            memory,
            trust: &trust,
            now,
        };
        judge(statement, &question)
    }
}

/// The algorithms of aws-lc-rs, in which ECDSA P-256 with SHA-256 is the one that counts.
pub(crate) fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all
}

/// Reads a reference file, every fault with its path.
pub(crate) fn read_reference(path: &Path) -> Result<Reference, Failure> {
    let bytes = files::read(path, REFERENCE_BYTES_MAX)?;
    reference::parse(&bytes).map_err(|error| {
        let rows = error.faults.iter().map(|fault| {
            (
                fault.path.clone(),
                remedied(&fault.cause, fault.remedy.as_deref()),
            )
        });
        Failure::of(Exit::Usage, &error).with_rows(rows.collect())
    })
}

/// A cause and its remedy in one line.
pub(crate) fn remedied(cause: &str, remedy: Option<&str>) -> String {
    remedy.map_or_else(|| cause.to_owned(), |remedy| format!("{cause}; {remedy}"))
}

/// Reads a trust anchor that `option` names.
pub(crate) fn read_anchor(option: &'static str, path: &Path) -> Result<Anchor, Failure> {
    let bytes = files::read(path, ANCHOR_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| Refused::Argument {
        option,
        cause: format!("names {}, which is no PEM", path.display()),
    })?;
    parse_anchor(&text, path)
}

pub(crate) fn parse_anchor(pem: &str, path: &Path) -> Result<Anchor, Failure> {
    Anchor::insecure_from_pem(pem).map_err(|error| Failure::of(Exit::Usage, &error).in_file(path))
}

/// Where the coordinator is: the argument, else `--url`, else the environment.
pub(crate) fn endpoint(global: &Global, argument: Option<&str>) -> Result<Endpoint, Failure> {
    let text = argument
        .or(global.url.as_deref())
        .ok_or(Refused::AddressMissing)?;
    Endpoint::parse(text).map_err(|error| Failure::of(Exit::Usage, &error))
}

/// Runs the one task of this process.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Refused::NotReadable {
        path: "the system's event queue".to_owned(),
        cause: error.to_string(),
    })?;
    runtime.block_on(work)
}

/// A failed request, with the fields that the coordinator named.
pub(crate) fn request_failed(error: &HttpError) -> Failure {
    let exit = match error.fault() {
        Fault::Input => Exit::Usage,
        Fault::Refused => Exit::Refused,
        Fault::Unavailable => Exit::Unavailable,
    };
    let failure = Failure::of(exit, error);
    match error {
        HttpError::Refused(refused) if !refused.body.fields.is_empty() => {
            let rows = refused
                .body
                .fields
                .iter()
                .map(|field| (field.path.clone(), field.cause.clone()));
            failure.with_rows(rows.collect())
        }
        _ => failure,
    }
}

/// The same, of a request that was to change something.
pub(crate) fn change_failed(error: &HttpError) -> Failure {
    let changed = match (error, error.fault()) {
        (HttpError::Refused(_), Fault::Input | Fault::Refused) => Changed::Nothing,
        _ => Changed::Unknown,
    };
    request_failed(error).changed(changed)
}

/// A coordinator that was asked for its statement.
pub(crate) struct Met {
    pub(crate) connection: Connection,
    pub(crate) address: String,
    pub(crate) nonce: [u8; 32],
    pub(crate) fetched_at: UnixTime,
    pub(crate) statement: Statement,
    memory: MemoryFolder,
    remembered: Option<Remembered>,
}

impl Met {
    /// Connects, asks, and looks up what is remembered. Nothing is judged yet.
    pub(crate) async fn ask(endpoint: &Endpoint) -> Result<Self, Failure> {
        Self::ask_as(endpoint, None).await
    }

    /// The same as a user of the manifest.
    pub(crate) async fn ask_as(
        endpoint: &Endpoint,
        identity: Option<&Identity>,
    ) -> Result<Self, Failure> {
        let memory = MemoryFolder::of_environment()?;
        let nonce = world::nonce()?;
        let mut connection = Connection::open_as(endpoint, &Pin::Anyone, identity)
            .await
            .map_err(|error| request_failed(&error))?;
        let bytes = connection
            .statement(&nonce)
            .await
            .map_err(|error| request_failed(&error))?;
        let fetched_at = world::now()?;
        let statement =
            Statement::parse(&bytes).map_err(|error| Failure::of(Exit::Refused, &error))?;
        let address = endpoint.authority();
        let remembered = memory.find(statement.state.root().as_ref(), Some(&address))?;
        Ok(Self {
            connection,
            address,
            nonce,
            fetched_at,
            statement,
            memory,
            remembered,
        })
    }

    /// Asks again on the same connection, with a new nonce.
    pub(crate) async fn again(&mut self) -> Result<(), Failure> {
        self.nonce = world::nonce()?;
        let bytes = self
            .connection
            .statement(&self.nonce)
            .await
            .map_err(|error| request_failed(&error))?;
        self.fetched_at = world::now()?;
        self.statement =
            Statement::parse(&bytes).map_err(|error| Failure::of(Exit::Refused, &error))?;
        self.remembered = self
            .memory
            .find(self.statement.state.root().as_ref(), Some(&self.address))?;
        Ok(())
    }

    /// Runs all checks, and remembers the mesh if they allow it.
    pub(crate) fn judge(
        &self,
        wanted: &Wanted,
        manifest: Option<&[u8]>,
    ) -> Result<Report, Failure> {
        let report = wanted.judge(
            &self.statement,
            &self.nonce,
            stoa_client::Connection::Live(self.connection.leaf()),
            manifest,
            self.remembered
                .as_ref()
                .map_or(Memory::Nothing, |remembered| Memory::Seen(&remembered.mesh)),
            self.fetched_at,
        );
        if let Some(mut mesh) = report.seen.clone() {
            mesh.address = Some(self.address.clone());
            self.memory.remember(mesh)?;
        }
        Ok(report)
    }

    /// The same for a coordinator in recovery, which proves no mesh: what is remembered of the mesh that it names must
    /// not be newer than its journal.
    pub(crate) fn judge_in_recovery(
        &self,
        wanted: &Wanted,
        root: Option<&[u8; 32]>,
    ) -> Result<Report, Failure> {
        let state = &self.statement.state;
        let seen = match root {
            Some(root) => self.memory.find(Some(root), None)?,
            None => None,
        };
        let behind = seen.filter(|seen| {
            let position = seen.mesh.position();
            state.sequence < position.sequence
                || state.sequence == position.sequence && state.head != position.head
        });
        if let Some(seen) = behind {
            let position = seen.mesh.position();
            let back = ChannelError::HistoryWentBack {
                got_sequence: state.sequence,
                got_head: hex::encode(state.head),
                seen_sequence: position.sequence,
                seen_head: hex::encode(position.head),
            };
            return Err(Failure::of(Exit::Refused, &back));
        }
        Ok(wanted.judge(
            &self.statement,
            &self.nonce,
            stoa_client::Connection::Live(self.connection.leaf()),
            None,
            Memory::NotAsked("in recovery no mesh is proved; its journal was compared"),
            self.fetched_at,
        ))
    }

    /// Says on stderr why checks do not hold, the failed ones each in full.
    pub(crate) fn complain(&self, report: &Report, terminal: &mut Terminal<'_>) {
        complain(report, self.remembered.as_ref(), terminal);
    }
}

/// The same for a report without a connection.
pub(crate) fn complain(
    report: &Report,
    remembered: Option<&Remembered>,
    terminal: &mut Terminal<'_>,
) {
    for (check, cause) in report.failed() {
        terminal.talk(&Failure::of_check(&format!("the check `{}`", check.name()), cause).text());
    }
    let memory = report.rows.iter().find(|row| row.check == Check::Memory);
    if let (Some(remembered), Some(Outcome::No(_))) = (remembered, memory.map(|row| &row.outcome)) {
        terminal.talk(&format!(
            "note: the mesh is remembered in {}; if you know that it was founded anew, delete that file",
            remembered.path.display()
        ));
    }
}

/// The coordinator's code was compared and every check holds; else the reasons are on stderr.
pub(crate) fn require_verified(
    met: &Met,
    report: &Report,
    wanted: &Wanted,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    if report.coordinator_verified() {
        return Ok(());
    }
    if report.failed().next().is_none() && !wanted.has_identities() {
        return Err(Refused::ReferenceMissing.into());
    }
    met.complain(report, terminal);
    match report.failed().next() {
        Some((_, cause)) => Err(Failure::not_verified(
            report.failed().count(),
            report.rows.len(),
            cause,
        )),
        None => Err(Refused::ReferenceMissing.into()),
    }
}
