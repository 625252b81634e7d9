package playground

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	docs, err := decode([]byte(`# only a comment
---
kind: Service
metadata: {namespace: a, name: b}
---
kind: ClusterRole
metadata: {name: c}
---
kind: Namespace
metadata: {name: a}
`))
	require.NoError(t, err)
	var names []string
	for _, doc := range docs {
		names = append(names, describe(doc))
	}
	require.Equal(t, []string{"Namespace a", "Service a/b", "ClusterRole c"}, names)

	_, err = decode([]byte("kind: [Service"))
	require.Error(t, err)
}

func TestManifestsDecode(t *testing.T) {
	files, err := fs.Glob(Manifests, "manifests/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := Manifests.ReadFile(file)
		require.NoError(t, err)
		docs, err := decode(text)
		require.NoError(t, err, file)
		require.NotEmpty(t, docs, file)
	}
}
