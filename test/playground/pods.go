package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// objectOutlives is how long a pod's object is still there when its containers have
// ended: a kubelet reports their end first and has other work in between.
const objectOutlives = 500 * time.Millisecond

// podRunner runs the containers of all pods of the network, the part of a kubelet
// that KWOK leaves out.
type podRunner struct {
	clientset kubernetes.Interface
	network   network
	log       *slog.Logger
}

func (s *Stack) startPods(ctx context.Context) error {
	r := &podRunner{clientset: s.clientset, network: s.network, log: s.opts.Log}
	synced := make(chan struct{})
	s.launch(ctx, func(ctx context.Context) error { return r.run(ctx, synced) })
	select {
	case <-synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run follows the pods until ctx ends. It closes synced when it knows all that
// there were at the start.
func (r *podRunner) run(ctx context.Context, synced chan<- struct{}) error {
	factory := informers.NewSharedInformerFactory(r.clientset, 0)
	pods := factory.Core().V1().Pods()
	// One change that nobody has looked at yet stands for all changes since.
	wake := make(chan struct{}, 1)
	notify := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	if _, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	}); err != nil {
		return err
	}
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), pods.Informer().HasSynced) {
		return ctx.Err()
	}
	close(synced)

	var lives sync.WaitGroup
	defer lives.Wait()
	running := map[types.UID]*podLife{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
		all, err := pods.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		r.follow(ctx, all, running, &lives)
	}
}

// podLife is one running pod.
type podLife struct {
	kill context.CancelFunc
	stop *podStop
}

// podStop tells a pod's containers to stop.
type podStop struct {
	begun    chan struct{}
	deadline time.Time // the end of the grace period; set before begun is closed
}

func (p *podStop) begin(deadline time.Time) {
	select {
	case <-p.begun:
	default:
		p.deadline = deadline
		close(p.begun)
	}
}

// follow starts, stops and kills pods' containers so that they are as the objects
// say.
func (r *podRunner) follow(ctx context.Context, pods []*corev1.Pod, running map[types.UID]*podLife, lives *sync.WaitGroup) {
	exists := map[types.UID]bool{}
	for _, pod := range pods {
		exists[pod.UID] = true
		life, ok := running[pod.UID]
		switch {
		case ok && pod.DeletionTimestamp != nil:
			life.stop.begin(pod.DeletionTimestamp.Time)
		case !ok && started(pod):
			if life := r.start(ctx, pod, lives); life != nil {
				running[pod.UID] = life
			}
		}
	}
	for uid, life := range running {
		if !exists[uid] {
			life.kill()
			delete(running, uid)
		}
	}
}

// started says whether a pod's containers should run now.
func started(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != ""
}

// start begins the life of a pod; nil if it has nothing that can be run here.
func (r *podRunner) start(ctx context.Context, pod *corev1.Pod, lives *sync.WaitGroup) *podLife {
	containers := echoes(pod)
	ip, ours := r.network.loopbackOf(pod.Status.PodIP)
	if len(containers) == 0 || !ours {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	life := &podLife{kill: cancel, stop: &podStop{begun: make(chan struct{})}}
	lives.Go(func() {
		defer cancel()
		err := r.live(ctx, pod, ip, containers, life.stop)
		if err != nil && ctx.Err() == nil {
			r.log.Error("pod failed", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		}
	})
	return life
}

// live runs the containers to their end and then removes the pod's object, as a
// kubelet does. Pods that are not played here are removed by KWOK when their grace
// period ends.
func (r *podRunner) live(ctx context.Context, pod *corev1.Pod, ip netip.Addr, containers []echo, stop *podStop) error {
	errs := make([]error, len(containers))
	var running sync.WaitGroup
	for i, c := range containers {
		running.Go(func() { errs[i] = c.run(ctx, ip, pod.Name, stop) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.insist(ctx, pod, "report the end", r.reportEnd); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(objectOutlives):
	}
	return r.insist(ctx, pod, "remove the object", r.remove)
}

// insist does something until the API server took it, as a kubelet would: the server
// may be down for a while. A pod that is gone needs nothing any more.
func (r *podRunner) insist(ctx context.Context, pod *corev1.Pod, what string, do func(context.Context, *corev1.Pod) error) error {
	err := poll(ctx, func(ctx context.Context) error { return ignoreGone(do(ctx, pod)) }, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// remove removes the pod's object at once.
func (r *podRunner) remove(ctx context.Context, pod *corev1.Pod) error {
	return r.clientset.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64(0)),
		Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)),
	})
}

// reportEnd says in the pod's status that it serves no more.
func (r *podRunner) reportEnd(ctx context.Context, pod *corev1.Pod) error {
	const patch = `{"metadata":{"uid":%q},"status":{"conditions":[` +
		`{"type":"Ready","status":"False","reason":"PodCompleted"},` +
		`{"type":"ContainersReady","status":"False","reason":"PodCompleted"}]}}`
	_, err := r.clientset.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType,
		fmt.Appendf(nil, patch, pod.UID), metav1.PatchOptions{}, "status")
	return err
}

// ignoreGone drops the errors that mean that the pod is gone, or another has its name.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
