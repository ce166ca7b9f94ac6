//! The device's socket under good, bad and many requests. This process is the one inside: it is below its own parent.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stoa_attestation::lp::Reader;
use stoa_source::{SealPolicy, Source, Tee as Where, seal};
use stoa_synthetic::{Config, Device, Knobs, Platform, Program, ProgramTee};

struct Served {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn serve(tee: ProgramTee) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tee.sock");
    let text = format!("tee = \"{}\"\nexecutable = \"/bin/sh\"\n", tee.name());
    std::fs::write(folder.path().join("c.toml"), text).unwrap();
    let config = Config::read(&folder.path().join("c.toml")).unwrap();
    let program = Program::load(config, folder.path()).unwrap();
    let device = Device::new(Platform::seeded([1; 32], Knobs::default()), program);
    let listener = UnixListener::bind(&path).unwrap();
    Arc::new(device)
        .serve(listener, std::os::unix::process::parent_id())
        .unwrap();
    Served {
        _folder: folder,
        path,
    }
}

impl Served {
    fn open(&self) -> Box<dyn Source> {
        Where::open(&format!("socket:{}", self.path.display())).unwrap()
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }
}

fn frame(op: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len() + 1)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    frame.push(op);
    frame.extend(body);
    frame
}

/// The next answer, or `None` if the device hung up.
fn answer(stream: &mut UnixStream) -> Option<(u8, Vec<u8>)> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut body = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut body).unwrap();
    Some((body.remove(0), body))
}

/// Code and cause of a refusal.
fn refusal(stream: &mut UnixStream) -> (String, String) {
    let (op, body) = answer(stream).expect("a refusal is an answer");
    assert_eq!(op, 0, "{body:?}");
    let mut reader = Reader::new(&body);
    let mut text = |name| String::from_utf8(reader.filled(name, 4096).unwrap().to_vec()).unwrap();
    (text("code"), text("cause"))
}

#[test]
fn requests_of_wrong_shape_are_refused_and_the_connection_goes_on() {
    let served = serve(ProgramTee::Sgx);
    let mut stream = served.connect();
    for (request, cause) in [
        (frame(1, &[0; 63]), "the report data has 63 bytes, not 64"),
        (frame(1, &[0; 65]), "the report data has 65 bytes, not 64"),
        (
            frame(1, &[0; 65535]),
            "the report data has 65535 bytes, not 64",
        ),
        (frame(2, &[1; 32]), "this one 32 bytes"),
        (frame(2, &[]), "this one 0 bytes"),
        (frame(2, &[3; 33]), "sealing policy 3 is unknown"),
        (
            frame(3, &[0]),
            "a request for info is empty, this one has 1 bytes",
        ),
        (frame(0, &[]), "op 0 is unknown"),
        (frame(9, b"x"), "op 9 is unknown"),
    ] {
        stream.write_all(&request).unwrap();
        let (code, text) = refusal(&mut stream);
        assert_eq!(code, "synthetic-request-malformed");
        assert!(text.contains(cause), "{text} lacks `{cause}`");
    }
    stream.write_all(&frame(1, &[7; 64])).unwrap();
    let (op, evidence) = answer(&mut stream).unwrap();
    assert_eq!((op, &evidence[..2]), (1, &[0, 1][..]));
}

#[test]
fn a_length_that_is_none_ends_the_connection_with_the_cause() {
    let served = serve(ProgramTee::Sgx);
    for (len, said) in [(0_u32, "0"), (65_537, "65537"), (u32::MAX, "4294967295")] {
        let mut stream = served.connect();
        stream.write_all(&len.to_be_bytes()).unwrap();
        let (_, text) = refusal(&mut stream);
        assert_eq!(
            text,
            format!("the frame says it has {said} bytes; 1 to 65536 are allowed")
        );
        assert_eq!(answer(&mut stream), None);
    }
}

#[test]
fn short_frames_and_garbage_harm_nobody_else() {
    let served = serve(ProgramTee::Tdx);
    // Half a frame that never ends keeps its own connection and no other.
    let mut half = served.connect();
    half.write_all(&frame(1, &[0; 64])[..20]).unwrap();
    for cut in [1, 3, 4, 5, 68] {
        let mut stream = served.connect();
        stream.write_all(&frame(1, &[0; 64])[..cut]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(answer(&mut stream), None, "cut at {cut}");
    }
    // xorshift: the same garbage on every run.
    let mut state = 0x9E37_79B9_u32;
    for _ in 0..200 {
        let garbage: Vec<u8> = (0..64)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[0]
            })
            .collect();
        let mut stream = served.connect();
        let _ = stream.write_all(&garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert_eq!(served.open().evidence(&[1; 64]).unwrap()[..2], [4, 0]);
}

#[test]
fn many_threads_get_each_their_own_evidence_and_all_the_same_keys() {
    let served = serve(ProgramTee::Sgx);
    let tee = served.open();
    let keys: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16_u8)
            .map(|thread| {
                let tee = &tee;
                scope.spawn(move || {
                    for round in 0..10_u8 {
                        let mut data = [thread; 64];
                        data[1] = round;
                        let quote = tee.evidence(&data).unwrap();
                        assert_eq!(quote[48 + 320..48 + 384], data);
                    }
                    *seal::data_key_wrapper(tee.as_ref(), SealPolicy::Signer).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    assert_ne!(
        keys[0],
        *seal::data_key_wrapper(tee.as_ref(), SealPolicy::Measurement).unwrap()
    );
}

#[test]
fn more_connections_than_the_limit_are_hung_up_on_and_room_comes_back() {
    const LIMIT: usize = 256;
    let served = serve(ProgramTee::Sgx);
    let mut open: Vec<_> = (0..LIMIT).map(|_| served.connect()).collect();
    // All of them are served, one after the other.
    for stream in &mut open {
        stream.write_all(&frame(3, &[])).unwrap();
        assert!(answer(stream).is_some());
    }
    let mut beyond = served.connect();
    let _ = beyond.write_all(&frame(3, &[]));
    assert_eq!(answer(&mut beyond), None);
    drop(open);
    let deadline = Instant::now() + Duration::from_secs(10);
    let back = || Where::open(&format!("socket:{}", served.path.display())).is_ok();
    while !back() {
        assert!(Instant::now() < deadline, "no room after all others left");
        std::thread::sleep(Duration::from_millis(10));
    }
}
