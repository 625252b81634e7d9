package syncer

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
)

// refusal is an answer of AWS.
func refusal(text string) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Message: text}
}

const (
	needsZone  = "The Availability Zone is required for IP address '10.9.0.1' because it is not in the VPC"
	needsPlace = "you must specify an Availability Zone"
	inside     = "The IP address '10.9.0.1' is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'a'"
)

func TestZonesLearn(t *testing.T) {
	tests := map[string]struct {
		node    string
		answers []error  // to one try after the other
		zones   []string // with which each try was made; the last one is not answered
		gaveUp  bool
	}{
		"inside":                          {zones: []string{""}},
		"outside":                         {answers: []error{refusal(needsZone)}, zones: []string{"", "all"}},
		"all does not do":                 {node: "b", answers: []error{refusal(needsZone), refusal(needsPlace)}, zones: []string{"", "all", "b"}},
		"all does not do, no node":        {answers: []error{refusal(needsZone), refusal(needsPlace)}, zones: []string{"", "all"}, gaveUp: true},
		"the node's zone does not either": {node: "b", answers: []error{refusal(needsPlace), refusal(needsPlace)}, zones: []string{"", "b"}, gaveUp: true},
		"inside after all":                {answers: []error{refusal(needsZone), refusal(inside)}, zones: []string{"", "all", ""}},
		"the one and the other":           {node: "b", answers: []error{refusal(needsZone), refusal(inside), refusal(needsZone)}, zones: []string{"", "all", ""}, gaveUp: true},
		"something else":                  {answers: []error{errors.New("no")}, zones: []string{""}, gaveUp: true},
	}
	batch := []target.Target{tg("10.9.0.1")}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			z := newZones()
			var tried []string
			again := true
			for _, answer := range tt.answers {
				require.True(t, again)
				sent := z.of(batch)
				tried = append(tried, sent[batch[0].IP])
				again = z.learn(answer, batch, sent, func(target.Target) string { return tt.node })
			}
			require.Equal(t, tt.gaveUp, !again)
			if again {
				tried = append(tried, z.of(batch)[batch[0].IP])
			}
			require.Equal(t, tt.zones, tried)
		})
	}
}

func TestZonesAreOfNetworks(t *testing.T) {
	z := newZones()
	batch := []target.Target{tg("10.9.0.1"), tg("10.9.0.2"), tg("10.9.1.1")}
	sent := z.of(batch)
	require.True(t, z.learn(refusal(needsZone), batch, sent, nil))
	require.Equal(t, map[netip.Addr]string{batch[0].IP: "all", batch[1].IP: "all"}, z.of(batch))
	require.True(t, z.learn(refusal(needsZone), batch, sent, nil), "the answer to a call that left before that")
	require.Equal(t, map[netip.Addr]string{batch[0].IP: "all", batch[1].IP: "all"}, z.of(batch))
}
