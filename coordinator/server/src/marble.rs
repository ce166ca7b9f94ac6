//! `stoa.v1.Mesh/Join` on the mesh port: frames in, frames out, the rest is asked.
//!
//! The channel's rules are `attestation::channel`'s, admission is `mesh`'s. Here are the stream, the deadlines and the
//! order: own evidence, the marble's evidence, admission, durability, provision.
//! Source: docs/protocol/attest-1.md, sections 2 to 4 and 6.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use stoa_attestation::Kind;
use stoa_attestation::channel::{
    Frame, LeafReceipt, MarbleProof, Purpose, ServerHelloState, TlsFacts, VerifiedMarble, key_id,
    limits,
};
use stoa_collateral::CollateralError;
use stoa_explain::Explain;
use stoa_manifest::CoordinatorEvidence;
use stoa_mesh::{Applicant, Command, Draft, Entry, Grant, Outcome, Refusal, View};
use stoa_proto::mesh as pb;
use stoa_proto::mesh::mesh_server::Mesh;
use stoa_proto::path::ERROR_TRAILER;
use stoa_proto::status::blame;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::app::App;
use crate::error::{EdgeError, body};
use crate::listener::Session;
use crate::rng::OsRandom;
use crate::session::Sharing;
use crate::view::{Published, State};
use crate::writer::NotDone;

/// Most Joins in flight; each may hold two frames of the largest size.
pub const JOINS_MAX: usize = 128;
/// Longest wait from the handshake to frame 4.
pub const FRAME_FOUR_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest Join in all.
pub const JOIN_TIME_MAX: Duration = Duration::from_secs(30);
/// How often a draft is made again because the manifest's epoch moved under it.
pub const REDRAFTS_MAX: usize = 3;
/// When a marble may try again after something of ours or the vendor's was missing.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);
/// Evidence that marbles may bring.
pub const ACCEPTED_KINDS: [Kind; 3] = [Kind::SgxDcap, Kind::TdxDcap, Kind::Snp];

/// The service of one connection.
#[derive(Clone)]
pub struct JoinService {
    /// Shared by all connections.
    pub app: Arc<App>,
    /// This connection.
    pub session: Arc<Session>,
}

type Reply = Result<pb::Frame, Status>;

#[tonic::async_trait]
impl Mesh for JoinService {
    type JoinStream = ReceiverStream<Reply>;

    async fn join(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let (replies, stream) = mpsc::channel(4);
        let this = self.clone();
        tokio::spawn(async move {
            let mut io = Io {
                frames: request.into_inner(),
                replies,
            };
            let started = Instant::now();
            let mut who = Who::default();
            let joined = tokio::time::timeout(JOIN_TIME_MAX, this.run(&mut io, &mut who)).await;
            let failure = match joined {
                Ok(Ok(())) => return,
                Ok(Err(failure)) => failure,
                Err(_) => EdgeError::TooSlow {
                    what: "the Join",
                    limit_s: JOIN_TIME_MAX.as_secs(),
                }
                .into(),
            };
            this.refuse(&io, &who, &failure, started).await;
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// What is known of the marble so far, for the log.
#[derive(Default)]
struct Who {
    marble: String,
}

impl JoinService {
    async fn run(&self, io: &mut Io, who: &mut Who) -> Result<(), Failure> {
        if !self.session.first_join() {
            return Err(EdgeError::ProtocolMisused("a connection carries one Join").into());
        }
        let _place = self
            .app
            .joins
            .try_acquire()
            .map_err(|_| EdgeError::TooManyRequests {
                what: "Join",
                limit: JOINS_MAX as u32,
                scope: "at once",
            })?;
        let started = Instant::now();
        let proof = tokio::time::timeout(FRAME_FOUR_TIME_MAX, self.channel(io, who))
            .await
            .map_err(|_| EdgeError::TooSlow {
                what: "the marble's evidence",
                limit_s: FRAME_FOUR_TIME_MAX.as_secs(),
            })??;
        let (marble, grant) = self.admitted(proof).await?;
        let instance = hex::encode(grant.provision().instance);
        let kind = marble.kind().name();
        let (finish, provision) = marble.provision(provision_body(&grant))?;
        tracing::info!(
            event = "activation.granted",
            marble = who.marble,
            instance,
            kind,
            peer = %self.session.peer,
            elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "Activation granted"
        );
        io.send(finish).await?;
        io.send(provision).await
    }

    /// Frames 1 to 5.
    async fn channel(&self, io: &mut Io, who: &mut Who) -> Result<MarbleProof, Failure> {
        let hello = io.receive().await?;
        let (server, answer) = ServerHelloState::receive(
            self.tls_facts()?,
            &hello,
            &ACCEPTED_KINDS,
            OsRandom::array(),
        )?;
        who.marble.clone_from(&server.client_hello().marble_type);
        if server.client_hello().purpose == Purpose::Renew {
            server.check_renewing_leaf(&self.renewing_leaf()?)?;
        }
        let published = self.app.window.look();
        let view = accepting(&published)?;
        let sharing = match view
            .manifest()
            .map(|manifest| manifest.config().coordinator_evidence)
        {
            Some(CoordinatorEvidence::PerSession) => Sharing::PerSession,
            _ => Sharing::Shared,
        };
        let key = self.app.sessions.key(sharing).await?;
        let collateral = self
            .app
            .endorsements
            .own(key.evidence.kind, &key.evidence.evidence)
            .await?;
        // A marble would find it out by itself; here it is told by name, and nothing of it is asked for.
        self.app.now()?;
        let state = self
            .app
            .state_bytes(&published, key_id(&self.session.server_spki))?;
        let (unsigned, to_sign) =
            server.evidence_to_sign(&state, &key.evidence, collateral.json())?;
        let (marble, evidence) = unsigned.signed(key.sign(&to_sign)?)?;
        io.send(answer).await?;
        io.send(evidence).await?;
        let (four, five) = (io.receive().await?, io.receive().await?);
        Ok(marble.receive(&four, &five, crate::tls::algorithms())?)
    }

    /// The marble's evidence verified, appraised and counted; durable when it returns.
    async fn admitted(&self, proof: MarbleProof) -> Result<(VerifiedMarble, Grant), Failure> {
        let writer = self.app.writer()?;
        let collateral = self
            .app
            .endorsements
            .of(proof.kind(), proof.evidence())
            .await?;
        let journaled = self.app.endorsements.journal(writer).await;
        journaled.map_err(|error| match error {
            NotDone::Refused(refusal) => refusal.into(),
            NotDone::Edge(edge) => Failure::from(edge),
        })?;
        let (app, session) = (Arc::clone(&self.app), Arc::clone(&self.session));
        let verify = move || {
            let trust = app.endorsements.trust();
            let marble = proof.verify(&trust, collateral.verified(), app.now()?)?;
            collateral.proved();
            let draft = draft(&app, &marble, session.client_leaf())?;
            Ok::<_, Failure>((marble, draft))
        };
        let (mut marble, mut drafted) = beside(verify).await?;
        for _ in 0..REDRAFTS_MAX {
            match writer.submit(Command::Activate(drafted)).await {
                Ok(Outcome::Granted(grant)) => return Ok((marble, grant)),
                Ok(other) => {
                    return Err(
                        EdgeError::Bug(format!("an activation had the outcome {other:?}")).into(),
                    );
                }
                Err(moved) if moved.is_moved() => {}
                Err(NotDone::Refused(refusal)) => {
                    return Err(Failure {
                        noted: true,
                        ..refusal.into()
                    });
                }
                Err(NotDone::Edge(edge)) => return Err(edge.into()),
            }
            // The proof stays good; admission and draft are made again under the manifest that is in force now.
            let (app, session) = (Arc::clone(&self.app), Arc::clone(&self.session));
            let again = move || {
                let draft = draft(&app, &marble, session.client_leaf())?;
                Ok::<_, Failure>((marble, draft))
            };
            (marble, drafted) = beside(again).await?;
        }
        Err(EdgeError::StoreUnavailable {
            reason: "the manifest, or a secret that users set, changed under each try".to_owned(),
        }
        .into())
    }

    /// What the leaf in force says of itself. That it was issued here and is in force, `mesh` knows from the journal.
    fn renewing_leaf(&self) -> Result<LeafReceipt, Failure> {
        let unreadable = |error: String| EdgeError::RequestInvalid {
            what: "the TLS client certificate of a renewal",
            got: format!("no leaf of this mesh ({error})"),
            wanted: "the marble's leaf in force".to_owned(),
        };
        let leaf = self.session.client_leaf().unwrap_or_default();
        let (_, certificate) =
            X509Certificate::from_der(leaf).map_err(|error| unreadable(error.to_string()))?;
        let receipt = LeafReceipt::from_certificate(&certificate)
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(receipt.ok_or_else(|| unreadable("it has no receipt".to_owned()))?)
    }

    fn tls_facts(&self) -> Result<TlsFacts, EdgeError> {
        let bug = |text: &str| EdgeError::Bug(text.to_owned());
        let leaf = self
            .session
            .client_leaf()
            .ok_or_else(|| bug("TLS let a client in without a certificate"))?;
        let client_spki =
            crate::spki::of_certificate(leaf).map_err(|error| EdgeError::RequestInvalid {
                what: "the TLS client certificate",
                got: format!("unreadable ({error})"),
                wanted: "an X.509 certificate".to_owned(),
            })?;
        Ok(TlsFacts {
            exporter: self.session.exporter,
            server_spki: self.session.server_spki.to_vec(),
            client_spki,
        })
    }

    async fn refuse(&self, io: &Io, who: &Who, failure: &Failure, started: Instant) {
        let id = hex::encode(OsRandom::array::<8>());
        tracing::warn!(
            event = "activation.refused",
            code = failure.code,
            marble = who.marble,
            peer = %self.session.peer,
            request_id = id,
            elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            error = failure.full,
            "Activation refused"
        );
        if let (State::Open(view), false) = (&self.app.window.look().state, failure.noted) {
            view.note_refusal(failure.code, &who.marble, self.app.clock.now());
        }
        let _ = io.replies.send(Err(failure.status(&id))).await;
    }
}

/// The view, if the state is one in which marbles may join.
fn accepting(published: &Published) -> Result<&View, EdgeError> {
    match &published.state {
        State::Open(view) if view.manifest().is_some() => Ok(view),
        State::Open(_) => Err(EdgeError::NotAccepting {
            state: "2, waiting for a manifest".to_owned(),
        }),
        State::Recovery { reason } => Err(EdgeError::NotAccepting {
            state: format!("1, recovery: {reason}"),
        }),
    }
}

/// Admission and draft under the manifest in force. `leaf` is the TLS client certificate: on renew, that in force.
fn draft(app: &App, marble: &VerifiedMarble, leaf: Option<&[u8]>) -> Result<Draft, Failure> {
    let published = app.window.look();
    let view = accepting(&published)?;
    let now = app.now()?;
    let admission = stoa_mesh::admit(view, &marble.hello().marble_type, marble.claims(), now)?;
    let entry = match (marble.hello().purpose, leaf) {
        (Purpose::Renew, Some(leaf)) => Entry::Renew { leaf },
        _ => Entry::Activate {
            proposal: marble.hello().instance,
        },
    };
    let applicant = Applicant {
        entry,
        spki: marble.spki(),
        position: published.position,
    };
    Ok(stoa_mesh::draft(
        view,
        &admission,
        &applicant,
        &app.keys,
        now,
        &mut OsRandom,
    )?)
}

/// ECDSA and templates run beside the threads that serve connections.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let died = |_| EdgeError::Bug("the task that verifies and drafts died".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(died)?
}

fn provision_body(grant: &Grant) -> Vec<u8> {
    let provision = grant.provision();
    let files = provision.files.iter().map(|(path, file)| {
        let file = pb::File {
            data: file.data.to_vec(),
            mode: file.mode,
            owner: file.owner.clone(),
            form: file.form.clone(),
        };
        (path.clone(), file)
    });
    pb::Provision {
        chain: provision.chain.clone(),
        files: files.collect(),
        env: provision
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.to_vec()))
            .collect(),
        argv: provision
            .argv
            .iter()
            .map(|argument| argument.clone().into_bytes())
            .collect(),
        trust: provision.trust.clone(),
        not_after: provision.not_after,
        renew_at: provision.renew_at,
        instance: provision.instance.to_vec(),
    }
    .encode_to_vec()
}

/// The stream of one Join.
struct Io {
    frames: Streaming<pb::Frame>,
    replies: mpsc::Sender<Reply>,
}

impl Io {
    async fn receive(&mut self) -> Result<Frame, Failure> {
        let frame = match self.frames.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                return Err(
                    EdgeError::ProtocolMisused("the peer closed in the middle of a Join").into(),
                );
            }
            Err(status)
                if status.code() == Code::OutOfRange
                    || status.code() == Code::ResourceExhausted =>
            {
                return Err(EdgeError::TooLarge {
                    what: "a frame",
                    limit: limits::MARBLE_EVIDENCE_BYTES_MAX,
                }
                .into());
            }
            Err(_) => return Err(EdgeError::ProtocolMisused("the peer's stream broke off").into()),
        };
        Frame::received(frame.r#type, frame.body).map_err(Failure::of)
    }

    async fn send(&self, frame: Frame) -> Result<(), Failure> {
        let Frame { kind, body } = frame;
        let gone = |_| EdgeError::ProtocolMisused("the peer closed in the middle of a Join").into();
        self.replies
            .send(Ok(pb::Frame {
                r#type: kind.number(),
                body,
            }))
            .await
            .map_err(gone)
    }
}

/// Why a Join failed: whole for the log, in short for a marble that has proved nothing.
struct Failure {
    code: &'static str,
    full: String,
    told: String,
    retry_after: Option<Duration>,
    /// Already among the last refusals, or not a refusal by rule.
    noted: bool,
}

impl Failure {
    fn of<E: Explain>(error: E) -> Self {
        let code = error.code();
        let full = crate::error::chain(&error);
        // The reference values stand in the log and in status; the peer learns the rule's name.
        let told = format!("refused by the rule `{code}`");
        Self {
            code,
            full,
            told,
            retry_after: None,
            noted: false,
        }
    }

    /// The world's fault: worth a retry, and not a refusal by rule.
    fn unavailable(code: &'static str, full: String, told: String) -> Self {
        Self {
            code,
            full,
            told,
            retry_after: Some(UNAVAILABLE_PAUSE),
            noted: true,
        }
    }

    fn status(&self, id: &str) -> Status {
        let told = Told(self);
        let body = body(&told, Vec::new(), self.retry_after, id);
        let mut metadata = MetadataMap::new();
        if let Ok(json) = serde_json::to_vec(&body) {
            metadata.insert_bin(ERROR_TRAILER, MetadataValue::from_bytes(&json));
        }
        Status::with_metadata(
            Code::from_i32(blame(self.code).grpc()),
            self.told.clone(),
            metadata,
        )
    }
}

/// The part of a failure that travels.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.told)]
struct Told<'a>(&'a Failure);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full)
    }
}

impl Explain for Told<'_> {
    fn code(&self) -> &'static str {
        self.0.code
    }

    fn remedy(&self) -> Option<String> {
        Some(format!(
            "ask the mesh's operator; the coordinator's log has the details. stoa explain {}",
            self.0.code
        ))
    }
}

impl From<EdgeError> for Failure {
    fn from(error: EdgeError) -> Self {
        let retry_after = error.retry_after();
        let told = crate::error::chain(&error);
        Self {
            code: error.code(),
            full: told.clone(),
            told,
            retry_after,
            noted: true,
        }
    }
}

impl From<stoa_attestation::channel::ChannelError> for Failure {
    fn from(error: stoa_attestation::channel::ChannelError) -> Self {
        // Channel errors name only what the peer itself sent.
        let told = crate::error::chain(&error);
        Self {
            told,
            noted: false,
            ..Self::of(error)
        }
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        match error {
            // The marble did nothing wrong, and the text has nothing but two times.
            Refusal::ClockBehind { .. } => {
                let told = crate::error::chain(&error);
                Self::unavailable(error.code(), told.clone(), told)
            }
            error => Self::of(error),
        }
    }
}

/// Whose fault a missing endorsement is, for the peer: ours or the vendor's, never the marble's.
impl From<CollateralError> for Failure {
    fn from(error: CollateralError) -> Self {
        let told = format!(
            "collateral for this platform can't be had  [{}]",
            error.code()
        );
        let pause = error.retry_after().unwrap_or(UNAVAILABLE_PAUSE);
        Self {
            retry_after: Some(pause.max(UNAVAILABLE_PAUSE)),
            ..Self::unavailable(error.code(), crate::error::chain(&error), told)
        }
    }
}
