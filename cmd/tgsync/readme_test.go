package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the settings table into README.md")

const (
	readme     = "../../README.md"
	tableStart = "<!-- settings: written by `go test ./cmd/tgsync -run README -update` -->\n"
	tableEnd   = "<!-- end of settings -->"
)

// TestREADMESettings compares the README's table with the config struct.
func TestREADMESettings(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), tableStart)
	require.True(t, found, "README.md has no line %q", tableStart)
	table, after, found := strings.Cut(rest, tableEnd)
	require.True(t, found, "README.md has no line %q", tableEnd)
	want := settingsTable(t)
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(before+tableStart+want+tableEnd+after), 0o600))
		return
	}
	require.Equal(t, want, table)
}

// settingsTable renders the config struct as a Markdown table.
func settingsTable(t *testing.T) string {
	t.Helper()
	params, err := env.GetFieldParams(&config{})
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("\n| Variable | Default | What it does |\n|---|---|---|\n")
	docs := docsOf(reflect.TypeFor[config]())
	for n, p := range params {
		doc := docs[n]
		require.NotEmpty(t, doc, "%s has no doc", p.Key)
		value := "`" + p.DefaultValue + "`"
		switch {
		case p.Required:
			value = "required"
		case p.DefaultValue == "":
			value = ""
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Key, value, doc)
	}
	b.WriteString("\n")
	return b.String()
}

// docsOf returns what the settings of a struct do, those of embedded ones in their place.
func docsOf(of reflect.Type) (docs []string) {
	for field := range of.Fields() {
		if field.Anonymous {
			docs = append(docs, docsOf(field.Type)...)
		} else {
			docs = append(docs, field.Tag.Get("doc"))
		}
	}
	return docs
}
