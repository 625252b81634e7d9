package readiness

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/tgsync/tgsync/syncer/endpoints"
	"github.com/tgsync/tgsync/syncer/opqueue"
)

// patchWorkers is how many pods are patched at once. An API server that answers in
// 10 ms takes 1,600 patches a second from so many.
const patchWorkers = 16

// memory is what is remembered of a pod between two looks at it: by restart all of it
// is found again, or found out again.
type memory struct {
	uid types.UID
	// written are the conditions as of our last patch, which gave the pod that version.
	// They count as long as the cache is behind it.
	written  []corev1.PodCondition
	version  string
	troubled map[string]time.Time // see input
}

// reflect decides about the gates of a pod and writes what has changed.
func (g *Gates) reflect(ctx context.Context, name types.NamespacedName, _ time.Time) opqueue.Result {
	now := time.Now()
	pod := g.o.Cluster.Pod(name)
	if pod == nil || len(pod.Gates) == 0 || !pod.Living() {
		g.release(name, now)
		return opqueue.Done()
	}
	groups, known := g.o.Cluster.Groups(pod)
	if !known {
		return opqueue.Done() // Rebound adds it again
	}
	m := g.memoryOf(pod)
	pod = m.over(pod)
	d := decide(input{
		now: now, pod: pod, groups: g.book.stands(pod, groups, now),
		troubled: m.troubled, latch: g.o.Latch, timeout: g.o.Timeout,
	})
	m.troubled = d.troubled
	for _, arn := range g.book.await(name, d.waits, now) {
		if g.schedule(arn) {
			g.poller(arn).reads.Add(arn, opqueue.Change{})
		}
	}
	if !d.until.IsZero() {
		g.pods.Add(name, opqueue.Change{Since: d.until})
	}
	if len(d.conditions) == 0 {
		return opqueue.Done()
	}
	return g.write(ctx, m, pod, d)
}

// write patches the conditions that differ. That the pod is still the one of this UID
// is for the API server to say.
func (g *Gates) write(ctx context.Context, m *memory, pod *endpoints.Pod, d decision) opqueue.Result {
	log := g.o.Log.With(slog.String("pod", pod.Namespace+"/"+pod.Name))
	patch, err := patchOf(pod.UID, d.conditions)
	if err != nil {
		log.ErrorContext(ctx, "conditions of a pod cannot be written", slog.Any("error", err))
		return opqueue.Done()
	}
	after, err := g.o.Pods.Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	switch {
	case err == nil:
		m.version, m.written = after.ResourceVersion, endpoints.PodOf(after).Conditions
		g.opened(ctx, log, pod, d.openings)
		return opqueue.Done()
	case apierrors.IsNotFound(err):
		return opqueue.Done() // The cache will say so, too.
	case apierrors.IsInvalid(err):
		// The UID cannot be changed: there is another pod of that name, which has an event
		// of its own.
		log.InfoContext(ctx, "conditions of a pod are not written: it is another one by now", slog.Any("error", err))
		return opqueue.Done()
	default:
		log.WarnContext(ctx, "conditions of a pod are not written, and will be", slog.Any("error", err))
		return opqueue.Retry()
	}
}

// opened tells of gates that are open now.
func (g *Gates) opened(ctx context.Context, log *slog.Logger, pod *endpoints.Pod, all []opening) {
	now := time.Now()
	for _, o := range all {
		log.InfoContext(ctx, "gate opened", slog.String("gate", o.gate), slog.Any("without", o.without))
		g.o.Metrics.GateOpened(since(o.registered, now), since(o.possible, now))
		for _, without := range o.without {
			g.o.Metrics.GateTimedOut()
			g.o.Events.Eventf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}},
				corev1.EventTypeWarning, ReasonGateTimeout, "gate %s of pod %s/%s opened after %v without target group %s",
				o.gate, pod.Namespace, pod.Name, g.o.Timeout, without)
		}
	}
}

func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return now.Sub(t)
}

// patchOf is a strategic merge patch of a pod's status. Conditions are merged by type,
// field by field, so an empty reason has to be written as null. The UID is immutable:
// the patch fails for another pod.
func patchOf(uid types.UID, conditions []corev1.PodCondition) ([]byte, error) {
	type condition struct {
		Type               corev1.PodConditionType `json:"type"`
		Status             corev1.ConditionStatus  `json:"status"`
		Reason             *string                 `json:"reason"`
		Message            *string                 `json:"message"`
		LastTransitionTime metav1.Time             `json:"lastTransitionTime"`
	}
	orNull := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var written []condition
	for _, c := range conditions {
		written = append(written, condition{c.Type, c.Status, orNull(c.Reason), orNull(c.Message), c.LastTransitionTime})
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": uid}, "status": map[string]any{"conditions": written},
	})
	if err != nil {
		return nil, fmt.Errorf("encode a patch: %w", err)
	}
	return patch, nil
}

// memoryOf returns what is remembered of a pod. Of a pod one run is under way at a
// time, which alone uses it.
func (g *Gates) memoryOf(pod *endpoints.Pod) *memory {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.memories[nameOf(pod)]
	if m == nil || m.uid != pod.UID {
		m = &memory{uid: pod.UID}
		g.memories[nameOf(pod)] = m
	}
	return m
}

// release forgets a pod.
func (g *Gates) release(name types.NamespacedName, now time.Time) {
	g.book.release(name, now)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.memories, name)
}

// over returns the pod with the conditions that were written last, if the cache is
// behind them.
func (m *memory) over(pod *endpoints.Pod) *endpoints.Pod {
	if m.version == "" {
		return pod
	}
	order, err := resourceversion.CompareResourceVersion(pod.ResourceVersion, m.version)
	if err != nil || order >= 0 {
		m.version, m.written = "", nil
		return pod
	}
	ahead := *pod
	ahead.Conditions = slices.Clone(m.written)
	return &ahead
}
