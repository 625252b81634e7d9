package awssim_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func TestFaults(t *testing.T) {
	a := open(t, awssim.Options{})
	a.Inject(awssim.Fault{Service: "ec2", Times: 1, Throttle: true})
	a.Inject(awssim.Fault{Service: "elasticloadbalancing", Action: "CreateTargetGroup", Times: 2, Code: "AccessDenied", Message: "no", Status: 403})
	a.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 1, Code: "Second", Message: "no"})
	for _, code := range []string{"AccessDenied", "AccessDenied", "Second"} {
		requireCode(t, fails(t, a.elb.CreateTargetGroup, newGroup("echo")), code, "no")
	}
	require.Empty(t, do(t, a.elb.DescribeTargetGroups, nil).TargetGroups, "a failed call has no effect")
	a.group(t, "echo")
	requireCode(t, fails(t, a.ec2.DescribeVpcs, nil), "RequestLimitExceeded", "Request limit exceeded.")
	do(t, a.ec2.DescribeVpcs, nil)

	a.Inject(awssim.Fault{Action: "*", Code: "ServiceUnavailable", Status: 503})
	for range 3 {
		requireCode(t, fails(t, a.elb.DescribeTargetGroups, nil), "ServiceUnavailable", "")
	}
	a.ClearFaults()
	do(t, a.elb.DescribeTargetGroups, nil)
}

func TestLostResponse(t *testing.T) {
	a := open(t, awssim.Options{})
	for name, remote := range map[string]account{"in-process": a, "over-tcp": overTCP(t, a)} {
		t.Run(name, func(t *testing.T) {
			a.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 1, LoseResponse: true})
			err := fails(t, remote.elb.CreateTargetGroup, newGroup(name))
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Len(t, do(t, remote.elb.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{Names: []string{name}}).TargetGroups, 1)
			calls := a.Calls()
			lost := calls[len(calls)-2]
			require.True(t, lost.Lost)
			require.Equal(t, "OK", lost.Code)
			require.Equal(t, name, lost.Params["Name"])
		})
	}
}

func (a account) deregister(t *testing.T, group *string, ids ...string) {
	t.Helper()
	do(t, a.elb.DeregisterTargets, &elb.DeregisterTargetsInput{TargetGroupArn: group, Targets: descriptions(ids)})
}

// addresses are the targets of a group that are not draining.
func (a account) addresses(group *string) []string {
	list := []string{}
	for _, target := range a.Targets(*group) {
		if target.Deregistered.IsZero() {
			list = append(list, target.Address.Addr().String())
		}
	}
	return list
}

func TestReset(t *testing.T) {
	a := open(t, awssim.Options{Throttling: true})
	for name, remote := range map[string]account{"in-process": a, "over-tcp": overTCP(t, a)} {
		t.Run(name, func(t *testing.T) {
			fault := a.Inject(awssim.Fault{Action: "CreateTargetGroup", Times: 2, Reset: true})
			for range 2 {
				require.ErrorIs(t, fails(t, remote.elb.CreateTargetGroup, newGroup(name)), syscall.ECONNRESET)
			}
			require.Equal(t, 2, fault.Hits())
			require.NotContains(t, a.groupNames(t), name, "the call had no effect")
			remote.group(t, name)
			calls := a.Calls()
			require.Equal(t, []string{"", "OK"}, []string{calls[len(calls)-3].Code, calls[len(calls)-1].Code})
			require.True(t, calls[len(calls)-3].Lost)
		})
	}
}

func (a account) groupNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, g := range do(t, a.elb.DescribeTargetGroups, nil).TargetGroups {
		names = append(names, *g.TargetGroupName)
	}
	return names
}

func TestLateEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Latency: 100 * time.Millisecond})
		group := a.group(t, "echo")
		began := time.Now()
		fault := a.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, Late: awssim.Span{Min: 7 * time.Second}})
		require.ErrorIs(t, fails(t, a.elb.RegisterTargets, targets(group, "10.0.1.1")), syscall.ECONNRESET)
		require.Equal(t, 50*time.Millisecond, time.Since(began), "it is cut when it has arrived")
		require.Equal(t, 1, fault.Hits())
		time.Sleep(7*time.Second - 1)
		require.Empty(t, a.addresses(group))
		time.Sleep(1)
		synctest.Wait()
		require.Equal(t, []string{"10.0.1.1"}, a.addresses(group))
		call := a.Calls()[1]
		require.Equal(t, began.Add(7050*time.Millisecond), call.Time)
		require.Equal(t, began, call.Arrived)
		require.True(t, call.Lost)
		require.Equal(t, "OK", call.Code)
		require.Equal(t, call.Time, a.Targets(*group)[0].Registered)
	})
}

// Whoever gives up gets its own error, and the effect comes when nobody expects it
// any more.
func TestLateEffectAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{})
		group := a.group(t, "echo")
		a.register(t, group, "10.0.1.1")
		a.Inject(awssim.Fault{Action: "DeregisterTargets", Times: 1, Latency: time.Hour, Late: awssim.Span{Min: 10 * time.Second}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		_, err := a.elb.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: group, Targets: descriptions([]string{"10.0.1.1"})})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(began))
		a.register(t, group, "10.0.1.1")
		time.Sleep(10*time.Second - 1)
		require.Equal(t, []string{"10.0.1.1"}, a.addresses(group))
		time.Sleep(1)
		synctest.Wait()
		require.Empty(t, a.addresses(group), "15 s after it was sent, the old call undoes the new one")
	})
}

// A late call meets the account as it is by then.
func TestLateEffectIsValidatedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{})
		group := a.group(t, "echo")
		late := awssim.Fault{Action: "RegisterTargets", Times: 1, Late: awssim.Span{Min: time.Second}}
		a.Inject(late)
		require.Error(t, fails(t, a.elb.RegisterTargets, targets(group, "10.0.1.1")))
		do(t, a.elb.DeleteTargetGroup, &elb.DeleteTargetGroupInput{TargetGroupArn: group})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"TargetGroupNotFound"}, codes(a, "RegisterTargets"))

		// What is wrong in itself is answered at once.
		a.Inject(late)
		requireCode(t, fails(t, a.elb.RegisterTargets, &elb.RegisterTargetsInput{TargetGroupArn: new(""), Targets: descriptions([]string{"10.0.1.1"})}),
			"ValidationError", "")
	})
}

func TestLateEffectOverTCP(t *testing.T) {
	a := open(t, awssim.Options{})
	remote, group := overTCP(t, a), a.group(t, "echo")
	a.Inject(awssim.Fault{Action: "RegisterTargets", Times: 1, Late: awssim.Span{Min: time.Millisecond}})
	require.ErrorIs(t, fails(t, remote.elb.RegisterTargets, targets(group, "10.0.1.1")), syscall.ECONNRESET)
	require.Eventually(t, func() bool { return len(a.addresses(group)) == 1 }, time.Minute, time.Millisecond)
}

func TestThrottleStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true})
		group := a.group(t, "echo")
		time.Sleep(time.Minute)
		began := time.Now()
		storm := a.Inject(awssim.Fault{
			Bucket: awssim.RegistrationBucket, Throttle: true, Code: "Throttling",
			From: began.Add(time.Second), Until: began.Add(31 * time.Second),
		})
		register := func() error { _, err := a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1")); return err }
		time.Sleep(time.Second - 1)
		require.NoError(t, register())
		time.Sleep(1)
		for range 100 {
			requireCode(t, register(), "Throttling", "Rate exceeded")
		}
		do(t, a.elb.DescribeTargetGroups, nil)
		time.Sleep(30*time.Second - 1)
		requireCode(t, register(), "Throttling", "Rate exceeded")
		time.Sleep(1)
		require.Equal(t, 20, drain(t, "ThrottlingException", register), "what a storm refuses costs no token")
		require.Equal(t, 101, storm.Hits())

		storm.Clear()
		all := a.Inject(awssim.Fault{Bucket: awssim.AccountBucket, Throttle: true})
		requireCode(t, fails(t, a.elb.DescribeTargetGroups, nil), "ThrottlingException", "")
		do(t, a.ec2.DescribeVpcs, nil)
		require.Equal(t, 1, all.Hits(), "EC2 has buckets of its own")
	})
}

func TestFaultsByParameter(t *testing.T) {
	a := open(t, awssim.Options{})
	group := a.group(t, "echo")
	fault := a.Inject(awssim.Fault{
		Action: "RegisterTargets", Where: awssim.Naming("10.0.1.2"), Code: "InvalidTarget", Message: "not this one",
	})
	requireCode(t, fails(t, a.elb.RegisterTargets, targets(group, "10.0.1.1", "10.0.1.2")), "InvalidTarget", "not this one")
	a.register(t, group, "10.0.1.1", "10.0.1.22")
	a.deregister(t, group, "10.0.1.2")
	require.Equal(t, 1, fault.Hits())
}

// The share that a fault hits is chosen by who calls what, and how often: the same
// in every run, and whatever others do in between.
func TestFaultsOfOneCaller(t *testing.T) {
	a := open(t, awssim.Options{})
	stranger := clients(a.Sim, &http.Client{Transport: a.Transport()}, "http://aws.test", "STRANGER")
	a.Inject(awssim.Fault{Caller: "AKID", Throttle: true})
	requireCode(t, fails(t, a.elb.DescribeTargetGroups, nil), "ThrottlingException", "Rate exceeded")
	do(t, stranger.elb.DescribeTargetGroups, nil)
}

func TestShare(t *testing.T) {
	outcome := func(seed uint64, others bool) (hits []bool) {
		a := open(t, awssim.Options{Switches: awssim.Switches{Seed: seed}})
		group := a.group(t, "echo")
		a.Inject(awssim.Fault{Bucket: awssim.RegistrationBucket, Share: 0.25, Throttle: true})
		stranger := clients(a.Sim, &http.Client{Transport: a.Transport()}, "http://aws.test", "STRANGER")
		for range 400 {
			if others {
				_, _ = a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.9"))
				_, _ = stranger.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1"))
			}
			_, err := a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1"))
			hits = append(hits, err != nil)
		}
		return hits
	}
	count := func(hits []bool) (n int) {
		for _, hit := range hits {
			if hit {
				n++
			}
		}
		return n
	}
	first := outcome(1, false)
	require.InDelta(t, 100, count(first), 30)
	require.Equal(t, first, outcome(1, true))
	require.NotEqual(t, first, outcome(2, false))
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true})
		group := a.group(t, "echo")
		observer := clients(a.Sim, &http.Client{Transport: a.Transport()}, "http://aws.test", awssim.ObserverKeyID)
		fault := a.Inject(awssim.Fault{Latency: time.Second, Reset: true})
		began := time.Now()
		for range 100 {
			require.Len(t, do(t, observer.elb.DescribeTargetGroups, nil).TargetGroups, 1)
			require.Len(t, do(t, observer.ec2.DescribeVpcs, nil).Vpcs, 2)
		}
		requireCode(t, fails(t, observer.elb.RegisterTargets, targets(group, "10.0.1.1")), "AccessDenied", "")
		requireCode(t, fails(t, observer.elb.DescribeTargetHealth, &elb.DescribeTargetHealthInput{TargetGroupArn: new(noGroup)}), "TargetGroupNotFound", "")
		require.Zero(t, time.Since(began))
		require.Zero(t, fault.Hits())
		require.Len(t, a.Calls(), 1)
		require.Empty(t, a.addresses(group))
		fault.Clear()
		time.Sleep(time.Minute)
		require.Equal(t, 40, drain(t, "ThrottlingException", func() error {
			_, err := a.elb.DescribeTargetGroups(t.Context(), nil)
			return err
		}))
	})
}
