//! Command line and environment of the coordinator: one table, from which docs/reference/coordinator.md is made.
//!
//! All of it is the host's word and is not measured. So nothing here can skip a check: what lowers safety
//! (`--insecure-trust-root`) is a switch of the security digest inside the coordinator's own evidence.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Attests every service of a deployment against one manifest; gives each its mesh certificate and secrets.
#[derive(Debug, Clone, Parser)]
#[command(name = "stoa-coordinator", version, about, long_about = None)]
pub struct Config {
    /// Folder of the sealed state; made if it is not there.
    #[arg(
        long,
        env = "STOA_DATA",
        default_value = "stoa-data",
        value_name = "DIR"
    )]
    pub data: PathBuf,

    /// Found a new mesh instead of the one whose state is here: ID is that of its data key, as status names it in
    /// recovery. The state is moved into the folder `set-aside-ID`, not deleted; any other state is left alone.
    #[arg(long, value_name = "ID")]
    pub reset: Option<String>,

    /// Where deployers and clients connect (REST). Port 0 picks a free one.
    #[arg(
        long,
        env = "STOA_CLIENT_ADDR",
        default_value = "0.0.0.0:4433",
        value_name = "ADDR"
    )]
    pub client_addr: SocketAddr,

    /// Where marbles connect (stoa-attest/1). Port 0 picks a free one.
    #[arg(
        long,
        env = "STOA_MESH_ADDR",
        default_value = "0.0.0.0:2001",
        value_name = "ADDR"
    )]
    pub mesh_addr: SocketAddr,

    /// Names in the certificate of the client port, separated by commas; IP addresses are allowed.
    #[arg(
        long,
        env = "STOA_DNS_NAMES",
        default_value = "localhost",
        value_name = "LIST",
        value_delimiter = ','
    )]
    pub dns_names: Vec<String>,

    /// Where this process gets its evidence and sealing key: `socket:PATH` (synthetic TEE).
    #[arg(long, env = "STOA_TEE", value_name = "TEE")]
    pub tee: String,

    /// Where collateral comes from, separated by commas, in the order in which they are asked: `http://..` or `https://..`
    /// is a PCCS or the PCS, `kds:URL` AMD's KDS, `bundle:FILE` an offline bundle (docs/reference/collateral.md).
    #[arg(
        long,
        env = "STOA_COLLATERAL",
        value_name = "SOURCES",
        value_delimiter = ',',
        required_unless_present = "pccs"
    )]
    pub collateral: Vec<String>,

    /// A PCCS or the PCS by its base URL: the same as that URL as the first of `--collateral`.
    #[arg(long, env = "STOA_PCCS", value_name = "URL")]
    pub pccs: Option<String>,

    /// DANGER: also believe evidence under this root (PEM, one certificate), in Intel's or in AMD's place; may be given
    /// twice, once for each. For the synthetic TEE only: the coordinator refuses to start with it on hardware, and every
    /// verifier sees it in the security digest.
    #[arg(long, value_name = "FILE")]
    pub insecure_trust_root: Vec<PathBuf>,

    /// What is logged, in the syntax of tracing's EnvFilter.
    #[arg(long, env = "STOA_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// `text` for people, `json` for collectors.
    #[arg(
        long,
        env = "STOA_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

impl Config {
    /// All sources of collateral, in the order in which they are asked.
    #[must_use]
    pub fn sources(&self) -> Vec<String> {
        self.pccs.iter().chain(&self.collateral).cloned().collect()
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
