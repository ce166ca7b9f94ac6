//! One Join: connect, verify the coordinator, show evidence, receive.
//!
//! The rules of the channel are `attestation::channel`'s; here are the stream, the TEE and the deadline.
//! Source: docs/protocol/attest-1.md, sections 2 and 3.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use rustls::pki_types::UnixTime;
use stoa_attestation::channel::{
    AwaitCoordinator, ClientHelloState, CoordinatorCheck, Frame, NONCE_BYTES, NewKey, Provisioned,
    Purpose, Seen, limits,
};
use stoa_attestation::{Floors, NoMemo, Trust};
use stoa_proto::mesh as pb;
use stoa_proto::path::ERROR_TRAILER;
use stoa_proto::wire::ErrorBody;
use stoa_source::Source;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::config::MarbleConfig;
use crate::connect::connect;
use crate::error::SdkError;
use crate::key::MarbleKey;
use crate::marble::Marble;
use crate::tls;

/// Longest Join in all.
pub const JOIN_TIME_MAX: Duration = limits::JOIN_WAIT_MAX;
/// What HTTP/2 and protobuf add around the largest frame.
const GRPC_OVERHEAD_BYTES: usize = 1024;

/// What an activation needs beside the measured configuration.
pub struct Options {
    /// Where the mesh port is, `host:port`. From the environment: an address is all that it may give.
    pub mesh_addr: String,
    /// The TEE that this process runs in.
    pub source: Arc<dyn Source>,
    /// 16 bytes that the host proposes as this instance's name; `None`: the coordinator chooses.
    pub instance: Option<[u8; 16]>,
}

/// Becomes a marble of the mesh that `config` pins.
///
/// The coordinator is verified whole before anything of this platform is sent.
///
/// # Errors
/// [`SdkError`]; nothing was received then.
pub async fn activate(config: &MarbleConfig, options: &Options) -> Result<Marble, SdkError> {
    in_time(options, join(config, options, Entry::Activate(None))).await
}

/// Renews `marble`: fresh evidence, the old key proved by the TLS handshake, a new key certified in its place.
///
/// The coordinator is verified as on activation, and neither its journal nor its stapled collateral may have gone back
/// behind what this marble has seen.
///
/// # Errors
/// [`SdkError`]; `marble` stays as it is and can be used until its leaf ends.
pub async fn renew(
    config: &MarbleConfig,
    options: &Options,
    marble: &Marble,
) -> Result<Marble, SdkError> {
    in_time(options, join(config, options, Entry::Renew(marble))).await
}

/// Activates again, where the leaf of `marble` has ended: under the same instance, and remembering what it has seen.
pub(crate) async fn activate_again(
    config: &MarbleConfig,
    options: &Options,
    marble: &Marble,
) -> Result<Marble, SdkError> {
    in_time(
        options,
        join(config, options, Entry::Activate(Some(marble))),
    )
    .await
}

async fn in_time(
    options: &Options,
    join: impl Future<Output = Result<Marble, SdkError>>,
) -> Result<Marble, SdkError> {
    let joined = tokio::time::timeout(JOIN_TIME_MAX, join).await;
    joined.map_err(|_| SdkError::TooSlow {
        addr: options.mesh_addr.clone(),
        limit: JOIN_TIME_MAX,
    })?
}

/// Why a Join is made; with the marble that this instance was until now.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Activate(Option<&'a Marble>),
    Renew(&'a Marble),
}

impl<'a> Entry<'a> {
    fn purpose(self) -> Purpose {
        match self {
            Entry::Activate(_) => Purpose::Activate,
            Entry::Renew(_) => Purpose::Renew,
        }
    }

    /// The instance to ask for.
    fn instance(self, options: &Options) -> Option<[u8; 16]> {
        match self {
            Entry::Activate(before) => before.map(Marble::instance).or(options.instance),
            Entry::Renew(marble) => Some(marble.instance()),
        }
    }

    fn before(self) -> Option<&'a Marble> {
        match self {
            Entry::Activate(before) => before,
            Entry::Renew(marble) => Some(marble),
        }
    }
}

async fn join(
    config: &MarbleConfig,
    options: &Options,
    entry: Entry<'_>,
) -> Result<Marble, SdkError> {
    let addr = options.mesh_addr.as_str();
    let refused = |source| SdkError::CoordinatorRefused {
        addr: addr.to_owned(),
        source,
    };
    let key = MarbleKey::generate()?;
    // On activation TLS proves the new key, on renewal the one in force.
    let (chain, shown) = match entry {
        Entry::Activate(_) => (vec![key.self_signed()?], &key),
        Entry::Renew(marble) => (marble.chain().to_vec(), marble.key()),
    };
    let tls_config = tls::join_config(chain, shown.private_der())
        .map_err(|error| SdkError::Bug(format!("the Join's TLS configuration: {error}")))?;
    let (client, facts) = connect(addr, tls_config, shown.spki()).await?;

    let kinds = [options.source.kind()];
    let (hello, first) = ClientHelloState::start(
        facts,
        &kinds,
        &config.marble,
        entry.instance(options),
        entry.purpose(),
        nonce()?,
    )
    .map_err(refused)?;
    let mut stream = Stream::open(client, addr, first).await?;
    let waiting = hello.receive(&stream.receive().await?).map_err(refused)?;
    let frame = stream.receive().await?;
    let mut attesting =
        verify_coordinator(config, entry.before(), waiting, &frame).map_err(refused)?;
    if let Entry::Renew(_) = entry {
        let new_key = NewKey {
            spki: key.spki(),
            possession: key.signature(&attesting.possession_input())?,
        };
        attesting = attesting.with_new_key(new_key).map_err(refused)?;
    }

    let evidence = evidence(&options.source, attesting.report_data()).await?;
    let (waiting, four, five) = attesting.evidence(evidence).map_err(refused)?;
    stream.send(four).await?;
    stream.send(five).await?;
    let six = stream.receive().await?;
    let provisioned = waiting
        .receive(&six, stream.receive().await?)
        .map_err(refused)?;
    received(config, key, provisioned, entry.before(), addr)
}

fn verify_coordinator(
    config: &MarbleConfig,
    before: Option<&Marble>,
    waiting: AwaitCoordinator,
    frame: &Frame,
) -> Result<stoa_attestation::channel::Attesting, stoa_attestation::channel::ChannelError> {
    let trust = Trust {
        anchors: &config.anchors,
        algorithms: tls::algorithms(),
        seen: &NoMemo,
    };
    let check = CoordinatorCheck {
        reference: &config.reference,
        pin: config.pin,
        trust: &trust,
        seen: before.map(Marble::seen),
        floors: before.map(Marble::collateral_seen),
    };
    waiting.receive(frame, &check, UnixTime::now())
}

/// The hardware takes its time, so it is asked on a thread of its own.
async fn evidence(source: &Arc<dyn Source>, report_data: [u8; 64]) -> Result<Vec<u8>, SdkError> {
    let source = Arc::clone(source);
    let asked = tokio::task::spawn_blocking(move || source.evidence(&report_data)).await;
    asked
        .map_err(|_| SdkError::Bug("the thread that asks the TEE died".to_owned()))?
        .map_err(SdkError::Source)
}

fn received(
    config: &MarbleConfig,
    key: MarbleKey,
    provisioned: Provisioned,
    before: Option<&Marble>,
    addr: &str,
) -> Result<Marble, SdkError> {
    let provision = pb::Provision::decode(provisioned.body()).map_err(|error| {
        SdkError::ProvisionMalformed {
            what: "the message",
            cause: error.to_string(),
        }
    })?;
    let receipt = provisioned
        .check_chain(
            &provision.chain,
            &provision.trust,
            tls::algorithms(),
            UnixTime::now(),
        )
        .map_err(|source| SdkError::CoordinatorRefused {
            addr: addr.to_owned(),
            source,
        })?;
    let root = provisioned.accepted().state.root();
    let seen = Seen {
        root: root
            .ok_or_else(|| SdkError::Bug("a coordinator in state 3 has no root".to_owned()))?,
        sequence: receipt.sequence,
        head: receipt.head,
    };
    let mut collateral_seen =
        before.map_or_else(Floors::none, |marble| marble.collateral_seen().clone());
    collateral_seen.raise(&provisioned.accepted().floors);
    Marble::new(config.marble.clone(), key, provision, seen, collateral_seen)
}

fn nonce() -> Result<[u8; NONCE_BYTES], SdkError> {
    let mut bytes = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| SdkError::Bug("the random generator failed".to_owned()))?;
    Ok(bytes)
}

/// Frames over gRPC.
struct Stream {
    frames: Streaming<pb::Frame>,
    sender: mpsc::Sender<pb::Frame>,
    addr: String,
}

impl Stream {
    async fn open(
        client: pb::mesh_client::MeshClient<tonic::transport::Channel>,
        addr: &str,
        first: Frame,
    ) -> Result<Self, SdkError> {
        let (sender, frames) = mpsc::channel(4);
        let sent = sender.send(wire(first)).await;
        sent.map_err(|_| SdkError::Bug("the Join's own queue is closed".to_owned()))?;
        let mut client = client
            .max_decoding_message_size(limits::PROVISION_BYTES_MAX + GRPC_OVERHEAD_BYTES)
            .max_encoding_message_size(usize::MAX);
        let answer = client
            .join(ReceiverStream::new(frames))
            .await
            .map_err(|status| refusal(addr, &status))?;
        Ok(Self {
            frames: answer.into_inner(),
            sender,
            addr: addr.to_owned(),
        })
    }

    async fn send(&mut self, frame: Frame) -> Result<(), SdkError> {
        if self.sender.send(wire(frame)).await.is_ok() {
            return Ok(());
        }
        // The coordinator ended the stream; its reason waits on the other direction.
        match self.frames.message().await {
            Err(status) => Err(refusal(&self.addr, &status)),
            Ok(_) => Err(self.broken("it closed the stream".to_owned())),
        }
    }

    async fn receive(&mut self) -> Result<Frame, SdkError> {
        match self.frames.message().await {
            Ok(Some(frame)) => Frame::received(frame.r#type, frame.body)
                .map_err(|error| self.broken(error.to_string())),
            Ok(None) => Err(self.broken("it ended the stream".to_owned())),
            Err(status) => Err(refusal(&self.addr, &status)),
        }
    }

    fn broken(&self, cause: String) -> SdkError {
        SdkError::Broken {
            addr: self.addr.clone(),
            cause,
        }
    }
}

fn wire(frame: Frame) -> pb::Frame {
    pb::Frame {
        r#type: frame.kind.number(),
        body: frame.body,
    }
}

/// The error body in the trailer, or whatever gRPC says.
fn refusal(addr: &str, status: &tonic::Status) -> SdkError {
    let body = status
        .metadata()
        .get_bin(ERROR_TRAILER)
        .and_then(|value| value.to_bytes().ok());
    match body.and_then(|bytes| serde_json::from_slice::<ErrorBody>(&bytes).ok()) {
        Some(body) => SdkError::Refused {
            addr: addr.to_owned(),
            code: body.code,
            message: body.message,
            remedy: body.remedy,
        },
        None => SdkError::Broken {
            addr: addr.to_owned(),
            cause: status.to_string(),
        },
    }
}
