package awssim_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// strictTransport fails the test if an answer has an element that the SDK does
// not know: the SDK would skip it without a word.
type strictTransport struct {
	t    *testing.T
	next http.RoundTripper
}

func (s strictTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || r.Header.Get("X-Amz-Target") != "" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	known := elementsOf(s.t, moduleOf(r))
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return resp, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		name := start.Name.Local
		if ok && !known[name] && !envelope.MatchString(name) {
			s.t.Errorf("the SDK does not know the element %s of\n%s", name, body)
		}
	}
}

func moduleOf(r *http.Request) string {
	authorization := r.Header.Get("Authorization")
	switch {
	case strings.Contains(authorization, "/elasticloadbalancing/"):
		return "elasticloadbalancingv2"
	case strings.Contains(authorization, "/sts/"):
		return "sts"
	}
	return "ec2"
}

var (
	envelope    = regexp.MustCompile(`^([A-Z]\w*(Response|Result|ResponseMetadata)|ResponseMetadata|[rR]equestId)$`)
	elementName = regexp.MustCompile(`strings\.EqualFold\("(\w+)"`)
	elements    sync.Map // set of names by module
)

// elementsOf are the names of the elements that a module of the SDK reads.
func elementsOf(t *testing.T, module string) map[string]bool {
	t.Helper()
	if known, ok := elements.Load(module); ok {
		return known.(map[string]bool)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+module)
	dir, err := list.Output()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "deserializers.go"))
	require.NoError(t, err)
	known := map[string]bool{}
	for _, match := range elementName.FindAllSubmatch(source, -1) {
		known[string(match[1])] = true
	}
	require.NotEmpty(t, known)
	elements.Store(module, known)
	return known
}
