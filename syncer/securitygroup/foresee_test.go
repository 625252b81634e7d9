package securitygroup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/rehearsal"
)

// foreseen is what a process of its own foresees. It must write nothing, and every step
// must have a sign.
func (w *world) foreseen() Foreseen {
	w.t.Helper()
	w.writes()
	f, err := w.newLoop().Foresee(w.t.Context())
	require.NoError(w.t, err)
	require.Empty(w.t, w.writes())
	for _, step := range f.Steps {
		require.NotEmpty(w.t, rehearsal.SignOf(step), step)
	}
	return f
}

// TestForesee: what is foreseen is what is done then, and afterwards nothing is left.
func TestForesee(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-node", awsapi.Tags{clusterTag + cluster: "owned"}, rule(1, 1), theirs(rule(22, 22)), Peer{CIDR: "10.0.0.0/8"}.permission(UDP, portRange{0, maxPort}))
		w.pod("web", "p1", "a")
		w.pod("web", "p2", "b")
		w.need("web", 80, 9090)
		for _, b := range w.boards {
			b.Complete()
		}
		require.Equal(t, Foreseen{Steps: []string{
			"open tcp ports 80 to 9090 of security group sg-node to sg-backend",
			"close tcp port 1 of security group sg-node for sg-backend",
			"close all udp ports of security group sg-node for 10.0.0.0/8",
		}}, w.foreseen())

		w.run()
		w.after(10 * time.Minute)
		require.Equal(t, []string{"tcp 22-22 sg-backend!", "tcp 80-9090 sg-backend"}, w.rules("sg-node"))
		require.Empty(t, w.foreseen())

		w.show("web")
		require.Equal(t, []string{
			"close tcp ports 80 to 9090 of security group sg-node for sg-backend", "delete backend security group sg-backend",
		}, w.foreseen().Steps)
	})
}

// TestForeseeWithoutAll closes nothing while it is not known what is needed.
func TestForeseeWithoutAll(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.aws.group("sg-node", awsapi.Tags{clusterTag + cluster: "owned"}, rule(1, 1))
		w.boards[0].Complete()
		require.Empty(t, w.foreseen())
		w.boards[1].Complete()
		require.Len(t, w.foreseen().Steps, 2)
	})
}

// TestForeseeLooksForAll: more instances than a call can bring are looked up, and what
// cannot be is an error.
func TestForeseeLooksForAll(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		for n := range instancesAtOnce + 1 {
			name := "n" + string(rune('A'+n/26)) + string(rune('a'+n%26))
			w.node(name, "sg-"+name)
			w.aws.group("sg-"+name, nil)
			w.pod("web", "p-"+name, name)
		}
		w.need("web", 80)
		require.Len(t, w.foreseen().Steps, instancesAtOnce+1)
		w.aws.fail["interfaces of"] = apiError("UnauthorizedOperation")
		_, err := w.newLoop().Foresee(t.Context())
		require.ErrorContains(t, err, "network interfaces of instances")
	})
}
