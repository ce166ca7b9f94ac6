//! Infrastructures: the platforms of a manifest, any of which may be the one that evidence comes from.
//!
//! Source of the fields: MarbleRun's manifest (`QESVN`, `PCESVN`, `CPUSVN`, `RootCA`), which its coordinator ignores.
//! Does not live here: trust. An infrastructure can only narrow the anchors under which evidence was verified.

use crate::claims::Claims;
use crate::policy::reference::equal;
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
        let platform = claims.platform();
        let qe_svn = claims.tcb().map(|tcb| tcb.qe_isv_svn);
        let pce_svn = platform.map(|platform| platform.pce_svn);
        let components = platform.map(|platform| platform.components);
        equal("RootCA", self.root_ca, claims.anchor)
            .or_else(|| reached("QESVN", self.qe_svn, qe_svn))
            .or_else(|| reached("PCESVN", self.pce_svn, pce_svn))
            .or_else(|| {
                let has_all = |svn: &[u8; 16]| components.is_some_and(|has| reaches(&has, svn));
                let wanted = self.cpu_svn.filter(|svn| !has_all(svn))?;
                let wanted = format!("each at least {}", hex::encode(wanted));
                let found = components.map_or("none".to_owned(), hex::encode);
                differs("CPUSVN", wanted, found)
            })
    }
}

/// Another vendor's platform does not reach what it has not.
fn reached(field: &'static str, wanted: Option<u16>, found: Option<u16>) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| found.is_none_or(|found| found < *wanted))?;
    let found = found.map_or("none".to_owned(), |found| found.to_string());
    differs(field, format!("at least {wanted}"), found)
}
