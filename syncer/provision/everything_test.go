package provision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// everything is an Ingress that sets all that can be set.
func everything(w *world) {
	w.t.Helper()
	first, second := w.certify("a.example.com"), w.certify("b.example.com")
	w.service("demo0", "echo0")
	w.service("demo0", "echo1")
	_, err := w.client.CoreV1().Services("demo0").Update(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "echo1", UID: "uid-demo0-echo1", Annotations: map[string]string{
			prefix + "healthcheck-path": "/service", prefix + "target-group-attributes": "slow_start.duration_seconds=40", prefix + "tags": "of=service",
		}},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	w.ingress("demo0", "all", map[string]string{
		"group.name": "shared", "group.order": "7", "load-balancer-name": "everything", "tags": "team=web,tier=front",
		"ip-address-type": "dualstack", "subnets": "subnet-a,subnet-b",
		"inbound-cidrs": "10.0.0.0/8,2001:db8::/32", "security-group-prefix-lists": "pl-1",
		"load-balancer-attributes": "idle_timeout.timeout_seconds=120,deletion_protection.enabled=true," +
			"access_logs.s3.enabled=true,access_logs.s3.bucket=logs,access_logs.s3.prefix=demo,connection_logs.s3.enabled=true,connection_logs.s3.bucket=logs",
		"listen-ports": `[{"HTTP":80},{"HTTPS":443},{"HTTPS":8443}]`, "ssl-redirect": "443",
		"certificate-arn": first + "," + second, "ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
		"listener-attributes.HTTPS-443": "routing.http.response.server.enabled=false",
		"backend-protocol":              "HTTPS", "backend-protocol-version": "HTTP2",
		"target-group-attributes": "deregistration_delay.timeout_seconds=30,stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=60",
		"healthcheck-port":        "8081", "healthcheck-protocol": "HTTP", "healthcheck-path": "/health", "healthcheck-interval-seconds": "20",
		"healthcheck-timeout-seconds": "6", "healthy-threshold-count": "3", "unhealthy-threshold-count": "4", "success-codes": "200-204",
		"actions.weighted": `{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"echo0","servicePort":80,"weight":3},
			{"serviceName":"echo1","servicePort":80,"weight":1}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":90}}}`,
		"actions.away": `{"type":"redirect","redirectConfig":{"host":"example.org","statusCode":"HTTP_302"}}`,
		"actions.told": `{"type":"fixed-response","fixedResponseConfig":{"contentType":"text/plain","statusCode":"418","messageBody":"tea"}}`,
		"conditions.weighted": `[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-A","values":["1"]}},
			{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}},
			{"field":"query-string","queryStringConfig":{"values":[{"key":"k","value":"v"},{"value":"w"}]}}]`,
		"conditions.told": `[{"field":"source-ip","sourceIpConfig":{"values":["10.0.0.0/8","2001:db8::/32"]}}]`,
	}, "echo0")
	w.update("demo0", "all", func(ing *networkingv1.Ingress) {
		paths := &ing.Spec.Rules[0].HTTP.Paths
		for _, name := range []string{"weighted", "away", "told"} {
			action := (*paths)[0]
			action.Path = "/" + name
			action.Backend = networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: name, Port: networkingv1.ServiceBackendPort{Name: "use-annotation"},
			}}
			*paths = append(*paths, action)
		}
		ing.Spec.Rules[0].Host = "*.example.com"
		ing.Spec.DefaultBackend = &(*paths)[0].Backend
	})
	guarded := map[string]string{"security-groups": "named", "manage-backend-security-group-rules": "true"}
	w.ingress("demo0", "guarded", guarded, "echo0")
}

// inDualstack are two subnets with addresses of both families.
func inDualstack() awssim.Options {
	roles := map[string]string{publicRole: "1", internalRole: ""}
	return awssim.Options{
		PrefixLists: map[string][]string{"pl-1": {"192.0.2.0/24"}},
		VPCs: []awssim.VPC{{
			ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, IPv6CIDRs: []string{"2001:db8::/56"}, Subnets: []awssim.Subnet{
				{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24", IPv6CIDR: "2001:db8:0:1::/64", Public: true, Tags: roles},
				{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.2.0/24", IPv6CIDR: "2001:db8:0:2::/64", Public: true, Tags: roles},
				{ID: "subnet-c", Zone: "ap-northeast-3a", CIDR: "10.0.3.0/24", IPv6CIDR: "2001:db8:0:3::/64", Public: true},
			},
		}},
	}
}

// settings tells all that is set in AWS, a line for each resource.
func (w *world) settings() []string {
	w.t.Helper()
	ctx, elb := w.t.Context(), w.aws.ELB
	var lines []string
	tell := func(err error, what ...any) {
		require.NoError(w.t, err)
		lines = append(lines, fmt.Sprintf("%+v", what))
	}
	guards, err := w.aws.EC2.DescribeSecurityGroups(ctx, vpcID, awsapi.Tags{ingress.TagCluster: cluster})
	for _, g := range guards {
		slices.SortFunc(g.Ingress, func(a, b awsapi.Permission) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		tell(err, g)
	}
	balancers, err := elb.DescribeLoadBalancers(ctx)
	for _, b := range balancers {
		slices.Sort(b.SubnetIDs)
		tell(err, b)
		attributes, err := elb.DescribeLoadBalancerAttributes(ctx, b.ARN)
		tell(err, attributes)
		tags, err := elb.DescribeTags(ctx, []string{b.ARN})
		tell(err, tags)
		listeners, err := elb.DescribeListeners(ctx, b.ARN)
		require.NoError(w.t, err)
		for _, l := range listeners {
			lines = append(lines, w.settingsOf(l)...)
		}
	}
	groups, err := elb.DescribeTargetGroups(ctx)
	for _, g := range groups {
		g.LoadBalancerARNs = nil
		tell(err, g)
		attributes, err := elb.DescribeTargetGroupAttributes(ctx, g.ARN)
		tell(err, attributes)
		tags, err := elb.DescribeTags(ctx, []string{g.ARN})
		tell(err, tags)
	}
	slices.Sort(lines)
	return lines
}

// settingsOf tells all that is set of a listener and its rules, whatever their ARNs.
func (w *world) settingsOf(l awsapi.Listener) []string {
	w.t.Helper()
	ctx, elb := w.t.Context(), w.aws.ELB
	attributes, err := elb.DescribeListenerAttributes(ctx, l.ARN)
	require.NoError(w.t, err)
	certificates, err := elb.DescribeListenerCertificates(ctx, l.ARN)
	require.NoError(w.t, err)
	slices.Sort(certificates)
	lines := []string{fmt.Sprint(l.Port, l.Protocol, l.SSLPolicy, l.CertificateARN, certificates, attributes, actionsKey(l.DefaultActions))}
	rules, err := elb.DescribeRules(ctx, l.ARN)
	require.NoError(w.t, err)
	for _, r := range rules {
		lines = append(lines, fmt.Sprint(l.Port, r.Priority, conditionsKey(r.Conditions), actionsKey(r.Actions)))
	}
	return lines
}

// inEverything runs a test in a world in which everything is set, and at rest.
func inEverything(t *testing.T, test func(*world)) {
	t.Helper()
	inWorld(t, inDualstack(), func(w *world) {
		_, err := w.aws.EC2.CreateSecurityGroup(w.t.Context(), awsapi.SecurityGroup{
			Name: "named", Description: "x", VPCID: vpcID, Tags: awsapi.Tags{"Name": "named"},
		})
		require.NoError(w.t, err)
		everything(w)
		w.start()
		w.settle()
		w.settle()
		for _, said := range w.said() {
			require.Contains(w.t, said, reasonReconciled)
		}
		w.calls()
		test(w)
	})
}

// Whatever is set, nothing is written when nothing has changed: not in a day of audits,
// not after a restart.
func TestNothingIsWrittenTwice(t *testing.T) {
	inEverything(t, func(w *world) {
		want := w.settings()
		w.settle()
		w.calls()
		w.settle()
		require.Empty(w.t, w.calls(), "between two audits")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Empty(w.t, w.writes())
		w.restart()
		require.Empty(w.t, w.writes())
		require.Equal(w.t, want, w.settings())
	})
}

// Settings that others change are set again by the audit, each of them.
func TestAuditRepairsSettings(t *testing.T) {
	tests := map[string]func(w *world, b awsapi.LoadBalancer, l awsapi.Listener, g awsapi.TargetGroup) error{
		"load balancer attribute": func(w *world, b awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyLoadBalancerAttributes(w.t.Context(), b.ARN, awsapi.Attributes{"idle_timeout.timeout_seconds": "5"})
		},
		"load balancer tag": func(w *world, b awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.RemoveTags(w.t.Context(), []string{b.ARN}, []string{"team"})
		},
		"addresses": func(w *world, b awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.SetIPAddressType(w.t.Context(), b.ARN, "ipv4")
		},
		"subnets": func(w *world, b awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.SetSubnets(w.t.Context(), b.ARN, []string{"subnet-b", "subnet-c"})
		},
		"security groups": func(w *world, b awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.SetSecurityGroups(w.t.Context(), b.ARN, b.SecurityGroups[:1])
		},
		"opened port": func(w *world, _ awsapi.LoadBalancer, _ awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.EC2.RevokeIngress(w.t.Context(), w.managedGroup().ID, w.managedGroup().Ingress)
		},
		"listener attribute": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyListenerAttributes(w.t.Context(), l.ARN, awsapi.Attributes{"routing.http.response.server.enabled": "true"})
		},
		"policy": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyListener(w.t.Context(), awsapi.Listener{ARN: l.ARN, SSLPolicy: policy2016})
		},
		"default certificate": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyListener(w.t.Context(), awsapi.Listener{ARN: l.ARN, CertificateARN: w.certify("foreign.example.com")})
		},
		"list of certificates": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			certificates, err := w.aws.ELB.DescribeListenerCertificates(w.t.Context(), l.ARN)
			require.NoError(w.t, err)
			require.NotEmpty(w.t, certificates)
			return w.aws.ELB.RemoveListenerCertificate(w.t.Context(), l.ARN, certificates[0])
		},
		"default action": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyListener(w.t.Context(), awsapi.Listener{ARN: l.ARN, DefaultActions: []awsapi.Action{
				{Type: actionFixedResponse, FixedResponse: &awsapi.FixedResponse{StatusCode: "500"}},
			}})
		},
		"rule": func(w *world, _ awsapi.LoadBalancer, l awsapi.Listener, _ awsapi.TargetGroup) error {
			rules, err := w.aws.ELB.DescribeRules(w.t.Context(), l.ARN)
			require.NoError(w.t, err)
			return w.aws.ELB.DeleteRule(w.t.Context(), rules[0].ARN)
		},
		"health check": func(w *world, _ awsapi.LoadBalancer, _ awsapi.Listener, g awsapi.TargetGroup) error {
			g.HealthCheck.IntervalSeconds = 77
			return w.aws.ELB.ModifyTargetGroup(w.t.Context(), g.ARN, g.HealthCheck)
		},
		"target group attribute": func(w *world, _ awsapi.LoadBalancer, _ awsapi.Listener, g awsapi.TargetGroup) error {
			return w.aws.ELB.ModifyTargetGroupAttributes(w.t.Context(), g.ARN, awsapi.Attributes{"slow_start.duration_seconds": "60"})
		},
		"target group tag": func(w *world, _ awsapi.LoadBalancer, _ awsapi.Listener, g awsapi.TargetGroup) error {
			return w.aws.ELB.RemoveTags(w.t.Context(), []string{g.ARN}, []string{"of"})
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			inEverything(t, func(w *world) {
				t := w.t
				want := w.settings()
				b, l, g := w.parts()
				require.NoError(t, change(w, b, l, g))
				require.NotEqual(t, want, w.settings())
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				require.Equal(t, want, w.settings())
			})
		})
	}
}

// parts are the load balancer "everything", its listener 443 and the target group of
// the Service echo1.
func (w *world) parts() (b awsapi.LoadBalancer, l awsapi.Listener, g awsapi.TargetGroup) {
	w.t.Helper()
	balancers, err := w.aws.ELB.DescribeLoadBalancers(w.t.Context())
	require.NoError(w.t, err)
	b = balancers[slices.IndexFunc(balancers, func(b awsapi.LoadBalancer) bool { return b.Name == "everything" })]
	listeners, err := w.aws.ELB.DescribeListeners(w.t.Context(), b.ARN)
	require.NoError(w.t, err)
	l = listeners[slices.IndexFunc(listeners, func(l awsapi.Listener) bool { return l.Port == 443 })]
	groups, err := w.aws.ELB.DescribeTargetGroups(w.t.Context())
	require.NoError(w.t, err)
	g = groups[slices.IndexFunc(groups, func(g awsapi.TargetGroup) bool { return g.HealthCheck.Path == "/service" })]
	return b, l, g
}

// managedGroup is the security group of the load balancer "everything".
func (w *world) managedGroup() awsapi.SecurityGroup {
	w.t.Helper()
	groups, err := w.aws.EC2.DescribeSecurityGroups(w.t.Context(), vpcID, awsapi.Tags{ingress.TagStack: "shared"})
	require.NoError(w.t, err)
	require.Len(w.t, groups, 1)
	return groups[0]
}

// What nobody asks for any more of a load balancer's attributes stays as it is.
func TestAttributesThatAreNoLongerNamedStay(t *testing.T) {
	inEverything(t, func(w *world) {
		want := w.settings()
		w.update("demo0", "all", func(ing *networkingv1.Ingress) {
			for _, key := range []string{"load-balancer-attributes", "listener-attributes.HTTPS-443", "target-group-attributes"} {
				delete(ing.Annotations, prefix+key)
			}
		})
		w.settle()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Empty(w.t, w.writes())
		require.Equal(w.t, want, w.settings())
	})
}
