package syncer

import (
	"net/netip"
	"sync"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// The network that is taken to be outside of the VPC with one address that is: about
// as much as one node's pods have.
const (
	outsideBits4 = 24
	outsideBits6 = 64
)

// maxInside bounds what is remembered of addresses that are inside although their
// neighbours are not. They come and go with pods.
const maxInside = 10_000

// zones knows in which Availability Zone a target has to be registered. Only AWS
// knows which addresses are in a subnet of the VPC (a block that the VPC merely has
// does not count: kubernetes-sigs/aws-load-balancer-controller#3714), and it must not be told a zone for those and must
// be told one for the others. So all are taken to be inside until AWS says otherwise,
// and what it says goes for the address's network. It is safe for concurrent use.
type zones struct {
	mu      sync.Mutex              // guards all below
	outside map[netip.Prefix]string // the zone of a network outside
	inside  map[netip.Addr]bool     // exceptions from that
}

// vpcs knows the zones of each VPC: an address is outside of one and inside of another.
// It is safe for concurrent use.
type vpcs struct {
	mu    sync.Mutex // guards zones
	zones map[string]*zones
}

func newVPCs() *vpcs { return &vpcs{zones: map[string]*zones{}} }

// of returns the zones of a VPC, by its ID.
func (v *vpcs) of(vpc string) *zones {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.zones[vpc] == nil {
		v.zones[vpc] = newZones()
	}
	return v.zones[vpc]
}

func newZones() *zones {
	return &zones{outside: map[netip.Prefix]string{}, inside: map[netip.Addr]bool{}}
}

// of returns the zones in which a batch is to be registered, of those addresses that
// need one.
func (z *zones) of(batch []target.Target) map[netip.Addr]string {
	z.mu.Lock()
	defer z.mu.Unlock()
	placed := map[netip.Addr]string{}
	for _, t := range batch {
		if zone := z.zoneLocked(t.IP); zone != "" {
			placed[t.IP] = zone
		}
	}
	return placed
}

func (z *zones) zoneLocked(ip netip.Addr) string {
	if z.inside[ip] {
		return ""
	}
	return z.outside[network(ip)]
}

// learn takes in what AWS had against a batch that was sent with these zones, and
// reports whether it is worth another try. Node returns the zone of a target's node,
// "" if it is not known.
func (z *zones) learn(err error, batch []target.Target, sent map[netip.Addr]string, node func(target.Target) string) bool {
	problem, ip := awsapi.ZoneProblemOf(err)
	if !ip.IsValid() && len(batch) == 1 {
		ip = batch[0].IP
	}
	if problem == "" || !ip.IsValid() {
		return false
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.zoneLocked(ip) != sent[ip] {
		return true // another call has learned it meanwhile
	}
	if problem == awsapi.ZoneUnwanted {
		return z.exceptLocked(ip)
	}
	return z.placeLocked(ip, problem, func() string {
		for _, t := range batch {
			if t.IP == ip {
				return node(t)
			}
		}
		return ""
	})
}

// placeLocked gives an address's network the next zone to try: all, then the one of
// the address's node. There is none after that, and none if AWS says the one and the
// other.
func (z *zones) placeLocked(ip netip.Addr, problem awsapi.ZoneProblem, node func() string) bool {
	zone := z.zoneLocked(ip)
	next := awsapi.ZoneAll
	if problem == awsapi.ZoneUnspecific || zone == awsapi.ZoneAll {
		next = node()
	}
	if z.inside[ip] || next == "" || zone != "" && zone != awsapi.ZoneAll {
		return false
	}
	z.outside[network(ip)] = next
	return true
}

// exceptLocked notes that an address is inside.
func (z *zones) exceptLocked(ip netip.Addr) bool {
	if z.inside[ip] {
		return false
	}
	if len(z.inside) >= maxInside {
		clear(z.inside)
	}
	z.inside[ip] = true
	return true
}

// network returns the network that an address stands for.
func network(ip netip.Addr) netip.Prefix {
	bits := outsideBits4
	if ip.Is6() {
		bits = outsideBits6
	}
	prefix, _ := ip.Prefix(bits) // fails for the zero Addr alone
	return prefix
}
