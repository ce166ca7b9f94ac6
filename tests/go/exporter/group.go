//go:build go1.25

// The settings of go 1.19, which go.mod names so that Debian's Go can build this, would leave out the hybrid group.
//
//go:debug tlsmlkem=1
package main

import "crypto/tls"

// group names the key exchange group, as Go spells it.
func group(state *tls.ConnectionState) string { return state.CurveID.String() }
