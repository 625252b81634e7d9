package ingress

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

const shop = "shop"

// drawIngress draws a good member of the group shop, or of its own. Paths carry
// the Ingress's name, so that no member's rule hides another's.
func drawIngress(t *rapid.T, name string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: rapid.SampledFrom([]string{"demo0", "demo1"}).Draw(t, "namespace"), Name: name,
			Annotations: map[string]string{keyTargetType: "ip"},
		},
		Spec: networkingv1.IngressSpec{IngressClassName: new("alb")},
	}
	optional := func(key string, values ...string) {
		if v := rapid.SampledFrom(append(values, "")).Draw(t, key); v != "" {
			ing.Annotations[key] = v
		}
	}
	optional(keyGroupName, shop, shop, shop)
	optional(keyGroupOrder, "-1", "1")
	optional(keyScheme, schemeInternal, schemeInternetFacing)
	optional(keyLoadBalancerName, "one", "two")
	optional(keyHealthPath, "/health")
	optional(keyListenPorts, `[{"HTTP":80},{"HTTP":81}]`, `[{"HTTP":81}]`, `[{"HTTP":80},{"HTTPS":443}]`)
	optional(keyCertificates, someCert, anotherCert, anotherCert+","+someCert)
	optional(keyTags, "team="+name, "team="+name+",stage=test")
	optional(keyAttributes, "x=1", "y=1")
	optional(keyAddressType, addressTypeDualstack)
	if rapid.IntRange(0, 3).Draw(t, "rare") == 0 {
		optional(keyInboundCIDRs, "10.0.0.0/8", "11.0.0.0/8,2001:db8::/32")
		optional(keyPrefixLists, "pl-1")
		optional(keySSLRedirect, "443")
		optional(keySSLPolicy, "P")
		optional(keySecurityGroups, "sg-1")
		optional(keyManageBackend, "true")
	}
	if rapid.IntRange(0, 3).Draw(t, "default") == 0 {
		ing.Spec.DefaultBackend = new(drawBackend(t))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
		rule := networkingv1.IngressRule{Host: rapid.SampledFrom([]string{"", "a.host.com", "b.host.com"}).Draw(t, "host")}
		rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
		for j := range rapid.IntRange(1, 3).Draw(t, "paths") {
			rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{
				Path:     fmt.Sprintf("/%s/%d%d", name, i, j),
				PathType: new(rapid.SampledFrom([]networkingv1.PathType{"Exact", "Prefix", "ImplementationSpecific"}).Draw(t, "type")),
				Backend:  drawBackend(t),
			})
		}
		ing.Spec.Rules = append(ing.Spec.Rules, rule)
	}
	return ing
}

func drawBackend(t *rapid.T) networkingv1.IngressBackend {
	b := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: rapid.SampledFrom([]string{"web", "api", "nobody", "b-web"}).Draw(t, "service"),
	}}
	if rapid.Bool().Draw(t, "named") {
		b.Service.Port.Name = "http"
	} else {
		b.Service.Port.Number = 80
	}
	return b
}

// drawWorld draws Ingresses without faults; they may still contradict each other.
func drawWorld(t *rapid.T, names []string) *world {
	w := newWorld()
	w.certificates = []Certificate{{ARN: someCert, Domains: []string{"*.host.com"}}, {ARN: anotherCert, Domains: []string{"b.host.com"}}}
	w.classes = []*networkingv1.IngressClass{
		{ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: Controller}},
		{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}},
	}
	for _, ns := range []string{"demo0", "demo1"} {
		for _, name := range []string{"web", "api", "b-web"} {
			w.services[types.NamespacedName{Namespace: ns, Name: name}] = &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, UID: types.UID(ns + name)},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}},
			}
		}
	}
	for _, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "ingresses")] {
		w.ingresses = append(w.ingresses, drawIngress(t, name))
	}
	return w
}

// faults break one Ingress, each in its own way, and leave its place in its group.
var faults = map[string]func(*networkingv1.Ingress){
	"no target type":  func(ing *networkingv1.Ingress) { delete(ing.Annotations, keyTargetType) },
	"scheme":          func(ing *networkingv1.Ingress) { ing.Annotations[keyScheme] = "public" },
	"addresses":       func(ing *networkingv1.Ingress) { ing.Annotations[keyAddressType] = "ipv5" },
	"ports":           func(ing *networkingv1.Ingress) { ing.Annotations[keyListenPorts] = "80" },
	"sources":         func(ing *networkingv1.Ingress) { ing.Annotations[keyInboundCIDRs] = "10.0.0.0/33" },
	"prefix lists":    func(ing *networkingv1.Ingress) { ing.Annotations[keyPrefixLists] = "10.0.0.0/8" },
	"redirect":        func(ing *networkingv1.Ingress) { ing.Annotations[keySSLRedirect] = "https" },
	"certificate":     func(ing *networkingv1.Ingress) { ing.Annotations[keyCertificates] = "a" },
	"tags":            func(ing *networkingv1.Ingress) { ing.Annotations[keyTags] = "a" },
	"attributes":      func(ing *networkingv1.Ingress) { ing.Annotations[keyAttributes] = "a" },
	"authentication":  func(ing *networkingv1.Ingress) { ing.Annotations[annotationPrefix+"auth-type"] = "oidc" },
	"name":            func(ing *networkingv1.Ingress) { ing.Annotations[keyLoadBalancerName] = "-" },
	"group name":      func(ing *networkingv1.Ingress) { ing.Annotations[keyGroupName] = "SHOP" },
	"missing class":   func(ing *networkingv1.Ingress) { ing.Spec.IngressClassName = new("gone") },
	"default backend": func(ing *networkingv1.Ingress) { ing.Spec.DefaultBackend = &networkingv1.IngressBackend{} },
	"one path more": func(ing *networkingv1.Ingress) {
		ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/*", PathType: new(networkingv1.PathTypeExact)}}},
		}})
	},
}

func drawFault(t *rapid.T, ing *networkingv1.Ingress) {
	name := rapid.SampledFrom(sortedKeys(faults)).Draw(t, "fault")
	faults[name](ing)
}

// collide are names of which one is the beginning of another.
var collide = []string{"a", "a-b", "c", "d"}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, collide)
		for _, ing := range w.ingresses {
			w.standing[shop] = standing{Standing: Standing{Rules: append(w.standing[shop].Rules, StandingRule{
				Port: 80, Priority: int32(len(w.standing[shop].Rules)), Action: forwardTo(keyOf(ing).String() + "-web:80"),
			})}}
			if rapid.Bool().Draw(t, "broken") {
				drawFault(t, ing)
			}
		}
		before := w.build()
		w.ingresses = rapid.Permutation(w.ingresses).Draw(t, "order")
		w.classes = rapid.Permutation(w.classes).Draw(t, "classes")
		s := w.standing[shop]
		s.Rules = rapid.Permutation(s.Rules).Draw(t, "standing")
		w.standing[shop] = s
		require.Equal(t, before, w.build())
	})
}

func TestInputIsNotChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, collide)
		w.standing = standingOf(w.build())
		for _, ing := range w.ingresses {
			if rapid.Bool().Draw(t, "broken") {
				drawFault(t, ing)
			}
		}
		before := w.deepCopy()
		for _, m := range w.build() {
			scribble(m)
		}
		require.Equal(t, before, w)
	})
}

func (w *world) deepCopy() *world {
	c := newWorld()
	for _, ing := range w.ingresses {
		c.ingresses = append(c.ingresses, ing.DeepCopy())
	}
	for _, class := range w.classes {
		c.classes = append(c.classes, class.DeepCopy())
	}
	for name, svc := range w.services {
		c.services[name] = svc.DeepCopy()
	}
	c.certificates = slices.Clone(w.certificates)
	for id, s := range w.standing {
		s.Tags, s.Permissions, s.Listeners = maps.Clone(s.Tags), slices.Clone(s.Permissions), slices.Clone(s.Listeners)
		for i := range s.Listeners {
			s.Listeners[i].Certificates = slices.Clone(s.Listeners[i].Certificates)
		}
		s.Rules = slices.Clone(s.Rules)
		for i := range s.Rules {
			s.Rules[i] = copyStanding(s.Rules[i])
		}
		c.standing[id] = s
	}
	return c
}

// scribble changes what a model points to: none of it may be the input's.
func scribble(m *Model) {
	for _, tg := range m.TargetGroups {
		tg.Service.Name = "x"
		if tg.Tags != nil {
			tg.Tags[TagStack] = "x"
		}
	}
	if m.LoadBalancer == nil {
		return
	}
	m.LoadBalancer.Tags[TagStack] = "x"
	for i := range m.LoadBalancer.Subnets.Named {
		m.LoadBalancer.Subnets.Named[i] = "x"
	}
	for i := range m.LoadBalancer.Listeners {
		for j := range m.LoadBalancer.Listeners[i].Certificates {
			m.LoadBalancer.Listeners[i].Certificates[j] = "x"
		}
		if response := m.LoadBalancer.Listeners[i].DefaultAction.FixedResponse; response != nil {
			response.StatusCode = 0
		}
		for _, r := range m.LoadBalancer.Listeners[i].Rules {
			for _, c := range r.Conditions {
				c.Values[0] = "x"
			}
			if r.Action.FixedResponse != nil {
				r.Action.FixedResponse.StatusCode = 0
			}
		}
	}
}

// standingOf is what AWS holds once the models have been provisioned.
func standingOf(models map[string]*Model) map[string]standing {
	out := map[string]standing{}
	for id, m := range models {
		if m.LoadBalancer == nil {
			continue
		}
		lb := m.LoadBalancer
		s := standing{Group: id, Standing: Standing{Scheme: lb.Scheme, IPAddressType: lb.IPAddressType, Tags: maps.Clone(lb.Tags)}}
		if lb.SecurityGroups.Managed != nil {
			s.Permissions = slices.Clone(lb.SecurityGroups.Managed.Ingress)
		} else {
			s.SecurityGroups, s.Backend = slices.Clone(lb.SecurityGroups.Named), lb.SecurityGroups.Backend
		}
		for _, l := range m.LoadBalancer.Listeners {
			s.Listeners = append(s.Listeners, StandingListener{Port: l.Port, Protocol: l.Protocol, SSLPolicy: l.SSLPolicy, Certificates: slices.Clone(l.Certificates)})
			s.Rules = append(s.Rules, copyStanding(StandingRule{Port: l.Port, Action: l.DefaultAction}))
			for _, r := range l.Rules {
				s.Rules = append(s.Rules, copyStanding(StandingRule{
					Port: l.Port, Priority: r.Priority, Conditions: r.Conditions, Action: r.Action,
				}))
			}
		}
		out[id] = s
	}
	return out
}

func copyStanding(s StandingRule) StandingRule {
	s.Conditions = slices.Clone(s.Conditions)
	for i := range s.Conditions {
		s.Conditions[i].Values = slices.Clone(s.Conditions[i].Values)
	}
	s.Action.Forward = slices.Clone(s.Action.Forward)
	if s.Action.FixedResponse != nil {
		s.Action.FixedResponse = new(*s.Action.FixedResponse)
	}
	if s.Action.Redirect != nil {
		s.Action.Redirect = new(*s.Action.Redirect)
	}
	return s
}

// Whatever the other members do, a good member's rules are there, in its order.
func TestGoodMemberIsServed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, collide)
		for _, ing := range w.ingresses {
			if rapid.Bool().Draw(t, "broken") {
				drawFault(t, ing)
			}
		}
		for _, g := range w.groups() {
			full := Build(w.input(g))
			for _, ing := range g.Members {
				if blocked(full, ing) {
					continue
				}
				alone := g
				alone.Members = []*networkingv1.Ingress{ing}
				alone.Problems = nil
				all := plainRules(full)
				for port, want := range plainRules(Build(w.input(alone))) {
					if redirecting(full, port) {
						continue // whoever asked for it
					}
					require.Equal(t, want, slices.DeleteFunc(all[port], func(r Rule) bool { return !contains(want, r) }))
				}
			}
		}
	})
}

// redirecting reports whether a listener sends all requests elsewhere.
func redirecting(m *Model, port int32) bool {
	return slices.ContainsFunc(m.LoadBalancer.Listeners, func(l Listener) bool { return l.Port == port && l.DefaultAction.Redirect != nil })
}

func blocked(m *Model, ing *networkingv1.Ingress) bool {
	return slices.ContainsFunc(m.Problems, func(p Problem) bool { return p.Blocking && p.Ingress == keyOf(ing) })
}

// plainRules are the rules without what depends on their place, by port.
func plainRules(m *Model) map[int32][]Rule {
	rules := map[int32][]Rule{}
	if m.LoadBalancer == nil {
		return rules
	}
	for _, l := range m.LoadBalancer.Listeners {
		for _, r := range l.Rules {
			r.Priority, r.Tags = 0, nil
			rules[l.Port] = append(rules[l.Port], r)
		}
	}
	return rules
}

func contains(rules []Rule, r Rule) bool {
	return slices.ContainsFunc(rules, func(o Rule) bool {
		return conditionsKey(o.Conditions) == conditionsKey(r.Conditions) && slices.Equal(o.Action.Forward, r.Action.Forward)
	})
}

// Once a group has been provisioned, members that turn bad change nothing, and
// when they are good again nothing has happened.
func TestBadMembersChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, []string{"a", "b", "c", "d", "e"})
		good := w.build()
		for id, m := range good {
			if slices.ContainsFunc(m.Problems, func(p Problem) bool { return p.Blocking }) {
				t.Skip("the members of", id, "contradict each other")
			}
		}
		for _, g := range w.groups() {
			for _, ing := range g.Members {
				ing.Finalizers = []string{Finalizer(g.ID)}
			}
		}
		w.standing = standingOf(good)
		require.Equal(t, good, w.build(), "provisioning changed the models")

		sound := w.ingresses
		w.ingresses = nil
		for _, ing := range sound {
			ing = ing.DeepCopy()
			if rapid.Bool().Draw(t, "broken") {
				drawFault(t, ing)
			}
			w.ingresses = append(w.ingresses, ing)
		}
		broken := w.build()
		require.ElementsMatch(t, sortedKeys(good), sortedKeys(broken))
		for id, m := range broken {
			requireUnchanged(t, good[id], m)
		}
		w.ingresses = sound
		require.Equal(t, good, w.build())
	})
}

// requireSameListener compares what is brought about of a listener.
func requireSameListener(t *rapid.T, good, broken Listener) {
	if broken.Kept {
		// The rest stays as it is.
		good.Tags, good.SSLPolicy, good.Certificates, good.Attributes = broken.Tags, "", nil, nil
		good.Kept = true
	}
	good.Rules, broken.Rules = append([]Rule{}, good.Rules...), append([]Rule{}, broken.Rules...)
	for i := range min(len(good.Rules), len(broken.Rules)) {
		// Whose tags cannot be read has all of the load balancer's, till they can.
		good.Rules[i].Tags = broken.Rules[i].Tags
	}
	good.Tags = broken.Tags
	// An attribute that nobody names stays as it is.
	good.Attributes = broken.Attributes
	require.Equal(t, good, broken)
}

func requireUnchanged(t *rapid.T, good, broken *Model) {
	if broken.Hold {
		require.Nil(t, broken.LoadBalancer)
	} else {
		require.NotNil(t, broken.LoadBalancer)
		require.Equal(t, good.LoadBalancer.Scheme, broken.LoadBalancer.Scheme)
		require.Equal(t, good.LoadBalancer.IPAddressType, broken.LoadBalancer.IPAddressType)
		require.Equal(t, good.LoadBalancer.Tags, broken.LoadBalancer.Tags)
		require.Equal(t, good.LoadBalancer.SecurityGroups, broken.LoadBalancer.SecurityGroups)
		require.Len(t, broken.LoadBalancer.Listeners, len(good.LoadBalancer.Listeners))
		for i := range good.LoadBalancer.Listeners {
			requireSameListener(t, good.LoadBalancer.Listeners[i], broken.LoadBalancer.Listeners[i])
		}
	}
	require.ElementsMatch(t, sortedKeys(good.TargetGroups), sortedKeys(broken.TargetGroups))
	for id, tg := range broken.TargetGroups {
		require.Equal(t, good.TargetGroups[id].Service, tg.Service)
		require.Equal(t, good.TargetGroups[id].ServicePort, tg.ServicePort)
		require.Equal(t, strings.HasSuffix(id, ":http"), tg.ServicePort.Type == intstr.String)
	}
}
