package securitygroup

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
)

type podName = types.NamespacedName

// owner is a pod with an interface of its own. Another pod may have the address later.
type owner struct {
	uid     types.UID
	address netip.Addr
}

// interfaces knows which security groups guard pods. What it does not know, it is asked
// to look up. It belongs to its loop.
type interfaces struct {
	ec2   Interfaces
	vpcID string
	stale time.Time // what was read before is read again

	hosts  map[string]*reading // by instance
	owners map[owner]*reading
	missed map[owner]time.Time // since when no interface of its instance has an address
}

func newInterfaces(ec2 Interfaces, vpcID string) *interfaces {
	return &interfaces{ec2: ec2, vpcID: vpcID, hosts: map[string]*reading{}, owners: map[owner]*reading{}, missed: map[owner]time.Time{}}
}

// reading is what was read of an instance or an address.
type reading struct {
	interfaces []awsapi.NetworkInterface
	at         time.Time
	failures   int       // readings in a row that found nothing
	used       time.Time // when it was last asked for
}

// due reports whether it is time to read again.
func (i *interfaces) due(r *reading) bool {
	if r == nil {
		return true
	}
	r.used = time.Now()
	if len(r.interfaces) > 0 {
		return r.at.Before(i.stale)
	}
	return time.Since(r.at) >= pause(r.failures)
}

// lasting returns a problem that is one only if a second reading says so, too: what is new
// is not shown at once.
func (r *reading) lasting(problem string) string {
	if r.failures == 0 {
		return ""
	}
	return problem
}

// groups returns the security groups that guard a pod, and why they are not known. What
// has to be read is added to asks; until it is, what was known counts.
func (i *interfaces) groups(p Pod, n Node, a *asks) (groups []string, problem string) {
	if p.Own || n.Instance == "" {
		return i.own(p, a)
	}
	host := i.hosts[n.Instance]
	if i.due(host) {
		a.instances[n.Instance] = true
	}
	switch {
	case host == nil:
		return nil, ""
	case len(host.interfaces) == 0:
		return nil, host.lasting(fmt.Sprintf("instance %s of node %s has no network interface in %s", n.Instance, p.Node, i.vpcID))
	case host.uniform():
		return host.interfaces[0].SecurityGroups, ""
	}
	return i.byAddress(p, n, host, a)
}

// byAddress returns the groups of the interface of an instance that has a pod's address.
// A pod gets one at any time, also on an interface that is new: then they are read again,
// and the longer it is not there, the more seldom.
func (i *interfaces) byAddress(p Pod, n Node, host *reading, a *asks) (groups []string, problem string) {
	key := owner{p.UID, p.Address}
	for _, nic := range host.interfaces {
		if has(nic, p.Address) {
			delete(i.missed, key)
			return nic.SecurityGroups, ""
		}
	}
	since, missed := i.missed[key]
	if !missed {
		since = time.Now()
		i.missed[key] = since
	}
	if time.Since(host.at) >= min(lastPause, max(firstPause, time.Since(since))) {
		a.instances[n.Instance] = true
	}
	if !host.at.After(since) {
		return nil, ""
	}
	return nil, fmt.Sprintf("pod %s: no network interface of instance %s has its address %s", p.Name, n.Instance, p.Address)
}

// own returns the groups of a pod that has an interface of its own.
func (i *interfaces) own(p Pod, a *asks) (groups []string, problem string) {
	key := owner{p.UID, p.Address}
	known := i.owners[key]
	if i.due(known) {
		a.addresses[p.Address.String()] = key
	}
	switch {
	case known == nil:
		return nil, ""
	case len(known.interfaces) == 0:
		return nil, known.lasting(fmt.Sprintf("pod %s: no network interface in %s has its address %s", p.Name, i.vpcID, p.Address))
	}
	return known.interfaces[0].SecurityGroups, ""
}

// uniform reports whether all interfaces have the same groups: then it does not matter
// which of them has an address.
func (r *reading) uniform() bool {
	first := slices.Sorted(slices.Values(r.interfaces[0].SecurityGroups))
	return !slices.ContainsFunc(r.interfaces[1:], func(n awsapi.NetworkInterface) bool {
		return !slices.Equal(first, slices.Sorted(slices.Values(n.SecurityGroups)))
	})
}

// has reports whether an interface has an address.
func has(n awsapi.NetworkInterface, address netip.Addr) bool {
	return slices.Contains(n.Addresses, address.String()) || slices.ContainsFunc(n.Prefixes, func(text string) bool {
		prefix, err := netip.ParsePrefix(text)
		return err == nil && prefix.Contains(address)
	})
}

// lookup reads what is asked for, as much as two calls can.
func (i *interfaces) lookup(ctx context.Context, a asks) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if ids := first(sortedKeys(a.instances), instancesAtOnce); len(ids) > 0 {
		found, err := i.ec2.DescribeNetworkInterfacesOf(ctx, i.vpcID, ids)
		if err != nil {
			return fmt.Errorf("network interfaces of instances: %w", err)
		}
		for _, id := range ids {
			enter(i.hosts, id, found, func(n awsapi.NetworkInterface) bool { return n.InstanceID == id })
		}
	}
	if addresses := first(sortedKeys(a.addresses), addressesAtOnce); len(addresses) > 0 {
		found, err := i.ec2.DescribeNetworkInterfaces(ctx, i.vpcID, addresses)
		if err != nil {
			return fmt.Errorf("network interfaces of addresses: %w", err)
		}
		for _, address := range addresses {
			key := a.addresses[address]
			enter(i.owners, key, found, func(n awsapi.NetworkInterface) bool { return has(n, key.address) })
		}
	}
	return nil
}

// enter notes what a reading says of one instance or address.
func enter[K comparable](known map[K]*reading, key K, found []awsapi.NetworkInterface, is func(awsapi.NetworkInterface) bool) {
	r := &reading{at: time.Now(), used: time.Now()}
	for _, n := range found {
		if is(n) {
			r.interfaces = append(r.interfaces, n)
		}
	}
	if was := known[key]; was != nil && len(r.interfaces) == 0 {
		r.failures = was.failures + 1
	}
	known[key] = r
}

// forget drops what nobody has asked for in a while.
func (i *interfaces) forget() {
	maps.DeleteFunc(i.hosts, func(_ string, r *reading) bool { return time.Since(r.used) > forgotten })
	maps.DeleteFunc(i.owners, func(_ owner, r *reading) bool { return time.Since(r.used) > forgotten })
	maps.DeleteFunc(i.missed, func(_ owner, since time.Time) bool { return time.Since(since) > forgotten })
}
