//! Codes of the room `collateral`: what the vendor's service does not give.

use crate::Code;

pub(crate) const CODES: &[Code] = &[
    Code {
        code: "collateral-url-invalid",
        meaning: "The configured URL of the collateral service can't be used. The message says what is wrong with it.",
        remedy: "Write it as http://HOST:PORT or https://HOST[:PORT], without a query.",
    },
    Code {
        code: "collateral-unavailable",
        meaning: "The collateral service did not give what was asked for. The message has the URL and what came back.",
        remedy: "Check that the service runs, can be reached, speaks API version 4 and knows the platform; then try again.",
    },
    Code {
        code: "collateral-not-verified",
        meaning: "The service answered, but a signature, a chain or the content of the collateral does not verify.",
        remedy: "Check that the service serves the vendor's own collateral and that its cache is current.",
    },
    Code {
        code: "collateral-platform-unknown",
        meaning: "The evidence does not say of which platform it is, or is of a kind without a collateral service.",
        remedy: "Send evidence of a supported kind with its whole certificate chain.",
    },
    Code {
        code: "collateral-went-back",
        meaning: "The collateral is validly signed, but older than what was seen before: what the vendor published since is hidden.",
        remedy: "Let the coordinator or its collateral service fetch current collateral; if a cache in between is late, wait until it has caught up.",
    },
    Code {
        code: "collateral-source-invalid",
        meaning: "What is configured as a source of collateral is none, or there are none or too many.",
        remedy: "Name 1 to 8 sources, each as http://HOST:PORT, https://HOST[:PORT], kds:URL or bundle:FILE, separated by commas.",
    },
    Code {
        code: "collateral-source-missing",
        meaning: "None of the configured sources could have collateral of such a platform.",
        remedy: "Add one to --collateral: for SGX and TDX the URL of a PCCS, for SNP kds:https://kdsintf.amd.com, for any a bundle.",
    },
    Code {
        code: "collateral-bundle-unusable",
        meaning: "The file is no bundle of collateral that this version reads, or it can't be read or written.",
        remedy: "Make it again: stoa collateral fetch, then stoa collateral pack.",
    },
];
