package awssim

import (
	"fmt"
	"net/netip"
	"strings"
)

// Interface describes a network interface of a node or a pod.
type Interface struct {
	ID             string // eni-...
	SubnetID       string
	Addresses      []string // the primary one first
	Prefixes       []string // blocks whose addresses are the interface's too
	InstanceID     string   // the node that it is attached to, which exists by this
	SecurityGroups []string // IDs; none: the default one of the VPC
	Description    string
	Tags           map[string]string
}

// SetInterface gives the account a network interface, or replaces that with the same
// ID. Nothing here makes those of nodes and pods by itself.
func (s *Sim) SetInterface(o Interface) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.newInterfaceLocked(o)
	if err != nil {
		return fmt.Errorf("interface %s: %w", o.ID, err)
	}
	s.interfaces[n.id] = n
	s.rememberLocked()
	return nil
}

// RemoveInterface takes a network interface away.
func (s *Sim) RemoveInterface(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.interfaces[id]; n != nil && n.lb == nil {
		delete(s.interfaces, id)
		s.rememberLocked()
	}
}

func (s *Sim) newInterfaceLocked(o Interface) (*networkInterface, error) {
	if o.InstanceID != "" && !strings.HasPrefix(o.InstanceID, instanceKind.prefix) {
		return nil, fmt.Errorf("instance does not begin with %s", instanceKind.prefix)
	}
	if !strings.HasPrefix(o.ID, interfaceKind.prefix) {
		return nil, fmt.Errorf("id does not begin with %s", interfaceKind.prefix)
	}
	if old := s.interfaces[o.ID]; old != nil && old.lb != nil {
		return nil, fmt.Errorf("is that of %s", old.lb.name)
	}
	sub := s.subnets[o.SubnetID]
	if sub == nil {
		return nil, fmt.Errorf("subnet %q does not exist", o.SubnetID)
	}
	n := &networkInterface{
		id: o.ID, subnet: sub, instance: o.InstanceID, description: o.Description, tags: tagsOf(o.Tags), securityGroups: o.SecurityGroups,
	}
	if len(n.securityGroups) == 0 {
		n.securityGroups = []string{s.defaultGroupLocked(sub.vpc.id).id}
	}
	for _, id := range n.securityGroups {
		if s.securityGroups[id] == nil {
			return nil, fmt.Errorf("security group %q does not exist", id)
		}
	}
	return n, n.locate(o)
}

// locate sets the addresses of a new interface.
func (n *networkInterface) locate(o Interface) error {
	for _, text := range o.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("address: %w", err)
		}
		n.addresses = append(n.addresses, a)
	}
	for _, text := range o.Prefixes {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("prefix: %w", err)
		}
		n.prefixes = append(n.prefixes, p.Masked())
	}
	return nil
}
