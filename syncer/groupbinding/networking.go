package groupbinding

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// Networking is what a TargetGroupBinding opens on the security groups of its pods.
type Networking struct {
	Ingress []NetworkingRule `json:"ingress"`
}

// NetworkingRule opens all of its ports to all of its peers.
type NetworkingRule struct {
	From  []NetworkingPeer `json:"from"`
	Ports []NetworkingPort `json:"ports"` // none: all of TCP
}

// NetworkingPeer is where connections come from: one of its fields is set.
type NetworkingPeer struct {
	IPBlock *struct {
		CIDR string `json:"cidr"`
	} `json:"ipBlock"`
	SecurityGroup *struct {
		GroupID string `json:"groupID"`
	} `json:"securityGroup"`
}

// NetworkingPort is a port of pods.
type NetworkingPort struct {
	Protocol string              `json:"protocol"` // TCP, UDP; empty: TCP
	Port     *intstr.IntOrString `json:"port"`     // nil: all
}

// needs returns what verdicts want to be reachable.
func needs(verdicts []verdict) []securitygroup.Need {
	var all []securitygroup.Need
	for i := range verdicts {
		if n, ok := verdicts[i].need(); ok {
			all = append(all, n)
		}
	}
	return all
}

// need returns what an object wants to be reachable. One that is not bound opens nothing,
// but what stands stays: it may be bound in a moment, or again. What LBC left of a group
// that the provisioner binds is the provisioner's.
func (v *verdict) need() (n securitygroup.Need, ok bool) {
	o := v.object
	bound := v.action == bind || v.action == drain
	unsupported := v.reason == reasonNotSupported && !o.deleting()
	if o.Malformed == "" && o.Spec.Networking == nil || !bound && !unsupported && !v.waitedFor() {
		return n, false
	}
	n = securitygroup.Need{
		Name: kind + " " + o.key().String(), Service: o.service(), Family: v.binding.Family, Held: !bound, Broken: o.Malformed,
	}
	if unsupported {
		n.Service.Name = "" // its targets are nodes, say
	}
	if !o.leftover() {
		n.Owners = []corev1.ObjectReference{o.reference()}
	}
	if o.Spec.Networking != nil {
		n.Openings, n.Broken = openings(o.Spec.Networking)
	}
	return n, true
}

// openings reads rules. What is wrong with one is returned, and the others are opened.
func openings(n *Networking) (all []securitygroup.Opening, broken string) {
	for i, rule := range n.Ingress {
		field := fmt.Sprintf("spec.networking.ingress[%d]", i)
		ports, wrong := portsOf(rule.Ports, field)
		if wrong != "" {
			broken = wrong
			continue
		}
		for j, from := range rule.From {
			peer, wrong := from.peer(fmt.Sprintf("%s.from[%d]", field, j))
			if wrong != "" {
				broken = wrong
				continue
			}
			all = append(all, securitygroup.Opening{From: peer, Ports: ports})
		}
	}
	return all, broken
}

// peer reads where connections come from.
func (p NetworkingPeer) peer(field string) (peer securitygroup.Peer, wrong string) {
	switch {
	case p.SecurityGroup != nil && p.SecurityGroup.GroupID != "":
		return securitygroup.Peer{Group: p.SecurityGroup.GroupID}, ""
	case p.IPBlock == nil:
		return peer, field + ": one of ipBlock.cidr and securityGroup.groupID is needed"
	}
	block, err := netip.ParsePrefix(p.IPBlock.CIDR)
	switch {
	case err != nil:
		return peer, fmt.Sprintf("%s.ipBlock.cidr: %q is not a block of addresses", field, p.IPBlock.CIDR)
	case block.Addr().Is4():
		return securitygroup.Peer{CIDR: block.Masked().String()}, ""
	}
	return securitygroup.Peer{CIDRv6: block.Masked().String()}, ""
}

// protocolsOf are AWS's words for the protocols of ports.
var protocolsOf = map[string]string{"": securitygroup.TCP, "TCP": securitygroup.TCP, "UDP": securitygroup.UDP}

func portsOf(ports []NetworkingPort, field string) (all []securitygroup.Port, wrong string) {
	for i, p := range ports {
		protocol, ok := protocolsOf[p.Protocol]
		if !ok {
			return nil, fmt.Sprintf("%s.ports[%d].protocol: %q is neither TCP nor UDP", field, i, p.Protocol)
		}
		port := securitygroup.Port{Protocol: protocol}
		if p.Port != nil {
			port.Number, port.Name = p.Port.IntVal, p.Port.StrVal
		}
		if port.Number < 0 || port.Number > 65535 {
			return nil, fmt.Sprintf("%s.ports[%d].port: %d is not a port", field, i, port.Number)
		}
		all = append(all, port)
	}
	return all, ""
}
