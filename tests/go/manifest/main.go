// Manifests as a Go program writes them: all keys present, nil and zero values, bytes as base64, times, certificates, big
// integers, durations as texts. One JSON object a line on stdout: {"name": .., "manifest": <JSON>}; names beginning with
// "bad-" must be refused. The structs have the keys of MarbleRun's manifests (docs/reference/manifest.md) and nothing else.
package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

type pkg struct {
	Debug               bool
	UniqueID            string
	SignerID            string
	ProductID           *uint64
	SecurityVersion     *uint
	AcceptedTCBStatuses []string
	AcceptedAdvisories  []string
}

type infrastructure struct {
	QESVN  *uint16
	PCESVN *uint16
	CPUSVN []byte
	RootCA []byte
}

type file struct {
	Data        string
	Encoding    string
	NoTemplates bool
}

type parameters struct {
	Files map[string]file
	Env   map[string]file
	Argv  []string
}

type marble struct {
	Package              string
	MaxActivations       uint
	Parameters           parameters
	TLS                  []string
	DisableSecretBinding bool
}

type secret struct {
	Type        string
	Size        uint
	Shared      bool
	UserDefined bool
	Cert        *x509.Certificate
	ValidFor    uint
	Private     []byte
	Public      []byte
}

type user struct {
	Certificate string
	Roles       []string
}

type role struct {
	ResourceType  string
	ResourceNames []string
	Actions       []string
}

type config struct {
	SealMode          string
	FeatureGates      []string
	UpdateThreshold   uint
	RecoveryThreshold uint
	RotateRootSecret  bool
}

type manifest struct {
	Packages        map[string]pkg
	Infrastructures map[string]infrastructure
	Marbles         map[string]marble
	Secrets         map[string]secret
	Users           map[string]user
	Roles           map[string]role
	RecoveryKeys    map[string]string
	TLS             map[string]struct{}
	Config          config
}

func base() manifest {
	product, version := uint64(3), uint(2)
	return manifest{
		Packages: map[string]pkg{
			"unique": {UniqueID: strings.Repeat("ab", 32)},
			"signer": {SignerID: strings.Repeat("cd", 32), ProductID: &product, SecurityVersion: &version, AcceptedTCBStatuses: []string{"UpToDate", "OutOfDate"}},
		},
		Marbles: map[string]marble{
			"one": {Package: "unique"},
			"two": {Package: "signer", MaxActivations: 1<<32 - 1, Parameters: parameters{
				Files: map[string]file{"/f": {Data: "{{ hex .Secrets.key }}"}, "/b": {Data: "AP8=", Encoding: "base64", NoTemplates: true}},
				Env:   map[string]file{"E": {Data: "6162", Encoding: "HEX"}},
				Argv:  []string{"./two", "<&>\u2028"},
			}},
		},
		Secrets: map[string]secret{"key": {Type: "symmetric-key", Size: 128}},
	}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	say := func(name string, change func(*manifest)) {
		m := base()
		change(&m)
		raw, err := json.Marshal(m)
		if err == nil {
			err = out.Encode(map[string]any{"name": name, "manifest": string(raw)})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	cert := func(name string, c *x509.Certificate) {
		say(name, func(m *manifest) { m.Secrets["c"] = secret{Type: "cert-ecdsa", Size: 256, Cert: c} })
	}
	say("all-keys", func(*manifest) {})
	say("empty-maps", func(m *manifest) {
		m.Users, m.Roles, m.RecoveryKeys, m.TLS = map[string]user{}, map[string]role{}, map[string]string{}, map[string]struct{}{}
		m.Infrastructures = map[string]infrastructure{}
	})
	say("infrastructure", func(m *manifest) {
		qe := uint16(2)
		m.Infrastructures = map[string]infrastructure{"azure": {QESVN: &qe, CPUSVN: make([]byte, 16)}}
	})
	cert("cert-nil", nil)
	cert("cert-zero", &x509.Certificate{})
	cert("cert-names", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "n", Organization: []string{"o"}, Country: []string{"DE"}},
		DNSNames:    []string{"a.example"},
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotAfter:    time.Date(2030, 1, 2, 3, 4, 5, 678, time.FixedZone("", 7200)),
	})
	cert("bad-ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	cert("bad-serial", &x509.Certificate{SerialNumber: new(big.Int).Lsh(big.NewInt(1), 150)})
	say("bad-user", func(m *manifest) { m.Users = map[string]user{"u": {Certificate: "x", Roles: []string{"r"}}} })
	say("bad-private", func(m *manifest) { m.Secrets["key"] = secret{Type: "symmetric-key", Size: 128, Private: []byte("x")} })
	say("bad-product", func(m *manifest) {
		huge := uint64(1) << 63
		p := m.Packages["signer"]
		p.ProductID = &huge
		m.Packages["signer"] = p
	})
	say("user-defined", func(m *manifest) { m.Secrets["u"] = secret{Type: "plain", UserDefined: true} })
}
