// Package target holds the values that everything else is about: what a target
// is, what a set of them is, and what must happen to turn one set into another.
// It is pure: no clients, no clock, no logger.
//
// Words:
//
//	Target    an IP address and a port, nothing else.
//	Binding   which Service port feeds which target group.
//	Desired   what Kubernetes says should be registered.
//	Observed  what AWS says is registered.
//	Plan      the least that turns observed into desired.
package target

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
)

// Target identifies a registration in a target group. AWS fills the
// availability zone in on read, so a zone in the identity would make every
// target look changed; it is kept out.
type Target struct {
	IP   netip.Addr
	Port int32 // 1 to 65535
}

// String returns "ip:port", with brackets around an IPv6 address.
func (t Target) String() string {
	if t.IP.Is6() {
		return "[" + t.IP.String() + "]:" + strconv.Itoa(int(t.Port))
	}
	return t.IP.String() + ":" + strconv.Itoa(int(t.Port))
}

// MarshalText makes a target in a log or in JSON read as String does.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Compare orders by address, then by port.
func (t Target) Compare(o Target) int {
	if c := t.IP.Compare(o.IP); c != 0 {
		return c
	}
	return cmp.Compare(t.Port, o.Port)
}

// Set is a set of targets. A nil Set is empty and can be read.
type Set map[Target]struct{}

// NewSet returns the set of the given targets.
func NewSet(ts ...Target) Set {
	s := make(Set, len(ts))
	for _, t := range ts {
		s[t] = struct{}{}
	}
	return s
}

// Has reports whether t is in the set.
func (s Set) Has(t Target) bool {
	_, ok := s[t]
	return ok
}

// Sorted returns the targets in the order of Compare.
func (s Set) Sorted() []Target {
	return slices.SortedFunc(maps.Keys(s), Target.Compare)
}
