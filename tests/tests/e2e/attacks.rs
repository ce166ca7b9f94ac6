//! Attacks on attest/1 between real processes: a host that has genuine evidence of an admitted program, and shows it where
//! it does not belong; and a false coordinator. Each beside its honest twin, which differs in one thing.
//!
//! Evidence is made by the mesh's own platform over whatever report data the attacker wants: more than a host can, whose
//! enclaves choose it themselves. So what refuses is the binding alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::{PrivatePkcs8KeyDer, UnixTime};
use stoa_attestation::Kind;
use stoa_attestation::channel::limits::CLOCK_DIFFERENCE_SECS_MAX;
use stoa_attestation::channel::{
    CoordinatorEvidence, Frame, FrameType, Hello, MarbleEvidence, Purpose, ReportInput, Role,
    Session, TlsFacts, evidence_bound, key_id,
};
use stoa_coordinator::clock::Clock;
use stoa_coordinator::session::{Sessions, Sharing};
use stoa_explain::Explain as _;
use stoa_proto::path::ALPN_ATTEST;
use stoa_tests::attacker::{Join, Line, code, wire};
use stoa_tests::impostor::{self, Leaked, Script};

use crate::mesh::{KNOWN, Mesh, UNKNOWN, runtime};

/// An attacker's Join after frame 3.
struct Opened {
    join: Join,
    session: Session,
    tls: TlsFacts,
    client: Hello,
    server: Hello,
    bodies: [Vec<u8>; 3],
}

fn copy(tls: &TlsFacts) -> TlsFacts {
    TlsFacts {
        exporter: tls.exporter,
        server_spki: tls.server_spki.clone(),
        client_spki: tls.client_spki.clone(),
    }
}

impl Opened {
    async fn at(addr: &str, marble_type: &str) -> Self {
        let line = Line::open(addr).await.unwrap();
        Self::on(line, marble_type, Purpose::Activate, None).await
    }

    async fn on(
        line: Line,
        marble_type: &str,
        purpose: Purpose,
        instance: Option<[u8; 16]>,
    ) -> Self {
        let tls = copy(&line.tls);
        let client = Hello {
            role: Role::Client,
            nonce: [7; 32],
            kinds: vec![Kind::SgxDcap.number()],
            marble_type: marble_type.to_owned(),
            instance,
            purpose,
        };
        let body_1 = client.encode();
        let first = Frame {
            kind: FrameType::ClientHello,
            body: body_1.clone(),
        };
        let mut join = line.join(first).await.unwrap();
        let two = join.receive().await.unwrap();
        let server = Hello::decode(Role::Server, &two.body).unwrap();
        let three = join.receive().await.unwrap();
        let mut session = Session::new(
            copy(&tls),
            (client.clone(), &body_1),
            (server.clone(), &two.body),
        );
        session.add(&three.body);
        Self {
            join,
            session,
            tls,
            client,
            server,
            bodies: [body_1, two.body, three.body],
        }
    }

    /// The report data that the protocol wants here.
    fn report_data(&self) -> [u8; 64] {
        let bound = evidence_bound(&self.bodies[2]);
        self.session
            .marble_report(Kind::SgxDcap, &self.tls.client_spki, &bound)
            .report_data
    }

    /// The same of a session whose marble said something else in its Hello.
    fn report_data_with(&self, change: impl FnOnce(&mut Hello)) -> [u8; 64] {
        let mut client = self.client.clone();
        change(&mut client);
        let body = client.encode();
        let session = Session::new(
            copy(&self.tls),
            (client, &body),
            (self.server.clone(), &self.bodies[1]),
        );
        let bound = evidence_bound(&self.bodies[2]);
        session
            .marble_report(Kind::SgxDcap, &self.tls.client_spki, &bound)
            .report_data
    }

    /// Sends frames 4 and 5, the finish over all that really travelled. The coordinator's code if it refuses.
    async fn show(mut self, evidence: Vec<u8>) -> Result<(), String> {
        let body = MarbleEvidence {
            kind: Kind::SgxDcap,
            evidence,
            new_key: None,
        }
        .encode();
        self.session.add(&body);
        let finish = self.session.finish(Role::Client);
        self.end(body, finish).await
    }

    async fn end(&mut self, body_4: Vec<u8>, finish: Frame) -> Result<(), String> {
        let four = Frame {
            kind: FrameType::MarbleEvidence,
            body: body_4,
        };
        self.join.send(four).await;
        self.join.send(finish).await;
        let six = self.join.receive().await;
        six.map(drop).map_err(|status| code(&status))
    }
}

/// A mesh with two types of one program.
fn mesh() -> Mesh {
    let mesh = Mesh::founded();
    let package = serde_json::json!({"Package": "program", "MaxActivations": 1000});
    mesh.set_manifest(&serde_json::json!({
        "Packages": {"program": {"UniqueID": hex::encode(KNOWN)}},
        "Marbles": {"worker": package, "other": package},
    }));
    mesh
}

fn quote(mesh: &Mesh, report_data: [u8; 64]) -> Vec<u8> {
    mesh.enclave(KNOWN).evidence(&report_data).unwrap()
}

/// What comes of evidence that an attacker makes from an open Join.
fn outcome(mesh: &Mesh, make: impl FnOnce(&Opened) -> Vec<u8>) -> Result<(), String> {
    runtime().block_on(async {
        let opened = Opened::at(&mesh.coordinator().mesh_addr, "worker").await;
        let evidence = make(&opened);
        opened.show(evidence).await
    })
}

#[track_caller]
fn refused(mesh: &Mesh, wanted: &str, make: impl FnOnce(&Opened) -> Vec<u8>) {
    let live = mesh.live("worker");
    assert_eq!(outcome(mesh, make), Err(wanted.to_owned()));
    assert_eq!(mesh.live("worker"), live);
}

/// The honest twin: the same attacker, with the report data that the protocol wants.
#[track_caller]
fn admitted(mesh: &Mesh) {
    let live = mesh.live("worker");
    assert_eq!(
        outcome(mesh, |opened| quote(mesh, opened.report_data())),
        Ok(())
    );
    assert_eq!(mesh.live("worker"), live + 1);
}

#[test]
fn evidence_shown_a_second_time_in_another_session_is_refused() {
    let mesh = mesh();
    let mut kept = Vec::new();
    let first = outcome(&mesh, |opened| {
        kept = quote(&mesh, opened.report_data());
        kept.clone()
    });
    assert_eq!(first, Ok(()));
    refused(&mesh, "binding-differs", |_| kept);
    admitted(&mesh);
}

/// Takes away nothing and changes one thing: whoever leaves a field out of the binding turns its row red.
#[test]
fn evidence_that_differs_in_one_field_of_the_binding_is_refused() {
    let mesh = mesh();
    type Change = for<'a> fn(&mut ReportInput<'a>, &'a Others);
    let rows: [(&str, Change); 10] = [
        ("kind", |input, _| input.kind = Kind::TdxDcap),
        ("direction", |input, _| input.direction = Role::Server),
        ("purpose", |input, _| input.purpose = Purpose::Renew),
        ("exporter", |input, other| {
            input.exporter = Some(&other.exporter)
        }),
        ("server leaf", |input, other| {
            input.server_leaf = Some(&other.key)
        }),
        ("client leaf", |input, other| {
            input.client_leaf = Some(&other.key)
        }),
        ("verifier nonce", |input, other| {
            input.verifier_nonce = Some(&other.key)
        }),
        ("attester nonce", |input, other| {
            input.attester_nonce = Some(&other.key)
        }),
        ("certified key", |input, other| input.certified = &other.key),
        ("bound", |input, other| input.bound = &other.exporter),
    ];
    for (field, change) in rows {
        let came = outcome(&mesh, |opened| quote(&mesh, input_with(opened, change)));
        assert_eq!(came, Err("binding-differs".to_owned()), "{field}");
    }
    // Nothing changed: the input made here is the one that the protocol wants.
    let came = outcome(&mesh, |opened| quote(&mesh, input_with(opened, |_, _| {})));
    assert_eq!(came, Ok(()));
}

/// Values of another session.
struct Others {
    key: [u8; 32],
    exporter: [u8; 48],
}

fn input_with(opened: &Opened, change: for<'a> fn(&mut ReportInput<'a>, &'a Others)) -> [u8; 64] {
    let others = Others {
        key: [9; 32],
        exporter: [9; 48],
    };
    let (server_leaf, client_leaf) = (
        key_id(&opened.tls.server_spki),
        key_id(&opened.tls.client_spki),
    );
    let bound = evidence_bound(&opened.bodies[2]);
    let mut input = ReportInput {
        kind: Kind::SgxDcap,
        direction: Role::Client,
        purpose: Purpose::Activate,
        exporter: Some(&opened.session.secrets().client),
        server_leaf: Some(&server_leaf),
        client_leaf: Some(&client_leaf),
        verifier_nonce: Some(&opened.server.nonce),
        attester_nonce: Some(&opened.client.nonce),
        certified: &client_leaf,
        bound: &bound,
    };
    change(&mut input, &others);
    input.report_data()
}

#[test]
fn the_coordinators_own_evidence_sent_back_is_no_marbles() {
    let mesh = mesh();
    refused(&mesh, "binding-differs", |opened| {
        CoordinatorEvidence::decode(&opened.bodies[2])
            .unwrap()
            .session
            .evidence
    });
    admitted(&mesh);
}

#[test]
fn evidence_made_for_another_type_or_another_hello_is_refused() {
    let mesh = mesh();
    // Diversion: the same program, the same connection, but it meant to become the other type.
    refused(&mesh, "binding-differs", |opened| {
        quote(
            &mesh,
            opened.report_data_with(|hello| hello.marble_type = "other".to_owned()),
        )
    });
    // A mixed transcript: the Hello that the enclave made is not the one that was sent.
    refused(&mesh, "binding-differs", |opened| {
        quote(
            &mesh,
            opened.report_data_with(|hello| hello.instance = Some([5; 16])),
        )
    });
    admitted(&mesh);
}

/// A leaf's key got out of its enclave: with the leaf still in force, that renews nothing without the enclave.
#[test]
fn a_stolen_leaf_key_renews_nothing_without_its_enclave() {
    let mesh = mesh();
    let marble = mesh.join("worker", KNOWN).unwrap();
    let renewed_with = |make: &dyn Fn(&Opened) -> Vec<u8>| {
        runtime().block_on(async {
            let chain = marble.chain().to_vec();
            let key = PrivatePkcs8KeyDer::from(marble.private_key_pkcs8().to_vec());
            let addr = &mesh.coordinator().mesh_addr;
            let line = Line::open_as(addr, chain, key.into()).await.unwrap();
            let instance = Some(marble.instance());
            let opened = Opened::on(line, "worker", Purpose::Renew, instance).await;
            let evidence = make(&opened);
            opened.show(evidence).await
        })
    };
    let kept = std::cell::RefCell::new(Vec::new());
    let twin = renewed_with(&|opened| {
        kept.replace(quote(&mesh, opened.report_data()));
        kept.borrow().clone()
    });
    assert_eq!(twin, Ok(()), "with the enclave");
    let again = renewed_with(&|_| kept.borrow().clone());
    assert_eq!(again, Err("binding-differs".to_owned()));
    let other = renewed_with(&|opened| {
        mesh.enclave(UNKNOWN)
            .evidence(&opened.report_data())
            .unwrap()
    });
    assert_eq!(other, Err("measurement-differs".to_owned()));
    assert_eq!(mesh.live("worker"), 1, "an instance was not doubled either");
}

#[test]
fn a_finish_over_other_frames_than_travelled_is_refused() {
    let mesh = mesh();
    let live = mesh.live("worker");
    let came = runtime().block_on(async {
        let mut opened = Opened::at(&mesh.coordinator().mesh_addr, "worker").await;
        let body = MarbleEvidence {
            kind: Kind::SgxDcap,
            evidence: quote(&mesh, opened.report_data()),
            new_key: None,
        }
        .encode();
        // Frame 4 is not in it.
        let finish = opened.session.finish(Role::Client);
        opened.end(body, finish).await
    });
    assert_eq!(came, Err("finish-differs".to_owned()));
    assert_eq!(mesh.live("worker"), live);
    admitted(&mesh);
}

#[test]
fn a_true_binding_does_not_admit_another_program() {
    let mesh = mesh();
    refused(&mesh, "measurement-differs", |opened| {
        mesh.enclave(UNKNOWN)
            .evidence(&opened.report_data())
            .unwrap()
    });
    admitted(&mesh);
}

#[test]
fn frames_of_a_genuine_coordinator_played_again_deceive_no_marble() {
    let mesh = mesh();
    let runtime = runtime();
    let recorded = runtime.block_on(async {
        let opened = Opened::at(&mesh.coordinator().mesh_addr, "worker").await;
        let [_, two, three] = opened.bodies;
        let frame = |kind, body| wire(Frame { kind, body });
        vec![
            frame(FrameType::ServerHello, two),
            frame(FrameType::CoordinatorEvidence, three),
        ]
    });
    let played = runtime
        .block_on(impostor::start(Script::Frames(recorded), &[ALPN_ATTEST]))
        .unwrap();
    let echo = runtime
        .block_on(impostor::start(Script::Echo, &[ALPN_ATTEST]))
        .unwrap();
    let config = mesh.marble_config("worker", &mesh.root_key);
    let error = mesh.join_at(&played, &config, KNOWN).unwrap_err();
    assert_eq!(error.code(), "binding-differs", "{error:?}");
    let error = mesh.join_at(&echo, &config, KNOWN).unwrap_err();
    assert_eq!(error.code(), "frame-unexpected", "{error:?}");
    mesh.join("worker", KNOWN).unwrap();
}

/// A session key got out of the coordinator: whoever has it plays the coordinator, for as long as its quote is young.
#[test]
fn a_session_key_that_leaked_is_worth_nothing_when_its_quote_is_old() {
    const TOO_OLD_SECS: u64 = CLOCK_DIFFERENCE_SECS_MAX + 60;
    let mesh = mesh();
    let runtime = runtime();
    let opened = runtime.block_on(Opened::at(&mesh.coordinator().mesh_addr, "worker"));
    let genuine = CoordinatorEvidence::decode(&opened.bodies[2]).unwrap();
    let config = mesh.marble_config("worker", &mesh.root_key);
    for (age, wanted, convinced) in [
        (0, "join-broken", 1),
        (TOO_OLD_SECS, "session-key-stale", 0),
    ] {
        let sessions = Sessions::new(
            mesh.enclave(coordinator_measurement(&mesh)),
            genuine.state.root(),
            genuine.state.security_digest,
            Arc::new(Behind(age)),
        );
        let leaked = Arc::new(Leaked {
            key: runtime.block_on(sessions.key(Sharing::PerSession)).unwrap(),
            state: genuine.state.clone(),
            collateral: genuine.collateral.clone(),
            convinced: AtomicUsize::new(0),
        });
        let script = Script::Leaked(Arc::clone(&leaked));
        let addr = runtime
            .block_on(impostor::start(script, &[ALPN_ATTEST]))
            .unwrap();
        let error = mesh.join_at(&addr, &config, KNOWN).unwrap_err();
        assert_eq!(error.code(), wanted, "{age}: {error:?}");
        assert_eq!(leaked.convinced.load(Ordering::Relaxed), convinced, "{age}");
    }
    mesh.join("worker", KNOWN).unwrap();
}

/// A clock so many seconds behind.
struct Behind(u64);

impl Clock for Behind {
    fn now(&self) -> UnixTime {
        let now = UnixTime::now().as_secs();
        UnixTime::since_unix_epoch(Duration::from_secs(now - self.0))
    }
}

fn coordinator_measurement(mesh: &Mesh) -> [u8; 32] {
    let reference = std::fs::read(mesh.path("coordinator.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_slice(&reference).unwrap();
    let mut measurement = [0; 32];
    let text = reference["identities"][0]["unique_id"].as_str().unwrap();
    hex::decode_to_slice(text, &mut measurement).unwrap();
    measurement
}

/// Neither side falls back to another protocol, and a side that chooses none has not chosen ours.
#[test]
fn who_does_not_speak_attest_1_is_refused_on_both_sides() {
    let mesh = mesh();
    let runtime = runtime();
    let config = mesh.marble_config("worker", &mesh.root_key);
    for protocols in [&[&b"h2"[..]][..], &[]] {
        let addr = runtime
            .block_on(impostor::start(Script::Echo, protocols))
            .unwrap();
        let error = mesh.join_at(&addr, &config, KNOWN).unwrap_err();
        assert_eq!(
            error.code(),
            "coordinator-unreachable",
            "{protocols:?}: {error:?}"
        );
        assert!(
            error.to_string().contains("stoa-attest/1")
                || error.to_string().contains("NoApplicationProtocol"),
            "{error}"
        );
    }
    for protocols in [&[&b"h2"[..]][..], &[b"http/1.1"], &[]] {
        let shaken = runtime.block_on(async {
            let config = stoa_tests::relay::client_config(protocols).unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let tcp = tokio::net::TcpStream::connect(&mesh.coordinator().mesh_addr)
                .await
                .unwrap();
            let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
            connector.connect(name, tcp).await.map(drop)
        });
        assert!(shaken.is_err(), "{protocols:?}");
    }
    mesh.join("worker", KNOWN).unwrap();
}
