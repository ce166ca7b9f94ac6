// Connects to the mesh port as a stranger with a fresh key and prints what Go's TLS took from the session.
//
//	exporter ADDRESS
//
// One JSON line on stdout: the exporter value of docs/protocol/attest-1.md, section 2 (hex), the protocol that ALPN
// chose, the key exchange group (empty before Go 1.25), the TLS version (0x0304), and SHA-256 of both leaves' SPKIs (hex). The other end of the
// connection must have the same exporter value; that comparison is the test. Nothing is verified here: whom Go speaks
// to is not its question.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	alpn          = "stoa-attest/1"
	exporterLabel = "EXPORTER-stoa-attest-1"
	exporterBytes = 48
	waitMax       = 10 * time.Second
)

type session struct {
	Exporter         string `json:"exporter"`
	ALPN             string `json:"alpn"`
	Group            string `json:"group"`
	Version          string `json:"version"`
	ServerSPKISHA256 string `json:"server_spki_sha256"`
	ClientSPKISHA256 string `json:"client_spki_sha256"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: exporter ADDRESS")
		os.Exit(2)
	}
	found, err := connect(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, "error: writing to stdout:", err)
		os.Exit(1)
	}
}

// connect makes one session and reads its exporter right after the handshake.
func connect(address string) (*session, error) {
	certificate, spki, err := selfSigned()
	if err != nil {
		return nil, fmt.Errorf("making the client certificate: %w", err)
	}
	dialer := &net.Dialer{Timeout: waitMax, Deadline: time.Now().Add(waitMax)}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{alpn},
		Certificates:       []tls.Certificate{certificate},
		InsecureSkipVerify: true,
	})
	if err != nil {
		return nil, fmt.Errorf("TLS to %s: %w", address, err)
	}
	defer conn.Close()

	state := conn.ConnectionState()
	if state.NegotiatedProtocol != alpn {
		return nil, fmt.Errorf("ALPN chose %q, wanted %q", state.NegotiatedProtocol, alpn)
	}
	exporter, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterBytes)
	if err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	server := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
	client := sha256.Sum256(spki)
	return &session{
		Exporter:         hex.EncodeToString(exporter),
		ALPN:             state.NegotiatedProtocol,
		Group:            group(&state),
		Version:          fmt.Sprintf("%#04x", state.Version),
		ServerSPKISHA256: hex.EncodeToString(server[:]),
		ClientSPKISHA256: hex.EncodeToString(client[:]),
	}, nil
}

// selfSigned gives a P-256 certificate for one hour and its SPKI.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "stoa exporter test"},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf.RawSubjectPublicKeyInfo, nil
}
