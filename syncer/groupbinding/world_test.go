package groupbinding_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

func TestMain(m *testing.M) {
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

const (
	auditInterval = 10 * time.Minute
	callLatency   = 60 * time.Millisecond
	cluster       = "here"
)

// world is a cluster, an account, and between them a Loop and a Syncer, in virtual
// time.
type world struct {
	t       *testing.T
	kube    *kubesim.Server
	admin   kubernetes.Interface
	objects dynamic.ResourceInterface // in the namespace demo, by the admin's hand
	sim     *awssim.Sim
	aws     *awsapi.Clients
	events  *record.FakeRecorder
	// provisioned are the provisioner's bindings.
	provisioned *source
	watch       *groupbinding.Watch
	loop        *groupbinding.Loop
	syncer      *syncer.Syncer
	stop        func()
}

// inWorld runs a test in a bubble of virtual time, in which the cluster has a Service
// "echo" with two pods.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Setenv("AWS_REGION", "ap-northeast-3")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	synctest.Test(t, func(t *testing.T) {
		sim, err := awssim.New(awssim.Options{Latency: callLatency, VPCs: []awssim.VPC{{
			ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"}},
		}}})
		require.NoError(t, err)
		r := groupbinding.Resource
		w := &world{
			t: t, sim: sim, events: record.NewFakeRecorder(100), provisioned: &source{changed: make(chan struct{}, 1)},
			kube: kubesim.New(kubesim.Options{Kinds: []kubesim.Kind{{
				Group: r.Group, Version: r.Version, Kind: "TargetGroupBinding", Resource: r.Resource, Namespaced: true, Status: true,
			}}}),
			stop: func() {},
		}
		defer w.kube.Close()
		w.aws = w.fresh()
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		custom, err := dynamic.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		w.objects = custom.Resource(r).Namespace("demo")
		w.service("echo", "10.0.0.1", "10.0.0.2")
		defer func() { w.stop() }()
		test(w)
	})
}

// fresh returns clients as a daemon has them that has just come up.
func (w *world) fresh() *awsapi.Clients {
	w.t.Helper()
	aws, err := awsapi.New(w.t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: w.sim.Transport()}})
	require.NoError(w.t, err)
	return aws
}

// source is a provisioner that does as it is told.
type source struct {
	mu       sync.Mutex
	bindings []target.Binding
	changed  chan struct{}
}

func (s *source) Bindings() []target.Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bindings)
}

func (s *source) Missing() ([]target.Binding, bool) { return nil, true }

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) set(bindings ...target.Binding) {
	s.mu.Lock()
	s.bindings = bindings
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// silent drops what a Syncer reports.
type silent struct{}

func (silent) TargetsProgrammed(string, int, time.Duration) {}
func (silent) DriftFound(int)                               {}
func (silent) GuardHolds(string)                            {}
func (silent) GateOpened(time.Duration, time.Duration)      {}
func (silent) GateTimedOut()                                {}

// start starts what a leader runs, as a daemon that has just come up.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	config := w.kube.Config()
	config.UserAgent = "product"
	client, err := kubernetes.NewForConfig(config)
	require.NoError(w.t, err)
	custom, err := dynamic.NewForConfig(config)
	require.NoError(w.t, err)
	informers, err := syncer.NewInformers(nil, client)
	require.NoError(w.t, err)
	watch, err := groupbinding.NewWatch(nil, custom, nil, log)
	require.NoError(w.t, err)
	w.watch = watch
	w.loop = groupbinding.New(groupbinding.Options{
		Watch: watch, Provisioned: w.provisioned, Services: informers.Services.Lister(), Synced: informers.HasSynced,
		Client: custom, Webhooks: client.AdmissionregistrationV1(), Events: w.events, AWS: w.aws.ELB, Cluster: cluster, AuditInterval: auditInterval, Log: log,
		Roles: func(r target.Role) groupbinding.AWS { return w.aws.Assume(r).ELB }, VPCID: "vpc-1",
		Drained: func(arn string) bool { return w.syncer.Drained(arn) },
	})
	w.syncer, err = syncer.New(syncer.Options{
		AWS: w.aws.ELB, Tokens: w.aws, Roles: func(r target.Role) (syncer.TargetAPI, syncer.Tokens) { c := w.aws.Assume(r); return c.ELB, c }, Source: w.loop, Informers: informers, Live: syncer.ReadLiveSlices(client.DiscoveryV1()),
		Ledger: groupbinding.NewLedger(client.CoreV1(), watch), Metrics: silent{}, Events: w.events, Log: log, BatchSize: 200, BatchInterval: 200 * time.Millisecond,
		AuditInterval: auditInterval, GracePeriod: time.Minute, FailOpen: true, Pods: client.CoreV1(), GateLatch: true, GateTimeout: 10 * time.Minute,
	})
	require.NoError(w.t, err)
	unhook, err := informers.OnModelChange(func(string) { w.loop.Wake() })
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	informers.Start(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { watch.Run(ctx) })
	running.Go(func() { require.NoError(w.t, w.loop.Run(ctx)) })
	running.Go(func() { require.NoError(w.t, w.syncer.Run(ctx)) })
	w.stop = func() {
		cancel()
		running.Wait()
		require.NoError(w.t, unhook())
		informers.Shutdown()
		w.stop = func() {}
	}
	w.settle()
}

// settle lets everything that is under way come to rest.
func (w *world) settle() { w.pass(10 * time.Second) }

func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// service makes a Service with its pods: ready addresses.
func (w *world) service(name string, ips ...string) {
	w.t.Helper()
	_, err := w.admin.CoreV1().Services("demo").Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "demo", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(8000))}},
	}
	for _, ip := range ips {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	_, err = w.admin.DiscoveryV1().EndpointSlices("demo").Create(w.t.Context(), slice, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// group makes a target group and returns its ARN.
func (w *world) group(name string, tags awsapi.Tags) string {
	w.t.Helper()
	g, err := w.aws.ELB.CreateTargetGroup(w.t.Context(), awsapi.TargetGroup{
		Name: name, Port: 8000, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-1", Tags: tags,
	})
	require.NoError(w.t, err)
	return g.ARN
}

// provisionedTags are those of what this cluster provisioned.
func provisionedTags() awsapi.Tags {
	return awsapi.Tags{"elbv2.k8s.aws/cluster": cluster, "ingress.k8s.aws/stack": "web"}
}

// tgb returns a TargetGroupBinding of the Service echo.
func tgb(name string, spec map[string]any) *unstructured.Unstructured {
	spec["serviceRef"] = map[string]any{"name": "echo", "port": int64(80)}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": groupbinding.Resource.GroupVersion().String(), "kind": "TargetGroupBinding",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}}
}

// leftover returns one that LBC wrote for an Ingress.
func leftover(name, arn string) *unstructured.Unstructured {
	o := tgb(name, map[string]any{"targetGroupARN": arn, "targetType": "ip"})
	o.SetLabels(map[string]string{"ingress.k8s.aws/stack": "web"})
	o.SetFinalizers([]string{groupbinding.Finalizer})
	return o
}

func (w *world) apply(o *unstructured.Unstructured) {
	w.t.Helper()
	_, err := w.objects.Create(w.t.Context(), o, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func (w *world) delete(name string) {
	w.t.Helper()
	require.NoError(w.t, w.objects.Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// get returns an object, nil if it is gone.
func (w *world) get(name string) *unstructured.Unstructured {
	w.t.Helper()
	o, err := w.objects.Get(w.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(w.t, err)
	return o
}

// ready returns the Ready condition of an object: "True Bound: message".
func (w *world) ready(name string) string {
	w.t.Helper()
	o := w.get(name)
	require.NotNil(w.t, o)
	conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	require.NoError(w.t, err)
	if len(conditions) == 0 {
		return ""
	}
	require.Len(w.t, conditions, 1)
	c := conditions[0].(map[string]any)
	require.EqualValues(w.t, o.GetGeneration(), c["observedGeneration"])
	return fmt.Sprintf("%s %s: %s", c["status"], c["reason"], c["message"])
}

// registered returns the addresses that AWS has, without those that drain.
func (w *world) registered(arn string) []string {
	w.t.Helper()
	health, err := w.aws.ELB.DescribeTargetHealth(w.t.Context(), arn)
	require.NoError(w.t, err)
	ips := []string{}
	for _, h := range health {
		if h.State != awsapi.StateDraining {
			ips = append(ips, h.Target.IP.String())
		}
	}
	slices.Sort(ips)
	return ips
}

// said returns the events until now.
func (w *world) said() []string {
	var all []string
	for {
		select {
		case e := <-w.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// writes returns what the product wrote since a moment, but for what is of AWS.
func (w *world) writes(since time.Time) []string {
	var all []string
	for _, c := range w.kube.Calls() {
		if c.UserAgent == "product" && !c.Time.Before(since) && !slices.Contains([]string{"get", "list", "watch"}, c.Verb) {
			all = append(all, strings.TrimSpace(c.Verb+" "+c.Name+" "+c.Subresource))
		}
	}
	return all
}

// calls counts the calls of an action since a moment.
func (w *world) calls(action string, since time.Time) int {
	n := 0
	for _, c := range w.sim.Calls() {
		if c.Action == action && !c.Time.Before(since) {
			n++
		}
	}
	return n
}

// missing returns the gate names of what is wanted and not bound.
func (w *world) missing() []string {
	w.t.Helper()
	all, complete := w.loop.Missing()
	require.True(w.t, complete)
	names := []string{}
	for _, b := range all {
		require.Empty(w.t, b.GroupARN)
		names = append(names, b.GateName())
	}
	return names
}

func mustAddr(text string) netip.Addr { return netip.MustParseAddr(text) }
