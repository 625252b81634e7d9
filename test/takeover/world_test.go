package takeover

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

const (
	region     = "ap-northeast-3"
	instanceID = "i-0a1b2c3d4e5f60718"
)

func TestMain(m *testing.M) {
	for k, v := range map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

// Kinds of LBC.
var (
	bindingsOf = schema.GroupVersionResource{Group: "elbv2.k8s.aws", Version: "v1beta1", Resource: "targetgroupbindings"}
	paramsOf   = schema.GroupVersionResource{Group: "elbv2.k8s.aws", Version: "v1beta1", Resource: "ingressclassparams"}
)

// world is a cluster and an account in virtual time, in which LBC has been.
type world struct {
	t      *testing.T
	sim    *awssim.Sim
	kube   *kubesim.Server
	elb    *elb.Client // by LBC's hand, as the three below
	ec2    *ec2.Client
	admin  kubernetes.Interface
	custom dynamic.Interface

	certificates                             []string // two of *.example.net, one of *.example.com
	office, factory, nodeGroup, backendGroup string   // security groups
	backends                                 map[stack][]backend
	opened                                   [2]int32 // the ports of nodes that LBC has opened
	settings                                 ingress.Settings
	daemon                                   *daemon
	stop                                     func()
}

// inWorld runs a test in a world that LBC has left, and in which nothing runs. Nil: users
// have changed nothing of testdata/cluster.yaml before.
func inWorld(t *testing.T, change, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, stop: func() {}, backends: map[stack][]backend{}, opened: [2]int32{5000, 9001}, settings: ingress.DefaultSettings(cluster)}
		w.settings.DefaultTags = defaultTags
		for s, all := range backends {
			w.backends[s] = slices.Clone(all)
		}
		w.makeAccount()
		w.kube = kubesim.New(kubesim.Options{Kinds: []kubesim.Kind{
			{Group: bindingsOf.Group, Version: bindingsOf.Version, Kind: "TargetGroupBinding", Resource: bindingsOf.Resource, Namespaced: true, Status: true},
			{Group: paramsOf.Group, Version: paramsOf.Version, Kind: "IngressClassParams", Resource: paramsOf.Resource},
		}})
		defer w.kube.Close()
		var err error
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		w.custom, err = dynamic.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		w.applyCluster()
		if change != nil {
			change(w)
		}
		w.provisionByLBC()
		defer func() { w.stop() }()
		test(w)
	})
}

// makeAccount makes what an account has before LBC comes, and the backend security group.
func (w *world) makeAccount() {
	w.t.Helper()
	roles := map[string]string{"kubernetes.io/role/elb": "1", "kubernetes.io/role/internal-elb": "1"}
	var err error
	w.sim, err = awssim.New(awssim.Options{Latency: 60 * time.Millisecond, VPCs: []awssim.VPC{{
		ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, IPv6CIDRs: []string{"2001:db8:1::/56"}, Subnets: []awssim.Subnet{
			{ID: "subnet-a", Zone: region + "a", CIDR: "10.0.1.0/24", IPv6CIDR: "2001:db8:1:1::/64", Public: true, Tags: roles},
			{ID: "subnet-b", Zone: region + "b", CIDR: "10.0.2.0/24", IPv6CIDR: "2001:db8:1:2::/64", Public: true, Tags: roles},
		},
	}}})
	require.NoError(w.t, err)
	for _, name := range []string{"*.example.net", "www.example.net", "*.example.com"} {
		arn, err := w.sim.AddCertificate(awssim.Certificate{Names: []string{name}})
		require.NoError(w.t, err)
		w.certificates = append(w.certificates, arn)
	}
	config := aws.Config{
		Region: region, HTTPClient: &http.Client{Transport: w.sim.Transport()}, Credentials: credentials.NewStaticCredentialsProvider("lbc", "lbc", ""),
	}
	w.elb, w.ec2 = elb.NewFromConfig(config), ec2.NewFromConfig(config)
	w.office = w.securityGroup("office-access", "people", nil)
	w.factory = w.securityGroup("factory-access", "machines", map[string]string{"Name": "factory"})
	w.nodeGroup = w.securityGroup("nodes", "nodes", map[string]string{"kubernetes.io/cluster/" + cluster: "owned"})
	w.backendGroup = w.securityGroup(sharedGroupName(), sharedGroupDescription, sharedGroupTags())
	var addresses []string
	for _, all := range w.backends {
		for _, b := range all {
			addresses = append(addresses, b.address)
		}
	}
	require.NoError(w.t, w.sim.SetInterface(awssim.Interface{
		ID: "eni-0a1b2c3d4e5f60718", SubnetID: "subnet-a", InstanceID: instanceID,
		Addresses: append([]string{"10.0.1.10"}, addresses...), SecurityGroups: []string{w.nodeGroup},
	}))
}

// applyCluster applies testdata/cluster.yaml.
func (w *world) applyCluster() {
	w.t.Helper()
	data, err := os.ReadFile("testdata/cluster.yaml")
	require.NoError(w.t, err)
	replaced := strings.NewReplacer("CERTIFICATE-1", w.certificates[0], "CERTIFICATE-2", w.certificates[1], "OFFICE", w.office).Replace(string(data))
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(replaced)), len(replaced))
	resources := map[string]string{
		"IngressClass": "ingressclasses", "IngressClassParams": "ingressclassparams", "Namespace": "namespaces", "Node": "nodes", "Ingress": "ingresses",
		"Service": "services",
	}
	for {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(u); errors.Is(err, io.EOF) {
			return
		}
		require.NoError(w.t, err)
		resource := u.GroupVersionKind().GroupVersion().WithResource(resources[u.GetKind()])
		require.NotEmpty(w.t, resource.Resource, u.GetKind())
		_, err := w.custom.Resource(resource).Namespace(u.GetNamespace()).Create(w.t.Context(), u, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
}

func (w *world) serviceUID(namespace, name string) string {
	w.t.Helper()
	svc, err := w.admin.CoreV1().Services(namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return string(svc.UID)
}

// showAddress writes a load balancer's name and ports into Ingresses ("namespace/name").
func (w *world) showAddress(lb types.LoadBalancer, ports []int32, ingresses ...string) {
	w.t.Helper()
	entry := networkingv1.IngressLoadBalancerIngress{Hostname: strings.ToLower(*lb.DNSName)}
	for _, port := range ports {
		entry.Ports = append(entry.Ports, networkingv1.IngressPortStatus{Port: port, Protocol: corev1.ProtocolTCP})
	}
	for _, key := range ingresses {
		w.updateIngress(key, func(*networkingv1.Ingress) {}, func(ing *networkingv1.Ingress) {
			ing.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{entry}
		})
	}
}

// updateIngress changes an Ingress ("namespace/name"), and what it shows.
func (w *world) updateIngress(key string, change, show func(*networkingv1.Ingress)) {
	w.t.Helper()
	namespace, name, _ := strings.Cut(key, "/")
	ingresses := w.admin.NetworkingV1().Ingresses(namespace)
	ing, err := ingresses.Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	change(ing)
	ing, err = ingresses.Update(w.t.Context(), ing, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	if show != nil {
		show(ing)
		_, err = ingresses.UpdateStatus(w.t.Context(), ing, metav1.UpdateOptions{})
		require.NoError(w.t, err)
	}
}

// binding writes the TargetGroupBinding of a target group.
func (w *world) binding(s stack, b backend, name, arn string) {
	w.t.Helper()
	port := func(text string) map[string]any { return map[string]any{"protocol": "TCP", "port": number(text)} }
	ports := []any{port(b.targetPort)}
	if b.check.port != "traffic-port" {
		ports = append(ports, port(b.check.port))
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
		"spec": map[string]any{
			"targetGroupARN": arn, "targetType": b.kind(), "targetGroupProtocol": b.protocol, "ipAddressType": "ipv4", "vpcID": vpcID,
			"serviceRef": map[string]any{"name": b.service, "port": number(b.port)},
			"networking": map[string]any{"ingress": []any{map[string]any{
				"from": []any{map[string]any{"securityGroup": map[string]any{"groupID": w.backendGroup}}}, "ports": ports,
			}}},
		},
	}}
	if b.multiCluster {
		u.Object["spec"].(map[string]any)["multiClusterTargetGroup"] = true
	}
	u.SetNamespace(b.namespace)
	u.SetName(name)
	u.SetLabels(s.labels())
	u.SetFinalizers([]string{"elbv2.k8s.aws/resources"})
	u.SetAnnotations(map[string]string{"elbv2.k8s.aws/checkpoint": "c0ffee/1:2", "elbv2.k8s.aws/checkpoint-timestamp": "1764000000"})
	made, err := w.custom.Resource(bindingsOf).Namespace(b.namespace).Create(w.t.Context(), u, metav1.CreateOptions{})
	require.NoError(w.t, err)
	made.Object["status"] = map[string]any{"observedGeneration": made.GetGeneration()}
	_, err = w.custom.Resource(bindingsOf).Namespace(b.namespace).UpdateStatus(w.t.Context(), made, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// pod makes the pod behind a backend, with LBC's gate, which is open, and its slice.
func (w *world) pod(b backend, group string) {
	w.t.Helper()
	gate := corev1.PodConditionType("target-health.elbv2.k8s.aws/" + group)
	ports := []corev1.ContainerPort{{Name: "app", ContainerPort: b.podPort}}
	pod, err := w.admin.CoreV1().Pods(b.namespace).Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: b.service + "-1", Labels: map[string]string{"app": b.service}},
		Spec: corev1.PodSpec{
			NodeName: "node-1", Containers: []corev1.Container{{Name: "app", Ports: ports}}, ReadinessGates: []corev1.PodReadinessGate{{ConditionType: gate}},
		},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, b.address, []corev1.PodIP{{IP: b.address}}
	for _, condition := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady, gate} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: condition, Status: corev1.ConditionTrue})
	}
	pod, err = w.admin.CoreV1().Pods(b.namespace).UpdateStatus(w.t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(w.t, err)
	name := ""
	if b.service == "web" || b.service == "api" {
		name = "http"
	}
	_, err = w.admin.DiscoveryV1().EndpointSlices(b.namespace).Create(w.t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: b.service + "-x", Labels: map[string]string{discoveryv1.LabelServiceName: b.service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &b.podPort, Protocol: new(corev1.ProtocolTCP)}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{b.address}, NodeName: new("node-1"), Zone: new(region + "a"),
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: b.namespace, Name: pod.Name, UID: pod.UID},
		}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// number is a port as objects have it: a number, or a name.
func number(text string) any {
	if n := slices.IndexFunc([]byte(text), func(c byte) bool { return c < '0' || c > '9' }); n >= 0 {
		return text
	}
	var n int64
	for _, c := range text {
		n = 10*n + int64(c-'0')
	}
	return n
}
