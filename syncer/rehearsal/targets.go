package rehearsal

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/target"
)

// Targets are what is believed of targets: those that were registered are healthy, those
// that were deregistered are gone. What AWS says itself need not be believed, and is
// forgotten. The zero value believes nothing. Its methods may be called by many at once.
type Targets struct {
	mu sync.Mutex // guards what follows
	// believed are, by ARN of the group, the targets that were registered (true) and
	// deregistered (false), and that AWS does not show so.
	believed map[string]map[target.Target]bool
}

// RegisterTargets lets the targets be believed to be registered.
func (e ELB) RegisterTargets(_ context.Context, arn string, targets []target.Target, _ func(netip.Addr) string) error {
	e.Targets.believe(arn, targets, true)
	return nil
}

// DeregisterTargets lets the targets be believed to be gone.
func (e ELB) DeregisterTargets(_ context.Context, arn string, targets []target.Target) error {
	e.Targets.believe(arn, targets, false)
	return nil
}

// DescribeTargetHealth reads it, but for what was made, and adds what is believed.
func (e ELB) DescribeTargetHealth(ctx context.Context, arn string) ([]awsapi.TargetHealth, error) {
	if isMade(arn) {
		return e.Targets.over(arn, nil), nil
	}
	actual, err := e.ELB.DescribeTargetHealth(ctx, arn)
	if err != nil {
		return nil, err
	}
	return e.Targets.over(arn, actual), nil
}

func (t *Targets) believe(arn string, targets []target.Target, registered bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.believed == nil {
		t.believed = map[string]map[target.Target]bool{}
	}
	if t.believed[arn] == nil {
		t.believed[arn] = map[target.Target]bool{}
	}
	for _, one := range targets {
		t.believed[arn][one] = registered
	}
	if isMade(arn) { // nobody else can take them out of it
		maps.DeleteFunc(t.believed[arn], func(_ target.Target, registered bool) bool { return !registered })
	}
}

// over returns what AWS shows of a group, and over it what is believed.
func (t *Targets) over(arn string, shown []awsapi.TargetHealth) []awsapi.TargetHealth {
	if t == nil {
		return shown
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	believed := t.believed[arn]
	if len(believed) == 0 {
		return shown
	}
	stands := map[target.Target]bool{}
	var over []awsapi.TargetHealth
	for _, h := range shown {
		stands[h.Target] = h.State != awsapi.StateDraining
		if registered, ok := believed[h.Target]; !ok || registered == stands[h.Target] {
			over = append(over, h)
		}
	}
	maps.DeleteFunc(believed, func(one target.Target, registered bool) bool { return registered == stands[one] })
	for _, one := range slices.SortedFunc(maps.Keys(believed), target.Target.Compare) {
		if believed[one] {
			over = append(over, awsapi.TargetHealth{Target: one, State: awsapi.StateHealthy})
		}
	}
	if len(believed) == 0 {
		delete(t.believed, arn)
	}
	return over
}
