//! Every case of tests/vectors/attest-1/vectors.json, computed again from its inputs.
//!
//! The vectors were written from docs/protocol/attest-1.md in another language, apart from this code. Hashes, keys,
//! inputs and bodies must be equal byte by byte; signatures are verified, never compared. The state machines are run
//! over the same cases, so that they send the bytes that the vectors have.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use serde_json::Value;
use stoa_attestation::channel::{
    ClientHelloState, CoordinatorCheck, CoordinatorEvidence, CoordinatorState, Frame, FrameType,
    Hello, MarbleEvidence, NewKey, Pin, PublicKey, Purpose, Role, ServerHelloState, Session,
    SessionEvidence, StateBytes, Switches, TlsFacts, Transition, Witness, check_session_signature,
    decode_finish, encode_finish, evidence_bound, history_head, key_id, session_bound,
    session_report_data, session_report_input, statement_signature_input, transition_head,
};
use stoa_attestation::{Kind, NoMemo, Reference, TcbPolicy, Trust};
use stoa_explain::Explain;

const VECTORS: &str = include_str!("../../tests/vectors/attest-1/vectors.json");
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ED25519,
];

#[test]
fn every_join_of_the_vectors_has_our_bytes() {
    run("join", 90, |case| {
        let inputs = case.inputs();
        let mut got = common_outputs(&inputs);
        got.extend(join_outputs(&inputs, case));
        got
    });
}

#[test]
fn every_statement_of_the_vectors_has_our_bytes() {
    run("statement", 30, |case| {
        let inputs = case.inputs();
        let mut got = common_outputs(&inputs);
        let input = statement_signature_input(
            &inputs.array("nonce"),
            &state(&inputs),
            &inputs.bytes("body"),
        );
        check_signature(&input, &inputs, case);
        got.insert("session_sig_input", input.into());
        got.insert("signature", case.output("signature").into());
        got
    });
}

#[test]
fn every_byte_string_of_the_vectors_is_taken_or_refused_as_they_say() {
    run("decode", 200, |case| {
        let inputs = case.inputs();
        let bytes = inputs.bytes("bytes");
        let taken = match inputs.text("structure").as_str() {
            "client_hello" => Hello::decode(Role::Client, &bytes).map(|hello| hello.encode()),
            "server_hello" => Hello::decode(Role::Server, &bytes).map(|hello| hello.encode()),
            "body_3" => CoordinatorEvidence::decode(&bytes).map(|body| body.encode()),
            "body_4" => MarbleEvidence::decode(&bytes).map(|body| body.encode()),
            "body_5" => finish(FrameType::ClientFinish, &bytes),
            "body_6" => finish(FrameType::ServerFinish, &bytes),
            "state_bytes" => StateBytes::decode(&bytes).map(|state| state.encode()),
            other => panic!("{}: no structure `{other}`", case.name),
        };
        if let Ok(again) = &taken {
            assert_eq!(*again, bytes, "{}: encoded again it differs", case.name);
        }
        BTreeMap::from([("accept", Output::Bytes(vec![taken.is_ok().into()]))])
    });
}

/// The coordinator's machine, fed with the vectors' frames, sends the vectors' frames and believes their proofs.
#[test]
fn the_coordinators_machine_speaks_as_the_vectors_do() {
    for case in cases().iter().filter(|case| case.flow == "join") {
        let inputs = case.inputs();
        let frame_1 = frame(FrameType::ClientHello, case.output("client_hello"));
        let accepts: Vec<Kind> = inputs
            .u16s("server_hello.kinds")
            .into_iter()
            .map(|kind| Kind::from_number(kind).unwrap())
            .collect();
        let nonce = inputs.array("server_hello.nonce");
        let (hello, frame_2) = ServerHelloState::receive(tls(&inputs), &frame_1, &accepts, nonce)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(frame_2.body, case.output("server_hello"), "{}", case.name);
        let (signing, to_sign) = hello
            .evidence_to_sign(
                &state(&inputs),
                &session_evidence(&inputs),
                &inputs.bytes("collateral"),
            )
            .unwrap();
        assert_eq!(to_sign, case.output("session_sig_input"), "{}", case.name);
        let (marble, frame_3) = signing.signed(case.output("signature")).unwrap();
        assert_eq!(frame_3.body, case.output("body_3"), "{}", case.name);

        // The marble's evidence is filler. That the evidence is the first thing refused says that the finish, the kind,
        // the keys and the possession before it were believed.
        let frame_4 = frame(FrameType::MarbleEvidence, case.output("body_4"));
        let frame_5 = frame(FrameType::ClientFinish, case.output("body_5"));
        let refused = marble
            .receive(&frame_4, &frame_5, ALGORITHMS)
            .unwrap_err()
            .code();
        let wanted = match Kind::from_number(inputs.u16("marble_kind")).unwrap() {
            Kind::SgxDcap | Kind::TdxDcap => {
                ["evidence-malformed", "quote-version-unsupported"].as_slice()
            }
            Kind::Snp => &["evidence-malformed"],
            Kind::Tpm => &["evidence-kind-unsupported"],
        };
        assert!(wanted.contains(&refused), "{}: {refused}", case.name);
    }
}

/// The marble's machine sends the vectors' Hello and believes everything in frame 3 that comes before the evidence.
#[test]
fn the_marbles_machine_speaks_as_the_vectors_do() {
    for case in cases().iter().filter(|case| case.flow == "join") {
        let inputs = case.inputs();
        if inputs
            .u16s("client_hello.kinds")
            .iter()
            .any(|kind| Kind::from_number(*kind).is_none())
        {
            continue; // a marble of this version can't offer a kind that it does not know
        }
        let kinds: Vec<Kind> = inputs
            .u16s("client_hello.kinds")
            .into_iter()
            .map(|kind| Kind::from_number(kind).unwrap())
            .collect();
        let (waiting, frame_1) = ClientHelloState::start(
            tls(&inputs),
            &kinds,
            &inputs.text("client_hello.marble_type"),
            inputs.optional("client_hello.instance"),
            purpose(inputs.u8("client_hello.purpose")),
            inputs.array("client_hello.nonce"),
        )
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(frame_1.body, case.output("client_hello"), "{}", case.name);
        let waiting = waiting
            .receive(&frame(FrameType::ServerHello, case.output("server_hello")))
            .unwrap();

        let reference = Reference {
            identities: Vec::new(),
            tcb: TcbPolicy::default(),
            security_digest: None,
        };
        let trust = Trust {
            anchors: &[],
            algorithms: ALGORITHMS,
            seen: &NoMemo,
        };
        let pin = Pin::RootSpki(key_id(&inputs.bytes("root_spki")));
        let check = CoordinatorCheck {
            reference: &reference,
            pin,
            trust: &trust,
            seen: None,
            floors: None,
        };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(inputs.u64("time")));
        let frame_3 = frame(FrameType::CoordinatorEvidence, case.output("body_3"));
        let refused = waiting.receive(&frame_3, &check, now).unwrap_err().code();
        let wanted: &[&str] = match (inputs.u8("state"), inputs.u16("kind")) {
            (3, 1 | 2) => &["evidence-malformed", "quote-version-unsupported"],
            (3, 3) => &["evidence-malformed"],
            (3, _) => &["evidence-kind-unsupported"],
            _ => &["state-not-accepting"],
        };
        assert!(wanted.contains(&refused), "{}: {refused}", case.name);
    }
}

/// What joins and statements have in common.
fn common_outputs(inputs: &Inputs<'_>) -> BTreeMap<&'static str, Output> {
    let switches = switches(inputs);
    let trust_root = inputs.bytes("trust_root_der");
    let named: Vec<_> = switches
        .iter()
        .filter(|(name, _)| *name == "insecure-trust-root")
        .collect();
    match trust_root.as_slice() {
        [] => assert!(named.is_empty()),
        der => assert_eq!(
            named,
            Switches::insecure_trust_root(&key_id(der))
                .iter()
                .collect::<Vec<_>>()
        ),
    }

    let history = history(inputs);
    let mut heads = Vec::new();
    let mut prev = [0; 32];
    for Transition {
        manifest_sha256,
        epoch,
        time,
    } in &history
    {
        prev = transition_head(&prev, manifest_sha256, *epoch, *time);
        heads.push(prev.to_vec());
    }
    assert_eq!(
        history_head(&history).unwrap().map(|head| head.to_vec()),
        heads.last().cloned()
    );

    let kind = Kind::from_number(inputs.u16("kind")).unwrap();
    let (digest, quoted_at) = (switches.digest(), inputs.u64("quoted_at"));
    let root = inputs.key_id("root_spki");
    let bound = session_bound(root.as_ref(), &digest, quoted_at);
    let session_spki = inputs.bytes("session_spki");
    let session = key_id(&session_spki);
    let report = session_report_input(kind, &session, &bound);
    assert_eq!(
        session_report_data(kind, &session_spki, root, &digest, quoted_at),
        report.report_data()
    );
    BTreeMap::from([
        ("security_digest", digest.to_vec().into()),
        ("transition_heads", Output::List(heads)),
        ("state_bytes", state(inputs).encode().into()),
        ("session_bound", bound.to_vec().into()),
        ("coordinator_report_input", report.bytes().into()),
        (
            "coordinator_report_data",
            report.report_data().to_vec().into(),
        ),
        (
            "coordinator_qualifying_data",
            report.qualifying_data().to_vec().into(),
        ),
    ])
}

fn join_outputs(inputs: &Inputs<'_>, case: &Case<'_>) -> BTreeMap<&'static str, Output> {
    let (client, server) = (hello(inputs, "client_hello"), hello(inputs, "server_hello"));
    let (body_1, body_2) = (client.encode(), server.encode());
    let mut session = Session::new(tls(inputs), (client, &body_1), (server, &body_2));
    let secrets = [
        session.secrets().client.to_vec(),
        session.secrets().server.to_vec(),
        session.secrets().finish.to_vec(),
    ];
    let [e_client, e_server, e_finish] = secrets;

    let state = state(inputs);
    let input = session.signature_input(&state);
    check_signature(&input, inputs, case);
    let signature = case.output("signature");
    let collateral = inputs.bytes("collateral");
    let body_3 = CoordinatorEvidence {
        session: session_evidence(inputs),
        state,
        collateral,
        signature: signature.clone(),
    };
    let body_3 = body_3.encode();

    let new_spki = inputs.bytes("new_spki");
    let possession = case.output("possession");
    let new_key = (!new_spki.is_empty()).then(|| NewKey {
        spki: new_spki.clone(),
        possession: possession.clone(),
    });
    let possession_input = new_key
        .as_ref()
        .map_or(Vec::new(), |_| session.possession_input());
    match PublicKey::from_spki(&new_spki) {
        Some(key) => verify(key, &possession_input, &possession)
            .unwrap_or_else(|()| panic!("{}: the possession is not over our input", case.name)),
        None => assert!(
            new_spki.is_empty() && possession.is_empty(),
            "{}",
            case.name
        ),
    }

    let kind = Kind::from_number(inputs.u16("marble_kind")).unwrap();
    let certified = if new_spki.is_empty() {
        inputs.bytes("client_leaf_spki")
    } else {
        new_spki
    };
    let report = session.marble_report(kind, &certified, &evidence_bound(&body_3));
    let body_4 = MarbleEvidence {
        kind,
        evidence: inputs.bytes("marble_evidence"),
        new_key,
    }
    .encode();

    session.add(&body_3);
    session.add(&body_4);
    let frame_5 = session.finish(Role::Client);
    session.add(&frame_5.body);
    session.add(&inputs.bytes("body_7"));
    let frame_6 = session.finish(Role::Server);
    BTreeMap::from([
        ("session_sig_input", input.into()),
        ("signature", signature.into()),
        ("possession_input", possession_input.into()),
        ("possession", possession.into()),
        ("client_hello", body_1.into()),
        ("server_hello", body_2.into()),
        ("t", session.hellos().to_vec().into()),
        ("e_client", e_client.into()),
        ("e_server", e_server.into()),
        ("e_finish", e_finish.into()),
        ("marble_report_input", report.input.into()),
        ("marble_report_data", report.report_data.to_vec().into()),
        (
            "marble_qualifying_data",
            report.qualifying_data.to_vec().into(),
        ),
        ("body_3", body_3.into()),
        ("body_4", body_4.into()),
        (
            "client_finish",
            decode_finish(&frame_5).unwrap().to_vec().into(),
        ),
        ("body_5", frame_5.body.into()),
        (
            "server_finish",
            decode_finish(&frame_6).unwrap().to_vec().into(),
        ),
        ("body_6", frame_6.body.into()),
    ])
}

fn check_signature(input: &[u8], inputs: &Inputs<'_>, case: &Case<'_>) {
    check_session_signature(
        input,
        &inputs.bytes("session_spki"),
        &case.output("signature"),
        ALGORITHMS,
    )
    .unwrap_or_else(|e| panic!("{}: {e}", case.name));
}

fn verify(key: PublicKey<'_>, message: &[u8], signature: &[u8]) -> Result<(), ()> {
    let (algorithm, point) = match key {
        PublicKey::P256(point) => (webpki::aws_lc_rs::ECDSA_P256_SHA256, point),
        PublicKey::Ed25519(point) => (webpki::aws_lc_rs::ED25519, point),
    };
    algorithm
        .verify_signature(point, message, signature)
        .map_err(|_| ())
}

fn finish(kind: FrameType, body: &[u8]) -> Result<Vec<u8>, stoa_attestation::channel::Malformed> {
    decode_finish(&frame(kind, body.to_vec())).map(|mac| encode_finish(&mac))
}

fn frame(kind: FrameType, body: Vec<u8>) -> Frame {
    Frame { kind, body }
}

fn tls(inputs: &Inputs<'_>) -> TlsFacts {
    TlsFacts {
        exporter: inputs.array("x"),
        server_spki: inputs.bytes("server_leaf_spki"),
        client_spki: inputs.bytes("client_leaf_spki"),
    }
}

fn hello(inputs: &Inputs<'_>, side: &str) -> Hello {
    let role = match inputs.u8(&format!("{side}.role")) {
        1 => Role::Client,
        2 => Role::Server,
        other => panic!("role {other}"),
    };
    assert_eq!(inputs.u16(&format!("{side}.version")), 1);
    Hello {
        role,
        nonce: inputs.array(&format!("{side}.nonce")),
        kinds: inputs.u16s(&format!("{side}.kinds")),
        marble_type: inputs.text(&format!("{side}.marble_type")),
        instance: inputs.optional(&format!("{side}.instance")),
        purpose: purpose(inputs.u8(&format!("{side}.purpose"))),
    }
}

fn purpose(number: u8) -> Purpose {
    Purpose::from_hello(number).unwrap()
}

fn session_evidence(inputs: &Inputs<'_>) -> SessionEvidence {
    SessionEvidence {
        kind: Kind::from_number(inputs.u16("kind")).unwrap(),
        evidence: inputs.bytes("evidence"),
        spki: inputs.bytes("session_spki"),
        quoted_at: inputs.u64("quoted_at"),
    }
}

fn switches(inputs: &Inputs<'_>) -> Switches {
    let mut switches = Switches::none();
    for switch in inputs.list("switches") {
        switches
            .set(&switch.text("name"), &switch.text("value"))
            .unwrap();
    }
    switches
}

fn history(inputs: &Inputs<'_>) -> Vec<Transition> {
    inputs
        .list("history")
        .iter()
        .map(|entry| Transition {
            manifest_sha256: entry.array("manifest_sha256"),
            epoch: entry.u64("epoch"),
            time: entry.u64("time"),
        })
        .collect()
}

fn state(inputs: &Inputs<'_>) -> StateBytes {
    let owner = inputs.key_id("owner_spki");
    let state = match inputs.u8("state") {
        1 => CoordinatorState::Recovery,
        2 => CoordinatorState::AcceptingManifest {
            root: inputs.key_id("root_spki").unwrap(),
            owner,
        },
        3 => CoordinatorState::AcceptingMarbles {
            root: inputs.key_id("root_spki").unwrap(),
            issuing: inputs.key_id("issuing_spki").unwrap(),
            manifest_sha256: key_id(&inputs.bytes("manifest")), // SHA-256, as K is
            transition_head: history_head(&history(inputs)).unwrap().unwrap(),
            owner,
        },
        other => panic!("state {other}"),
    };
    let witness = match inputs.text("witness").as_str() {
        "none" => Witness::None,
        "etcd" => Witness::Etcd,
        "tpm-nv" => Witness::TpmNv,
        other => panic!("witness {other}"),
    };
    StateBytes {
        state,
        sequence: inputs.u64("sequence"),
        head: inputs.array("head"),
        tls_leaf: inputs.key_id("server_leaf_spki").unwrap(),
        security_digest: switches(inputs).digest(),
        witness,
        time: inputs.u64("time"),
    }
}

// --- The file's shape ------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Eq)]
enum Output {
    Bytes(Vec<u8>),
    List(Vec<Vec<u8>>),
}

impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

struct Case<'a> {
    name: &'a str,
    flow: &'a str,
    value: &'a Value,
}

impl<'a> Case<'a> {
    fn inputs(&self) -> Inputs<'a> {
        Inputs(&self.value["inputs"])
    }

    fn output(&self, name: &str) -> Vec<u8> {
        Inputs(&self.value["outputs"]).bytes(name)
    }

    fn outputs(&self) -> BTreeMap<&'a str, Output> {
        let members = self.value["outputs"].as_object().unwrap().iter();
        members
            .map(|(name, value)| match value {
                Value::Array(list) => (
                    name.as_str(),
                    Output::List(list.iter().map(unhex).collect()),
                ),
                value => (name.as_str(), Output::Bytes(unhex(value))),
            })
            .collect()
    }
}

struct Inputs<'a>(&'a Value);

impl<'a> Inputs<'a> {
    fn value(&self, path: &str) -> &'a Value {
        path.split('.').fold(self.0, |value, member| {
            value
                .get(member)
                .unwrap_or_else(|| panic!("no member `{path}`"))
        })
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        unhex(self.value(path))
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    fn array<const N: usize>(&self, path: &str) -> [u8; N] {
        self.bytes(path)
            .try_into()
            .unwrap_or_else(|_| panic!("`{path}` has not {N} bytes"))
    }

    fn optional<const N: usize>(&self, path: &str) -> Option<[u8; N]> {
        (!self.bytes(path).is_empty()).then(|| self.array(path))
    }

    fn key_id(&self, path: &str) -> Option<[u8; 32]> {
        let spki = self.bytes(path);
        (!spki.is_empty()).then(|| key_id(&spki))
    }

    fn u8(&self, path: &str) -> u8 {
        u8::from_be_bytes(self.array(path))
    }

    fn u16(&self, path: &str) -> u16 {
        u16::from_be_bytes(self.array(path))
    }

    fn u64(&self, path: &str) -> u64 {
        u64::from_be_bytes(self.array(path))
    }

    fn u16s(&self, path: &str) -> Vec<u16> {
        let list = self.value(path).as_array().unwrap().iter();
        list.map(|number| u16::from_be_bytes(unhex(number).try_into().unwrap()))
            .collect()
    }

    fn list(&self, path: &str) -> Vec<Inputs<'a>> {
        self.value(path)
            .as_array()
            .unwrap()
            .iter()
            .map(Inputs)
            .collect()
    }
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn cases() -> &'static [Case<'static>] {
    static CASES: std::sync::OnceLock<Vec<Case<'static>>> = std::sync::OnceLock::new();
    static FILE: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    CASES.get_or_init(|| {
        let file = FILE.get_or_init(|| serde_json::from_str(VECTORS).unwrap());
        assert_eq!(file["format"], "stoa-attest-vectors/1");
        let cases = file["cases"].as_array().unwrap().iter();
        cases
            .map(|value| Case {
                name: value["name"].as_str().unwrap(),
                flow: value["flow"].as_str().unwrap(),
                value,
            })
            .collect()
    })
}

/// Compares the outputs of every case of a flow, member by member, and reports all that differ.
fn run(flow: &str, at_least: usize, outputs: impl Fn(&Case<'_>) -> BTreeMap<&'static str, Output>) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases().iter().filter(|case| case.flow == flow) {
        count += 1;
        let (got, wanted) = (outputs(case), case.outputs());
        let names = |outputs: &BTreeMap<&str, Output>| {
            outputs
                .keys()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&got),
            names(&wanted),
            "{}: members of the outputs",
            case.name
        );
        for (name, wanted) in wanted {
            if got[name] != wanted {
                wrong.push(format!(
                    "{}: {name} differs: ours {:02x?}, the vector's {wanted:02x?}",
                    case.name, got[name]
                ));
            }
        }
    }
    assert!(count >= at_least, "only {count} cases of {flow}");
    assert!(
        wrong.is_empty(),
        "{} outputs differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
