package scenario

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// inject adds a fault to the daemons' calls of ACTION, N times or until AWS recovers.
func (p *player) inject(v values, f awssim.Fault) error {
	actions := map[string]string{"register": registerTargets, "deregister": deregisterTargets, "read": describeHealth, "everything": "*"}
	action, ok := actions[v["ACTION"]]
	if !ok {
		return fmt.Errorf("calls are to register, deregister, read or everything, not %q", v["ACTION"])
	}
	f.Action, f.Caller = action, daemonKey
	if v["N"] != "" {
		if err := v.count(&f.Times); err != nil {
			return err
		}
	}
	p.world.sim.Inject(f)
	return nil
}

func (p *player) throttles(_ context.Context, v values) error {
	return p.inject(v, awssim.Fault{Throttle: true})
}

// answers makes AWS answer with an error code.
func (p *player) answers(_ context.Context, v values) error {
	status := map[string]int{
		"InternalFailure": http.StatusInternalServerError, "ServiceUnavailable": http.StatusServiceUnavailable, "AccessDenied": http.StatusForbidden,
	}
	return p.inject(v, awssim.Fault{Code: v["CODE"], Status: status[v["CODE"]], Message: "as the scenario says"})
}

// refuses makes AWS refuse every registration that names an address.
func (p *player) refuses(_ context.Context, v values) error {
	v["ACTION"] = "register"
	return p.inject(v, awssim.Fault{
		Code: "ValidationError", Message: "The IP address '" + v["ADDRESS"] + "' cannot be registered", Where: awssim.Naming(v["ADDRESS"]),
	})
}

func (p *player) loses(_ context.Context, v values) error {
	return p.inject(v, awssim.Fault{LoseResponse: true})
}

func (p *player) resets(_ context.Context, v values) error {
	return p.inject(v, awssim.Fault{Reset: true})
}

func (p *player) late(_ context.Context, v values) error {
	var d time.Duration
	if err := v.duration(&d); err != nil {
		return err
	}
	return p.inject(v, awssim.Fault{Late: awssim.Span{Min: d, Max: d}})
}

func (p *player) slow(_ context.Context, v values) error {
	var f awssim.Fault
	if err := v.duration(&f.Latency); err != nil {
		return err
	}
	return p.inject(v, f)
}

func (p *player) stale(_ context.Context, v values) error {
	var d time.Duration
	if err := v.duration(&d); err != nil {
		return err
	}
	v["ACTION"] = "read"
	return p.inject(v, awssim.Fault{Stale: awssim.Span{Min: d, Max: d}})
}

func (p *player) awsRecovers(context.Context, values) error {
	p.world.sim.ClearFaults()
	return nil
}

// resources are the kinds as the API server calls them.
func resource(v values) (string, error) {
	kinds := map[string]string{
		"pods": "pods", "nodes": "nodes", "services": "services", "slices": "endpointslices", "everything": "",
	}
	kind, ok := kinds[v["KIND"]]
	if !ok {
		return "", fmt.Errorf("there are pods, nodes, services, slices and everything, not %q", v["KIND"])
	}
	return kind, nil
}

// delays makes watches late, those of one replica alone if one is named.
func (p *player) delays(_ context.Context, v values) error {
	kind, err := resource(v)
	if err != nil {
		return err
	}
	var d time.Duration
	if err := v.duration(&d); err != nil {
		return err
	}
	m := kubesim.Match{Resource: kind}
	if v["NAME"] != "" {
		m.UserAgent = userAgent(v["NAME"])
	}
	p.world.kube.DelayWatches(m, d)
	p.world.desired.delayed(d)
	return nil
}

func (p *player) lists(_ context.Context, v values) error {
	kind, err := resource(v)
	if err != nil {
		return err
	}
	f := kubesim.Fault{Match: kubesim.Match{Verb: "list", Resource: kind}}
	if err := v.duration(&f.Latency); err != nil {
		return err
	}
	// A client that can also lists by a watch.
	p.world.kube.Inject(f)
	f.Verb = "watch"
	p.world.kube.Inject(f)
	p.world.desired.interrupted()
	return nil
}

// failsLists makes lists fail, those that a client makes past its cache among them.
func (p *player) failsLists(_ context.Context, v values) error {
	kind, err := resource(v)
	if err != nil {
		return err
	}
	p.world.kube.Inject(kubesim.Fault{Match: kubesim.Match{Verb: "list", Resource: kind}, Code: http.StatusServiceUnavailable})
	return nil
}

func (p *player) cuts(context.Context, values) error {
	p.world.desired.interrupted()
	p.world.kube.CutWatches(kubesim.Match{})
	return nil
}

func (p *player) expires(context.Context, values) error {
	p.world.desired.interrupted()
	p.world.kube.ExpireWatches(kubesim.Match{})
	return nil
}

func (p *player) forgetsEvents(context.Context, values) error {
	p.world.kube.Compact()
	return nil
}

func (p *player) down(context.Context, values) error {
	p.world.desired.goBlind(true)
	p.world.kube.SetDown(true)
	return nil
}

func (p *player) up(context.Context, values) error {
	p.world.kube.SetDown(false)
	p.world.desired.see(true)
	return nil
}

// outOfReach cuts one replica off.
func (p *player) outOfReach(_ context.Context, v values) error {
	p.world.desired.goBlind(false)
	m := kubesim.Match{UserAgent: userAgent(v["NAME"])}
	p.world.kube.Inject(kubesim.Fault{Match: m, Refuse: true})
	p.world.kube.CutWatches(m)
	return nil
}

func (p *player) apiRecovers(context.Context, values) error {
	p.world.kube.ClearFaults()
	p.world.desired.see(false)
	return nil
}
