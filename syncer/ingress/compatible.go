package ingress

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// lateBackends blames members for what AWS refuses on one of their listeners. What no
// request reaches there is not asked for.
func (b *builder) lateBackends() []lateFault {
	var faults []lateFault
	for _, port := range b.listenPorts() {
		if b.redirects(port) {
			continue
		}
		var rules []Rule
		var owners []*member
		for _, m := range b.members {
			if m.bad || !b.listens(m, port) {
				continue
			}
			rules = append(rules, m.rules...)
			owners = append(owners, slices.Repeat([]*member{m}, len(m.rules))...)
		}
		for _, i := range reached(rules, port, b.protocol(port)) {
			faults = append(faults, b.refused(owners[i], port, rules[i].Action)...)
		}
		if owner := b.defaultOwners[port]; owner != nil && !owner.bad && owner.defaultAction != nil {
			faults = append(faults, b.refused(owner, port, *owner.defaultAction)...)
		}
	}
	return faults
}

// listenPorts are those on which anybody listens.
func (b *builder) listenPorts() []int32 {
	ports := map[int32]bool{}
	for _, m := range b.members {
		for port := range m.ports {
			ports[port] = true
		}
	}
	return slices.Sorted(maps.Keys(ports))
}

// refused returns why AWS takes an action on no listener of the port's protocol.
func (b *builder) refused(m *member, port int32, a Action) []lateFault {
	if r := a.Redirect; r != nil && r.Protocol == protocolHTTP && b.protocol(port) == protocolHTTPS {
		at := m.redirects[r]
		return []lateFault{{m, ReasonInvalidAnnotation, at.field(), fmt.Sprintf(
			"%s: leads from HTTPS on port %d to HTTP, which a load balancer refuses", at, port)}}
	}
	for _, share := range a.Forward {
		tg := m.groups[share.TargetGroup]
		if tg != nil && tg.ProtocolVersion != versionHTTP1 && b.protocol(port) == protocolHTTP {
			return []lateFault{{m, ReasonInvalidAnnotation, keyBackendProtocolVersion, fmt.Sprintf(
				"annotation %s: %s of Service %s needs HTTPS listeners, and port %d speaks HTTP", keyBackendProtocolVersion, tg.ProtocolVersion, tg.Service, port)}}
		}
	}
	return nil
}

// lateFamilies settles what addresses the target groups take: as in the AWS Load
// Balancer Controller, IPv6 if the Service has any and the load balancer is dualstack.
func (b *builder) lateFamilies() []lateFault {
	dualstack := b.word(keyAddressType) == addressTypeDualstack || b.word(keyAddressType) == addressTypePrivate
	var faults []lateFault
	for _, m := range b.members {
		for _, id := range sortedKeys(m.groups) {
			tg := m.groups[id]
			families := b.families(tg)
			tg.IPAddressType = addressTypeIPv4
			switch v6 := slices.Contains(families, corev1.IPv6Protocol); {
			case v6 && dualstack:
				tg.IPAddressType = addressTypeIPv6
			case v6 && len(families) == 1 && !m.bad:
				faults = append(faults, lateFault{m, ReasonInvalidAnnotation, keyAddressType, fmt.Sprintf(
					"annotation %s: must be %s for Service %s, which has IPv6 addresses alone", keyAddressType, addressTypeDualstack, tg.Service)})
			}
		}
	}
	return faults
}

// families are the kinds of addresses of a target group's Service.
func (b *builder) families(tg *TargetGroup) []corev1.IPFamily {
	svc, ok := b.in.Services(tg.Service)
	if !ok {
		return nil
	}
	return svc.Spec.IPFamilies
}
