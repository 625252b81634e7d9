package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// rehearsalWorld is a cluster and an account, and whoever makes plans for them.
type rehearsalWorld struct {
	t      *testing.T
	config config
	kube   *kubesim.Server
	admin  kubernetes.Interface
	custom dynamic.Interface
	sim    *awssim.Sim
}

// gatewayKinds are those of the Gateway API.
var gatewayKinds = []kubesim.Kind{
	{Group: gatewayClasses.Group, Version: "v1", Kind: "GatewayClass", Resource: gatewayClasses.Resource},
	{Group: gateways.Group, Version: "v1", Kind: "Gateway", Resource: gateways.Resource, Namespaced: true},
}

// webhookKinds are those of webhook configurations.
var webhookKinds = []kubesim.Kind{
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration", Resource: "validatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration", Resource: "mutatingwebhookconfigurations"},
}

// inRehearsal runs a test in a bubble, in a cluster with one Ingress.
func inRehearsal(t *testing.T, kinds []kubesim.Kind, test func(*rehearsalWorld)) {
	t.Helper()
	kubesim.DisableErrorBackoff()
	t.Setenv("AWS_REGION", "ap-northeast-3")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c, err := loadConfig(map[string]string{"TGSYNC_CLUSTER_NAME": "demo", "TGSYNC_VPC_ID": "vpc-1"})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17", Tags: map[string]string{"kubernetes.io/role/internal-elb": "1"}},
			{ID: "subnet-b", Zone: "ap-northeast-3b", CIDR: "10.0.128.0/17", Tags: map[string]string{"kubernetes.io/role/internal-elb": "1"}},
		}}}})
		require.NoError(t, err)
		w := &rehearsalWorld{t: t, config: c, sim: sim, kube: kubesim.New(kubesim.Options{Kinds: slices.Concat(webhookKinds, kinds)})}
		defer w.kube.Close()
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		w.custom, err = dynamic.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		w.ingress()
		test(w)
	})
}

// ingress makes an Ingress of a Service.
func (w *rehearsalWorld) ingress() {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.admin.NetworkingV1().IngressClasses().Create(ctx, &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "alb"}, Spec: networkingv1.IngressClassSpec{Controller: "ingress.k8s.aws/alb"},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.service("web", corev1.ServiceTypeClusterIP)
	_, err = w.admin.NetworkingV1().Ingresses("shop").Create(ctx, &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{"alb.ingress.kubernetes.io/target-type": "ip"}},
		Spec: networkingv1.IngressSpec{IngressClassName: new("alb"), DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func (w *rehearsalWorld) service(name string, kind corev1.ServiceType) *corev1.Service {
	w.t.Helper()
	svc, err := w.admin.CoreV1().Services("shop").Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return svc
}

// object makes an object of a kind that is not Kubernetes' own.
func (w *rehearsalWorld) object(kind kubesim.Kind, namespace, name string, spec map[string]any) {
	w.t.Helper()
	r := w.custom.Resource(gatewayClasses)
	if kind.Resource == gateways.Resource {
		r = w.custom.Resource(gateways)
	}
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kind.Group + "/" + kind.Version, "kind": kind.Kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}
	var err error
	if namespace == "" {
		_, err = r.Create(w.t.Context(), o, metav1.CreateOptions{})
	} else {
		_, err = r.Namespace(namespace).Create(w.t.Context(), o, metav1.CreateOptions{})
	}
	require.NoError(w.t, err)
}

// plan makes a plan, which must change nothing.
func (w *rehearsalWorld) plan() *report {
	w.t.Helper()
	before, err := w.admin.NetworkingV1().Ingresses("shop").Get(w.t.Context(), "web", metav1.GetOptions{})
	require.NoError(w.t, err)
	r, err := makePlan(w.t.Context(), w.config, w.wires(), slog.New(slog.DiscardHandler))
	require.NoError(w.t, err)
	after, err := w.admin.NetworkingV1().Ingresses("shop").Get(w.t.Context(), "web", metav1.GetOptions{})
	require.NoError(w.t, err)
	require.Equal(w.t, before, after)
	for _, c := range w.sim.Calls() {
		require.True(w.t, strings.HasPrefix(c.Action, "Describe") || strings.HasPrefix(c.Action, "List"), c.Action)
	}
	synctest.Wait()
	return r
}

func (w *rehearsalWorld) wires() wires {
	rc := w.kube.Config()
	return wires{kube: rc, aws: &http.Client{Transport: w.sim.Transport()}}
}

// TestPlan: a new Ingress, in words and in JSON.
func TestPlan(t *testing.T) {
	inRehearsal(t, gatewayKinds, func(w *rehearsalWorld) {
		t := w.t
		r := w.plan()
		require.Equal(t, exitChanges, r.exitCode())
		text := regexpNames.ReplaceAllString(r.text(), "$1")
		require.Equal(t, `Ingress group shop/web
  + create security group k8s-shop-web
  ~ grant ingress on security group k8s-shop-web
  + create target group k8s-shop-web
  + create load balancer k8s-shop-web
  + create listener 80 of load balancer k8s-shop-web

Security groups of pods and nodes
  + create backend security group k8s-traffic-demo

AWS Load Balancer Controller
  Lease kube-system/aws-load-balancer-controller-leader: there is none

To do in AWS: 5 to create, 1 to change, 0 to delete.
`, text)
		var b bytes.Buffer
		require.NoError(t, r.print(&b, outputJSON))
		var back report
		require.NoError(t, json.Unmarshal(b.Bytes(), &back))
		require.Equal(t, r.Groups, back.Groups)
		require.NotContains(t, b.String(), "null,", "an empty list is one")
	})
}

// TestPlanTellsOfLBC: what is there of it, and what it takes with it.
func TestPlanTellsOfLBC(t *testing.T) {
	inRehearsal(t, gatewayKinds, func(w *rehearsalWorld) {
		t := w.t
		_, err := w.admin.CoordinationV1().Leases("kube-system").Create(t.Context(), &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "aws-load-balancer-controller-leader"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("lbc-1"), LeaseDurationSeconds: new(int32(15)), RenewTime: &metav1.MicroTime{Time: time.Now()},
			},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		svc := w.service("nlb", corev1.ServiceTypeLoadBalancer)
		svc.Spec.LoadBalancerClass = new("service.k8s.aws/nlb")
		_, err = w.admin.CoreV1().Services("shop").Update(t.Context(), svc, metav1.UpdateOptions{})
		require.NoError(t, err)
		w.object(gatewayKinds[0], "", "aws", map[string]any{"controllerName": "gateway.k8s.aws/alb"})
		w.object(gatewayKinds[0], "", "other", map[string]any{"controllerName": "example.com/gateway"})
		w.object(gatewayKinds[1], "shop", "mine", map[string]any{"gatewayClassName": "aws"})
		w.object(gatewayKinds[1], "shop", "other", map[string]any{"gatewayClassName": "other"})

		l := w.plan().LBC
		require.True(t, l.Lease.Live)
		require.Equal(t, []string{"shop/nlb"}, l.Services)
		require.Equal(t, []string{"shop/mine"}, l.Gateways)
		require.Empty(t, l.Unknown)
	})
}

// TestPlanWithoutGateways: the kinds need not be there, and what may not be read is said.
func TestPlanWithoutGateways(t *testing.T) {
	inRehearsal(t, nil, func(w *rehearsalWorld) {
		require.Empty(w.t, w.plan().LBC.Unknown)
		w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "list", Resource: "validatingwebhookconfigurations"}, Code: http.StatusForbidden})
		unknown := w.plan().LBC.Unknown
		require.Len(w.t, unknown, 1)
		require.Contains(w.t, unknown[0], "its webhooks: ")
	})
}

// TestPlanFails at once where the cluster may not be read.
func TestPlanFails(t *testing.T) {
	inRehearsal(t, nil, func(w *rehearsalWorld) {
		w.kube.SetDown(true)
		_, err := makePlan(w.t.Context(), w.config, w.wires(), slog.New(slog.DiscardHandler))
		require.ErrorContains(w.t, err, "read the cluster: ")
		synctest.Wait()
	})
}

func TestLeaseState(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		spec coordinationv1.LeaseSpec
		live bool
		want string
	}{
		"given up":      {spec: coordinationv1.LeaseSpec{HolderIdentity: new(""), RenewTime: &metav1.MicroTime{Time: now}}, want: "was given up"},
		"never renewed": {spec: coordinationv1.LeaseSpec{HolderIdentity: new("a")}, want: "was never renewed"},
		"live": {
			spec: coordinationv1.LeaseSpec{HolderIdentity: new("a"), RenewTime: &metav1.MicroTime{Time: now.Add(-15 * time.Second)}},
			live: true, want: "is being renewed by a: tgsync writes nothing as long as it is",
		},
		"run out": {
			spec: coordinationv1.LeaseSpec{HolderIdentity: new("a"), LeaseDurationSeconds: new(int32(5)), RenewTime: &metav1.MicroTime{Time: now.Add(-6 * time.Second)}},
			want: "ran out, last renewed 6s ago by a",
		},
	} {
		live, state := leaseState(&tt.spec, now)
		require.Equal(t, tt.live, live, name)
		require.Equal(t, tt.want, state, name)
	}
}

func TestExitCodes(t *testing.T) {
	change := []changeReport{{Sign: "+", What: "create x"}}
	for name, tt := range map[string]struct {
		r    report
		code int
		says string
	}{
		"nothing":           {r: report{Groups: []groupReport{{}}}, code: exitNothing, says: "Nothing to do in AWS.\n"},
		"changes":           {r: report{Groups: []groupReport{{Changes: change}}}, code: exitChanges, says: "To do in AWS: 1 to create, 0 to change, 0 to delete.\n"},
		"security groups":   {r: report{SecurityGroups: groupReport{Changes: change}}, code: exitChanges, says: "1 to create"},
		"a problem":         {r: report{Groups: []groupReport{{Problems: []problemReport{{Message: "x"}}}}}, code: exitNothing, says: "Nothing to do in AWS; problems: 1, see above.\n"},
		"something to wait": {r: report{Groups: []groupReport{{Changes: change, Waits: "x"}}}, code: exitChanges, says: "more follows later: x"},
		"a failure":         {r: report{Groups: []groupReport{{Changes: change, Error: "a\nb"}}}, code: exitError, says: "  ! would fail: a\n  ! would fail: b\n"},
	} {
		require.Equal(t, tt.code, tt.r.exitCode(), name)
		require.Contains(t, tt.r.text(), tt.says, name)
	}
}

func TestPlanFlags(t *testing.T) {
	f, err := parsePlan([]string{"-o", "json", "--timeout=5s"})
	require.NoError(t, err)
	require.Equal(t, planFlags{output: outputJSON, timeout: 5 * time.Second}, f)
	for _, args := range [][]string{{"-o", "yaml"}, {"x"}, {"--timeout=0s"}, {"--what"}} {
		_, err := parsePlan(args)
		require.Error(t, err, args)
	}
}

// TestCleanUp lists, deletes, and has nothing left to do, with the exit code of each.
func TestCleanUp(t *testing.T) {
	inRehearsal(t, nil, func(w *rehearsalWorld) {
		t := w.t
		aws, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: w.wires().aws})
		require.NoError(t, err)
		for _, cluster := range []string{"gone", "alive"} {
			_, err = aws.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{
				Name: cluster, Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-1", Tags: awsapi.Tags{"elbv2.k8s.aws/cluster": cluster},
			})
			require.NoError(t, err)
		}
		run := func(yes bool) (code int, lines []string) {
			var b bytes.Buffer
			code, err := cleanUp(t.Context(), &b, cleanFlags{cluster: "gone", yes: yes}, aws)
			require.NoError(t, err)
			return code, slices.Collect(strings.Lines(b.String()))
		}
		code, lines := run(false)
		require.Equal(t, exitChanges, code)
		require.Regexp(t, `^target group gone \(arn:aws:.*\)`, lines[0])
		require.Equal(t, "Cluster gone has left 1 resources. To delete them, add --yes.\n", lines[1])
		code, lines = run(true)
		require.Equal(t, exitNothing, code)
		require.Regexp(t, `^deleted: target group gone `, lines[0])
		code, lines = run(true)
		require.Equal(t, exitNothing, code)
		require.Equal(t, []string{"Cluster gone has left nothing in AWS.\n"}, lines)
		groups, err := aws.ELB.DescribeTargetGroups(t.Context())
		require.NoError(t, err)
		require.Len(t, groups, 1)
	})
}

func TestCleanFlags(t *testing.T) {
	f, err := parseClean([]string{"--cluster", "demo", "--yes", "--timeout", "1m"})
	require.NoError(t, err)
	require.Equal(t, cleanFlags{cluster: "demo", yes: true, timeout: time.Minute}, f)
	for _, args := range [][]string{nil, {"--cluster="}, {"--cluster=a b"}, {"--cluster=a", "b"}, {"--cluster=a", "--timeout=-1s"}, {"--what"}} {
		_, err := parseClean(args)
		require.Error(t, err, args)
	}
}

// regexpNames finds names with a hash at the end.
var regexpNames = regexp.MustCompile(`(k8s-(?:shop-web|traffic-demo))-[0-9a-f]{10}`)
