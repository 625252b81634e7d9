package provision

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/rehearsal"
)

// Every step says with its first word what becomes of something: what a plan shows is
// signed by it. A new kind of step needs a verb that package rehearsal knows.
func TestStepsHaveSigns(t *testing.T) {
	words, steps := map[string]string{}, map[string]bool{}
	for _, f := range methods(t) {
		name := receiver(f)
		switch {
		case f.Name.Name == "String":
			words[name] = firstText(f)
		case f.Name.Name == "do" && name != "executor":
			steps[name] = true
		}
	}
	require.Greater(t, len(steps), 20, "steps are found by their method do")
	for name := range steps {
		require.NotEmpty(t, rehearsal.SignOf(words[name]), "step %s says %q: package rehearsal has no sign for its verb", name, words[name])
	}
}

// methods are those of the package.
func methods(t *testing.T) (all []*ast.FuncDecl) {
	t.Helper()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				all = append(all, f)
			}
		}
	}
	return all
}

// receiver returns the type of a method.
func receiver(f *ast.FuncDecl) string {
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// firstText returns the first string of what a method returns.
func firstText(f *ast.FuncDecl) (text string) {
	ast.Inspect(f.Body.List[len(f.Body.List)-1], func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if ok && lit.Kind == token.STRING && text == "" {
			text, _ = strconv.Unquote(lit.Value)
		}
		return text == ""
	})
	return text
}
