package target_test

import (
	"net/netip"
	"testing"

	"github.com/tgsync/tgsync/syncer/target"
)

// BenchmarkDiff plans a group of 1,000 targets, of which half are to be replaced: the
// most that a rollout asks for at once.
func BenchmarkDiff(b *testing.B) {
	const size = 1000
	set := func(from int) target.Set {
		s := target.Set{}
		for n := range size {
			n += from
			s[target.Target{IP: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Port: 8000}] = struct{}{}
		}
		return s
	}
	desired, observed := set(size/2), set(0)
	b.ReportAllocs()
	for b.Loop() {
		if p := target.Diff(desired, observed, nil); len(p.Register) != size/2 || len(p.Deregister) != size/2 {
			b.Fatal("wrong plan")
		}
	}
}

// BenchmarkDiffNothing plans a group of 1,000 targets that is as it should be: what
// every event without a change costs.
func BenchmarkDiffNothing(b *testing.B) {
	s := target.Set{}
	for n := range 1000 {
		s[target.Target{IP: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Port: 8000}] = struct{}{}
	}
	b.ReportAllocs()
	for b.Loop() {
		if !target.Diff(s, s, nil).Empty() {
			b.Fatal("wrong plan")
		}
	}
}
