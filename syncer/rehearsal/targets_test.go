package rehearsal

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

// inAccount returns a rehearsing and a real client of the same account, and a target group.
func inAccount(t *testing.T) (rehearsing ELB, actual *awsapi.ELB, arn string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "ap-northeast-3", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	sim, err := awssim.New(awssim.Options{VPCs: []awssim.VPC{{ID: "vpc-1", CIDRs: []string{"10.0.0.0/16"}, Subnets: []awssim.Subnet{
		{ID: "subnet-a", Zone: "ap-northeast-3a", CIDR: "10.0.0.0/17"},
	}}}})
	require.NoError(t, err)
	c, err := awsapi.New(t.Context(), awsapi.Options{HTTPClient: &http.Client{Transport: sim.Transport()}})
	require.NoError(t, err)
	group, err := c.ELB.CreateTargetGroup(t.Context(), awsapi.TargetGroup{Name: "web", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-1"})
	require.NoError(t, err)
	return ELB{ELB: c.ELB, Targets: &Targets{}}, c.ELB, group.ARN
}

func parsed(t *testing.T, addresses ...string) (targets []target.Target) {
	t.Helper()
	for _, a := range addresses {
		at, err := netip.ParseAddrPort(a)
		require.NoError(t, err)
		targets = append(targets, target.Target{IP: at.Addr(), Port: int32(at.Port())})
	}
	return targets
}

// shows are the targets that a client reads, with their states.
func shows(t *testing.T, read func() ([]awsapi.TargetHealth, error)) map[string]string {
	t.Helper()
	health, err := read()
	require.NoError(t, err)
	states := map[string]string{}
	for _, h := range health {
		states[h.Target.String()] = h.State
	}
	return states
}

// What is registered and deregistered shows in what is read, until AWS says so itself,
// and AWS has nothing of it.
func TestTargetsAreBelieved(t *testing.T) {
	rehearsing, actual, arn := inAccount(t)
	read := func() map[string]string {
		return shows(t, func() ([]awsapi.TargetHealth, error) { return rehearsing.DescribeTargetHealth(t.Context(), arn) })
	}
	stands := parsed(t, "10.0.0.1:80", "10.0.0.2:80")
	require.NoError(t, actual.RegisterTargets(t.Context(), arn, stands, nil))
	before := read()
	require.Len(t, before, 2)

	require.NoError(t, rehearsing.DeregisterTargets(t.Context(), arn, stands[:1]))
	require.NoError(t, rehearsing.RegisterTargets(t.Context(), arn, parsed(t, "10.0.0.3:80"), nil))
	want := map[string]string{"10.0.0.2:80": before["10.0.0.2:80"], "10.0.0.3:80": "healthy"}
	require.Equal(t, want, read())
	require.Equal(t, want, read(), "and again")
	require.Equal(t, before, shows(t, func() ([]awsapi.TargetHealth, error) { return actual.DescribeTargetHealth(t.Context(), arn) }))

	// Somebody else does the same.
	require.NoError(t, actual.RegisterTargets(t.Context(), arn, parsed(t, "10.0.0.3:80"), nil))
	require.NotEqual(t, "healthy", read()["10.0.0.3:80"], "AWS's word counts")
	require.NoError(t, actual.DeregisterTargets(t.Context(), arn, parsed(t, "10.0.0.3:80")))
	require.NotContains(t, []string{"healthy", "initial"}, read()["10.0.0.3:80"], "what AWS took over is no belief any more")
	require.NotContains(t, read(), "10.0.0.1:80")
	require.NoError(t, rehearsing.RegisterTargets(t.Context(), arn, stands[:1], nil))
	require.Equal(t, before["10.0.0.1:80"], read()["10.0.0.1:80"], "it never went")
	require.Empty(t, rehearsing.Targets.believed)
}

// A group that was made has what was registered.
func TestTargetsOfWhatWasMade(t *testing.T) {
	rehearsing, _, _ := inAccount(t)
	group, err := rehearsing.CreateTargetGroup(t.Context(), awsapi.TargetGroup{Name: "new"})
	require.NoError(t, err)
	again, err := rehearsing.CreateTargetGroup(t.Context(), awsapi.TargetGroup{Name: "new"})
	require.NoError(t, err)
	require.Equal(t, group.ARN, again.ARN, "who makes it again has not made another")
	read := func() map[string]string {
		return shows(t, func() ([]awsapi.TargetHealth, error) { return rehearsing.DescribeTargetHealth(t.Context(), group.ARN) })
	}
	both := parsed(t, "10.0.0.1:80", "10.0.0.2:80")
	require.NoError(t, rehearsing.RegisterTargets(t.Context(), group.ARN, both, nil))
	require.Equal(t, map[string]string{"10.0.0.1:80": "healthy", "10.0.0.2:80": "healthy"}, read())
	require.NoError(t, rehearsing.DeregisterTargets(t.Context(), group.ARN, both[:1]))
	require.Equal(t, map[string]string{"10.0.0.2:80": "healthy"}, read())
}
