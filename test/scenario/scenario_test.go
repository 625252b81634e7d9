package scenario

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestScenarios plays every scenario, each in all of its worlds.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			s, err := Parse(file, text)
			require.NoError(t, err)
			worlds, err := s.Variants()
			require.NoError(t, err)
			for _, name := range slices.Sorted(maps.Keys(worlds)) {
				if name == "" {
					play(t, s, worlds[name])
					continue
				}
				t.Run(name, func(t *testing.T) { play(t, s, worlds[name]) })
			}
		})
	}
}

// play plays a scenario in a bubble of its own.
func play(t *testing.T, s *Script, settings Settings) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if err := s.Play(t.Context(), settings); err != nil {
			t.Errorf("%s\n%v", s.Rule, err)
		}
	})
}
