package provision

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// edited is what the Ingresses of a history ask for.
type edited struct {
	group    string // "": its own
	scheme   string
	services []string
}

// history is a world in which Ingresses are edited at random.
type history struct {
	*traffic
	ingresses map[string]edited
	shown     map[string]string          // address by Ingress
	until     map[probe]time.Time        // when an old address may stop to answer
	seen      map[string]map[string]bool // hosts by path: those that have answered
	uids      int
}

var (
	someIngresses = []string{"a", "b", "c"}
	someGroups    = []string{"", "", "g", "h"}
	someServices  = []string{"echo0", "echo1", "echo2"}
	someSchemes   = []string{"internal", "internet-facing"}
)

// TestAnyHistory: whatever Ingresses of several groups go through, with failures and
// restarts in between, AWS becomes what they ask for in the end, nothing is left over,
// nobody else's is touched, and on the way every address answers that is shown, or was
// shown a while ago.
func TestAnyHistory(t *testing.T) {
	// One history takes as long as a hundred other properties.
	if checks := flag.Lookup("rapid.checks").Value; checks.String() == "100" {
		require.NoError(t, checks.Set("12"))
		defer func() { require.NoError(t, checks.Set("100")) }()
	}
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			h := newHistory(t)
			defer h.end()
			steps := map[string]func(*rapid.T){
				"edit": h.edit, "move": h.move, "scheme": h.scheme, "delete": h.delete, "make a Service again": h.remake,
				"change a port": h.port, "fail": h.fail, "wait": h.wait, "restart": func(*rapid.T) { h.again() },
			}
			names := slices.Sorted(maps.Keys(steps))
			h.put(rt, "a", edited{scheme: "internal", services: someServices[:2]})
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 2, 10).Draw(rt, "steps") {
				steps[name](rt)
				h.pass(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, time.Minute}).Draw(rt, "pause"))
				if len(h.failures) > 0 {
					rt.Fatal(h.failures)
				}
			}
			h.rest(rt)
		})
	})
}

func newHistory(t *testing.T) *history {
	t.Helper()
	h := &history{
		traffic:   newTraffic(t, awssim.Options{Switches: awssim.Switches{ProvisioningTime: 30 * time.Second}}),
		ingresses: map[string]edited{}, shown: map[string]string{}, until: map[probe]time.Time{}, seen: map[string]map[string]bool{},
	}
	for i, name := range someServices {
		h.deploy(name, fmt.Sprintf("10.0.1.%d", i+1))
	}
	theirs, err := h.aws.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{
		Name: "theirs", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID, Tags: awsapi.Tags{ingress.TagStack: "g", ingress.TagCluster: "other"},
	})
	require.NoError(t, err)
	require.NotEmpty(t, theirs.ARN)
	h.start()
	return h
}

// put makes or changes an Ingress. What it does not ask for any more need not be
// answered.
func (h *history) put(_ *rapid.T, name string, now edited) {
	for _, s := range someServices {
		if !slices.Contains(now.services, s) {
			h.release("/" + name + "/" + s)
		}
	}
	_, exists := h.ingresses[name]
	h.ingresses[name] = now
	if !exists {
		h.ingress("demo0", name, nil)
		// The fake API server does not notice that a patch comes between the reading and the
		// writing of an update: it would lose the finalizer.
		synctest.Wait()
	}
	h.update("demo0", name, func(ing *networkingv1.Ingress) {
		ing.Annotations[prefix+"scheme"] = now.scheme
		delete(ing.Annotations, prefix+"group.name")
		if now.group != "" {
			ing.Annotations[prefix+"group.name"] = now.group
		}
		rule := rulesTo(now.services...)
		for i := range rule.HTTP.Paths {
			rule.HTTP.Paths[i].Path = "/" + name + rule.HTTP.Paths[i].Path
		}
		ing.Spec.Rules = []networkingv1.IngressRule{rule}
	})
}

// release ends the questions for a path.
func (h *history) release(path string) {
	for host := range h.seen[path] {
		h.unfollow(host, path)
	}
	delete(h.seen, path)
}

func (h *history) edit(t *rapid.T) {
	name := rapid.SampledFrom(someIngresses).Draw(t, "ingress")
	now, exists := h.ingresses[name]
	if !exists {
		if h.isLeaving(name) {
			return
		}
		now.group = rapid.SampledFrom(someGroups).Draw(t, "group")
		now.scheme = h.schemeOf(t, name, now.group)
	}
	now.services = rapid.SliceOfNDistinct(rapid.SampledFrom(someServices), 1, 3, rapid.ID).Draw(t, "services")
	h.put(t, name, now)
}

func (h *history) move(t *rapid.T) {
	if name, now, ok := h.one(t); ok {
		now.group = rapid.SampledFrom(someGroups).Draw(t, "group")
		now.scheme = h.schemeOf(t, name, now.group)
		h.put(t, name, now)
	}
}

// scheme changes the scheme of a whole group.
func (h *history) scheme(t *rapid.T) {
	name, now, ok := h.one(t)
	if !ok {
		return
	}
	scheme := rapid.SampledFrom(someSchemes).Draw(t, "scheme")
	for other, e := range h.ingresses {
		if other == name || e.group == now.group && now.group != "" {
			e.scheme = scheme
			h.put(t, other, e)
		}
	}
}

func (h *history) delete(t *rapid.T) {
	if name, _, ok := h.one(t); ok {
		for _, s := range someServices {
			h.release("/" + name + "/" + s)
		}
		delete(h.ingresses, name)
		delete(h.shown, name)
		h.remove("demo0", name)
	}
}

func (h *history) remake(t *rapid.T) {
	h.change(rapid.SampledFrom(someServices).Draw(t, "service"), func(svc *corev1.Service) {
		h.uids++
		svc.UID = types.UID(fmt.Sprintf("uid-%d", h.uids))
	})
}

func (h *history) port(t *rapid.T) {
	port := rapid.SampledFrom(podPorts).Draw(t, "port")
	h.change(rapid.SampledFrom(someServices).Draw(t, "service"), func(svc *corev1.Service) {
		svc.Spec.Ports[0].TargetPort = intstr.FromInt32(port)
	})
}

func (h *history) fail(t *rapid.T) {
	h.wire.failIn(rapid.IntRange(1, 12).Draw(t, "request"), rapid.SampledFrom([]failing{cutBefore, cutAfter, crash}).Draw(t, "way"))
}

func (h *history) wait(t *rapid.T) {
	h.pass(rapid.SampledFrom([]time.Duration{time.Minute, linger, replaceTimeout + time.Minute}).Draw(t, "long"))
}

func (h *history) again() {
	h.halt()
	h.wire.revive()
	h.start()
}

// one draws one of the Ingresses that there are.
func (h *history) one(t *rapid.T) (name string, now edited, ok bool) {
	names := slices.Sorted(maps.Keys(h.ingresses))
	if len(names) == 0 {
		return "", now, false
	}
	name = rapid.SampledFrom(names).Draw(t, "ingress")
	return name, h.ingresses[name], true
}

// schemeOf is what the members of a group ask for, any if there are none.
func (h *history) schemeOf(t *rapid.T, name, group string) string {
	for other, e := range h.ingresses {
		if other != name && e.group == group && group != "" {
			return e.scheme
		}
	}
	return rapid.SampledFrom(someSchemes).Draw(t, "scheme")
}

func (h *history) isLeaving(name string) bool {
	return slices.ContainsFunc(h.world.ingresses(), func(ing networkingv1.Ingress) bool { return ing.Name == name })
}

// pass lets time pass.
func (h *history) pass(d time.Duration) {
	const tick = 2 * time.Second
	for end := time.Now().Add(d); time.Now().Before(end); {
		h.live(tick)
		if h.wire.revive() {
			h.again()
		}
		for name, e := range h.ingresses {
			h.observe(name, e)
		}
		for p, end := range h.until {
			if time.Now().After(end) {
				h.unfollow(p.host, p.path)
				delete(h.until, p)
			}
		}
	}
}

// observe follows an Ingress at its address as soon as it is served there, and at the
// one before for as long as that is to answer.
func (h *history) observe(name string, e edited) {
	host := hostOf(h.get("demo0", name))
	if host == "" {
		return
	}
	before := h.shown[name]
	h.shown[name] = host
	for _, s := range e.services {
		path := "/" + name + "/" + s
		if before != host && h.seen[path][before] {
			h.until[probe{before, path}] = time.Now().Add(linger - 10*time.Second)
		}
		delete(h.until, probe{host, path})
		if !h.seen[path][host] && h.answer(probe{host, path}) == s {
			if h.seen[path] == nil {
				h.seen[path] = map[string]bool{}
			}
			h.seen[path][host] = true
		}
		if h.seen[path][host] {
			h.follow(host, path, s)
		}
	}
}

// rest lets everything come to rest and compares AWS with what is asked for.
func (h *history) rest(t *rapid.T) {
	h.wire.failIn(0, "")
	h.again()
	h.pass(2*linger + replaceTimeout + 8*time.Minute)
	if len(h.failures) > 0 {
		t.Fatal(h.failures)
	}
	groups, rules, resources := map[string]string{}, 0, []string{"theirs"}
	for name, e := range h.ingresses {
		group := cmp.Or(e.group, "demo0/"+name)
		host := h.check(t, name, e)
		if groups[group] != "" && groups[group] != host {
			t.Fatalf("%s of group %q is shown at %q, another member at %q", name, group, host, groups[group])
		}
		groups[group] = host
		rules += len(e.services)
		for _, s := range e.services {
			resources = append(resources, fmt.Sprintf("demo0/%s-%s:80", name, s))
		}
	}
	want := map[string]int{
		"security group": len(groups), "load balancer": len(groups), "target group": len(resources), "rule": rules + len(groups),
	}
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	if got := kinds(h.account()); !maps.Equal(got, want) {
		t.Fatalf("AWS has %v, want %v:\n%s", got, want, strings.Join(h.account(), "\n"))
	}
	if n := len(h.world.ingresses()); n != len(h.ingresses) {
		t.Fatalf("%d Ingresses are held of which %d are wanted", n, len(h.ingresses))
	}
}

// check checks what one Ingress has in the end, and returns its address.
func (h *history) check(t *rapid.T, name string, e edited) string {
	host := h.shown[name]
	if internal := strings.HasPrefix(host, "internal-"); host == "" || internal != (e.scheme == "internal") {
		t.Fatalf("%s is %s, and shown at %q", name, e.scheme, host)
	}
	for _, s := range e.services {
		if got := h.answer(probe{host, "/" + name + "/" + s}); got != s {
			t.Fatalf("%s/%s is answered with %q", name, s, got)
		}
	}
	if n := len(h.get("demo0", name).Finalizers); n != 1 {
		t.Fatalf("%s has %d finalizers", name, n)
	}
	return host
}
