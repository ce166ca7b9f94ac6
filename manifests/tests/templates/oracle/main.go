// What Go's text/template answers to each line of corpus.txt, with functions and data as docs/reference/templates.md
// says. Not needed to run the tests: `go run . < ../corpus.txt > ../answers.jsonl` makes the answers again.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
	"unicode/utf8"
)

type (
	privateKey  []byte
	publicKey   []byte
	certificate struct{ Raw []byte }
	secret      struct {
		Type                string
		Size                uint
		Shared, UserDefined bool
		Cert                certificate
		ValidFor            uint
		Private             privateKey
		Public              publicKey
	}
	marbleRun struct{ RootCA, MarbleCert, CoordinatorRoot, CoordinatorIntermediate secret }
	previous  struct{ Secrets map[string]secret }
	data      struct {
		MarbleRun marbleRun
		Previous  previous
		Secrets   map[string]secret
	}
)

func symmetric(key string) secret {
	return secret{Type: "symmetric-key", Size: uint(8 * len(key)), Private: privateKey(key), Public: publicKey(key)}
}

func certified(name string, private bool) secret {
	s := secret{Type: "cert-ecdsa", Size: 256, Cert: certificate{[]byte(name + " certificate of more than forty-eight bytes, so that PEM breaks the line")}, Public: publicKey(name + " public")}
	if private {
		s.Private = privateKey(name + " private")
	}
	return s
}

func raw(v any) ([]byte, error) {
	var b []byte
	switch v := v.(type) {
	case secret:
		b = v.Public
	case certificate:
		b = v.Raw
	case privateKey:
		b = v
	case publicKey:
		b = v
	case []byte:
		b = v
	default:
		return nil, fmt.Errorf("no bytes: %T", v)
	}
	if len(b) == 0 {
		return nil, errors.New("empty")
	}
	return b, nil
}

func text(f func([]byte) string) func(any) (string, error) {
	return func(v any) (string, error) {
		b, err := raw(v)
		if err != nil {
			return "", err
		}
		return f(b), nil
	}
}

func pemOf(v any) (string, error) {
	label := ""
	switch v.(type) {
	case certificate:
		label = "CERTIFICATE"
	case privateKey:
		label = "PRIVATE KEY"
	case publicKey:
		label = "PUBLIC KEY"
	default:
		return "", fmt.Errorf("no PEM: %T", v)
	}
	b, err := raw(v)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: b})), nil
}

func plain(v any) (string, error) {
	s, ok := v.(secret)
	if !ok || s.Type != "plain" {
		return "", errors.New("not plain")
	}
	b, err := raw(v)
	if err != nil || bytes.IndexByte(b, 0) >= 0 {
		return "", errors.New("empty or NUL")
	}
	return string(b), nil
}

func answer(src string, functions template.FuncMap, d data, env bool) map[string]string {
	t, err := template.New("data").Funcs(functions).Parse(src)
	if err != nil {
		return map[string]string{"err": "parse", "msg": err.Error()}
	}
	var out bytes.Buffer
	if err := t.Execute(&out, d); err != nil {
		return map[string]string{"err": "exec", "msg": err.Error()}
	}
	if env && bytes.IndexByte(out.Bytes(), 0) >= 0 {
		return map[string]string{"err": "exec", "msg": "NUL byte in a variable"}
	}
	if !utf8.Valid(out.Bytes()) {
		return map[string]string{"hex": hex.EncodeToString(out.Bytes())}
	}
	return map[string]string{"out": out.String()}
}

func main() {
	hexOf := text(func(b []byte) string { return hex.EncodeToString(b) })
	base64Of := text(base64.StdEncoding.EncodeToString)
	rawOf := text(func(b []byte) string { return string(b) })
	file := template.FuncMap{"pem": pemOf, "hex": hexOf, "base64": base64Of, "raw": rawOf}
	env := template.FuncMap{"pem": pemOf, "hex": hexOf, "base64": base64Of, "string": plain}
	word := symmetric("secret word")
	word.Type = "plain"
	d := data{
		MarbleRun: marbleRun{certified("root", false), certified("leaf", true), certified("top", false), certified("middle", false)},
		Previous:  previous{map[string]secret{"sym": symmetric("old")}},
		Secrets: map[string]secret{
			"sym": symmetric("k1é"), "with-dash": symmetric("wd"), "bytes": symmetric("\x00\xff\x07"),
			"cert": certified("ct", true), "word": word,
		},
	}
	lines := bufio.NewScanner(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		src := strings.ReplaceAll(lines.Text(), "␤", "\n")
		if err := encoder.Encode(map[string]any{"src": src, "file": answer(src, file, d, false), "env": answer(src, env, d, true)}); err != nil {
			panic(err)
		}
	}
}
