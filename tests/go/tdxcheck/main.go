// Judges a TDX quote with go-tdx-guest, a verifier that shares no code with Stoa: chain, revocation, TCB, with the
// collateral of a service that speaks PCS version 4.
//
// Prints "accepted" and leaves with 0, or the reason and leaves with 1.
package main

import (
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/google/go-tdx-guest/verify"
	"github.com/google/logger"
)

// service answers the vendor's URLs from another address.
type service struct{ base string }

func (s service) Get(vendors string) (map[string][]string, []byte, error) {
	parsed, err := url.Parse(vendors)
	if err != nil {
		return nil, nil, err
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(s.base + parsed.RequestURI())
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: %s", vendors, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.Header, body, err
}

func judge(quotePath, rootPath, pccs string) error {
	quote, err := os.ReadFile(quotePath)
	if err != nil {
		return err
	}
	options := verify.DefaultOptions()
	options.CheckRevocations = true
	options.GetCollateral = true
	options.Getter = service{pccs}
	if rootPath != "" {
		pem, err := os.ReadFile(rootPath)
		if err != nil {
			return err
		}
		options.TrustedRoots = x509.NewCertPool()
		if !options.TrustedRoots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", rootPath)
		}
	}
	return verify.RawTdxQuote(quote, options)
}

func main() {
	quote := flag.String("quote", "", "file with the raw quote")
	root := flag.String("root", "", "PEM of the trusted root; the vendor's if empty")
	pccs := flag.String("pccs", "", "URL of the collateral service")
	flag.Parse()
	logger.Init("", false, false, io.Discard)
	if err := judge(*quote, *root, *pccs); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}
