//! Which HTTP and gRPC status a code travels with: one table, used by the edges only.

/// Who is to blame, and so which status is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The bytes or values that were sent.
    Input,
    /// Nothing admits the caller to that.
    Refused,
    /// The state of the coordinator does not allow it now.
    Conflict,
    /// There is no such thing.
    Missing,
    /// More than a named limit.
    TooLarge,
    /// Not enough time.
    TooSlow,
    /// More often, or more at once, than a named limit.
    TooOften,
    /// The path is there, the method is not.
    Method,
    /// The world: try again.
    Unavailable,
    /// Ours.
    Bug,
}

impl Blame {
    /// The HTTP status (RFC 9110).
    #[must_use]
    pub fn http(self) -> u16 {
        match self {
            Self::Input => 400,
            Self::Refused => 403,
            Self::Missing => 404,
            Self::Method => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::TooOften => 429,
            Self::Bug => 500,
            Self::Unavailable => 503,
        }
    }

    /// The gRPC status number (google.rpc.Code).
    #[must_use]
    pub fn grpc(self) -> i32 {
        match self {
            Self::Input => 3,
            Self::TooSlow => 4,
            Self::Missing | Self::Method => 5,
            Self::Refused => 7,
            Self::TooLarge | Self::TooOften => 8,
            Self::Conflict => 9,
            Self::Bug => 13,
            Self::Unavailable => 14,
        }
    }
}

/// The blame of a stable code (docs/reference/errors.md); a code that is not in the table is a refusal.
///
/// Refusal is the fail-closed default: no code can turn into a success by being forgotten here.
#[must_use]
pub fn blame(code: &str) -> Blame {
    match code {
        "manifest-invalid"
        | "request-invalid"
        | "hello-malformed"
        | "version-unsupported"
        | "no-secrets-named"
        | "secret-unfit"
        | "share-malformed"
        | "upload-unreadable" => Blame::Input,
        "state-not-accepting"
        | "manifest-already-set"
        | "instance-in-use"
        | "epoch-moved"
        | "secret-not-set"
        | "secrets-moved"
        | "update-pending"
        | "update-refused"
        | "recovery-keys-fixed"
        | "not-in-recovery"
        | "recovery-data-missing"
        | "shares-do-not-fit"
        | "recovery-not-bound" => Blame::Conflict,
        "manifest-not-set" | "no-update-pending" | "path-unknown" => Blame::Missing,
        "too-large" | "secrets-full" => Blame::TooLarge,
        "too-slow" => Blame::TooSlow,
        "too-many-requests" => Blame::TooOften,
        "method-not-allowed" => Blame::Method,
        "collateral-unavailable"
        | "clock-behind"
        | "collateral-went-back"
        | "evidence-unavailable"
        | "in-recovery"
        | "stopping"
        | "store-unavailable" => Blame::Unavailable,
        "bug" => Blame::Bug,
        _ => Blame::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_are_refusals_never_successes() {
        assert_eq!(blame("never-heard-of"), Blame::Refused);
        for code in [
            "manifest-invalid",
            "too-large",
            "stopping",
            "bug",
            "never-heard-of",
        ] {
            assert!(blame(code).http() >= 400);
            assert_ne!(blame(code).grpc(), 0);
        }
    }
}
