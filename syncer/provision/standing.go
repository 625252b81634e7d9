package provision

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tgsync/tgsync/syncer/ingress"
)

// forBuild returns what AWS holds of the group as ingress.Build wants to see it.
func (st *stack) forBuild() ingress.Standing {
	out := ingress.Standing{Scheme: st.scheme(), Rules: st.standing()}
	if len(st.balancers) > 0 {
		b := st.balancers[0]
		out.IPAddressType, out.Tags = b.IPAddressType, maps.Clone(b.Tags)
	}
	for _, g := range st.securityGroups {
		for _, p := range g.Ingress {
			// Ours are for one port.
			out.Permissions = append(out.Permissions, ingress.Permission{
				Port: p.FromPort, CIDR: p.CIDR, CIDRv6: p.CIDRv6, PrefixList: p.PrefixListID,
			})
		}
	}
	for _, b := range st.balancers {
		for port, l := range b.listeners {
			listener := ingress.StandingListener{Port: port, Protocol: l.Protocol, SSLPolicy: l.SSLPolicy}
			if l.CertificateARN != "" {
				listener.Certificates = append([]string{l.CertificateARN}, l.certificates...)
			}
			out.Listeners = append(out.Listeners, listener)
		}
	}
	slices.SortFunc(out.Listeners, func(a, b ingress.StandingListener) int { return cmp.Compare(a.Port, b.Port) })
	return out
}
