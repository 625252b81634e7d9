package takeover

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const annotation = "alb.ingress.kubernetes.io/"

// annotate gives an Ingress ("namespace/name") an annotation more.
func (w *world) annotate(key, name, value string) {
	w.t.Helper()
	w.updateIngress(key, func(ing *networkingv1.Ingress) { ing.Annotations[annotation+name] = value }, nil)
}

// onNodes adds a member to the group shared whose targets are nodes.
func (w *world) onNodes() {
	w.t.Helper()
	_, err := w.admin.CoreV1().Services("team-a").Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "nodes"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(80), NodePort: 30080}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = w.admin.NetworkingV1().Ingresses("team-a").Create(w.t.Context(), &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: "nodes", Finalizers: []string{"group.ingress.k8s.aws/shared"}, Annotations: map[string]string{
			annotation + "group.name": "shared", annotation + "group.order": "20",
		}},
		Spec: networkingv1.IngressSpec{IngressClassName: new("alb-internal"), Rules: []networkingv1.IngressRule{{
			Host: "n.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: new(networkingv1.PathTypePrefix),
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "nodes", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}}},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.backends[shared] = append(w.backends[shared], nodes)
	w.opened[1] = 30080
}

// amongClusters has the group shared share a target group with other clusters, one of
// whose targets it has.
func (w *world) amongClusters() {
	w.t.Helper()
	w.annotate("team-b/back", "multi-cluster-target-group", "true")
	w.backends[shared][1].multiCluster = true
	name := back.groupName(shared, w.serviceUID("team-b", "back"))
	_, err := w.admin.CoreV1().ConfigMaps("team-b").Create(w.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "aws-lbc-targets-" + name}, Data: map[string]string{"targets": "10.0.1.14:9001"},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// TestNothingMoves: whoever starts tgsync in LBC's place sees no call that changes
// anything, at first, after a restart, and when everything is compared again.
func TestNothingMoves(t *testing.T) {
	tests := map[string]func(w *world){
		"as it was made": nil,
		// LBC knows a target group by its tag, and keeps it with its name.
		"a Service was made again": func(w *world) { w.backends[shared][1].uid = "of the one before" },
		"a targetPort was another": func(w *world) { w.backends[shared][1].groupPort = 7777 },
		"a targetPort had no name": func(w *world) { w.backends[web][1].groupPort = 5000 },
		"a targetPort had a name":  func(w *world) { w.backends[web][0].groupPort = 1 },
		"a name that came later":   func(w *world) { w.annotate("demo/web", "load-balancer-name", "shop") },
		"a name that was taken out": func(w *world) {
			w.updateIngress("demo/secure", func(ing *networkingv1.Ingress) { delete(ing.Annotations, annotation+"load-balancer-name") }, nil)
		},
		"attributes that were taken out": func(w *world) {
			w.updateIngress("demo/web", func(ing *networkingv1.Ingress) { delete(ing.Annotations, annotation+"load-balancer-attributes") }, nil)
		},
		"all ports are open": func(w *world) {
			w.settings.DisableRestrictedRules, w.opened = true, [2]int32{0, 65535}
		},
		"targets that are not supported yet":   (*world).onNodes,
		"a setting that is not supported yet":  func(w *world) { w.annotate("demo/secure", "wafv2-acl-arn", "arn:aws:wafv2:::acl") },
		"one in a group that is not supported": func(w *world) { w.annotate("team-b/back", "wafv2-acl-arn", "arn:aws:wafv2:::acl") },
		"not supported, and its port was another": func(w *world) {
			w.annotate("team-b/back", "wafv2-acl-arn", "arn:aws:wafv2:::acl")
			w.backends[shared][1].groupPort = 7777
		},
		"targets of several clusters": (*world).amongClusters,
		"LBC's plan":                  func(w *world) { w.annotate("demo/web", "dry-run-plan", "{}") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, change, func(w *world) {
				t := w.t
				began := time.Now()
				w.start()
				w.pass(15 * time.Minute)
				require.Empty(t, w.wrote(began), "the first pass")
				ip := 0
				for _, all := range w.backends {
					for _, b := range all {
						if b.kind() == "ip" {
							ip++
						}
					}
				}
				require.Len(t, w.synced(), ip)
				for group, state := range w.synced() {
					require.Equal(t, "synced", state, group)
				}

				w.stop()
				w.start()
				w.pass(15 * time.Minute)
				require.Empty(t, w.wrote(began), "a restart")

				audit := time.Now()
				w.pass(3 * provisionAuditInterval)
				require.Empty(t, w.wrote(began), "an audit")
				require.Positive(t, w.asked(audit))
			})
		})
	}
}

// TestOneChange: what a user changes afterwards is done, and nothing else.
func TestOneChange(t *testing.T) {
	tests := map[string]struct {
		change func(w *world)
		want   []string
	}{
		"one path more": {func(w *world) {
			w.updateIngress("demo/web", func(ing *networkingv1.Ingress) {
				more := ing.Spec.Rules[0].HTTP.Paths[0]
				more.Path, more.PathType = "/more", new(networkingv1.PathTypeImplementationSpecific)
				ing.Spec.Rules[0].HTTP.Paths = append(ing.Spec.Rules[0].HTTP.Paths, more)
			}, nil)
		}, []string{"CreateRule"}},
		"another answer": {func(w *world) {
			w.annotate("demo/web", "actions.teapot", `{"type": "fixed-response", "fixedResponseConfig": {"contentType": "text/html", "statusCode": "418", "messageBody": "no"}}`)
		}, []string{"ModifyRule"}},
		"another check": {func(w *world) { w.annotate("team-b/back", "healthcheck-path", "/health") }, []string{"ModifyTargetGroup"}},
		"another attribute": {func(w *world) {
			w.annotate("demo/secure", "load-balancer-attributes", "idle_timeout.timeout_seconds=99")
		}, []string{"ModifyLoadBalancerAttributes"}},
		"one network less": {func(w *world) { w.annotate("demo/web", "inbound-cidrs", "10.0.0.0/8,2001:db8::/32") }, []string{"RevokeSecurityGroupIngress"}},
		"one tag more":     {func(w *world) { w.annotate("demo/secure", "tags", "team=safe") }, []string{"AddTags", "AddTags"}},
		"one certificate less": {func(w *world) {
			w.annotate("demo/web", "certificate-arn", w.certificates[0])
		}, []string{"RemoveListenerCertificates"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.start()
				w.pass(time.Minute)
				changed := time.Now()
				tt.change(w)
				w.pass(2 * provisionAuditInterval)
				require.Equal(w.t, tt.want, w.wrote(changed))
			})
		})
	}
}

// TestLBCFindsItAgain: LBC looks for what is its by three tags, one resource for each
// value. Whatever tgsync has made since has them, and nothing that LBC would not write but
// marks of its own.
func TestLBCFindsItAgain(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		t := w.t
		w.start()
		w.pass(time.Minute)
		began := time.Now()
		w.updateIngress("demo/web", func(ing *networkingv1.Ingress) {
			more := ing.Spec.Rules[0].HTTP.Paths[0]
			more.Path, more.PathType = "/more", new(networkingv1.PathTypeImplementationSpecific)
			ing.Spec.Rules[0].HTTP.Paths = append(ing.Spec.Rules[0].HTTP.Paths, more)
			ing.Annotations[annotation+"scheme"] = "internal"
			ing.Annotations[annotation+"listen-ports"] = `[{"HTTP": 80}, {"HTTPS": 443}, {"HTTPS": 8443}]`
		}, nil)
		w.annotate("team-b/back", "backend-protocol", "HTTPS")
		w.pass(time.Hour)
		for _, action := range []string{"CreateTargetGroup", "CreateLoadBalancer", "CreateListener", "CreateRule", "DeleteLoadBalancer", "DeleteTargetGroup"} {
			require.Contains(t, w.wrote(began), action)
		}
		users := map[string]map[string]string{
			"demo/web": {"team": "shop"}, "shared": {"owner": "platform", "team": "front"}, "demo/secure": nil,
			webHTTP.resource(): webHTTP.users, apiHTTP.resource(): apiHTTP.users, front.resource(): front.users, back.resource(): back.users,
			"80:1": back.users,
		}
		found := map[string]string{}
		for arn, tags := range w.tagsOf() {
			id, resource := tags["ingress.k8s.aws/stack"], tags["ingress.k8s.aws/resource"]
			key := kind(arn) + " " + id + " " + resource
			require.Empty(t, found[key], "two are %s: %s", key, arn)
			found[key] = arn
			want := users[id]
			if own, ok := users[resource]; ok && (kind(arn) != "listener-rule" || id == "shared") {
				want = own
			}
			require.Equal(t, stack{id: id}.tags(resource, want), tags, key)
		}
		require.Len(t, found, 3+5+6+2*7+3+1)
		inside, overHTTPS := stack{id: web.id, scheme: "internal"}, back
		overHTTPS.protocol = "HTTPS"
		require.Contains(t, found["loadbalancer demo/web LoadBalancer"], "/"+inside.balancerName()+"/")
		require.Contains(t, found["targetgroup shared "+back.resource()], "/"+overHTTPS.groupName(shared, w.serviceUID("team-b", "back"))+"/")
		for _, ing := range []string{"demo/web", "team-b/back"} {
			w.updateIngress(ing, func(ing *networkingv1.Ingress) {
				for key := range ing.Annotations {
					require.NotContains(t, key, "tgsync")
				}
			}, nil)
		}
	})
}
