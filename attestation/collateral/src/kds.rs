//! AMD's key distribution service: chain, revocation list, and the VCEK of one chip make one platform's collateral.
//!
//! One request after the other, because the service limits how often it is asked; what it answers with 429 and Retry-After
//! is kept (`transport`). A VCEK is asked for only if the evidence brings none.
//! Source: AMD 57230, Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification, 4.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::error::CollateralError;
use crate::pccs::{Fetched, der_hex, served_at};
use crate::platform::{Chip, Platform};
use crate::transport::{Answer, Transport};

/// A key distribution service, AMD's own or a cache with its routes.
#[derive(Clone)]
pub struct Kds {
    transport: Transport,
}

impl Kds {
    /// The service whose routes stand behind `url` (`https://kdsintf.amd.com`).
    ///
    /// # Errors
    /// [`CollateralError::UrlInvalid`]; https without `tls` is one.
    pub fn new(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, CollateralError> {
        Ok(Self {
            transport: Transport::new(url, tls)?,
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.transport.base()
    }

    /// The collateral of one platform, nothing of it verified.
    ///
    /// # Errors
    /// [`CollateralError`] of the first request that fails.
    pub async fn fetch(&self, platform: &Platform) -> Result<Fetched, CollateralError> {
        let Platform::Amd {
            product,
            signer,
            chip,
        } = platform
        else {
            let kind = platform.kind().name();
            return Err(CollateralError::KindUnknown { kind });
        };
        let of = format!("/{}/v1/{product}", signer.path());
        let chain = self.transport.get(&format!("{of}/cert_chain")).await?;
        let crl = self.crl(&of).await?;
        let vek = match chip {
            Some(chip) => self.vcek(&of, chip).await?,
            None => String::new(),
        };
        let collateral = serde_json::json!({
            "tee": "snp", "ask_ark_chain": text(&chain)?, "crl": crl, "vek": vek,
        });
        Ok(Fetched {
            json: collateral.to_string().into_bytes(),
            source: format!("{} (KDS, {})", self.url(), signer),
            served_at: served_at(&chain.headers),
        })
    }

    /// In hex; empty if the service has none, which policies refuse unless they say otherwise.
    async fn crl(&self, of: &str) -> Result<String, CollateralError> {
        match self.transport.get(&format!("{of}/crl")).await {
            Ok(answer) => der(&answer, "a revocation list in DER"),
            Err(none) if none.is_not_found() => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    async fn vcek(&self, of: &str, chip: &Chip) -> Result<String, CollateralError> {
        let (id, tcb) = (hex::encode(&chip.id), &chip.tcb);
        let fmc = tcb.fmc.map(|fmc| format!("fmcSPL={fmc}&"));
        let fmc = fmc.unwrap_or_default();
        let target = format!(
            "{of}/{id}?{fmc}blSPL={}&teeSPL={}&snpSPL={}&ucodeSPL={}",
            tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
        );
        let answer = self.transport.get(&target).await?;
        der(&answer, "a certificate in DER")
    }
}

fn text(answer: &Answer) -> Result<String, CollateralError> {
    String::from_utf8(answer.body.to_vec()).map_err(|error| CollateralError::Malformed {
        url: answer.url.clone(),
        what: "the body",
        found: format!("no text ({error})"),
        wanted: "a chain in PEM",
    })
}

/// In hex.
fn der(answer: &Answer, wanted: &'static str) -> Result<String, CollateralError> {
    der_hex(answer).ok_or_else(|| CollateralError::Malformed {
        url: answer.url.clone(),
        what: "the body",
        found: format!("something else of {} bytes", answer.body.len()),
        wanted,
    })
}
