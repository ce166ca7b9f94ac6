//! Messages of attest/1. There is one spelling of each: what is read is written back byte for byte.
//! Source: docs/protocol/attest-1.md, 2 to 6.

use stoa_attestation::channel::{
    CoordinatorEvidence, Frame, FrameType, Hello, LeafReceipt, MarbleEvidence, PublicKey, Role,
    StateBytes, decode_finish, encode_finish,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub(crate) fn run(bytes: &[u8]) {
    if let Some((number, body)) = bytes.split_first_chunk::<4>()
        && let Ok(frame) = Frame::received(u32::from_be_bytes(*number), body.to_vec())
    {
        message(&frame);
    }
    for kind in (1..=7).filter_map(FrameType::from_number) {
        if let Ok(frame) = Frame::received(kind.number(), bytes.to_vec()) {
            message(&frame);
        }
    }
    if let Ok(state) = StateBytes::decode(bytes) {
        same("state bytes", bytes, &state.encode());
    }
    if let Ok(receipt) = LeafReceipt::decode(bytes) {
        same("leaf receipt", bytes, &receipt.encode());
    }
    if let Ok(receipt) = LeafReceipt::from_extension_value(bytes) {
        same("extension", bytes, &receipt.extension_value());
    }
    if let Ok((_, certificate)) = X509Certificate::from_der(bytes) {
        let _ = LeafReceipt::from_certificate(&certificate);
    }
    let _ = PublicKey::from_spki(bytes);
}

fn message(frame: &Frame) {
    let body = frame.body.as_slice();
    match frame.kind {
        FrameType::ClientHello | FrameType::ServerHello => {
            for role in [Role::Client, Role::Server] {
                if let Ok(hello) = Hello::decode(role, body) {
                    let _ = hello.known_kinds().count();
                    same("hello", body, &hello.encode());
                }
            }
        }
        FrameType::CoordinatorEvidence => {
            if let Ok(message) = CoordinatorEvidence::decode(body) {
                same("coordinator evidence", body, &message.encode());
            }
        }
        FrameType::MarbleEvidence => {
            if let Ok(message) = MarbleEvidence::decode(body) {
                same("marble evidence", body, &message.encode());
            }
        }
        FrameType::ClientFinish | FrameType::ServerFinish => {
            if let Ok(mac) = decode_finish(frame) {
                same("finish", body, &encode_finish(&mac));
            }
        }
        FrameType::Provision => {}
    }
}

fn same(what: &str, read: &[u8], written: &[u8]) {
    assert!(
        read == written,
        "{what}: {} was read, {} is written",
        hex::encode(read),
        hex::encode(written)
    );
}
