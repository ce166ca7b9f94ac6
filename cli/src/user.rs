//! Acting as a user of the manifest: who that is, and that what a user says or hands over goes to no coordinator that was
//! not verified.

use stoa_client::http::{Endpoint, Identity};

use crate::args::UserFiles;
use crate::coordinator::{Met, Wanted, require_verified};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::terminal::Terminal;

/// A certificate with its chain, or a key, in bytes.
const IDENTITY_BYTES_MAX: usize = 64 * 1024;

/// What a user is known by.
pub(crate) fn identity(user: &UserFiles) -> Result<Identity, Failure> {
    let certificate = files::read(&user.cert, IDENTITY_BYTES_MAX)?;
    let key = zeroize::Zeroizing::new(files::read(&user.key, IDENTITY_BYTES_MAX)?);
    Identity::from_pem(&certificate, &key).map_err(|error| Failure::of(Exit::Usage, &error))
}

/// A coordinator that was met as a user and verified.
pub(crate) async fn verified(
    endpoint: &Endpoint,
    identity: &Identity,
    wanted: &Wanted,
    terminal: &mut Terminal<'_>,
) -> Result<Met, Failure> {
    let met = Met::ask_as(endpoint, Some(identity)).await?;
    let report = met.judge(wanted, None)?;
    require_verified(&met, &report, wanted, terminal)?;
    Ok(met)
}
