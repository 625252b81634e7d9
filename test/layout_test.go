package test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// root is the repository seen from this package.
const root = ".."

// topLevel is all that may stand at the top, beside dot-files.
var topLevel = []string{
	"Dockerfile", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
	"awsapi", "cmd", "deploy", "metrics", "syncer", "test",
}

// How large things may grow, in lines.
const (
	maxFile     = 400
	maxTestFile = 500
	maxFunction = 80
)

// topLevelProblems returns the entries that do not belong at the top.
func topLevelProblems(files []string) []string {
	var problems []string
	for _, file := range files {
		entry, _, _ := strings.Cut(file, "/")
		known := strings.HasPrefix(entry, ".") || slices.Contains(topLevel, entry)
		if !known && !slices.Contains(problems, entry) {
			problems = append(problems, entry)
		}
	}
	return problems
}

// sizeProblems returns what is too large in a Go file.
func sizeProblems(name, source string) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	limit := maxFile
	if strings.HasSuffix(name, "_test.go") {
		limit = maxTestFile
	}
	var problems []string
	if lines := strings.Count(source, "\n"); lines > limit {
		problems = append(problems, fmt.Sprintf("%s has %d lines, more than %d", name, lines, limit))
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
		if lines > maxFunction {
			problems = append(problems, fmt.Sprintf("%s: %s has %d lines, more than %d", name, f.Name.Name, lines, maxFunction))
		}
	}
	return problems, nil
}

// The brackets keep these patterns from finding themselves.
var (
	machinePath = regexp.MustCompile(`(^|[^\w.-])/(w[o]rk|r[o]ot|t[m]p|h[o]me/[\w-]+|U[s]ers/[\w-]+)/`)
	aboutMaking = regexp.MustCompile(`(?i)\b(i[s]sues? #?\d+|s[e]ssion \d+|s[e]ed post|as (r[e]quested|i[n]structed)|l[l]m|c[h]atgpt|c[l]aude|c[o]pilot)\b`)
	url         = regexp.MustCompile(`https?://\S+`)
	markdown    = regexp.MustCompile(`[\w-]+\.md\b`)
)

// textProblems returns what a file says that means nothing to its reader: paths
// of one machine, how it came to be, documents that are not in the repository.
func textProblems(name, text string, files []string) []string {
	var problems []string
	for i, line := range strings.Split(text, "\n") {
		report := func(what, found string) {
			problems = append(problems, fmt.Sprintf("%s:%d %s: %s", name, i+1, what, strings.TrimSpace(found)))
		}
		if found := machinePath.FindString(line); found != "" {
			report("path of one machine", found)
		}
		if found := aboutMaking.FindString(line); found != "" {
			report("not about the product", found)
		}
		for _, found := range markdown.FindAllString(url.ReplaceAllString(line, ""), -1) {
			known := func(file string) bool { return path.Base(file) == found }
			if !slices.ContainsFunc(files, known) {
				report("document that is not here", found)
			}
		}
	}
	return problems
}

func TestTopLevel(t *testing.T) {
	require.Empty(t, topLevelProblems(repositoryFiles(t)))
}

func TestSizes(t *testing.T) {
	for _, name := range repositoryFiles(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		problems, err := sizeProblems(name, readFile(t, name))
		require.NoError(t, err)
		for _, problem := range problems {
			t.Error(problem)
		}
	}
}

func TestTextIsAboutTheProduct(t *testing.T) {
	files := repositoryFiles(t)
	for _, name := range files {
		text := readFile(t, name)
		if name == "LICENSE" || path.Ext(name) == ".sum" || !utf8.ValidString(text) {
			continue
		}
		for _, problem := range textProblems(name, text, files) {
			t.Error(problem)
		}
	}
}

func TestTopLevelProblems(t *testing.T) {
	require.Empty(t, topLevelProblems([]string{".ci/run", "Makefile", "syncer/doc.go"}))
	require.Equal(t, []string{"pkg", "NOTES"}, topLevelProblems([]string{"pkg/a.go", "pkg/b.go", "NOTES"}))
}

func TestSizeProblems(t *testing.T) {
	lines := func(n int) string { return "package p\n" + strings.Repeat("\n", n-1) }
	function := func(n int) string { return "package p\n\nfunc f() {" + strings.Repeat("\n", n-1) + "}\n" }
	tests := map[string]struct {
		name, source string
		problems     []string
	}{
		"a file at the limit":      {name: "a.go", source: lines(400)},
		"a file above it":          {name: "a.go", source: lines(401), problems: []string{"a.go has 401 lines, more than 400"}},
		"a test file at its limit": {name: "a_test.go", source: lines(500)},
		"a test file above it":     {name: "a_test.go", source: lines(501), problems: []string{"a_test.go has 501 lines, more than 500"}},
		"a function at the limit":  {name: "a.go", source: function(80)},
		"a function above it":      {name: "a.go", source: function(81), problems: []string{"a.go: f has 81 lines, more than 80"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := sizeProblems(tc.name, tc.source)
			require.NoError(t, err)
			require.Equal(t, tc.problems, got)
		})
	}
	_, err := sizeProblems("a.go", "not Go")
	require.Error(t, err)
}

func TestTextProblems(t *testing.T) {
	slash := "/"
	tests := map[string]struct {
		text     string
		problems []string
	}{
		"plain words":        {text: "The working set of a session. GET /work, see README.md."},
		"a document online":  {text: "See https://example.com/docs/guide.md for more."},
		"a document missing": {text: "// As in\n// the-plan" + ".md, 3.", problems: []string{"f:2 document that is not here: the-plan" + ".md"}},
		"a machine path":     {text: `dir := "` + slash + `tmp/x"`, problems: []string{`f:1 path of one machine: "` + slash + `tmp/`}},
		"a person's path":    {text: "in " + slash + "home/me/go", problems: []string{"f:1 path of one machine: " + slash + "home/me/"}},
		"a ticket":           {text: "done for issue" + " 12", problems: []string{"f:1 not about the product: issue" + " 12"}},
		"a bug elsewhere":    {text: "kubernetes#142181 panics"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.problems, textProblems("f", tc.text, []string{"README.md"}))
		})
	}
}

// repositoryFiles returns the files that git has or would take, by path from the
// top of the repository.
func repositoryFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err, "this test needs a git checkout")
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	return slices.DeleteFunc(files, func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		return errors.Is(err, fs.ErrNotExist) // deleted, and not yet committed
	})
}

// readFile returns a file of the repository.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(content)
}
