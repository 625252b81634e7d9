package provision

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

// ipv6 is AWS's word for the type of a target group.
const ipv6 = "ipv6"

// shown is what is shown of a stack, or of all.
type shown struct {
	bindings []target.Binding // of groups that exist
	missing  []target.Binding // of those that are wanted and do not
}

// board shows the bindings of all groups.
type board struct {
	all atomic.Pointer[shown]
	// changed has a capacity of one: a signal that nobody has taken yet stands for
	// all changes since.
	changed chan struct{}

	mu      sync.Mutex // guards byStack
	byStack map[string]shown
}

func newBoard() *board {
	b := &board{changed: make(chan struct{}, 1), byStack: map[string]shown{}}
	b.all.Store(&shown{bindings: []target.Binding{}})
	return b
}

// of returns what is shown of a stack.
func (b *board) of(stackName string) []target.Binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byStack[stackName].bindings
}

// show replaces what is shown of a stack.
func (b *board) show(stackName string, s shown) { b.showAll(map[string]shown{stackName: s}) }

// showAll replaces what is shown of many stacks at once: every publication copies
// the bindings of all.
func (b *board) showAll(byStack map[string]shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for name, s := range byStack {
		before := b.byStack[name]
		changed = changed || !slices.Equal(before.bindings, s.bindings) || !slices.Equal(before.missing, s.missing)
		b.byStack[name] = s
		if len(s.bindings)+len(s.missing) == 0 {
			delete(b.byStack, name)
		}
	}
	if !changed {
		return
	}
	var all shown
	for _, name := range slices.Sorted(maps.Keys(b.byStack)) {
		all.bindings = append(all.bindings, b.byStack[name].bindings...)
		all.missing = append(all.missing, b.byStack[name].missing...)
	}
	b.all.Store(&all)
	b.signal()
}

// signal says that something is different.
func (b *board) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// family is that of the targets of a group.
func family(ipAddressType string) discoveryv1.AddressType {
	if ipAddressType == ipv6 {
		return discoveryv1.AddressTypeIPv6
	}
	return ""
}

// bindings returns which Service ports feed which target groups: those of the
// model that exist, and of those shown before the ones that rules still send
// requests to.
func bindings(m *ingress.Model, st *stack, before []target.Binding) shown {
	var s shown
	byARN := map[string]target.Binding{}
	inUse, weightless := st.referenced(), m.Weightless()
	for _, want := range m.TargetGroups {
		b := target.Binding{
			GroupName: want.Name, Service: want.Service, ServicePort: want.ServicePort, Stack: m.Group.String(),
			Check: target.Check{
				IntervalSeconds: want.HealthCheck.IntervalSeconds, TimeoutSeconds: want.HealthCheck.TimeoutSeconds,
				UnhealthyThreshold: want.HealthCheck.UnhealthyThreshold,
			},
			Weightless: weightless[want.ID], Shared: want.MultiCluster,
		}
		b.Family = family(want.IPAddressType)
		if g := st.group(want); g != nil {
			b.GroupARN, b.GroupName, b.Unused, b.Family = g.ARN, g.Name, st.listenersRead && !inUse[g.ARN], family(g.IPAddressType)
			byARN[g.ARN] = b
		} else if want.Name != "" {
			s.missing = append(s.missing, b)
		}
	}
	stands := func(g *awsapi.TargetGroup) bool { return g != nil && inUse[g.ARN] }
	for _, b := range before {
		if _, wanted := byARN[b.GroupARN]; !wanted && stands(st.targetGroups[b.GroupName]) {
			byARN[b.GroupARN] = b
		}
	}
	s.bindings = slices.SortedFunc(maps.Values(byARN), func(a, b target.Binding) int { return cmp.Compare(a.GroupARN, b.GroupARN) })
	return s
}
