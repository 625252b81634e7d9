package awsapi

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/syncer/target"
	"github.com/tgsync/tgsync/test/awssim"
)

const otherAccount = "222222222222"

// twoAccounts are our own, with clients, and another one.
type twoAccounts struct {
	t          *testing.T
	sim, other *awssim.Sim
	c          *Clients
}

func inTwoAccounts(t *testing.T, test func(a twoAccounts)) {
	t.Helper()
	t.Setenv("AWS_SESSION_TOKEN", "") // ours are a user's
	synctest.Test(t, func(t *testing.T) {
		sim, c := simulated(t, awssim.Options{}, nil)
		other, err := sim.AddAccount(awssim.Options{AccountID: otherAccount, VPCs: []awssim.VPC{{ID: "vpc-2", CIDRs: []string{"10.8.0.0/16"}}}})
		require.NoError(t, err)
		test(twoAccounts{t, sim, other, c})
	})
}

// assumed counts the calls for credentials.
func assumedTimes(sim *awssim.Sim) (n int) {
	for _, call := range sim.Calls() {
		if call.Action == "AssumeRole" {
			n++
		}
	}
	return n
}

// TestAssume: what a role does happens in its account, with credentials that are kept.
func TestAssume(t *testing.T) {
	inTwoAccounts(t, func(a twoAccounts) {
		t, sim, other, c := a.t, a.sim, a.other, a.c
		role := target.Role{ARN: other.SetRole(awssim.Role{Name: "shared", ExternalID: "x1"}), ExternalID: "x1"}
		require.Equal(t, otherAccount, role.Account())
		require.Same(t, c, c.Assume(target.Role{}), "our own account needs none")
		there := c.Assume(role)
		require.Same(t, there, c.Assume(role))
		g, err := there.ELB.CreateTargetGroup(t.Context(), TargetGroup{Name: "theirs", Port: 80, Protocol: "HTTP", TargetType: "ip", VPCID: "vpc-2"})
		require.NoError(t, err)
		require.Contains(t, g.ARN, ":"+otherAccount+":")
		for range 10 {
			all, err := there.ELB.DescribeTargetGroups(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 1)
		}
		require.Equal(t, 1, assumedTimes(sim))
		all, err := c.ELB.DescribeTargetGroups(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)

		time.Sleep(59 * time.Minute)
		_, err = there.ELB.DescribeTargetGroups(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, assumedTimes(sim), "they are renewed before they end")
	})
}

// TestBudgetsBelongToAccounts: two roles of one account share its budget, and our own
// account's is another.
func TestBudgetsBelongToAccounts(t *testing.T) {
	inTwoAccounts(t, func(a twoAccounts) {
		t, other, c := a.t, a.other, a.c
		first := c.Assume(target.Role{ARN: other.SetRole(awssim.Role{Name: "a"})})
		second := c.Assume(target.Role{ARN: other.SetRole(awssim.Role{Name: "b"})})
		require.NotSame(t, first, second)
		require.Same(t, first.limiter, second.limiter)
		require.NotSame(t, c.limiter, first.limiter)
		token, err := first.RegistrationToken(t.Context())
		require.NoError(t, err)
		defer token.Return()
		levels := c.OtherLevels()
		require.Len(t, levels, 1)
		require.Equal(t, otherAccount, levels[0].Account)
		require.InDelta(t, 39, levels[0].Levels[0].Tokens, 0.1)
		require.InDelta(t, 40, c.Levels()[0].Tokens, 0.1)
	})
}

// TestRoleIsDenied: why is said, and STS is not asked for every call.
func TestRoleIsDenied(t *testing.T) {
	inTwoAccounts(t, func(a twoAccounts) {
		t, sim, other, c := a.t, a.sim, a.other, a.c
		role := target.Role{ARN: other.SetRole(awssim.Role{Name: "shared", ExternalID: "secret-id"}), ExternalID: "wrong-id"}
		there := c.Assume(role)
		began := time.Now()
		for range 600 {
			_, err := there.ELB.DescribeTargetGroups(t.Context())
			require.Equal(t, Denied, ClassOf(err))
			code, is := RoleProblem(err)
			require.True(t, is)
			require.Equal(t, "AccessDenied", code)
			require.NotContains(t, err.Error(), "wrong-id")
			time.Sleep(time.Second)
		}
		require.Less(t, assumedTimes(sim), 20, "of 600 calls in %v", time.Since(began))
		_, is := RoleProblem(nil)
		require.False(t, is)

		other.SetRole(awssim.Role{Name: "shared"})
		time.Sleep(2 * time.Minute)
		_, err := there.ELB.DescribeTargetGroups(t.Context())
		require.NoError(t, err)
	})
}

// TestCredentialsOutliveTroubleOfSTS: they are renewed in time to survive that, and used
// until they end.
func TestCredentialsOutliveTroubleOfSTS(t *testing.T) {
	inTwoAccounts(t, func(a twoAccounts) {
		t, sim, other, c := a.t, a.sim, a.other, a.c
		there := c.Assume(target.Role{ARN: other.SetRole(awssim.Role{Name: "shared"})})
		call := func() error {
			_, err := there.ELB.DescribeTargetGroups(t.Context())
			return err
		}
		require.NoError(t, call())
		sim.Inject(awssim.Fault{Action: "AssumeRole", Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable})
		for range 59 {
			time.Sleep(time.Minute)
			require.NoError(t, call())
		}
		time.Sleep(time.Minute)
		require.Error(t, call(), "they have ended")
		sim.ClearFaults()
		time.Sleep(2 * time.Minute)
		require.NoError(t, call())
	})
}

func TestSessionName(t *testing.T) {
	require.Equal(t, "tgsync-demo-1", sessionName("demo/1"))
	require.Len(t, sessionName(strings.Repeat("x", 100)), 64)
}

// TestRoleErrorsHoldNoSecrets: STS, too, quotes the session token when a signature does not
// match.
func TestRoleErrorsHoldNoSecrets(t *testing.T) {
	inTwoAccounts(t, func(a twoAccounts) {
		a.sim.Inject(awssim.Fault{
			Action: "AssumeRole", Code: "SignatureDoesNotMatch", Status: http.StatusForbidden, Message: "x-amz-security-token:session-token",
		})
		_, err := a.c.Assume(target.Role{ARN: a.other.SetRole(awssim.Role{Name: "shared"})}).ELB.DescribeTargetGroups(a.t.Context())
		require.ErrorContains(a.t, err, "api error SignatureDoesNotMatch")
		require.NotContains(a.t, err.Error(), "session-token")
	})
}
