//go:build !go1.25

package main

import "crypto/tls"

// group is empty: this Go does not say which group was used.
func group(*tls.ConnectionState) string { return "" }
