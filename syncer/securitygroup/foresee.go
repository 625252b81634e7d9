package securitygroup

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tgsync/tgsync/awsapi"
)

// Foreseen is what is to be opened and closed.
type Foreseen struct {
	Steps    []string // in words and in order
	Problems []string // as owners of needs are told
}

// Foresee returns what Run would come to if nothing changed any more: rules that are
// closed only after a while are among it. It reads and writes nothing. The caches must be
// full, and the Loop must not run.
func (l *Loop) Foresee(ctx context.Context) (Foreseen, error) {
	all, began, err := l.groups.readAll(ctx)
	if err != nil {
		return Foreseen{}, fmt.Errorf("read security groups: %w", err)
	}
	l.o.Backend.listed(all, began)
	l.interfaces.stale = began
	p, err := l.findAll(ctx)
	if err != nil {
		return Foreseen{}, fmt.Errorf("look up network interfaces: %w", err)
	}
	var f Foreseen
	for _, id := range sortedKeys(p.groups) {
		if known := l.groups.known[id]; known != nil {
			f.add("open", "to", id, p.missing(&known.SecurityGroup))
		}
	}
	for _, id := range sortedKeys(l.groups.known) {
		if known := l.groups.known[id]; known.ours {
			f.add("close", "for", id, p.extra(&known.SecurityGroup, l.groups.removable))
		}
	}
	if p.complete && !p.backend && l.o.Backend.removable() {
		f.Steps = append(f.Steps, "delete backend security group "+l.o.Backend.ID())
	}
	for _, name := range sortedKeys(p.problems) {
		f.Problems = append(f.Problems, name+": "+strings.Join(p.problems[name], "; "))
	}
	return f, nil
}

// findAll makes a plan once all that it asks for was looked up, or cannot be found.
func (l *Loop) findAll(ctx context.Context) (*plan, error) {
	for again := false; ; again = true {
		p := l.plan()
		if p.asks.empty() {
			return p, nil
		}
		if again && !sleep(ctx, gap) { // never more than one call of a kind a second
			return nil, ctx.Err()
		}
		err := l.interfaces.lookup(ctx, p.asks)
		if ids := sortedKeys(p.asks.groups); err == nil && len(ids) > 0 {
			err = l.groups.read(ctx, ids[:min(addressesAtOnce, len(ids))])
		}
		if err != nil {
			return nil, err
		}
	}
}

// add tells of each rule.
func (f *Foreseen) add(verb, preposition, group string, rules []awsapi.Permission) {
	for _, r := range rules {
		from := cmp.Or(r.GroupID, r.CIDR, r.CIDRv6, r.PrefixListID)
		f.Steps = append(f.Steps, fmt.Sprintf("%s %s of security group %s %s %s", verb, ports(r), group, preposition, from))
	}
}

// ports names the ports of a rule.
func ports(r awsapi.Permission) string {
	switch {
	case r.FromPort == 0 && r.ToPort == maxPort:
		return "all " + r.Protocol + " ports"
	case r.FromPort == r.ToPort:
		return r.Protocol + " port " + strconv.Itoa(int(r.FromPort))
	}
	return fmt.Sprintf("%s ports %d to %d", r.Protocol, r.FromPort, r.ToPort)
}

// sleep reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select { // Either the time is over, or everything is.
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
