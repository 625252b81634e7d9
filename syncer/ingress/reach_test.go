package ingress

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// reachOf words who may reach the load balancer of the group shop on port 80.
func reachOf(m *Model) string {
	if m.Hold {
		return "as it stands"
	}
	words := []string{m.LoadBalancer.Scheme}
	if groups := m.LoadBalancer.SecurityGroups; groups.Managed == nil {
		return strings.Join(append(words, groups.Named...), " ")
	}
	for _, p := range m.LoadBalancer.SecurityGroups.Managed.Ingress {
		words = append(words, p.CIDR+p.CIDRv6+p.PrefixList)
	}
	return strings.Join(words, " ")
}

// A member that restricts a load balancer and becomes bad does not open it, and no member
// opens what another one that was served restricts.
func TestNobodyOpensWhatIsRestricted(t *testing.T) {
	const here, all, list = "10.0.0.0/8", "0.0.0.0/0", "pl-0a"
	with := func(key, value string) map[string]string { return map[string]string{key: value} }
	internal := Standing{Scheme: schemeInternal, IPAddressType: addressTypeIPv4, Listeners: []StandingListener{{Port: 80, Protocol: protocolHTTP}}}
	restricted := internal
	restricted.Permissions = []Permission{{Port: 80, CIDR: here}}
	listed := internal
	listed.Permissions = []Permission{{Port: 80, PrefixList: list}}
	named := internal
	named.SecurityGroups = []string{"sg-1"}
	open := internal
	open.Permissions = []Permission{{Port: 80, CIDR: all}}
	tests := map[string]struct {
		mine, others map[string]string // of the one that restricts, and of one that may come first
		good         bool              // the one that restricts has no fault of its own
		newcomer     bool              // it was not served
		unread       string            // a class that is not there
		standing     Standing
		want         string
	}{
		"networks, another says nothing":           {mine: with(keyInboundCIDRs, here), standing: restricted, want: "internal 10.0.0.0/8"},
		"networks, another wants all":              {mine: with(keyInboundCIDRs, here), others: with(keyInboundCIDRs, all), standing: restricted, want: "as it stands"},
		"networks, another wants all, none is bad": {mine: with(keyInboundCIDRs, here), others: with(keyInboundCIDRs, all), good: true, standing: restricted, want: "internal 10.0.0.0/8"},
		"networks, unreadable":                     {mine: with(keyInboundCIDRs, "10.0.0/8"), standing: restricted, want: "internal 10.0.0.0/8"},
		"networks, unreadable, another wants all":  {mine: with(keyInboundCIDRs, "10.0.0/8"), others: with(keyInboundCIDRs, all), standing: restricted, want: "as it stands"},
		"networks, taken out by who is bad":        {mine: map[string]string{}, standing: restricted, want: "internal 10.0.0.0/8"},
		"networks, IPv6 of no use":                 {mine: with(keyInboundCIDRs, here+",2001:db8::/32"), others: with(keyInboundCIDRs, all), standing: restricted, want: "as it stands"},
		"prefix list, another says nothing":        {mine: with(keyPrefixLists, list), standing: listed, want: "internal pl-0a"},
		"prefix list, unreadable":                  {mine: with(keyPrefixLists, "list"), standing: listed, want: "internal pl-0a"},
		"groups, another says nothing":             {mine: with(keySecurityGroups, "sg-1"), standing: named, want: "internal sg-1"},
		"groups, another names others":             {mine: with(keySecurityGroups, "sg-1"), others: with(keySecurityGroups, "sg-2"), standing: named, want: "as it stands"},
		"groups by name, another names others":     {mine: with(keySecurityGroups, "office"), others: with(keySecurityGroups, "sg-2"), standing: named, want: "as it stands"},
		"groups, taken out by who is bad":          {mine: map[string]string{}, standing: named, want: "internal sg-1"},
		"groups, others now":                       {mine: with(keySecurityGroups, "sg-open"), standing: named, want: "internal sg-1"},
		"groups, of late":                          {mine: with(keySecurityGroups, "sg-open"), standing: restricted, want: "internal 10.0.0.0/8"},
		"scheme, another wants the internet":       {mine: with(keyScheme, schemeInternal), others: with(keyScheme, schemeInternetFacing), standing: restricted, want: "as it stands"},
		"scheme, the internet now":                 {mine: with(keyScheme, schemeInternetFacing), standing: restricted, want: "internal 10.0.0.0/8"},
		"scheme, the internet by default":          {mine: map[string]string{}, unread: "x", standing: restricted, want: "internal 10.0.0.0/8"},
		"a newcomer on what is open":               {mine: with(keyInboundCIDRs, here), newcomer: true, others: with(keyScheme, schemeInternal), standing: open, want: "internal 0.0.0.0/0"},
		"a newcomer on what is restricted":         {mine: with(keyInboundCIDRs, all), newcomer: true, standing: restricted, others: map[string]string{keyInboundCIDRs: here, keyScheme: schemeInternal}, want: "internal 10.0.0.0/8"},
		"a newcomer's networks on a new one":       {mine: with(keyInboundCIDRs, here), newcomer: true, want: "internet-facing 10.0.0.0/8"},
		"a newcomer's networks, unreadable":        {mine: with(keyInboundCIDRs, "10.0.0/8"), newcomer: true, want: "internet-facing"},
		"a newcomer's list, unreadable":            {mine: with(keyPrefixLists, "list"), newcomer: true, want: "internet-facing"},
		"a newcomer's groups on a new one":         {mine: with(keySecurityGroups, "sg-1"), newcomer: true, want: "internet-facing sg-1"},
		"a newcomer's scheme on a new one":         {mine: with(keyScheme, schemeInternal), newcomer: true, want: "internal 0.0.0.0/0"},
		"a newcomer's scheme, unreadable":          {mine: with(keyScheme, "x"), newcomer: true, want: "internal 0.0.0.0/0"},
		"a newcomer wants the internet":            {mine: with(keyScheme, schemeInternetFacing), newcomer: true, others: with(keyScheme, schemeInternal), want: "internal 0.0.0.0/0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.settings.DefaultScheme = schemeInternetFacing
			mine := shopMember("b", tt.mine)
			if !tt.good {
				mine.Spec.DefaultBackend = &networkingv1.IngressBackend{} // neither Service nor anything else
			}
			if tt.newcomer {
				mine.Finalizers = nil
			}
			if tt.unread != "" {
				delete(mine.Annotations, legacyClassKey)
				mine.Spec.IngressClassName = &tt.unread
			}
			w.ingresses = []*networkingv1.Ingress{mine, shopMember("a", tt.others)}
			w.standing[shop] = standing{Standing: tt.standing}
			require.Equal(t, tt.want, reachOf(w.build()[shop]))
		})
	}
}
