//! The one function that turns an error into text and an exit code.
//!
//! First line: what failed, with its code; then cause, remedy, and where to read more; then whether anything changed.

use stoa_client::report::Cause;
use stoa_explain::Explain;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Refused, or not verified.
    Refused,
    /// Wrong usage or input.
    Usage,
    /// Unreachable or unavailable: worth a retry.
    Unavailable,
    /// Our bug.
    Bug,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 3,
            Exit::Bug => 70,
        }
    }
}

/// Whether the command changed anything before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// The command changes nothing anyway: nothing is said.
    NotItsBusiness,
    /// Nothing was changed, and that is said.
    Nothing,
    /// It can't be known from here.
    Unknown,
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    code: &'static str,
    what: String,
    rows: Vec<(String, String)>,
    cause: Option<String>,
    remedy: Option<String>,
    changed: Changed,
}

impl Failure {
    /// Of any error; its text is the first line.
    pub(crate) fn of(exit: Exit, error: &dyn Explain) -> Self {
        let Cause { code, text, remedy } = Cause::of(error);
        Self::new(exit, code, text, remedy)
    }

    /// Of a check that does not hold: what was checked is the first line, why it does not hold the cause.
    pub(crate) fn of_check(check: &str, cause: &Cause) -> Self {
        let mut failure = Self::new(
            Exit::Refused,
            cause.code,
            format!("{check} does not hold"),
            cause.remedy.clone(),
        );
        failure.cause = Some(cause.text.clone());
        failure
    }

    /// Of a walk that ended at a step.
    pub(crate) fn of_step(step: &str, exit: Exit, cause: &Cause) -> Self {
        let what = format!("the step `{step}` failed");
        let mut failure = Self::new(exit, cause.code, what, cause.remedy.clone());
        failure.cause = Some(cause.text.clone());
        failure
    }

    /// Its code, words and remedy.
    pub(crate) fn cause_of_it(self) -> Cause {
        Cause {
            code: self.code,
            text: self.what,
            remedy: self.remedy,
        }
    }

    /// Of a coordinator that is not verified, after each failed check was shown: the first of them gives the code.
    pub(crate) fn not_verified(failed: usize, checks: usize, first: &Cause) -> Self {
        let what = format!("the coordinator is not verified: {failed} of {checks} checks failed");
        Self::new(Exit::Refused, first.code, what, None)
    }

    fn new(exit: Exit, code: &'static str, what: String, remedy: Option<String>) -> Self {
        Self {
            exit,
            code,
            what,
            rows: Vec::new(),
            cause: None,
            remedy,
            changed: Changed::NotItsBusiness,
        }
    }

    /// With one row for each faulty field.
    pub(crate) fn with_rows(mut self, rows: Vec<(String, String)>) -> Self {
        self.rows = rows;
        self.remedy = None;
        self
    }

    /// Of a file: its path stands first.
    pub(crate) fn in_file(mut self, path: &std::path::Path) -> Self {
        self.what = format!("{}: {}", path.display(), self.what);
        self
    }

    pub(crate) fn with_cause(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }

    pub(crate) fn changed(mut self, changed: Changed) -> Self {
        self.changed = changed;
        self
    }

    /// What is printed on stderr, without the last newline.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("error: {}  [{}]", self.what, self.code)];
        let width = self
            .rows
            .iter()
            .map(|(path, _)| path.chars().count())
            .max()
            .unwrap_or(0);
        for (path, cause) in &self.rows {
            lines.push(format!("  {path:width$}  {cause}").trim_end().to_owned());
        }
        if let Some(cause) = &self.cause {
            lines.push(format!("  cause   {cause}"));
        }
        if self.exit == Exit::Bug {
            lines.push(
                "  remedy  none: it is a bug of ours; please report it with this text".to_owned(),
            );
        } else if let Some(remedy) = &self.remedy {
            lines.push(format!("  remedy  {remedy}"));
        }
        if self.rows.is_empty() {
            lines.push(format!("  more    stoa explain {}", self.code));
        }
        match self.changed {
            Changed::NotItsBusiness => {}
            Changed::Nothing => lines.push("nothing was changed".to_owned()),
            Changed::Unknown => {
                lines.push("it may have been changed or not; look before you try again".to_owned())
            }
        }
        lines.join("\n")
    }
}

/// What the command line itself refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{path} can't be read: {cause}")]
    NotReadable { path: String, cause: String },
    #[error("{path} can't be written: {cause}")]
    NotWritten { path: String, cause: String },
    #[error("{option} {cause}")]
    Argument { option: &'static str, cause: String },
    #[error("no coordinator was named")]
    AddressMissing,
    #[error("nothing was given to compare the coordinator's code with")]
    ReferenceMissing,
    #[error(
        "there is no folder to remember meshes in: neither STOA_STATE_DIR, XDG_STATE_HOME nor HOME is set"
    )]
    MemoryUnavailable,
    #[error("there is no code `{0}`")]
    CodeUnknown(String),
    #[error("the coordinator took the manifest, but does not state that it is in force")]
    ManifestNotConfirmed,
    #[error("no manifest is in force")]
    NoManifest,
    #[error("the coordinator says that its root CA has the key {said}, but signed {signed}")]
    StatusContradicts { signed: String, said: String },
    #[error("the coordinator is not in recovery, but in state {state}")]
    NotInRecovery { state: String },
    #[error("the coordinator is in recovery and names no mesh: it has no clear recovery data")]
    NoRecoveryData,
    #[error("the share is of data key {own}; the coordinator asks for {asked}")]
    ShareOfAnother { own: String, asked: String },
    #[error("{path} is no recovery key that can be used: {cause}")]
    HolderKeyUnfit { path: String, cause: String },
    #[error("the coordinator's upload key can't be used: {cause}")]
    UploadKeyUnusable { cause: String },
    #[error("the recovery file has shares of {holders}, none for the key with SHA-256 {key}")]
    NoShareForKey { holders: String, key: String },
    #[error(
        "the coordinator took the last share, and does not prove that the state is back: {cause}"
    )]
    RecoveryNotConfirmed { cause: String },
    #[error("{0}")]
    RecoveryDataNotAsked(&'static str),
    #[error("this machine's clock is before 1970")]
    ClockUnset,
    #[error("the TEE gave two different sealing keys for the same purpose")]
    SealKeyChanges,
    #[error(
        "this machine's clock says {ours}, that of {source_name} {theirs}; 300 s may lie between them"
    )]
    ClockDiffers {
        ours: String,
        theirs: String,
        source_name: String,
    },
    #[error("the system gave no random bytes")]
    RandomnessUnavailable,
}

impl Explain for Refused {
    fn code(&self) -> &'static str {
        match self {
            Self::NotReadable { .. } => "file-not-readable",
            Self::NotWritten { .. } => "file-not-written",
            Self::Argument { .. } => "argument-invalid",
            Self::AddressMissing => "address-missing",
            Self::ReferenceMissing => "reference-missing",
            Self::MemoryUnavailable => "memory-unavailable",
            Self::CodeUnknown(_) => "code-unknown",
            Self::ManifestNotConfirmed => "manifest-not-confirmed",
            Self::NoManifest => "manifest-not-in-force",
            Self::StatusContradicts { .. } => "statement-inconsistent",
            Self::NotInRecovery { .. } => "not-in-recovery",
            Self::NoRecoveryData => "recovery-data-missing",
            Self::ShareOfAnother { .. } => "share-of-another-key",
            Self::HolderKeyUnfit { .. } => "recovery-key-unfit",
            Self::UploadKeyUnusable { .. } => "upload-unreadable",
            Self::NoShareForKey { .. } => "recovery-share-missing",
            Self::RecoveryNotConfirmed { .. } => "recovery-not-confirmed",
            Self::RecoveryDataNotAsked(_) => "recovery-data-not-asked",
            Self::ClockUnset => "clock-unset",
            Self::SealKeyChanges => "seal-key-changes",
            Self::ClockDiffers { .. } => "clock-differs",
            Self::RandomnessUnavailable => "randomness-unavailable",
        }
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let exit = match refused {
            Refused::ManifestNotConfirmed
            | Refused::NoManifest
            | Refused::NotInRecovery { .. }
            | Refused::NoRecoveryData
            | Refused::ShareOfAnother { .. }
            | Refused::UploadKeyUnusable { .. }
            | Refused::RecoveryNotConfirmed { .. }
            | Refused::StatusContradicts { .. } => Exit::Refused,
            Refused::ClockUnset
            | Refused::SealKeyChanges
            | Refused::ClockDiffers { .. }
            | Refused::RandomnessUnavailable => Exit::Unavailable,
            _ => Exit::Usage,
        };
        Self::of(exit, &refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_what_now_and_whether_anything_changed() {
        let cause = Cause {
            code: "tcb-not-accepted",
            text: "TCB status is OutOfDate, accepted are UpToDate".to_owned(),
            remedy: Some("update the platform".to_owned()),
        };
        let failure = Failure::of_check("hardware", &cause).changed(Changed::Nothing);
        assert_eq!(
            failure.text(),
            "error: hardware does not hold  [tcb-not-accepted]\n  cause   TCB status is OutOfDate, accepted are \
             UpToDate\n  remedy  update the platform\n  more    stoa explain tcb-not-accepted\nnothing was changed"
        );
    }

    #[test]
    fn fields_stand_in_a_column() {
        let failure = Failure::from(Refused::CodeUnknown("x".to_owned())).with_rows(vec![
            ("a".to_owned(), "is bad".to_owned()),
            ("long.path".to_owned(), "too".to_owned()),
        ]);
        assert_eq!(
            failure.text(),
            "error: there is no code `x`  [code-unknown]\n  a          is bad\n  long.path  too"
        );
    }

    #[test]
    fn every_exit_code_is_the_documented_one() {
        let all = [
            Exit::Done,
            Exit::Refused,
            Exit::Usage,
            Exit::Unavailable,
            Exit::Bug,
        ];
        assert_eq!(all.map(Exit::number), [0, 1, 2, 3, 70]);
    }
}
