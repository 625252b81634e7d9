// Package test holds what is true of the repository as a whole: which package
// may import which, what stands where, how large a file may grow, and that what
// an operator applies can be read. It asks the go command and git, so that no
// library is needed for it.
package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tgsync/tgsync"

// law names every product package and the packages of ours that it may import.
// Imports run one way: from cmd to syncer, from there to its parts, from those
// to the target value. A package that is not here needs a line here first.
var law = map[string][]string{
	"cmd/tgsync":           {"awsapi", "metrics", "syncer", "syncer/cleanup", "syncer/groupbinding", "syncer/ingress", "syncer/lease", "syncer/provision", "syncer/rehearsal", "syncer/securitygroup", "syncer/standaside", "syncer/target", "syncer/webhook"},
	"syncer":               {"awsapi", "syncer/endpoints", "syncer/lease", "syncer/namespaces", "syncer/opqueue", "syncer/readiness", "syncer/securitygroup", "syncer/target"},
	"syncer/groupbinding":  {"syncer/optional", "awsapi", "syncer/ingress", "syncer/namespaces", "syncer/securitygroup", "syncer/target", "syncer/webhook"},
	"syncer/provision":     {"syncer/optional", "awsapi", "syncer/ingress", "syncer/securitygroup", "syncer/target", "syncer/webhook"},
	"syncer/securitygroup": {"awsapi", "syncer/ingress"},
	"syncer/readiness":     {"awsapi", "syncer/endpoints", "syncer/opqueue", "syncer/target"},
	"syncer/endpoints":     {"syncer/target"},
	"syncer/ingress":       nil,
	"syncer/target":        nil,
	"syncer/lease":         nil,
	"syncer/optional":      nil,
	"syncer/namespaces":    nil,
	"syncer/opqueue":       nil,
	"awsapi":               {"syncer/opqueue", "syncer/target"},
	"metrics":              nil,
	"syncer/standaside":    {"syncer/lease"},
	"syncer/webhook":       nil,
	"syncer/rehearsal":     {"awsapi", "syncer/target"},
	"syncer/cleanup":       {"awsapi", "syncer/ingress", "syncer/securitygroup"},
}

// pure packages are functions from values to values: no clients, no clock, no
// logger, no I/O.
var pure = []string{"syncer/endpoints", "syncer/ingress", "syncer/target"}

var (
	// impureImports are not imported by a pure package. Kubernetes' API types
	// reach some of them, which is their business.
	impureImports = []string{"log", "net/http", "os", "time", "k8s.io/klog", "k8s.io/client-go", "github.com/aws"}
	// impureDeps are not even reached by a pure package.
	impureDeps = []string{"k8s.io/client-go", "github.com/aws"}
)

// listed is what go list says of a package. Imports and Deps are those of the
// product: what its tests import is not in them.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// within reports whether path is root or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func withinAny(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(path, root) })
}

// importProblems returns what p does against the law, in words.
func importProblems(p listed) []string {
	name := strings.TrimPrefix(p.ImportPath, module+"/")
	if within(name, "test") {
		return nil
	}
	if _, ok := law[name]; !ok {
		return []string{name + " is not in the law"}
	}
	var problems []string
	for _, path := range p.Imports {
		if why := forbidden(name, path); why != "" {
			problems = append(problems, fmt.Sprintf("%s imports %s: %s", name, strings.TrimPrefix(path, module+"/"), why))
		}
	}
	reached := func(path string) bool { return withinAny(path, impureDeps) }
	if i := slices.IndexFunc(p.Deps, reached); i >= 0 && slices.Contains(pure, name) {
		problems = append(problems, fmt.Sprintf("%s reaches %s: it is pure", name, p.Deps[i]))
	}
	return problems
}

// forbidden returns why a product package may not import path, or "".
func forbidden(name, path string) string {
	own, isOwn := strings.CutPrefix(path, module+"/")
	switch {
	case isOwn && !slices.Contains(law[name], own):
		return "against the direction of imports"
	case within(path, "github.com/aws") && name != "awsapi":
		return "only awsapi may"
	case slices.Contains(pure, name) && withinAny(path, impureImports):
		return "it is pure"
	}
	return ""
}

func TestImportLaw(t *testing.T) {
	packages := goList(t)
	require.NotEmpty(t, packages)
	for _, p := range packages {
		for _, problem := range importProblems(p) {
			t.Error(problem)
		}
		for _, own := range law[strings.TrimPrefix(p.ImportPath, module+"/")] {
			if !slices.Contains(p.Imports, module+"/"+own) {
				t.Errorf("%s may import %s and does not: the law is wider than it has to be", p.ImportPath, own)
			}
		}
	}
}

func TestImportProblems(t *testing.T) {
	own := func(paths ...string) []string {
		for i, path := range paths {
			paths[i] = module + "/" + path
		}
		return paths
	}
	tests := map[string]struct {
		of       string
		imports  []string
		deps     []string
		problems []string
	}{
		"one step down":            {of: "syncer", imports: own("syncer/target", "awsapi")},
		"the SDK in awsapi":        {of: "awsapi", imports: []string{"github.com/aws/aws-sdk-go-v2/aws", "time"}},
		"API types in a pure one":  {of: "syncer/endpoints", imports: []string{"k8s.io/api/discovery/v1"}, deps: []string{"time", "k8s.io/klog/v2"}},
		"tests import what's next": {of: "test/e2e", imports: own("awsapi", "test/awssim")},
		"an unknown package":       {of: "syncer/utils", problems: []string{"syncer/utils is not in the law"}},
		"one step up":              {of: "syncer/provision", imports: own("syncer"), problems: []string{"syncer/provision imports syncer: against the direction of imports"}},
		"product to test":          {of: "syncer", imports: own("test/awssim"), problems: []string{"syncer imports test/awssim: against the direction of imports"}},
		"ours in metrics":          {of: "metrics", imports: own("syncer/target"), problems: []string{"metrics imports syncer/target: against the direction of imports"}},
		"more than values in awsapi": {
			of: "awsapi", imports: own("metrics"), problems: []string{"awsapi imports metrics: against the direction of imports"},
		},
		"the SDK elsewhere": {
			of: "syncer/provision", imports: []string{"github.com/aws/smithy-go"},
			problems: []string{"syncer/provision imports github.com/aws/smithy-go: only awsapi may"},
		},
		"a clock in a pure one": {
			of: "syncer/target", imports: []string{"time"}, problems: []string{"syncer/target imports time: it is pure"},
		},
		"a logger in a pure one": {
			of: "syncer/ingress", imports: []string{"log/slog"}, problems: []string{"syncer/ingress imports log/slog: it is pure"},
		},
		"the SDK reached from a pure one": {
			of: "syncer/ingress", deps: []string{"github.com/aws/aws-sdk-go-v2/aws", "k8s.io/client-go/rest"},
			problems: []string{"syncer/ingress reaches github.com/aws/aws-sdk-go-v2/aws: it is pure"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := importProblems(listed{ImportPath: module + "/" + tc.of, Imports: tc.imports, Deps: tc.deps})
			require.Equal(t, tc.problems, got)
		})
	}
}

// goList returns the packages of the root module.
func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NoError(t, err, "%s", exit.Stderr)
	}
	require.NoError(t, err)
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}
