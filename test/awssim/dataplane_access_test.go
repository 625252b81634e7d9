package awssim

import (
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAllow(t *testing.T) {
	s := newSim(t, Options{PrefixLists: map[string][]string{"pl-1": {"198.51.100.0/24"}}})
	client := origin{addresses: clientAddresses(netip.MustParseAddr("127.0.1.7")), groups: []string{"sg-client"}}
	for name, c := range map[string]struct {
		rule ipPermission
		from origin
		want bool
	}{
		"block":              {ipPermission{protocol: "tcp", fromPort: 80, toPort: 80, cidr: "10.0.1.0/24"}, client, true},
		"own address":        {ipPermission{protocol: "tcp", fromPort: 80, toPort: 80, cidr: "127.0.1.7/32"}, client, true},
		"another block":      {ipPermission{protocol: "tcp", fromPort: 80, toPort: 80, cidr: "10.0.2.0/24"}, client, false},
		"another port":       {ipPermission{protocol: "tcp", fromPort: 81, toPort: 90, cidr: "0.0.0.0/0"}, client, false},
		"range of ports":     {ipPermission{protocol: "tcp", fromPort: 1, toPort: 80, cidr: "0.0.0.0/0"}, client, true},
		"UDP":                {ipPermission{protocol: "udp", fromPort: 80, toPort: 80, cidr: "0.0.0.0/0"}, client, false},
		"everything":         {ipPermission{protocol: anyProtocol, cidr: "0.0.0.0/0"}, client, true},
		"IPv6 for IPv4":      {ipPermission{protocol: anyProtocol, cidrV6: "::/0"}, client, false},
		"group":              {ipPermission{protocol: anyProtocol, groupID: "sg-client"}, client, true},
		"another group":      {ipPermission{protocol: anyProtocol, groupID: "sg-other"}, client, false},
		"prefix list":        {ipPermission{protocol: anyProtocol, prefixListID: "pl-1"}, origin{addresses: []netip.Addr{netip.MustParseAddr("198.51.100.9")}}, true},
		"prefix list, other": {ipPermission{protocol: anyProtocol, prefixListID: "pl-1"}, client, false},
		"prefix list, none":  {ipPermission{protocol: anyProtocol, prefixListID: "pl-2"}, client, false},
	} {
		t.Run(name, func(t *testing.T) {
			s.securityGroups["sg-t"] = &securityGroup{id: "sg-t", ingress: []ipPermission{c.rule}}
			require.Equal(t, c.want, s.allowLocked([]string{"sg-none", "sg-t"}, 80, c.from))
		})
	}
}

// setIngress gives a security group its inbound rules.
func setIngress(s *Sim, id string, rules ...ipPermission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.securityGroups[id] = &securityGroup{id: id, name: id, vpcID: "vpc-1", ingress: rules}
}

func TestSecurityGroupsHoldTrafficBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := inBubble(t, Options{EnforceSecurityGroups: true})
		g := addGroup(s, "g")
		lb := addBalancer(s, 80, always(g))
		lb.securityGroups = []string{"sg-lb"}
		setIngress(s, "sg-lb")
		setIngress(s, "sg-pod")
		startPod(t, n, "10.0.1.1:8080", says("hello"))
		require.NoError(t, s.SetInterface(Interface{
			ID: "eni-pod", SubnetID: "subnet-a", Prefixes: []string{"10.0.1.0/28"}, SecurityGroups: []string{"sg-pod"},
		}))
		register(t, s, g, "10.0.1.1")
		healthy(t)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"10.0.1.1:8080 unhealthy Target.Timeout"}, states(t, s, g))

		request := func() (int, error) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, http.NoBody)
			require.NoError(t, err)
			resp, err := clientOf(t, s).Do(req)
			if err != nil {
				return 0, err
			}
			defer resp.Body.Close()
			return resp.StatusCode, nil
		}
		_, err := request()
		require.Error(t, err, "nobody may come")

		setIngress(s, "sg-lb", ipPermission{protocol: "tcp", fromPort: 80, toPort: 80, cidr: "192.0.2.0/24"})
		status, err := request()
		require.NoError(t, err)
		require.Equal(t, http.StatusGatewayTimeout, status, "the load balancer gets no answer")

		setIngress(s, "sg-pod", ipPermission{protocol: "tcp", fromPort: 8080, toPort: 8080, groupID: "sg-lb"})
		time.Sleep(3 * time.Minute)
		require.Equal(t, []string{"10.0.1.1:8080 healthy"}, states(t, s, g))
		status, err = request()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	})
}

func TestAccessIsOpenByDefault(t *testing.T) {
	s := newSim(t, Options{})
	lb := &loadBalancer{vpcID: "vpc-1"}
	require.True(t, s.admitsClientLocked(lb, 80, "192.0.2.1:1"))
	require.True(t, s.admitsTargetLocked(lb, netip.MustParseAddrPort("10.0.1.1:80")))
}
