package provision

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/target"
)

// board shows the bindings of all groups.
type board struct {
	all atomic.Pointer[[]target.Binding]
	// changed has a capacity of one: a signal that nobody has taken yet stands for
	// all changes since.
	changed chan struct{}

	mu      sync.Mutex // guards byStack
	byStack map[string][]target.Binding
}

func newBoard() *board {
	b := &board{changed: make(chan struct{}, 1), byStack: map[string][]target.Binding{}}
	b.all.Store(&[]target.Binding{})
	return b
}

// of returns what is shown of a stack.
func (b *board) of(stackName string) []target.Binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byStack[stackName]
}

// show replaces the bindings of a stack.
func (b *board) show(stackName string, bindings []target.Binding) {
	b.showAll(map[string][]target.Binding{stackName: bindings})
}

// showAll replaces the bindings of many stacks at once: every publication copies
// the bindings of all.
func (b *board) showAll(byStack map[string][]target.Binding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for name, bindings := range byStack {
		changed = changed || !slices.Equal(b.byStack[name], bindings)
		b.byStack[name] = bindings
		if len(bindings) == 0 {
			delete(b.byStack, name)
		}
	}
	if !changed {
		return
	}
	var all []target.Binding
	for _, name := range slices.Sorted(maps.Keys(b.byStack)) {
		all = append(all, b.byStack[name]...)
	}
	b.all.Store(&all)
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// bindings returns which Service ports feed which target groups: those of the
// model that exist, and of those shown before the ones that rules still send
// requests to.
func bindings(m *ingress.Model, st *stack, before []target.Binding) []target.Binding {
	byARN := map[string]target.Binding{}
	for _, want := range m.TargetGroups {
		if g := st.group(want); g != nil {
			byARN[g.ARN] = target.Binding{
				GroupARN: g.ARN, GroupName: g.Name, Service: want.Service, ServicePort: want.ServicePort, Stack: m.Group.String(),
			}
		}
	}
	inUse := st.referenced()
	stands := func(g *awsapi.TargetGroup) bool { return g != nil && inUse[g.ARN] }
	for _, b := range before {
		if _, wanted := byARN[b.GroupARN]; !wanted && stands(st.targetGroups[b.GroupName]) {
			byARN[b.GroupARN] = b
		}
	}
	return slices.SortedFunc(maps.Values(byARN), func(a, b target.Binding) int { return cmp.Compare(a.GroupARN, b.GroupARN) })
}
