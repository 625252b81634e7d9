package endpoints_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is a Result as it stands in a file.
type golden struct {
	Missing       string           `json:"missing,omitempty"`
	Desired       []string         `json:"desired,omitempty"`
	Endpoints     []goldenEndpoint `json:"endpoints,omitempty"`
	Shadowed      []goldenEndpoint `json:"shadowed,omitempty"`
	WaitsForPods  []string         `json:"waitsForPods,omitempty"`
	WaitsForNodes []string         `json:"waitsForNodes,omitempty"`
}

type goldenEndpoint struct {
	Target string          `json:"target"`
	State  endpoints.State `json:"state"`
	Pod    string          `json:"pod,omitempty"`
	UID    types.UID       `json:"uid,omitempty"`
	Gates  []string        `json:"gates,omitempty"`
	Node   string          `json:"node,omitempty"`
	Zone   string          `json:"zone,omitempty"`
}

func goldenOf(r endpoints.Result) golden {
	g := golden{
		Desired: desired(r), Endpoints: goldenEndpoints(r.Endpoints), Shadowed: goldenEndpoints(r.Shadowed),
		WaitsForNodes: r.WaitsForNodes,
	}
	if r.Missing != nil {
		g.Missing = r.Missing.Error()
	}
	for _, pod := range r.WaitsForPods {
		g.WaitsForPods = append(g.WaitsForPods, pod.String())
	}
	return g
}

func goldenEndpoints(list []endpoints.Endpoint) []goldenEndpoint {
	var out []goldenEndpoint
	for _, e := range list {
		g := goldenEndpoint{Target: e.Target.String(), State: e.State, UID: e.UID, Gates: e.Gates, Node: e.Node, Zone: e.Zone}
		if e.Pod.Name != "" {
			g.Pod = e.Pod.String()
		}
		out = append(out, g)
	}
	return out
}

// TestGolden translates every testdata/NAME.in.yaml into NAME.out.yaml.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			got, err := yaml.Marshal(goldenOf(calculate(t, read(t, file))))
			require.NoError(t, err)
			out := strings.TrimSuffix(file, ".in.yaml") + ".out.yaml"
			if *update {
				require.NoError(t, os.WriteFile(out, got, 0o600))
			}
			require.Equal(t, read(t, out), string(got))
		})
	}
}
