package groupbinding

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/tgsync/tgsync/syncer/target"
)

// The ConfigMap of a ledger, named and written as LBC does.
const (
	ledgerPrefix = "aws-lbc-targets-"
	ledgerKey    = "targets"
	// ledgerTimeout ends a request that the API server does not answer.
	ledgerTimeout = 5 * time.Second
	// ledgerTries is how often a ledger is read again that somebody else has written.
	ledgerTries = 3
)

// Ledger keeps, for one term of leading, which targets of shared target groups are this
// cluster's: in a ConfigMap for each TargetGroupBinding, which goes with it. A group that
// the provisioner made has one of the name that its TargetGroupBinding would have; it
// goes with the Service.
type Ledger struct {
	client ledgerClient
	watch  *Watch

	mu    sync.Mutex // guards pages
	pages map[types.NamespacedName]page
}

// ledgerClient reads and writes what a Ledger needs.
type ledgerClient interface {
	typedcorev1.ConfigMapsGetter
	typedcorev1.ServicesGetter
}

// page is what is known of one ConfigMap. It is not changed.
type page struct {
	targets target.Set
	version string // empty: there is no ConfigMap
	owned   bool   // it goes with somebody
}

// NewLedger returns a Ledger that knows nothing yet.
func NewLedger(client ledgerClient, watch *Watch) *Ledger {
	return &Ledger{client: client, watch: watch, pages: map[types.NamespacedName]page{}}
}

// Update implements syncer.Ledger. Whoever else has written the ConfigMap meanwhile is
// heard: change is called again with what stands there.
func (l *Ledger) Update(ctx context.Context, b target.Binding, change func(target.Set) target.Set) (target.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	of := types.NamespacedName{Namespace: b.Service.Namespace, Name: b.GateName()}
	var err error
	for range ledgerTries {
		var was page
		if was, err = l.page(ctx, of); err != nil {
			break
		}
		next := change(was.targets)
		if was.version != "" && maps.Equal(next, was.targets) {
			return next, nil
		}
		var written *corev1.ConfigMap
		if written, err = l.write(ctx, b, was, next); err == nil {
			l.keep(of, pageOf(written))
			return next, nil
		}
		l.forget(of)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			break
		}
	}
	return nil, fmt.Errorf("ConfigMap %s/%s: %w", of.Namespace, ledgerPrefix+of.Name, err)
}

// page returns what a ConfigMap holds, from memory if it is there.
func (l *Ledger) page(ctx context.Context, of types.NamespacedName) (page, error) {
	l.mu.Lock()
	p, known := l.pages[of]
	l.mu.Unlock()
	if known {
		return p, nil
	}
	m, err := l.client.ConfigMaps(of.Namespace).Get(ctx, ledgerPrefix+of.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return page{}, nil
	}
	if err != nil {
		return page{}, err
	}
	l.keep(of, pageOf(m))
	return pageOf(m), nil
}

func (l *Ledger) keep(of types.NamespacedName, p page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[of] = p
}

func (l *Ledger) forget(of types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pages, of)
}

// write makes the ConfigMap or changes the version that was read.
func (l *Ledger) write(ctx context.Context, b target.Binding, was page, targets target.Set) (*corev1.ConfigMap, error) {
	configMaps := l.client.ConfigMaps(b.Service.Namespace)
	meta := metav1.ObjectMeta{Name: ledgerPrefix + b.GateName()}
	if !was.owned {
		meta.OwnerReferences = l.owner(ctx, b)
	}
	data := map[string]string{ledgerKey: format(targets)}
	if was.version == "" {
		return configMaps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: data}, metav1.CreateOptions{})
	}
	meta.ResourceVersion = was.version
	patch, err := json.Marshal(map[string]any{"metadata": meta, "data": data})
	if err != nil {
		return nil, err
	}
	return configMaps.Patch(ctx, meta.Name, types.MergePatchType, patch, metav1.PatchOptions{})
}

// owner refers to a TargetGroupBinding, so that its ConfigMap is collected with it, or
// else to the Service. Without either it is tried again with the next change.
func (l *Ledger) owner(ctx context.Context, b target.Binding) []metav1.OwnerReference {
	key := types.NamespacedName{Namespace: b.Service.Namespace, Name: b.GateName()}
	obj, _, _ := l.watch.informer.GetStore().GetByKey(key.String()) // a cache in memory has no errors
	if o, ok := obj.(*Object); ok {
		return []metav1.OwnerReference{{APIVersion: Resource.GroupVersion().String(), Kind: kind, Name: o.Name, UID: o.UID}}
	}
	if b.Name != "" {
		return nil
	}
	svc, err := l.client.Services(b.Service.Namespace).Get(ctx, b.Service.Name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: svc.Name, UID: svc.UID}}
}

func pageOf(m *corev1.ConfigMap) page {
	return page{targets: parse(m.Data[ledgerKey]), version: m.ResourceVersion, owned: len(m.OwnerReferences) > 0}
}

// format writes targets as LBC does: "ip:port,ip:port", without brackets around IPv6.
func format(targets target.Set) string {
	all := make([]string, 0, len(targets))
	for _, t := range targets.Sorted() {
		all = append(all, t.IP.String()+":"+strconv.Itoa(int(t.Port)))
	}
	return strings.Join(all, ",")
}

// parse reads what format writes. What is no address and port is not ours.
func parse(text string) target.Set {
	targets := target.Set{}
	for one := range strings.SplitSeq(text, ",") {
		i := strings.LastIndex(one, ":")
		if i < 0 {
			continue
		}
		ip, err := netip.ParseAddr(one[:i])
		port, portErr := strconv.ParseUint(one[i+1:], 10, 16)
		if err == nil && portErr == nil {
			targets[target.Target{IP: ip, Port: int32(port)}] = struct{}{}
		}
	}
	return targets
}
