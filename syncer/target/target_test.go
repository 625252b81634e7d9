package target_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsync/tgsync/syncer/target"
)

func at(ip string, port int32) target.Target {
	return target.Target{IP: netip.MustParseAddr(ip), Port: port}
}

func TestTargetString(t *testing.T) {
	require.Equal(t, "10.0.3.53:8000", at("10.0.3.53", 8000).String())
	require.Equal(t, "[2001:db8::1]:80", at("2001:db8::1", 80).String())
	data, err := json.Marshal([]target.Target{at("10.0.3.53", 8000)})
	require.NoError(t, err)
	require.JSONEq(t, `["10.0.3.53:8000"]`, string(data))
}

func TestSorted(t *testing.T) {
	s := target.NewSet(at("10.0.0.10", 80), at("10.0.0.9", 81), at("10.0.0.9", 80))
	require.Equal(t, []target.Target{at("10.0.0.9", 80), at("10.0.0.9", 81), at("10.0.0.10", 80)}, s.Sorted())
}

func TestDiff(t *testing.T) {
	a, b, c, d := at("10.0.0.1", 80), at("10.0.0.2", 80), at("10.0.0.3", 80), at("10.0.0.1", 81)
	tests := map[string]struct {
		desired, observed, inFlight target.Set
		want                        target.Plan
	}{
		"nothing to do":                     {desired: target.NewSet(a), observed: target.NewSet(a)},
		"both empty":                        {},
		"one missing":                       {desired: target.NewSet(a, b), observed: target.NewSet(b), want: target.Plan{Register: []target.Target{a}}},
		"one too many":                      {desired: target.NewSet(a), observed: target.NewSet(a, b), want: target.Plan{Deregister: []target.Target{b}}},
		"same address, other port":          {desired: target.NewSet(d), observed: target.NewSet(a), want: target.Plan{Register: []target.Target{d}, Deregister: []target.Target{a}}},
		"in flight is left out on one side": {desired: target.NewSet(a, b), inFlight: target.NewSet(a), want: target.Plan{Register: []target.Target{b}}},
		"in flight is left out on the other": {
			observed: target.NewSet(b, c), inFlight: target.NewSet(c), want: target.Plan{Deregister: []target.Target{b}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := target.Diff(tt.desired, tt.observed, tt.inFlight)
			require.ElementsMatch(t, tt.want.Register, got.Register)
			require.ElementsMatch(t, tt.want.Deregister, got.Deregister)
			require.Equal(t, len(tt.want.Register)+len(tt.want.Deregister) == 0, got.Empty())
		})
	}
}

// TestDiffConverges applies every plan to what it was made from.
func TestDiffConverges(t *testing.T) {
	sets := rapid.Custom(func(t *rapid.T) target.Set {
		return target.NewSet(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) target.Target {
			return target.Target{
				IP:   netip.AddrFrom4([4]byte{10, 0, 0, rapid.ByteMax(6).Draw(t, "ip")}),
				Port: rapid.Int32Range(80, 81).Draw(t, "port"),
			}
		}), 0, 12).Draw(t, "targets")...)
	})
	rapid.Check(t, func(t *rapid.T) {
		desired, observed, inFlight := sets.Draw(t, "desired"), sets.Draw(t, "observed"), sets.Draw(t, "inFlight")
		d, o, f := maps.Clone(desired), maps.Clone(observed), maps.Clone(inFlight)
		plan := target.Diff(desired, observed, inFlight)
		require.Equal(t, d, desired, "inputs are not mutated")
		require.Equal(t, o, observed, "inputs are not mutated")
		require.Equal(t, f, inFlight, "inputs are not mutated")

		result := maps.Clone(observed)
		for _, x := range plan.Register {
			require.False(t, result.Has(x), "registers what is registered")
			result[x] = struct{}{}
		}
		for _, x := range plan.Deregister {
			require.True(t, observed.Has(x), "deregisters what is not registered")
			delete(result, x)
		}
		for x := range desired {
			require.True(t, result.Has(x) || inFlight.Has(x))
		}
		for x := range result {
			require.True(t, desired.Has(x) || inFlight.Has(x))
		}
		for _, x := range append(plan.Register, plan.Deregister...) {
			require.False(t, inFlight.Has(x), "touches a target in flight")
		}
	})
}

// A role is named without what it asks for.
func TestRoleKeepsItsExternalID(t *testing.T) {
	r := target.Role{ARN: "arn:aws:iam::123456789012:role/tgsync", ExternalID: "secret"}
	require.NotContains(t, fmt.Sprintf("%v %s", r, r), "secret")
	require.Contains(t, fmt.Sprint(r), r.ARN)
}
