package playground

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func shell(t *testing.T, script string, stdin bool) *process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	p, err := startProcess(command{path: "/bin/sh", args: []string{"-c", script}, logFile: log, stdin: stdin})
	require.NoError(t, err)
	return p
}

func TestProcessStopsOnSIGTERM(t *testing.T) {
	p := shell(t, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", false)
	require.Eventually(t, func() bool { return string(tail(p.logFile)) == "up\n" }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.ifEnded())
	require.NoError(t, p.stop())
	require.Equal(t, "up\nbye\n", string(tail(p.logFile)))
}

func TestProcessStopsWhenItsInputCloses(t *testing.T) {
	p := shell(t, "trap '' TERM; cat; echo bye", true)
	require.NoError(t, p.stop())
	require.Equal(t, "bye\n", string(tail(p.logFile)))
}

func TestProcessSaysWhyItEnded(t *testing.T) {
	p := shell(t, "echo no such luck >&2; exit 3", false)
	err := p.untilStopped(t.Context())
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no such luck")
	require.Error(t, p.ifEnded())
	require.Error(t, p.stop())
}

func TestProcessIsKilled(t *testing.T) {
	p := shell(t, "trap '' TERM; exec sleep 600", false)
	p.kill()
	require.Error(t, p.ifEnded())
}

func TestProcessThatDoesNotStart(t *testing.T) {
	_, err := startProcess(command{path: filepath.Join(t.TempDir(), "none"), logFile: os.DevNull})
	require.ErrorIs(t, err, os.ErrNotExist)
}
