//! The coordinator's own evidence: session keys made here, quoted by the TEE, handed out for a minute.
//!
//! docs/protocol/attest-1.md, section 4: the quote names root CA and security digest; per connection the session key
//! signs. A key is never stored and never used beyond its time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::UnixTime;
use stoa_attestation::channel::{SessionEvidence, session_report_data};
use stoa_source::Source;
use tokio::sync::{Mutex, Semaphore};

use crate::clock::Clock;
use crate::error::EdgeError;

/// Longest time that one session key is handed out, in seconds.
pub const SESSION_KEY_AGE_MAX_S: u64 = 60;
/// Age at which the next key is made in the background, in seconds.
pub const SESSION_KEY_RENEW_S: u64 = 30;
/// Most quotes waiting for the TEE when each connection wants its own.
pub const QUOTES_WAITING_MAX: usize = 64;
/// DER before the uncompressed point of a P-256 SubjectPublicKeyInfo (RFC 5480, 2; 91 bytes in all).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A quoted session key.
pub struct SessionKey {
    /// What travels in frame 3 and in the statement.
    pub evidence: SessionEvidence,
    key: EcdsaKeyPair,
}

impl SessionKey {
    /// ECDSA P-256, SHA-256, DER, over `message`.
    ///
    /// # Errors
    /// If the crypto library fails, which is a bug.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, EdgeError> {
        let signature = self
            .key
            .sign(&SystemRandom::new(), message)
            .map_err(|_| bug("the session key could not sign"))?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Makes session keys and hands out the newest.
pub struct Sessions {
    source: Arc<dyn Source>,
    root_key_id: Option<[u8; 32]>,
    security_digest: [u8; 48],
    clock: Arc<dyn Clock>,
    newest: ArcSwapOption<SessionKey>,
    making: Mutex<()>,
    waiting: Semaphore,
}

/// Whether connections share a session key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One key for all connections of up to a minute.
    Shared,
    /// A fresh key and quote for each connection.
    PerSession,
}

impl Sessions {
    /// For the mesh whose root CA has the key id `root_key_id` (`None` in recovery).
    pub fn new(
        source: Arc<dyn Source>,
        root_key_id: Option<[u8; 32]>,
        security_digest: [u8; 48],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            source,
            root_key_id,
            security_digest,
            clock,
            newest: ArcSwapOption::empty(),
            making: Mutex::new(()),
            waiting: Semaphore::new(QUOTES_WAITING_MAX),
        }
    }

    /// The digest that each quote names.
    pub fn security_digest(&self) -> [u8; 48] {
        self.security_digest
    }

    /// A key for one connection.
    ///
    /// # Errors
    /// [`EdgeError::EvidenceUnavailable`] with the TEE's words; [`EdgeError::TooManyRequests`] when too many wait.
    pub async fn key(&self, sharing: Sharing) -> Result<Arc<SessionKey>, EdgeError> {
        match sharing {
            Sharing::Shared => match self.usable() {
                Some(key) => Ok(key),
                None => self.renew().await,
            },
            Sharing::PerSession => {
                let too_many = EdgeError::TooManyRequests {
                    what: "fresh coordinator evidence",
                    limit: QUOTES_WAITING_MAX as u32,
                    scope: "at once",
                };
                let _place = self.waiting.try_acquire().map_err(|_| too_many)?;
                self.make().await.map(Arc::new)
            }
        }
    }

    /// Keeps the newest key younger than [`SESSION_KEY_RENEW_S`], so that no request waits for a quote.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            if self.age_s().is_none_or(|age| age >= SESSION_KEY_RENEW_S)
                && let Err(error) = self.renew().await
            {
                tracing::warn!(event = "evidence.failed", %error, "The TEE gave no evidence for a session key");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn renew(&self) -> Result<Arc<SessionKey>, EdgeError> {
        let _one_at_a_time = self.making.lock().await;
        if let Some(key) = self
            .usable()
            .filter(|_| self.age_s().is_some_and(|age| age < SESSION_KEY_RENEW_S))
        {
            return Ok(key);
        }
        let key = Arc::new(self.make().await?);
        self.newest.store(Some(Arc::clone(&key)));
        Ok(key)
    }

    fn usable(&self) -> Option<Arc<SessionKey>> {
        self.newest
            .load_full()
            .filter(|_| self.age_s().is_some_and(|age| age < SESSION_KEY_AGE_MAX_S))
    }

    /// `None` if there is no key, or if the clock ran backwards since it was made.
    fn age_s(&self) -> Option<u64> {
        let quoted_at = self.newest.load().as_ref()?.evidence.quoted_at;
        self.clock.now().as_secs().checked_sub(quoted_at)
    }

    async fn make(&self) -> Result<SessionKey, EdgeError> {
        let source = Arc::clone(&self.source);
        let (root_key_id, digest, now) = (self.root_key_id, self.security_digest, self.clock.now());
        tokio::task::spawn_blocking(move || quoted_key(&*source, root_key_id, &digest, now))
            .await
            .map_err(|_| bug("the task that makes session keys died"))?
    }
}

fn quoted_key(
    source: &dyn Source,
    root_key_id: Option<[u8; 32]>,
    digest: &[u8; 48],
    now: UnixTime,
) -> Result<SessionKey, EdgeError> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
        .map_err(|_| bug("a session key could not be generated"))?;
    let spki = [&P256_SPKI_PREFIX[..], key.public_key().as_ref()].concat();
    let quoted_at = now.as_secs();
    let report_data = session_report_data(source.kind(), &spki, root_key_id, digest, quoted_at);
    let evidence =
        source
            .evidence(&report_data)
            .map_err(|error| EdgeError::EvidenceUnavailable {
                reason: crate::error::chain(&error),
            })?;
    Ok(SessionKey {
        evidence: SessionEvidence {
            kind: source.kind(),
            evidence,
            spki,
            quoted_at,
        },
        key,
    })
}

fn bug(text: &str) -> EdgeError {
    EdgeError::Bug(text.to_owned())
}
