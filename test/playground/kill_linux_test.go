package playground

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// processesIn returns the processes that were started with a directory among their
// arguments, by name. Those that have ended and that nobody has waited for have no
// arguments any more.
func processesIn(dir string) (map[string]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), dir) {
			continue // another's, or gone meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(string(line), "\x00")
		found[filepath.Base(name)] = pid
	}
	return found, nil
}

// killIn kills a process of the stack in dir.
func killIn(dir, name string) error {
	all, err := processesIn(dir)
	if err != nil {
		return err
	}
	if all[name] == 0 {
		return fmt.Errorf("no %s among %v", name, all)
	}
	return syscall.Kill(all[name], syscall.SIGKILL)
}

// victimVariable makes this test binary a program that starts a stack and waits
// for somebody to kill it.
const victimVariable = "PLAYGROUND_TEST_VICTIM"

func TestVictim(t *testing.T) {
	if os.Getenv(victimVariable) == "" {
		t.Skip("a program for the test below")
	}
	s, err := Start(t.Context(), Options{BinDir: os.Getenv("TGSYNC_TEST_BIN")})
	require.NoError(t, err)
	fmt.Println(s.Dir())
	select {}
}

func TestNothingSurvivesAKill(t *testing.T) {
	if os.Getenv("TGSYNC_TEST_BIN") == "" {
		t.Skip("TGSYNC_TEST_BIN names no directory of binaries")
	}
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), victimVariable+"=1")
	victim.Stderr = os.Stderr
	output, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	dir := ""
	for lines := bufio.NewScanner(output); dir == "" && lines.Scan(); {
		if filepath.IsAbs(lines.Text()) {
			dir = lines.Text()
		}
	}
	running, err := processesIn(dir)
	killed := errors.Join(err, victim.Process.Kill())
	require.Error(t, victim.Wait(), "it was killed")
	require.NoError(t, killed)
	require.NotEmpty(t, dir, "the victim did not start")
	require.Len(t, running, 2, "the control plane and KWOK: %v", running)

	require.Eventually(t, func() bool {
		left, err := processesIn(dir)
		return err == nil && len(left) == 0
	}, 20*time.Second, 20*time.Millisecond, "processes are left")
	require.NoDirExists(t, dir)
}

// A part that fails must be heard of: here the control plane ends.
func TestFailureIsDelivered(t *testing.T) {
	o := Options{BinDir: os.Getenv("TGSYNC_TEST_BIN"), Dir: t.TempDir()}
	if o.BinDir == "" {
		t.Skip("TGSYNC_TEST_BIN names no directory of binaries")
	}
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, killIn(s.Dir(), "controlplane"))
	select {
	case err := <-s.Failed():
		require.ErrorContains(t, err, "controlplane ended by itself")
	case <-time.After(20 * time.Second):
		require.Fail(t, "nothing was heard")
	}
	require.Error(t, s.Close())
}
