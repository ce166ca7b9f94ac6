//! Infrastructures: the platforms of a manifest, any of which may be the one that evidence comes from.
//!
//! Source of the fields: MarbleRun's manifest (`QESVN`, `PCESVN`, `CPUSVN`, `RootCA`), which its coordinator ignores.
//! Does not live here: trust. An infrastructure can only narrow the anchors under which evidence was verified.

use crate::claims::Claims;
use crate::policy::reference::{at_least, equal};
use crate::policy::refusal::{Difference, Refusal, differs};
use crate::tcb::reaches;
use crate::verified::Verified;

/// One infrastructure. Absent fields are not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Infrastructure {
    /// Its name in the manifest.
    pub name: String,
    /// ISVSVN of the quoting enclave, at least.
    pub qe_svn: Option<u16>,
    /// PCESVN, at least.
    pub pce_svn: Option<u16>,
    /// The 16 SGX TCB components, each at least.
    pub cpu_svn: Option<[u8; 16]>,
    /// SHA-256 of the DER of the root that the evidence must lead to. It must be one of the caller's anchors already:
    /// evidence under any other root was refused before.
    pub root_ca: Option<[u8; 32]>,
}

/// Holds genuine claims against infrastructures: any may fit; none given is anywhere.
///
/// # Errors
/// [`Refusal::InfrastructureDiffers`] with why each failed.
pub fn appraise_infrastructures(
    claims: &Verified<Claims>,
    infrastructures: &[Infrastructure],
) -> Result<(), Refusal> {
    if infrastructures.is_empty() {
        return Ok(());
    }
    let mut tried = Vec::new();
    for infrastructure in infrastructures {
        match infrastructure.difference(claims) {
            None => return Ok(()),
            Some(difference) => tried.push((infrastructure.name.clone(), difference)),
        }
    }
    Err(Refusal::InfrastructureDiffers { tried })
}

impl Infrastructure {
    fn difference(&self, claims: &Claims) -> Option<Difference> {
        let components = claims.platform.components;
        equal("RootCA", self.root_ca, claims.anchor)
            .or_else(|| at_least("QESVN", self.qe_svn, claims.tcb.qe_isv_svn))
            .or_else(|| at_least("PCESVN", self.pce_svn, claims.platform.pce_svn))
            .or_else(|| {
                let wanted = self.cpu_svn.filter(|svn| !reaches(&components, svn))?;
                let wanted = format!("each at least {}", hex::encode(wanted));
                differs("CPUSVN", wanted, hex::encode(components))
            })
    }
}
