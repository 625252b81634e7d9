package provision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// A name that somebody else has is not adopted.
func TestForeignLoadBalancer(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		theirs, err := w.aws.ELB.CreateLoadBalancer(t.Context(), awsapi.LoadBalancer{
			Name: "mine", Type: typeApplication, Scheme: "internal", SubnetIDs: []string{"subnet-a", "subnet-b"},
		})
		require.NoError(t, err)
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", map[string]string{"load-balancer-name": "mine"}, "echo0")
		w.start()
		w.settle()
		said := w.said()
		require.Len(t, said, 1)
		require.Contains(t, said[0], `FailedDeployModel: load balancer "mine" exists (`+theirs.ARN+`)`)

		require.NoError(t, w.aws.ELB.DeleteLoadBalancer(t.Context(), theirs.ARN))
		w.settle()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
	})
}

func TestNoSubnets(t *testing.T) {
	inWorld(t, awssim.Options{VPCs: []awssim.VPC{{ID: vpcID, CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
		{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.1.0/24", Public: true, Tags: map[string]string{publicRole: "1"}},
	}}}}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		said := w.said()
		require.Len(t, said, 1)
		require.Contains(t, said[0], "looked for subnets with tag kubernetes.io/role/elb")
		require.Contains(t, said[0], "usable: subnet-a in ap-northeast-3a")
		require.Equal(t, []string{"demo0/echo0"}, bound(w.loop.Bindings()), "registration does not wait for the load balancer")
	})
}

// A rule that AWS refuses does not keep the others from being made.
func TestRefusedRule(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.service("demo0", "echo1")
		w.ingress("demo0", "first", nil, "echo0", "echo1")
		w.sim.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 1, Code: "InvalidConfigurationRequest", Message: "no such thing"})
		w.start()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
		require.Contains(t, strings.Join(w.said(), "\n"), "no such thing")
		w.settle()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 2, "rule": 3}, kinds(w.account()))
	})
}

// The audit finds what somebody else changed.
func TestAuditRepairsDrift(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		want := w.account()
		balancers, err := w.aws.ELB.DescribeLoadBalancers(t.Context())
		require.NoError(t, err)
		listeners, err := w.aws.ELB.DescribeListeners(t.Context(), balancers[0].ARN)
		require.NoError(t, err)
		require.NoError(t, w.aws.ELB.DeleteListener(t.Context(), listeners[0].ARN))
		groups, err := w.aws.EC2.DescribeSecurityGroups(t.Context(), vpcID, awsapi.Tags{ingress.TagStack: "demo0/first"})
		require.NoError(t, err)
		require.NoError(t, w.aws.EC2.AuthorizeIngress(t.Context(), groups[0].ID, []awsapi.Permission{
			{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: "0.0.0.0/0"},
		}))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, want, w.account())
	})
}

// While a group fails, changes beside it do not make it call AWS more often.
func TestBackOffHoldsUnderUnrelatedChanges(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.sim.Inject(awssim.Fault{Action: "CreateLoadBalancer", Code: "TooManyLoadBalancers", Message: "full"})
		w.start()
		w.settle()
		w.calls()
		said := w.said()
		require.Len(t, said, 1, "a failure is told once: %v", said)
		for i := range 60 {
			w.service("demo0", fmt.Sprintf("other-%d", i))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		require.LessOrEqual(t, count(w.calls(), "CreateLoadBalancer"), 2)
		w.sim.ClearFaults()
		w.update("demo0", "first", func(ing *networkingv1.Ingress) {
			ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo0", "other-1")}
		})
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		require.True(t, slices.Contains(w.calls(), "CreateLoadBalancer"), "a change of its own is tried at once")
	})
}

// A group that fails twice at once, for two versions of what it asks for, is tried
// again for the second although the first one's date comes before.
func TestRetryIsNotLost(t *testing.T) {
	for range 20 {
		inWorld(t, awssim.Options{}, func(w *world) {
			t := w.t
			w.service("demo0", "echo0")
			w.service("demo0", "echo1")
			w.ingress("demo0", "first", nil, "echo0")
			w.sim.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 2, Code: "TargetGroupNotFound"})
			w.start()
			time.Sleep(500 * time.Millisecond)
			w.update("demo0", "first", func(ing *networkingv1.Ingress) {
				ing.Spec.Rules = []networkingv1.IngressRule{rulesTo("echo1")}
			})
			w.settle()
			require.Equal(t, []string{"demo0/echo1"}, bound(w.loop.Bindings()))
		})
	}
}

// Whoever takes an Ingress's finalizer away by hand keeps what AWS holds of it, but
// its targets are no longer synced.
func TestFinalizerRemovedByHand(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.start()
		w.settle()
		before := w.account()
		require.NoError(t, w.client.NetworkingV1().Ingresses("demo0").Delete(t.Context(), "first", metav1.DeleteOptions{}))
		w.settle()
		require.Equal(t, before, w.account())
		require.Empty(t, w.loop.Bindings())
	})
}

// What a member leaves behind that lost its finalizer by hand goes with the next
// pass over those who stay, wherever they are.
func TestMemberVanishes(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		shared := map[string]string{"group.name": "shared"}
		w.service("demo0", "echo0")
		w.service("demo1", "echo1")
		w.ingress("demo0", "a", shared, "echo0")
		w.ingress("demo1", "b", shared, "echo1")
		w.start()
		w.settle()
		require.NoError(t, w.client.NetworkingV1().Ingresses("demo0").Delete(t.Context(), "a", metav1.DeleteOptions{}))
		w.settle()
		require.Equal(t, []string{"demo1/echo1"}, bound(w.loop.Bindings()))
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 1, "target group": 1, "rule": 2}, kinds(w.account()))
		require.NoError(t, removeFinalizers(t.Context(), w.client, ingress.GroupID{Name: "shared"},
			[]*networkingv1.Ingress{{ObjectMeta: metav1.ObjectMeta{Namespace: "demo0", Name: "a"}}}), "one that is gone needs nothing")
	})
}

// Another cluster in the account may have a group of the same name.
func TestOtherClusterIsLeftAlone(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		tags := func(resource string) awsapi.Tags {
			return awsapi.Tags{ingress.TagCluster: "other", ingress.TagStack: "shared", ingress.TagResource: resource}
		}
		_, err := w.aws.ELB.CreateLoadBalancer(t.Context(), awsapi.LoadBalancer{
			Name: "other", Type: typeApplication, Scheme: "internet-facing", SubnetIDs: []string{"subnet-a", "subnet-b"},
			Tags: tags(ingress.ResourceLoadBalancer),
		})
		require.NoError(t, err)
		_, err = w.aws.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{
			Name: "other", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: vpcID, Tags: tags("demo0/a-echo0:80"),
		})
		require.NoError(t, err)
		before := w.account()
		w.service("demo0", "echo0")
		w.ingress("demo0", "a", map[string]string{"group.name": "shared"}, "echo0")
		w.start()
		w.settle()
		require.Equal(t, map[string]int{"security group": 1, "load balancer": 2, "target group": 2, "rule": 2}, kinds(w.account()))
		w.restart()
		w.remove("demo0", "a")
		w.settle()
		require.Equal(t, before, w.account())
	})
}

// What the next try mends is no news.
func TestOneHiccupIsNoNews(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		w.service("demo0", "echo0")
		w.ingress("demo0", "first", nil, "echo0")
		w.sim.Inject(awssim.Fault{Action: "CreateListener", Times: 1, Code: "LoadBalancerNotFound"})
		w.start()
		w.settle()
		require.Equal(t, []string{"demo0/first SuccessfullyReconciled: Successfully reconciled"}, w.said())
		require.Contains(t, w.passes, "NotFound")
	})
}

// A port that has to close is looked up again first: what memory does not know was
// opened by somebody else, and goes too.
func TestRevocationReadsFirst(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		m := aModel()
		m.LoadBalancer.SecurityGroups.Managed.Description = "x"
		id, err := w.aws.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{Name: "sg", Description: "x", VPCID: vpcID, Tags: awsapi.Tags{"k": "v"}})
		require.NoError(t, err)
		open := func(port int32) awsapi.Permission {
			return awsapi.Permission{Protocol: "tcp", FromPort: port, ToPort: port, CIDR: "0.0.0.0/0"}
		}
		require.NoError(t, w.aws.EC2.AuthorizeIngress(t.Context(), id, []awsapi.Permission{open(22), open(80)}))
		st := &stack{securityGroups: []*awsapi.SecurityGroup{{ID: id, Name: "sg", Ingress: []awsapi.Permission{open(80), open(443)}}}}
		x := &executor{ec2: w.aws.EC2, vpcID: vpcID, owned: awsapi.Tags{"k": "v"}, stack: st, log: w.log}
		require.NoError(t, x.run(t.Context(), diffRevocations(m, st)))
		require.Equal(t, []awsapi.Permission{open(80)}, st.securityGroups[0].Ingress)
		require.Empty(t, diffRevocations(m, st))
	})
}

// Where a security group has no room, the old permissions make way.
func TestSecurityGroupIsFull(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		m := aModel()
		id, err := w.aws.EC2.CreateSecurityGroup(t.Context(), awsapi.SecurityGroup{Name: "sg", Description: "x", VPCID: vpcID, Tags: awsapi.Tags{"k": "v"}})
		require.NoError(t, err)
		var full []awsapi.Permission
		for port := range int32(60) {
			full = append(full, awsapi.Permission{Protocol: "tcp", FromPort: 1000 + port, ToPort: 1000 + port, CIDR: "10.0.0.0/8"})
		}
		require.NoError(t, w.aws.EC2.AuthorizeIngress(t.Context(), id, full))
		st := &stack{securityGroups: []*awsapi.SecurityGroup{{ID: id, Name: "sg", Ingress: full}}}
		x := &executor{ec2: w.aws.EC2, vpcID: vpcID, owned: awsapi.Tags{"k": "v"}, stack: st, log: w.log}
		require.NoError(t, x.must(t.Context(), diffSecurityGroup(m, st)))
		require.Equal(t, permissions(m.LoadBalancer.SecurityGroups.Managed), st.securityGroups[0].Ingress)
	})
}
