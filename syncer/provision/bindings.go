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

// anyTargetPort stands for a named targetPort, which is another number in each pod.
const anyTargetPort = 1

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

// bindings returns which Service ports feed which target groups: all groups of the
// model's IDs that stand, those that are being replaced among them, and of those shown
// before the ones that rules still send requests to. Targets that are nodes are left to
// whoever put them there.
func bindings(m *ingress.Model, st *stack, before []target.Binding) shown {
	var s shown
	byARN := map[string]target.Binding{}
	o := onlooker{st: st, uses: st.uses()}
	weightless := m.Weightless()
	wanted := map[string]*awsapi.TargetGroup{}
	for id, want := range m.TargetGroups {
		if wanted[id] = st.group(want); wanted[id] == nil && want.Name != "" {
			b := bindingOf(m, want)
			b.Weightless = weightless[id] || o.isServed(id, nil, nil)
			s.missing = append(s.missing, b)
		}
	}
	for _, g := range st.targetGroups {
		if want := fed(m, g); want != nil {
			b := o.binding(bindingOf(m, want), g, wanted[want.ID])
			b.Weightless = b.Weightless || weightless[want.ID]
			b.TargetPort = portOf(want, b, before)
			byARN[g.ARN] = b
		}
	}
	for _, b := range before {
		if _, bound := byARN[b.GroupARN]; !bound && o.uses[arnOf(st.targetGroups[b.GroupName])].balancer != nil {
			byARN[b.GroupARN] = b
		}
	}
	s.bindings = slices.SortedFunc(maps.Values(byARN), func(a, b target.Binding) int { return cmp.Compare(a.GroupARN, b.GroupARN) })
	return s
}

// portOf is the port of a binding's targets. Of a kept group the model does not know it:
// there it is as it was shown last.
func portOf(want *ingress.TargetGroup, b target.Binding, before []target.Binding) int32 {
	for _, was := range before {
		if want.Kept && was.GroupARN == b.GroupARN {
			return was.TargetPort
		}
	}
	return b.TargetPort
}

func bindingOf(m *ingress.Model, want *ingress.TargetGroup) target.Binding {
	return target.Binding{
		GroupName: want.Name, Service: want.Service, ServicePort: want.ServicePort, Stack: m.Group.String(),
		Check: target.Check{
			IntervalSeconds: want.HealthCheck.IntervalSeconds, TimeoutSeconds: want.HealthCheck.TimeoutSeconds,
			UnhealthyThreshold: want.HealthCheck.UnhealthyThreshold,
		},
		Family: family(want.IPAddressType), Shared: want.MultiCluster, TargetPort: numericPort(want.Port),
	}
}

// onlooker sees whether requests come to a target group.
type onlooker struct {
	st   *stack
	uses map[string]use
}

// binding completes the binding of a group that stands. Next is the group of its ID
// that the model wants.
func (o onlooker) binding(b target.Binding, g, next *awsapi.TargetGroup) target.Binding {
	b.GroupARN, b.GroupName, b.Family = g.ARN, g.Name, family(g.IPAddressType)
	// Of a bad member's nobody knows the port that is asked for now. One that stands alone
	// follows its Service; of two, each keeps its own.
	if g != next || b.TargetPort == 0 && len(o.st.tagged(g.Tags[ingress.TagResource])) > 1 {
		b.TargetPort = numericPort(g.Port)
	}
	if !o.st.listenersRead {
		return b // nobody knows yet
	}
	here, id := o.uses[g.ARN], g.Tags[ingress.TagResource]
	b.Unused = here.balancer == nil
	switch {
	case g != next:
		// Pods are to be healthy where requests will come to. Of two load balancers either
		// may be asked.
		b.Weightless = !here.weight || o.uses[arnOf(next)].balancer == here.balancer
	case b.Unused:
		b.Weightless = o.isServed(id, g, nil)
	default:
		b.Weightless = !here.weight && !o.isServed(id, g, here.balancer) || o.isBeingMade(here.balancer)
	}
	return b
}

// isServed reports whether requests for an ID go to another group than g, on a load
// balancer or (nil) on any.
func (o onlooker) isServed(id string, g *awsapi.TargetGroup, on *balancer) bool {
	for _, other := range o.st.targetGroups {
		u := o.uses[other.ARN]
		if other != g && u.weight && (on == nil || u.balancer == on) && other.Tags[ingress.TagResource] == id {
			return true
		}
	}
	return false
}

// isBeingMade reports whether a load balancer is not active yet that replaces another.
func (o onlooker) isBeingMade(b *balancer) bool {
	return b != nil && b.State != stateActive && len(o.st.balancers) > 1
}

// fed returns what of the model the pods for a group are known by; nil: nothing.
func fed(m *ingress.Model, g *awsapi.TargetGroup) *ingress.TargetGroup {
	if !takesPods(g) {
		return nil
	}
	return m.TargetGroups[g.Tags[ingress.TagResource]]
}

// takesPods reports whether the targets of a group are pods.
func takesPods(g *awsapi.TargetGroup) bool { return g.TargetType == "" || g.TargetType == targetTypeIP }

// numericPort is 0 for the port that stands for a named one.
func numericPort(port int32) int32 {
	if port == anyTargetPort {
		return 0
	}
	return port
}

func arnOf(g *awsapi.TargetGroup) string {
	if g == nil {
		return ""
	}
	return g.ARN
}
