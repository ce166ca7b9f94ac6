//! Every parser of foreign bytes as a plain function of bytes.
//!
//! A [`Target`] must survive whatever it is given: it returns, it never panics. Where a format has one spelling only, the
//! target also holds that what was read is written back byte for byte. The same functions run on the seeds in the tests
//! ([`replay`]) and for as long as wanted under libFuzzer (`cargo xtask fuzz`, fuzz/engine).
//!
//! Seeds are made from tests/vectors and the examples; an input that once broke a target is kept under
//! `fuzz/found/TARGET/` and replayed for ever.
//! Does not live here: any judgement of what is right; an error is as good an answer as a value.

mod attest1;
mod evidence;
mod files;
mod parts;
pub mod replay;
pub mod search;
mod seeds;
mod stored;

/// One input, with where it comes from.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The vector or example, and the part of it.
    pub name: String,
    /// What the target gets.
    pub bytes: Vec<u8>,
}

/// A parser, or several of one format.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the bytes are taken for.
    pub reads: &'static str,
    /// Takes any bytes; a panic is a finding.
    pub run: fn(&[u8]),
    /// What to start from.
    pub seeds: fn() -> Vec<Seed>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "evidence",
        reads: "quotes and reports of every kind",
        run: evidence::parse,
        seeds: seeds::quotes,
    },
    Target {
        name: "verify",
        reads: "a quote with its collateral, to the end of the verification; every signature counts as good",
        run: evidence::verify,
        seeds: seeds::pairs,
    },
    Target {
        name: "collateral",
        reads: "collateral as JSON; every signature counts as good",
        run: evidence::collateral,
        seeds: seeds::collateral,
    },
    Target {
        name: "parts",
        reads: "one certificate, revocation list, TCB info or identity in the place of a genuine one",
        run: parts::run,
        seeds: parts::seeds,
    },
    Target {
        name: "frames",
        reads: "frames and messages of attest/1, state bytes, leaf receipts, keys",
        run: attest1::run,
        seeds: seeds::attest1,
    },
    Target {
        name: "manifest",
        reads: "manifests",
        run: files::manifest,
        seeds: files::manifest_seeds,
    },
    Target {
        name: "template",
        reads: "templates of files and of variables",
        run: files::template,
        seeds: files::template_seeds,
    },
    Target {
        name: "files",
        reads: "coordinator references, saved proofs, statements, memories, marbles' configurations, bundles of collateral",
        run: files::run,
        seeds: files::seeds,
    },
    Target {
        name: "stored",
        reads: "records of the journal, as the machine reads them",
        run: stored::run,
        seeds: stored::seeds,
    },
];

/// The target of this name, [`SELF_TEST`] among them.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    let mut all = TARGETS.iter().chain([&SELF_TEST]);
    all.find(|target| target.name == name)
}

/// Not a parser: falls on five bytes that nobody guesses at random, to see that a search finds what it should.
pub const SELF_TEST: Target = Target {
    name: "self-test",
    reads: "nothing: falls on five bytes",
    run: |bytes| {
        let mut matched = 0;
        for (byte, wanted) in bytes.iter().zip(b"stoa!") {
            if byte != wanted {
                return;
            }
            matched += 1;
        }
        assert!(matched < 5, "the planted fault");
    },
    seeds: || {
        vec![Seed {
            name: "self-test".to_owned(),
            bytes: b"s----".to_vec(),
        }]
    },
};
