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
];
