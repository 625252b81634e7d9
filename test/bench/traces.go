package bench

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Operation is what a change asks for.
type Operation string

// The two operations.
const (
	Register   Operation = "register"
	Deregister Operation = "deregister"
)

// Change is one target that becomes wanted or unwanted.
type Change struct {
	At        time.Duration // from the start of the trace
	Group     int           // from 0
	Target    int           // from 0, over all groups: its address
	Operation Operation
}

// key is what one call can carry changes of.
type key struct {
	group     int
	operation Operation
}

func (c Change) key() key { return key{c.Group, c.Operation} }

// Trace is a fixed history of changes, ordered by time. No target changes twice.
type Trace struct {
	Groups  int
	Held    int // targets of each group at the start: g*Held to g*Held+Held-1
	Changes []Change
}

// Hash identifies the trace: figures are comparable while it stays the same.
func (t Trace) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, t.Groups, t.Held)
	for _, c := range t.Changes {
		fmt.Fprintln(h, int64(c.At), c.Group, c.Target, c.Operation)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Only returns the changes of one operation.
func (t Trace) Only(op Operation) []Change {
	return slices.DeleteFunc(slices.Clone(t.Changes), func(c Change) bool { return c.Operation != op })
}

// The numbers of the traces.
const (
	groups       = 100 // target groups of the busy traces
	heldPerGroup = 50  // targets of each, before anything happens
	knownGroups  = 1000
	knownTargets = 20_000
)

// oneChange is a pod that becomes ready while nothing else happens.
func oneChange() Trace {
	return Trace{Groups: groups, Held: heldPerGroup, Changes: []Change{
		{At: time.Second, Group: 42, Target: groups * heldPerGroup, Operation: Register},
	}}
}

// rollouts replaces all 50 pods of 10 of the groups, each over 100 s: pods become
// ready and terminate at moments of their own.
func rollouts(seed uint64) Trace {
	const (
		rolling  = 10
		duration = 100 * time.Second
	)
	r := rand.New(rand.NewPCG(seed, 0))
	t := Trace{Groups: groups, Held: heldPerGroup}
	fresh := groups * heldPerGroup
	for _, g := range r.Perm(groups)[:rolling] {
		for n := range heldPerGroup {
			t.Changes = append(t.Changes,
				Change{At: within(r, 0, duration), Group: g, Target: fresh, Operation: Register},
				Change{At: within(r, 0, duration), Group: g, Target: g*heldPerGroup + n, Operation: Deregister})
			fresh++
		}
	}
	return t.sorted()
}

// nodeDrain terminates 20 pods of every group evenly within 30 s, in random order.
// Each has a replacement that is ready 5 s to 20 s later.
func nodeDrain(seed uint64) Trace {
	const (
		pods     = 2000
		duration = 30 * time.Second
	)
	r := rand.New(rand.NewPCG(seed, 0))
	t := Trace{Groups: groups, Held: heldPerGroup}
	for i, n := range r.Perm(pods) {
		g, nth := n%groups, n/groups
		gone := time.Duration(i) * duration / pods
		t.Changes = append(t.Changes,
			Change{At: gone, Group: g, Target: g*heldPerGroup + nth, Operation: Deregister},
			Change{At: gone + within(r, 5*time.Second, 20*time.Second), Group: g, Target: groups*heldPerGroup + n, Operation: Register})
	}
	return t.sorted()
}

// allAtOnce makes 20 pods ready in every group, all in one instant.
func allAtOnce() Trace {
	const pods = 20
	t := Trace{Groups: groups, Held: heldPerGroup}
	for n := range groups * pods {
		t.Changes = append(t.Changes, Change{Group: n / pods, Target: groups*heldPerGroup + n, Operation: Register})
	}
	return t
}

// coldStart is one pod that became ready while nobody looked, in one of many groups.
func coldStart() Trace {
	return Trace{Groups: knownGroups, Held: knownTargets / knownGroups, Changes: []Change{
		{Group: 640, Target: knownTargets, Operation: Register},
	}}
}

// gatedRollouts replaces all pods of all groups of 10. When its changes happen follows
// from what comes of them: here stands for how long each new pod takes from its creation
// until its containers are ready.
func gatedRollouts(seed uint64, rolling int) Trace {
	const pods = 10
	r := rand.New(rand.NewPCG(seed, uint64(rolling)))
	t := Trace{Groups: rolling, Held: pods}
	for n := range rolling * pods {
		t.Changes = append(t.Changes, Change{
			At: within(r, 2*time.Second, 6*time.Second), Group: n / pods, Target: rolling*pods + n, Operation: Register,
		})
	}
	return t.sorted()
}

// within returns a moment in [from, to), to the nanosecond: two changes hardly ever
// share one.
func within(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

func (t Trace) sorted() Trace {
	slices.SortStableFunc(t.Changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	return t
}
