package ingress

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

// world is all that a test's cluster and its AWS account hold.
type world struct {
	settings     Settings
	ingresses    []*networkingv1.Ingress
	classes      []*networkingv1.IngressClass
	params       map[string]*ClassParams
	namespaces   map[string]map[string]string // labels
	services     map[types.NamespacedName]*corev1.Service
	certificates []Certificate
	unreadable   bool                // ACM does not answer
	standing     map[string]standing // by group ID
}

// standing is the document of kind Standing: what AWS holds for one group. A listener
// that only its rules tell of speaks HTTP.
type standing struct {
	Group string `json:"group"`
	Standing
}

func newWorld() *world {
	return &world{
		settings: DefaultSettings("demo"),
		params:   map[string]*ClassParams{}, namespaces: map[string]map[string]string{},
		services: map[types.NamespacedName]*corev1.Service{},
		standing: map[string]standing{},
	}
}

func (w *world) input(g Group) Input {
	s := w.standing[g.ID.String()].Standing
	for _, r := range s.Rules {
		if !slices.ContainsFunc(s.Listeners, func(l StandingListener) bool { return l.Port == r.Port }) {
			s.Listeners = append(slices.Clone(s.Listeners), StandingListener{Port: r.Port, Protocol: protocolHTTP})
		}
	}
	return Input{
		Settings: w.settings,
		Group:    g,
		Services: func(n types.NamespacedName) (*corev1.Service, bool) {
			svc, ok := w.services[n]
			return svc, ok
		},
		Certificates: func() ([]Certificate, bool) { return w.certificates, !w.unreadable },
		Standing:     s,
	}
}

// groups and build are the whole pipeline.
func (w *world) groups() []Group {
	return Groups(w.settings, Cluster{
		Ingresses: w.ingresses, Classes: w.classes,
		Params:          func(name string) *ClassParams { return w.params[name] },
		NamespaceLabels: func(name string) map[string]string { return w.namespaces[name] },
	})
}

func (w *world) build() map[string]*Model {
	out := map[string]*Model{}
	for _, g := range w.groups() {
		out[g.ID.String()] = Build(w.input(g))
	}
	return out
}

// load reads YAML documents as kubectl would take them, and those of kind Standing.
func load(t *testing.T, file string) *world {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	w, err := parse(raw)
	require.NoError(t, err)
	return w
}

func parse(raw []byte) (*world, error) {
	w := newWorld()
	for doc := range bytes.SplitSeq(raw, []byte("\n---\n")) {
		if err := w.add(doc); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) add(doc []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		return err
	}
	if add, ok := kinds[kind.Kind]; ok {
		return add(w, doc)
	}
	return fmt.Errorf("unknown kind %q", kind.Kind)
}

// kinds take the documents of a golden test.
var kinds = map[string]func(w *world, doc []byte) error{
	"Ingress": func(w *world, doc []byte) error {
		ing := &networkingv1.Ingress{}
		w.ingresses = append(w.ingresses, ing)
		if err := yaml.UnmarshalStrict(doc, ing); err != nil || ing.Name != "" && ing.Namespace != "" {
			return err
		}
		return errors.New("the API server takes no Ingress without a name and namespace")
	},
	"IngressClass": func(w *world, doc []byte) error {
		class := &networkingv1.IngressClass{}
		w.classes = append(w.classes, class)
		return yaml.UnmarshalStrict(doc, class)
	},
	"Service": func(w *world, doc []byte) error {
		svc := &corev1.Service{}
		err := yaml.UnmarshalStrict(doc, svc)
		w.services[types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}] = svc
		return err
	},
	"Namespace": func(w *world, doc []byte) error {
		var ns corev1.Namespace
		err := yaml.UnmarshalStrict(doc, &ns)
		w.namespaces[ns.Name] = ns.Labels
		return err
	},
	ClassParamsKind: func(w *world, doc []byte) error {
		var object struct {
			metav1.TypeMeta
			Metadata metav1.ObjectMeta `json:"metadata"`
			Spec     map[string]any    `json:"spec"`
		}
		err := yaml.UnmarshalStrict(doc, &object)
		w.params[object.Metadata.Name] = ReadClassParams(object.Metadata.Name, map[string]any{"spec": object.Spec})
		return err
	},
	// What differs from the default settings.
	"Settings": func(w *world, doc []byte) error {
		s := struct {
			metav1.TypeMeta
			*Settings
		}{Settings: &w.settings}
		return yaml.UnmarshalStrict(doc, &s)
	},
	"Certificate": func(w *world, doc []byte) error {
		var c struct {
			metav1.TypeMeta
			Certificate
		}
		err := yaml.UnmarshalStrict(doc, &c)
		w.certificates = append(w.certificates, c.Certificate)
		return err
	},
	"Standing": func(w *world, doc []byte) error {
		var s struct {
			metav1.TypeMeta
			standing
		}
		err := yaml.UnmarshalStrict(doc, &s)
		w.standing[s.Group] = s.standing
		return err
	},
}

// result is what a golden file shows of a group.
type result struct {
	Members []string
	Leaving []string
	Model   *Model
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			got := render(t, load(t, file))
			golden := filepath.Join("testdata", name+".out.yaml")
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

func render(t *testing.T, w *world) []byte {
	t.Helper()
	var docs [][]byte
	for _, g := range w.groups() {
		r := result{Members: names(g.Members), Leaving: names(g.Leaving), Model: Build(w.input(g))}
		docs = append(docs, brief(t, r))
	}
	return bytes.Join(docs, []byte("---\n"))
}

// brief prints v without its empty fields.
func brief(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(raw, &tree))
	pruned, _ := prune(tree)
	out, err := yaml.Marshal(pruned)
	require.NoError(t, err)
	return out
}

func prune(v any) (kept any, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			if c, ok := prune(child); ok {
				v[k] = c
			} else {
				delete(v, k)
			}
		}
		return v, len(v) > 0
	case []any:
		for i := range v {
			v[i], _ = prune(v[i])
		}
		return v, len(v) > 0
	case string:
		return v, v != ""
	case float64:
		return v, v != 0
	case bool:
		return v, v
	}
	return v, v != nil
}

func names(ings []*networkingv1.Ingress) []string {
	var out []string
	for _, ing := range ings {
		out = append(out, keyOf(ing).String())
	}
	return out
}
