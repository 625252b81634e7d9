package groupbinding

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

const arnOfG = "arn:aws:elasticloadbalancing:ap-northeast-3:123456789012:targetgroup/g/73e2d6bc24d8a067"

// object returns a TargetGroupBinding for the group g and the Service echo.
func object(name string, change ...func(*Object)) *Object {
	o := &Object{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name, UID: types.UID(name), Generation: 1},
		Spec:       Spec{TargetGroupARN: arnOfG, ServiceRef: ServiceRef{Name: "echo", Port: intstr.FromInt32(80)}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func deleted(o *Object) {
	o.DeletionTimestamp, o.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{Finalizer}
}

func left(o *Object) { o.Labels = map[string]string{labelStack: "web"} }

// found is a target group that fits.
func found() *awsapi.TargetGroup {
	return &awsapi.TargetGroup{ARN: arnOfG, Name: "g", Protocol: "HTTP", TargetType: "ip", IPAddressType: "ipv4", VPCID: "vpc-1", HealthCheck: awsapi.HealthCheck{IntervalSeconds: 15, TimeoutSeconds: 5, UnhealthyThreshold: 2}}
}

// judgeOne judges one object, or the last of several.
func judgeOne(f *finding, provisioned bool, objects ...*Object) verdict {
	verdicts := judge(input{
		cluster: "here", objects: objects, provisioned: map[string]bool{arnOfG: provisioned},
		vpc: "vpc-1", now: time.Unix(1000, 0),
		found: func(o *Object) *finding {
			if o.groupName() == "g" {
				return f
			}
			return nil
		},
		service: func(name types.NamespacedName) *corev1.Service {
			if name.Name != "echo" {
				return nil
			}
			return &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}
		},
	})
	return verdicts[len(verdicts)-1]
}

// judging is one object and what is to be done about it.
type judging struct {
	change      func(*Object)
	finding     *finding
	provisioned bool
	action      action
	ready       bool
	reason      string
	says        string
}

func (tt judging) check(t *testing.T) {
	t.Helper()
	if tt.change == nil {
		tt.change = func(*Object) {}
	}
	o := object("a", tt.change)
	v := judgeOne(tt.finding, tt.provisioned, o)
	require.Equal(t, tt.action, v.action)
	require.Equal(t, tt.ready, v.ready)
	require.Equal(t, tt.reason, v.reason)
	if tt.reason != "" {
		require.Contains(t, v.message, tt.says)
	}
	require.Equal(t, tt.action == bind || tt.action == drain, v.binding.GroupARN == arnOfG)
	require.Equal(t, object("a", tt.change), o, "it was changed")
}

// abroad makes an object name a group of another account.
func abroad(o *Object) {
	o.Spec.RoleARN, o.Spec.ExternalID = "arn:aws:iam::1:role/x", "secret"
}

// group returns a finding of a group that fits but for a change.
func group(change func(*awsapi.TargetGroup)) *finding {
	g := found()
	change(g)
	return &finding{group: g}
}

func TestJudge(t *testing.T) {
	good := &finding{group: found()}
	tests := map[string]judging{
		"by ARN":                   {finding: good, action: bind, ready: true, reason: "Bound"},
		"by name":                  {change: func(o *Object) { o.Spec.TargetGroupARN, o.Spec.TargetGroupName = "", "g" }, finding: good, action: bind, ready: true, reason: "Bound"},
		"by both":                  {change: func(o *Object) { o.Spec.TargetGroupName = "g" }, finding: good, action: bind, ready: true, reason: "Bound"},
		"by two that differ":       {change: func(o *Object) { o.Spec.TargetGroupName = "h" }, finding: good, reason: "InvalidSpec", says: "spec.targetGroupName: h"},
		"by none":                  {change: func(o *Object) { o.Spec.TargetGroupARN = "" }, reason: "InvalidSpec", says: "one of targetGroupARN and targetGroupName"},
		"not an ARN":               {change: func(o *Object) { o.Spec.TargetGroupARN = "g" }, reason: "InvalidSpec", says: "spec.targetGroupARN: g is not"},
		"unreadable":               {change: func(o *Object) { o.Malformed = "spec.x" }, reason: "InvalidSpec", says: "spec.x"},
		"not looked up yet":        {},
		"group not found":          {finding: &finding{}, reason: "TargetGroupNotFound", says: "spec.targetGroupARN: there is no target group g"},
		"another group":            {finding: group(func(g *awsapi.TargetGroup) { g.ARN += "0" }), reason: "TargetGroupNotFound", says: "another one"},
		"AWS does not answer":      {finding: &finding{err: errors.New("x")}, reason: "FailedLookup", says: "AWS answers Unknown"},
		"AWS does not answer now":  {finding: &finding{group: found(), err: errors.New("x")}, action: bind, ready: true, reason: "Bound"},
		"instance asked for":       {change: func(o *Object) { o.Spec.TargetType = "instance" }, finding: good, reason: "NotSupported", says: "spec.targetType: instance"},
		"group of instances":       {finding: group(func(g *awsapi.TargetGroup) { g.TargetType = "instance" }), reason: "WrongTargetGroup", says: "target type instance, not ip"},
		"group of a load balancer": {finding: group(func(g *awsapi.TargetGroup) { g.TargetType = "alb" }), reason: "WrongTargetGroup", says: "alb"},
		"UDP":                      {finding: group(func(g *awsapi.TargetGroup) { g.Protocol = "TCP_UDP" }), reason: "WrongTargetGroup", says: "protocol TCP_UDP"},
		"TCP":                      {finding: group(func(g *awsapi.TargetGroup) { g.Protocol = "TCP" }), action: bind, ready: true, reason: "Bound"},
		"another protocol":         {change: func(o *Object) { o.Spec.TargetGroupProtocol = "TCP" }, finding: good, reason: "WrongTargetGroup", says: "spec.targetGroupProtocol"},
		"another VPC":              {change: func(o *Object) { o.Spec.VPCID = "vpc-2" }, finding: good, reason: "WrongTargetGroup", says: "spec.vpcID: target group g has VPC vpc-1, not vpc-2"},
		"another address type":     {change: func(o *Object) { o.Spec.IPAddressType = "ipv6" }, finding: good, reason: "WrongTargetGroup", says: "spec.ipAddressType"},
		"address type by default":  {change: func(o *Object) { o.Spec.IPAddressType = "ipv4" }, finding: group(func(g *awsapi.TargetGroup) { g.IPAddressType = "" }), action: bind, ready: true, reason: "Bound"},
		"port by name":             {change: func(o *Object) { o.Spec.ServiceRef.Port = intstr.FromString("web") }, finding: good, action: bind, ready: true, reason: "Bound"},
		"no such port":             {change: func(o *Object) { o.Spec.ServiceRef.Port = intstr.FromInt32(81) }, finding: good, action: bind, reason: "BackendNotFound", says: "spec.serviceRef.port: Service demo/echo has no port 81"},
		"no such Service":          {change: func(o *Object) { o.Spec.ServiceRef.Name = "x" }, finding: good, action: bind, reason: "BackendNotFound", says: "spec.serviceRef.name: Service demo/x"},
		"another account":          {change: abroad, finding: good, action: bind, ready: true, reason: "Bound"},
		"no role":                  {change: func(o *Object) { o.Spec.RoleARN = "arn:aws:iam::1:user/x" }, finding: good, reason: "InvalidSpec", says: "spec.iamRoleArnToAssume: arn:aws:iam::1:user/x is not the ARN of a role"},
		"instance abroad":          {change: func(o *Object) { abroad(o); o.Spec.TargetType = "instance" }, finding: good, reason: "InvalidSpec", says: "spec.targetType: instance cannot be used"},
	}
	for name, tt := range tests {
		t.Run(name, tt.check)
	}
}

func TestJudgeWhoseGroup(t *testing.T) {
	good := &finding{group: found()}
	tagged := group(func(g *awsapi.TargetGroup) {
		g.Tags = awsapi.Tags{"elbv2.k8s.aws/cluster": "here", "ingress.k8s.aws/stack": "web"}
	})
	tests := map[string]judging{
		"the provisioner's":        {finding: good, provisioned: true, reason: "TargetGroupTaken"},
		"the provisioner's by tag": {finding: tagged, reason: "TargetGroupTaken", says: "belongs to the Ingress group web"},
		"another cluster's by tag": {
			finding: group(func(g *awsapi.TargetGroup) {
				g.Tags = awsapi.Tags{"elbv2.k8s.aws/cluster": "there", "ingress.k8s.aws/stack": "web"}
			}),
			action: bind, ready: true, reason: "Bound",
		},
		"a Service's by tag": {
			finding: group(func(g *awsapi.TargetGroup) {
				g.Tags = awsapi.Tags{"elbv2.k8s.aws/cluster": "here", "service.k8s.aws/stack": "web"}
			}),
			action: bind, ready: true, reason: "Bound",
		},
		"an alias":                      {change: left, finding: tagged, provisioned: true},
		"left, with a stack of its own": {change: func(o *Object) { o.Labels = map[string]string{labelStackName: "web"} }, finding: tagged, provisioned: true},
		"left, and nobody binds":        {change: left, finding: tagged, action: bind},
		"left, and the group is gone":   {change: left, finding: &finding{failures: 2}, action: remove},
		"left, and gone for a moment":   {change: left, finding: &finding{failures: 1}},
		"left, and not known":           {change: left},
		"left, and at fault":            {change: func(o *Object) { left(o); o.Spec.TargetType = "instance" }, finding: tagged},

		"deleted":                      {change: deleted, finding: good, action: drain, reason: "Draining"},
		"deleted, not ours":            {change: func(o *Object) { deleted(o); o.Finalizers = []string{"x"} }, finding: good},
		"deleted, not looked up yet":   {change: deleted},
		"deleted, AWS does not answer": {change: deleted, finding: &finding{err: errors.New("x")}, reason: "FailedCleanup", says: "cannot look up"},
		"deleted, AWS does not answer there": {
			change: func(o *Object) { deleted(o); abroad(o); o.DeletionTimestamp = new(metav1.Unix(401, 0)) }, finding: &finding{err: errors.New("x")},
			reason: "FailedCleanup", says: "cannot look up",
		},
		"deleted, AWS has not answered there for 10 minutes": {
			change: func(o *Object) { deleted(o); abroad(o); o.DeletionTimestamp = new(metav1.Unix(400, 0)) }, finding: &finding{err: errors.New("x")}, action: release,
		},
		"deleted, AWS has not answered for 10 minutes": {
			change: func(o *Object) { deleted(o); o.DeletionTimestamp = new(metav1.Unix(400, 0)) }, finding: &finding{err: errors.New("x")}, reason: "FailedCleanup",
		},
		"deleted, and the group is gone":  {change: deleted, finding: &finding{}, action: release},
		"deleted, and it was never bound": {change: func(o *Object) { deleted(o); o.Spec.VPCID = "vpc-2" }, finding: good, action: release},
		"deleted, the provisioner's":      {change: deleted, finding: tagged, action: release},
		"left and deleted":                {change: func(o *Object) { deleted(o); left(o) }, finding: good, action: release},
	}
	for name, tt := range tests {
		t.Run(name, tt.check)
	}
}

func TestJudgeBinding(t *testing.T) {
	six := found()
	six.IPAddressType = "ipv6"
	v := judgeOne(&finding{group: six}, false, object("a"))
	want := target.Binding{
		GroupARN: arnOfG, GroupName: "g", Service: types.NamespacedName{Namespace: "demo", Name: "echo"},
		ServicePort: intstr.FromInt32(80), Family: discoveryv1.AddressTypeIPv6, Name: "a",
		Check: target.Check{IntervalSeconds: 15, TimeoutSeconds: 5, UnhealthyThreshold: 2},
	}
	require.Equal(t, want, v.binding)
	there := found()
	there.VPCID = "vpc-2"
	v = judgeOne(&finding{group: there}, false, object("a", abroad))
	require.Equal(t, target.Role{ARN: "arn:aws:iam::1:role/x", ExternalID: "secret"}, v.binding.Role)
	require.Equal(t, "vpc-2", v.binding.VPC)
	want.Family, want.Shared = "", true
	require.Equal(t, want, judgeOne(&finding{group: found()}, false, object("a", func(o *Object) { o.Spec.MultiCluster = true })).binding)
	want.Shared, want.Drain = false, true
	require.Equal(t, want, judgeOne(&finding{group: found()}, false, object("a", deleted)).binding)
}

func TestJudgeTwoForOneGroup(t *testing.T) {
	good := &finding{group: found()}
	later := func(o *Object) { o.CreationTimestamp = metav1.Unix(100, 0) }
	v := judgeOne(good, false, object("z"), object("a", later))
	require.Equal(t, leave, v.action)
	require.Equal(t, problem{reasonTaken, "spec.targetGroupARN: target group g is bound by TargetGroupBinding demo/z, which is older"}, v.problem)

	v = judgeOne(good, false, object("z", func(o *Object) { o.Spec.VPCID = "vpc-2" }), object("a", later))
	require.Equal(t, bind, v.action, "what cannot be bound is in nobody's way")
	v = judgeOne(good, false, object("z", deleted), object("a", later))
	require.Equal(t, bind, v.action, "what is deleted is in nobody's way")
	v = judgeOne(good, false, object("z"), object("a", deleted))
	require.Equal(t, release, v.action, "the group is somebody else's")
}

func TestOlder(t *testing.T) {
	at := func(seconds int64, namespace, name string) *Object {
		return object(name, func(o *Object) { o.Namespace, o.CreationTimestamp = namespace, metav1.Unix(seconds, 0) })
	}
	for _, order := range [][2]*Object{
		{at(1, "z", "z"), at(2, "a", "a")}, {at(1, "a", "z"), at(1, "b", "a")}, {at(1, "a", "a"), at(1, "a", "b")},
	} {
		require.Negative(t, older(order[0], order[1]))
		require.Positive(t, older(order[1], order[0]))
	}
}

func TestRead(t *testing.T) {
	source := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{
			"namespace": "demo", "name": "a", "uid": "u", "resourceVersion": "7", "generation": int64(3),
			"annotations": map[string]any{"elbv2.k8s.aws/checkpoint": "x"}, "finalizers": []any{Finalizer},
		},
		"spec": map[string]any{
			"targetGroupARN": arnOfG, "targetType": "ip", "vpcID": "vpc-1", "ipAddressType": "ipv4", "networking": map[string]any{"ingress": []any{}},
			"serviceRef": map[string]any{"name": "echo", "port": int64(80)},
		},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}}
	obj, err := read(source)
	require.NoError(t, err)
	require.Equal(t, &Object{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "a", UID: "u", ResourceVersion: "7", Generation: 3, Finalizers: []string{Finalizer}},
		Spec: Spec{
			TargetGroupARN: arnOfG, TargetType: "ip", VPCID: "vpc-1", IPAddressType: "ipv4", Networking: &Networking{Ingress: []NetworkingRule{}},
			ServiceRef: ServiceRef{Name: "echo", Port: intstr.FromInt32(80)},
		},
		Status: Status{Conditions: []metav1.Condition{{Type: "Ready", Status: "True"}}},
	}, obj)
	again, err := read(obj)
	require.NoError(t, err)
	require.Same(t, obj, again)

	source.Object["spec"] = map[string]any{"serviceRef": "echo"}
	obj, err = read(source)
	require.NoError(t, err, "an informer would stop")
	require.NotEmpty(t, obj.(*Object).Malformed)
	require.Equal(t, types.NamespacedName{Namespace: "demo", Name: "a"}, obj.(*Object).key())
	require.True(t, obj.(*Object).finalized())
}

func TestNameIn(t *testing.T) {
	tests := map[string]string{
		arnOfG: "g",
		"arn:aws-cn:elasticloadbalancing:cn-north-1:1:targetgroup/a-b/1": "a-b",
		"arn:aws:elasticloadbalancing:r:1:loadbalancer/app/a/1":          "",
		"arn:aws:elasticloadbalancing:r:1:targetgroup/a":                 "",
		"arn:aws:ec2:r:1:targetgroup/a/1":                                "",
		"targetgroup/a/1":                                                "",
		"":                                                               "",
	}
	for arn, name := range tests {
		require.Equal(t, name, nameIn(arn), arn)
	}
}
