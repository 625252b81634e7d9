package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/tgsync/tgsync/syncer/rehearsal"
	"github.com/tgsync/tgsync/syncer/webhook"
)

// makePlan finds out what the daemon would do with this configuration. It builds one for
// a dry run, fills its caches, and makes one pass of each loop.
func makePlan(ctx context.Context, c config, w wires, log *slog.Logger) (*report, error) {
	c.DryRun = true
	d, err := build(ctx, c, w, log)
	if err != nil {
		return nil, err
	}
	defer d.events.Shutdown()
	// Caches would try for ever what this tells at once.
	if _, err = d.clients.kube.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return nil, fmt.Errorf("read the cluster: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	d.informers.Start(ctx.Done())
	defer d.informers.Shutdown()
	defer cancel() // before the informers are waited for
	running.Go(func() { d.bindings.Run(ctx) })
	running.Go(func() { d.params.Run(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), d.informers.HasSynced, d.bindings.HasSynced, d.params.HasSynced) {
		return nil, fmt.Errorf("read the cluster: %w (what may not be read is said above; see deploy/rbac.yaml)", context.Cause(ctx))
	}
	r, err := d.foresee(ctx)
	if err != nil {
		return nil, err
	}
	r.LBC = d.findLBC(ctx)
	return r, nil
}

// foresee makes one pass of each loop.
func (d *parts) foresee(ctx context.Context) (*report, error) {
	backend := d.newBackend()
	loop := d.newProvision(time.Time{}, backend)
	outcomes, err := loop.Once(ctx)
	if err != nil {
		return nil, fmt.Errorf("read AWS: %w", err)
	}
	bindings := d.newGroupBindings(loop)
	bindings.Once(ctx)
	made := backend.ID()
	foreseen, err := d.newSecurityGroups(backend, loop.Needs(), bindings.Needs()).Foresee(ctx)
	if err != nil {
		return nil, err
	}
	if name, is := strings.CutPrefix(made, rehearsal.SecurityGroup); is {
		foreseen.Steps = slices.Insert(foreseen.Steps, 0, "create backend security group "+name)
	}
	return newReport(d.config.ClusterName, outcomes, foreseen), nil
}

// findLBC looks for the AWS Load Balancer Controller. What may not be read is said.
func (d *parts) findLBC(ctx context.Context) lbcReport {
	l := lbcReport{Services: d.informers.Unserved(), Gateways: []string{}, Unknown: []string{}}
	unknown := func(what string, err error) {
		if err != nil {
			l.Unknown = append(l.Unknown, what+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	var err error
	l.Lease, err = d.lookAtLease(ctx)
	unknown("its Lease", err)
	l.Webhooks, err = webhook.Find(ctx, d.clients.kube.AdmissionregistrationV1())
	l.Webhooks.Validating, l.Webhooks.Mutating = append([]string{}, l.Webhooks.Validating...), append([]string{}, l.Webhooks.Mutating...)
	unknown("its webhooks", err)
	gateways, err := d.findGateways(ctx)
	unknown("Gateways", err)
	l.Gateways = append(l.Gateways, gateways...)
	return l
}

// lookAtLease tells whether LBC works, by its Lease and our clock.
func (d *parts) lookAtLease(ctx context.Context) (leaseReport, error) {
	if d.config.LBCLeaseName == "" {
		return leaseReport{}, nil
	}
	r := leaseReport{Name: d.config.LBCLeaseNamespace + "/" + d.config.LBCLeaseName, State: "not known"}
	lease, err := d.clients.leases.Leases(d.config.LBCLeaseNamespace).Get(ctx, d.config.LBCLeaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		r.State = "there is none"
		return r, nil
	case err != nil:
		return r, err
	}
	r.Live, r.State = leaseState(&lease.Spec, time.Now())
	return r, nil
}

// usualLease is how long a Lease lasts that does not say it.
const usualLease = 15 * time.Second

// leaseState tells whether a Lease's holder works, and how that is known.
func leaseState(spec *coordinationv1.LeaseSpec, now time.Time) (live bool, state string) {
	if spec.HolderIdentity == nil || *spec.HolderIdentity == "" {
		return false, "was given up"
	}
	if spec.RenewTime == nil {
		return false, "was never renewed"
	}
	lasts := usualLease
	if spec.LeaseDurationSeconds != nil {
		lasts = time.Duration(*spec.LeaseDurationSeconds) * time.Second
	}
	ago := now.Sub(spec.RenewTime.Time).Round(time.Second)
	if ago > lasts {
		return false, fmt.Sprintf("ran out, last renewed %v ago by %s", ago, *spec.HolderIdentity)
	}
	return true, fmt.Sprintf("is being renewed by %s: tgsync writes nothing as long as it is", *spec.HolderIdentity)
}

// What a Gateway of LBC's is.
var (
	gatewayClasses = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gatewayclasses"}
	gateways       = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
)

// gatewayController begins the names of the controllers of LBC's classes.
const gatewayController = "gateway.k8s.aws/"

// findGateways returns the Gateways of LBC's classes. The kinds may be absent.
func (d *parts) findGateways(ctx context.Context) ([]string, error) {
	classes, err := d.clients.dynamic.Resource(gatewayClasses).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ofLBC := map[string]bool{}
	for i := range classes.Items {
		if strings.HasPrefix(field(classes.Items[i].Object, "controllerName"), gatewayController) {
			ofLBC[classes.Items[i].GetName()] = true
		}
	}
	if len(ofLBC) == 0 {
		return nil, nil
	}
	all, err := d.clients.dynamic.Resource(gateways).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var found []string
	for i := range all.Items {
		if g := &all.Items[i]; ofLBC[field(g.Object, "gatewayClassName")] {
			found = append(found, g.GetNamespace()+"/"+g.GetName())
		}
	}
	slices.Sort(found)
	return found, nil
}

// field returns a text of an object's spec.
func field(object map[string]any, name string) string {
	spec, _ := object["spec"].(map[string]any)
	text, _ := spec[name].(string)
	return text
}
