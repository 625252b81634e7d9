package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/syncer/target"
)

// group makes a target group that is bound to a Service port. Its own port is the
// number behind the Service port, or the Service port where that has a name.
func (p *player) group(ctx context.Context, v values) error {
	svc := p.world.cluster.services[v["SERVICE"]]
	if svc == nil {
		return fmt.Errorf("there is no Service %s", v["SERVICE"])
	}
	servicePort := intstr.Parse(v["PORT"])
	var own int32
	for _, port := range svc.Spec.Ports {
		if port.Name == servicePort.StrVal || port.Port == servicePort.IntVal {
			if own = port.TargetPort.IntVal; own == 0 {
				own = port.Port
			}
		}
	}
	if own == 0 {
		return fmt.Errorf("service %s has no port %s", svc.Name, v["PORT"])
	}
	err := p.world.account.addGroup(ctx, v["NAME"], own, types.NamespacedName{Namespace: namespace, Name: svc.Name}, servicePort)
	if err != nil {
		return err
	}
	p.world.rebind()
	return nil
}

// rebind tells all daemons of the bindings.
func (w *World) rebind() {
	for _, d := range w.daemons {
		d.source.set(w.account.bindings())
	}
}

func (p *player) bind(_ context.Context, v values) error   { return p.setBound(v["NAME"], true) }
func (p *player) unbind(_ context.Context, v values) error { return p.setBound(v["NAME"], false) }

func (p *player) setBound(name string, bound bool) error {
	g, err := p.world.account.group(name)
	if err != nil {
		return err
	}
	g.unbound = !bound
	p.world.rebind()
	return nil
}

func (p *player) balancer(ctx context.Context, v values) error {
	return p.world.account.attach(ctx, v["NAME"], strings.Fields(v["GROUPS"]))
}

func (p *player) somebodyRegisters(ctx context.Context, v values) error {
	ts, err := p.targets(v)
	if err != nil {
		return err
	}
	return p.world.account.register(ctx, v["GROUP"], ts)
}

func (p *player) somebodyDeregisters(ctx context.Context, v values) error {
	ts, err := p.targets(v)
	if err != nil {
		return err
	}
	return p.world.account.deregister(ctx, v["GROUP"], ts)
}

// targets reads TARGETS of GROUP: addresses, with a port where it is not the group's
// own. "10.0.0.1..5" are five; "nothing" is none.
func (p *player) targets(v values) ([]target.Target, error) {
	g, err := p.world.account.group(v["GROUP"])
	if err != nil {
		return nil, err
	}
	var all []target.Target
	for word := range strings.FieldsSeq(v["TARGETS"]) {
		if word == "nothing" {
			continue
		}
		if at, err := netip.ParseAddrPort(word); err == nil {
			all = append(all, target.Target{IP: at.Addr(), Port: int32(at.Port())})
			continue
		}
		first, count, err := addresses(word)
		if err != nil {
			return nil, err
		}
		for range count {
			all = append(all, target.Target{IP: first, Port: g.port})
			first = first.Next()
		}
	}
	return all, nil
}

// addresses reads an address, or several that follow each other.
func addresses(word string) (first netip.Addr, count int, err error) {
	from, to, several := strings.Cut(word, "..")
	if first, err = netip.ParseAddr(from); err != nil || !several {
		return first, 1, err
	}
	last, err := netip.ParseAddr(to)
	if err != nil {
		return first, 0, fmt.Errorf("%q is no range of addresses: %w", word, err)
	}
	for ip := first; ip.Compare(last) <= 0; ip = ip.Next() {
		count++
	}
	return first, count, nil
}

func (p *player) start(ctx context.Context, v values) error { return p.world.Start(ctx, v["NAME"]) }
func (p *player) stop(_ context.Context, v values) error    { return p.world.Stop(v["NAME"]) }
func (p *player) kill(_ context.Context, v values) error    { return p.world.Kill(v["NAME"]) }
