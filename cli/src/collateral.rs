//! `stoa collateral`: fetch it, show it, pack it into a bundle for a coordinator that reaches no vendor.
//!
//! Whatever is written or shown as verified was verified here, under the vendor's root or one that was named. Does not
//! live here: sources, what verifies (`stoa-collateral`, `stoa-attestation`). docs/reference/collateral.md, 4.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use stoa_attestation::{Anchor, Collateral, CrlName, Evidence, Floors, Trust, Utc, Verified};
use stoa_collateral::bundle::{Bundle, Entry};
use stoa_collateral::{CollateralError, Platform, Source, none_gave, report};
use stoa_explain::Explain as _;

use crate::args::{self, CollateralCommand, CollateralFetch, Global};
use crate::coordinator::block_on;
use crate::failure::{Exit, Failure, Refused};
use crate::files;
use crate::terminal::Terminal;
use crate::world;

/// One file of evidence, in bytes, padding included.
const EVIDENCE_BYTES_MAX: usize = stoa_attestation::EVIDENCE_LEN_MAX;

pub(crate) fn run(
    global: &Global,
    args: &args::Collateral,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let anchors = anchors(&args.insecure_trust_root, terminal)?;
    let trust = Trust {
        anchors: &anchors,
        algorithms: rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .all,
        seen: &stoa_attestation::NoMemo,
    };
    let now = world::now()?;
    match &args.command {
        CollateralCommand::Fetch(fetch) => {
            let bundle = block_on(fetched(fetch, &trust, now, terminal))?;
            write(&fetch.save, &bundle)?;
            show_all(global, &bundle, &trust, now, terminal)
        }
        CollateralCommand::Show { files } => {
            let mut shown = Exit::Done;
            for path in files {
                let bundle = read(path)?;
                if show_all(global, &bundle, &trust, now, terminal)? != Exit::Done {
                    shown = Exit::Refused;
                }
            }
            Ok(shown)
        }
        CollateralCommand::Pack { files, save } => {
            let bundle = packed(files, &trust)?;
            write(save, &bundle)?;
            show_all(global, &bundle, &trust, now, terminal)
        }
    }
}

pub(crate) fn anchors(
    insecure: &[PathBuf],
    terminal: &mut Terminal<'_>,
) -> Result<Vec<Anchor>, Failure> {
    let mut anchors = Anchor::vendors();
    for path in insecure {
        let bytes = files::read(path, stoa_attestation::COLLATERAL_LEN_MAX)?;
        let anchor = Anchor::insecure_from_pem(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Failure::of(Exit::Usage, &error).in_file(path))?;
        terminal.talk(&format!(
            "warning: collateral under {} (SHA-256 {}) is believed; whoever holds its key can forge all of it",
            path.display(),
            hex::encode(anchor.sha256())
        ));
        anchors.push(anchor);
    }
    Ok(anchors)
}

/// For https to a source: the roots that the system trusts. What it gives is believed by its signatures all the same.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, Failure> {
    let unusable = |cause: String| Refused::NotReadable {
        path: "the system's trust store".to_owned(),
        cause,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(unusable("it has no certificate".to_owned()).into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A source's refusal: worth a retry, unless what was written is wrong.
impl From<CollateralError> for Failure {
    fn from(error: CollateralError) -> Self {
        let exit = match error.code() {
            "collateral-unavailable" => Exit::Unavailable,
            "collateral-not-verified" | "collateral-went-back" => Exit::Refused,
            _ => Exit::Usage,
        };
        Self::of(exit, &error)
    }
}

async fn fetched(
    fetch: &CollateralFetch,
    trust: &Trust<'_>,
    now: UnixTime,
    terminal: &mut Terminal<'_>,
) -> Result<Bundle, Failure> {
    let sources = Source::parse_all(&fetch.from, tls)?;
    let mut bundle = Bundle::empty();
    for platform in platforms(fetch)? {
        let (json, source) = first_good(&sources, &platform, trust, now).await?;
        terminal.talk(&format!("{platform}: from {source}"));
        let fetched_at = now.as_secs();
        bundle.insert(platform, Entry { fetched_at, json });
    }
    Ok(bundle)
}

fn platforms(fetch: &CollateralFetch) -> Result<Vec<Platform>, Failure> {
    let mut platforms = fetch
        .platform
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Platform>, CollateralError>>()?;
    for path in &fetch.evidence {
        let bytes = files::read(path, EVIDENCE_BYTES_MAX)?;
        let unverified = Evidence::detect(&bytes)
            .and_then(|evidence| Platform::of_evidence(&evidence))
            .map_err(|error| Failure::of(Exit::Usage, &error).in_file(path))?;
        platforms.push(unverified);
    }
    platforms.sort();
    platforms.dedup();
    if platforms.is_empty() {
        return Err(Refused::Argument {
            option: "--platform",
            cause: "and --evidence name no platform".to_owned(),
        }
        .into());
    }
    Ok(platforms)
}

/// In their order; what ended counts as nothing here, because a bundle is made to be used later.
async fn first_good(
    sources: &[Source],
    platform: &Platform,
    trust: &Trust<'_>,
    now: UnixTime,
) -> Result<(Vec<u8>, String), Failure> {
    let mut causes = Vec::new();
    for source in sources.iter().filter(|source| source.serves(platform)) {
        match source.fetch(platform).await {
            Ok(got) => match verified(platform, &got.json, trust) {
                Ok(collateral) if collateral.valid_until() >= now => {
                    return Ok((got.json, got.source));
                }
                Ok(collateral) => causes.push(CollateralError::NotVerified {
                    url: got.source,
                    cause: format!("it ended at {}", Utc(collateral.valid_until())),
                }),
                Err(cause) => causes.push(CollateralError::NotVerified {
                    url: got.source,
                    cause,
                }),
            },
            Err(error) => causes.push(error),
        }
    }
    Err(none_gave(platform, causes).into())
}

fn verified(
    platform: &Platform,
    json: &[u8],
    trust: &Trust<'_>,
) -> Result<Verified<Collateral>, String> {
    let collateral = Collateral::parse(json)
        .and_then(|parsed| parsed.verify(trust))
        .map_err(|invalid| format!("{invalid}  [{}]", invalid.code()))?;
    platform
        .check(&collateral)
        .map_err(|_| format!("it is that of another platform than {platform}"))?;
    Ok(collateral)
}

/// Of each platform the newest that verifies; what does not verify is an error and not left out in silence.
fn packed(files: &[PathBuf], trust: &Trust<'_>) -> Result<Bundle, Failure> {
    let mut bundle = Bundle::empty();
    for path in files {
        for (platform, entry) in read(path)?.entries() {
            let url = || format!("bundle:{} ({platform})", path.display());
            let newer = verified(platform, &entry.json, trust)
                .map_err(|cause| CollateralError::NotVerified { url: url(), cause })?;
            let older_is_there = match bundle.find(platform) {
                None => false,
                Some(kept) => {
                    let kept = verified(platform, &kept.json, trust)
                        .map_err(|cause| CollateralError::NotVerified { url: url(), cause })?;
                    Floors::of(&kept).check(&Floors::of(&newer)).is_err()
                }
            };
            if !older_is_there {
                bundle.insert(platform.clone(), entry.clone());
            }
        }
    }
    Ok(bundle)
}

fn read(path: &Path) -> Result<Bundle, Failure> {
    let bytes = files::read(path, stoa_collateral::bundle::BUNDLE_BYTES_MAX)?;
    Ok(Bundle::parse(&path.display().to_string(), &bytes)?)
}

fn write(path: &Path, bundle: &Bundle) -> Result<(), Failure> {
    files::write(path, &bundle.encode(&path.display().to_string())?)?;
    Ok(())
}

/// One paragraph, or one JSON object, for each platform; refused if one does not verify.
fn show_all(
    global: &Global,
    bundle: &Bundle,
    trust: &Trust<'_>,
    now: UnixTime,
    terminal: &mut Terminal<'_>,
) -> Result<Exit, Failure> {
    let rows: Vec<Value> = bundle
        .entries()
        .map(|(platform, entry)| row(platform, entry, trust, now))
        .collect();
    if global.json {
        terminal.data(&json!({ "platforms": rows }).to_string());
    } else {
        for row in &rows {
            terminal.data(&text(row));
        }
    }
    let all = rows.iter().all(|row| row["verified"] == true);
    Ok(if all { Exit::Done } else { Exit::Refused })
}

fn row(platform: &Platform, entry: &Entry, trust: &Trust<'_>, now: UnixTime) -> Value {
    let fetched_at = time(entry.fetched_at);
    match verified(platform, &entry.json, trust) {
        Err(cause) => json!({
            "platform": platform.to_string(), "fetched_at": fetched_at, "verified": false, "cause": cause,
        }),
        Ok(collateral) => {
            let objects: Vec<Value> = collateral
                .windows()
                .into_iter()
                .map(|(object, window)| {
                    json!({
                        "object": object.to_string(),
                        "from": Utc(window.from).to_string(), "until": Utc(window.until).to_string(),
                    })
                })
                .collect();
            let crl = |wanted| {
                let numbers = collateral.crl_numbers();
                let mut numbers = numbers.into_iter().filter(|(name, _)| *name == wanted);
                numbers.next().map(|(_, number)| hex::encode(number))
            };
            json!({
                "platform": platform.to_string(), "fetched_at": fetched_at, "verified": true,
                "evaluation_number": collateral.evaluation_number(),
                "root_crl_number": crl(CrlName::Root), "pck_crl_number": crl(CrlName::Pck),
                "ark_crl_number": crl(CrlName::Ark),
                "until": Utc(collateral.valid_until()).to_string(),
                "objects": objects, "warnings": report::dates(&collateral, now),
            })
        }
    }
}

fn time(secs: u64) -> String {
    Utc(UnixTime::since_unix_epoch(core::time::Duration::from_secs(
        secs,
    )))
    .to_string()
}

fn text(row: &Value) -> String {
    let of = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{}  fetched {}", of("platform"), of("fetched_at"))];
    if row["verified"] == false {
        lines.push(format!("  not verified   {}", of("cause")));
        return lines.join("\n");
    }
    lines.push(format!("  verified       until {}", of("until")));
    lines.push(if row["evaluation_number"].is_null() {
        format!("  numbers        ARK CRL 0x{}", of("ark_crl_number"))
    } else {
        format!(
            "  numbers        TCB evaluation {}, root CRL 0x{}, PCK CRL 0x{}",
            row["evaluation_number"],
            of("root_crl_number"),
            of("pck_crl_number")
        )
    });
    for object in row["objects"].as_array().into_iter().flatten() {
        let part = |name: &str| object[name].as_str().unwrap_or_default();
        lines.push(format!(
            "  {:<33}  {} to {}",
            part("object"),
            part("from"),
            part("until")
        ));
    }
    for warning in row["warnings"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  warning        {}",
            warning.as_str().unwrap_or_default()
        ));
    }
    lines.join("\n")
}
