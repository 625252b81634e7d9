package kubesim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"pgregory.net/rapid"
)

// quiet is longer than any back-off of a reflector.
const quiet = 5 * time.Minute

// TestInformersStayEqual holds informers to the store after random histories: what a
// client-go cache says once nothing happens any more is what the server has.
func TestInformersStayEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Rapid asks a test for its deadline, which is real time and not to be had in
		// a bubble: a TB has none.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			s := New(Options{Window: rapid.IntRange(0, 20).Draw(rt, "window")})
			defer s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			factory := informers.NewSharedInformerFactory(clientset(t, s.Config(), "product"), 0)
			pods := factory.Core().V1().Pods()
			informer := pods.Informer()
			// A selected cache sees objects come and go that others see change.
			selected := informers.NewSharedInformerFactoryWithOptions(clientset(t, s.Config(), "product"), 0,
				informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = "even=yes" }))
			even := selected.Core().V1().Pods()
			_ = even.Informer()
			factory.StartWithContext(ctx)
			selected.StartWithContext(ctx)
			defer selected.Shutdown()
			defer factory.Shutdown()
			defer cancel()

			world := clientset(t, s.Admin(), "world")
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				step(ctx, rt, s, world)
			}
			s.SetDown(false)
			s.ClearFaults()
			time.Sleep(quiet)
			synctest.Wait()

			list, err := world.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
			if err != nil {
				rt.Fatal(err)
			}
			var all, evens []string
			for _, pod := range list.Items {
				all = append(all, identity(&pod))
				if pod.Labels["even"] == "yes" {
					evens = append(evens, identity(&pod))
				}
			}
			cached, err := pods.Lister().List(labels.Everything())
			if err != nil {
				rt.Fatal(err)
			}
			cachedEven, err := even.Lister().List(labels.Everything())
			if err != nil {
				rt.Fatal(err)
			}
			if have := identities(cached); !slices.Equal(all, have) || !informer.HasSynced() {
				rt.Fatalf("store %v, cache %v", all, have)
			}
			if have := identities(cachedEven); !slices.Equal(evens, have) {
				rt.Fatalf("selected in the store %v, in the cache %v", evens, have)
			}
		})
	})
}

func identity(pod *corev1.Pod) string {
	return fmt.Sprint(pod.Name, pod.UID, pod.ResourceVersion, pod.Labels, pod.Status.PodIP)
}

func identities(pods []*corev1.Pod) []string {
	var all []string
	for _, pod := range pods {
		all = append(all, identity(pod))
	}
	slices.Sort(all)
	return all
}

// step does one thing to the world or to its connections.
func step(ctx context.Context, rt *rapid.T, s *Server, world kubernetes.Interface) {
	pods := world.CoreV1().Pods("ns")
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "name")
	value := rapid.IntRange(0, 9).Draw(rt, "value")
	change := func(text string, sub ...string) {
		_, _ = pods.Patch(ctx, name, types.StrategicMergePatchType, []byte(text), metav1.PatchOptions{}, sub...)
	}
	switch rapid.IntRange(0, 13).Draw(rt, "step") {
	case 0, 1, 2:
		_, _ = pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: "n"}}, metav1.CreateOptions{})
	case 3, 4:
		change(fmt.Sprintf(`{"metadata":{"labels":{"even":%q}}}`, []string{"yes", "no"}[value%2]))
	case 5:
		change(fmt.Sprintf(`{"status":{"podIP":"10.0.0.%d"}}`, value), "status")
	case 6, 7:
		_ = pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(value % 2))})
	case 8:
		s.CutWatches(Match{})
	case 9:
		s.ExpireWatches(Match{})
	case 10:
		s.Compact()
	case 11:
		s.DelayWatches(Match{}, time.Duration(value)*time.Second)
	case 12:
		s.SetDown(value%2 == 0)
	case 13:
		s.Inject(Fault{
			Match: Match{Verb: []string{"list", "watch"}[value%2]}, Times: 2,
			Code: []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusGone}[value%3],
		})
	}
	time.Sleep(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "pause")) * time.Millisecond)
}

func TestGapForcesRelist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, world := begin(t, Options{})
		create(t, world, "a")
		factory := informers.NewSharedInformerFactory(client, 0)
		informer := factory.Core().V1().ConfigMaps().Informer()
		var tombstones []string
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				tombstones = append(tombstones, gone.Key)
			}
		}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		factory.StartWithContext(ctx)
		defer factory.Shutdown()
		defer cancel()
		synctest.Wait()
		require.Len(t, informer.GetStore().List(), 1)

		s.SetDown(true)
		require.NoError(t, world.CoreV1().ConfigMaps("ns").Delete(t.Context(), "a", metav1.DeleteOptions{}))
		create(t, world, "b")
		s.Compact()
		s.SetDown(false)
		time.Sleep(quiet)
		synctest.Wait()
		require.Equal(t, []string{"ns/b"}, informer.GetStore().ListKeys())
		require.Equal(t, []string{"ns/a"}, tombstones, "the deletion itself was in the gap")
	})
}

func TestLeaderElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := begin(t, Options{Latency: 10 * time.Millisecond})
		var mu sync.Mutex
		var history []string
		say := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			history = append(history, text)
		}
		run := func(ctx context.Context, wg *sync.WaitGroup, name string) {
			wg.Go(func() {
				leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
					Lock: &resourcelock.LeaseLock{
						LeaseMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lock"}, Client: clientset(t, s.Config(), name).CoordinationV1(),
						LockConfig: resourcelock.ResourceLockConfig{Identity: name},
					},
					LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true,
					Callbacks: leaderelection.LeaderCallbacks{
						OnStartedLeading: func(context.Context) { say(name + " leads") },
						OnStoppedLeading: func() { say(name + " stops") },
					},
				})
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		run(ctx, &wg, "one")
		time.Sleep(time.Second)
		run(ctx, &wg, "two")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"one leads"}, history)

		// The leader cannot renew any more: it stops before the other begins.
		s.Inject(Fault{Match: Match{UserAgent: "one"}, Refuse: true})
		time.Sleep(time.Minute)
		require.Equal(t, []string{"one leads", "one stops", "two leads"}, history)
		cancel()
		wg.Wait()
		require.Equal(t, []string{"one leads", "one stops", "two leads", "two stops"}, history)
	})
}

func TestLeaseRaceHasOneWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, _ := begin(t, Options{Latency: 10 * time.Millisecond})
		lock := func(name string) *resourcelock.LeaseLock {
			return &resourcelock.LeaseLock{
				LeaseMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lock"}, Client: client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: name},
			}
		}
		first := lock("first")
		require.NoError(t, first.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "first", LeaseDurationSeconds: 15}))
		// All have read the same version, and all write at once.
		const rivals = 8
		won := make(chan string, rivals)
		var wg sync.WaitGroup
		for n := range rivals {
			wg.Go(func() {
				name := fmt.Sprint("rival ", n)
				l := lock(name)
				r, _, err := l.Get(t.Context())
				if err != nil {
					return
				}
				time.Sleep(time.Second)
				r.HolderIdentity = name
				if l.Update(t.Context(), *r) == nil {
					won <- name
				}
			})
		}
		wg.Wait()
		close(won)
		require.Len(t, won, 1)
		r, _, err := first.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, <-won, r.HolderIdentity)
		conflicts := 0
		for _, call := range s.Calls() {
			if call.Verb == "update" && call.Code == http.StatusConflict {
				conflicts++
			}
		}
		require.Equal(t, rivals-1, conflicts)
	})
}

func TestEventRecorders(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"}}
	t.Run("core", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, client, world := begin(t, Options{})
			s.Inject(Fault{Match: Match{Verb: "create"}, Times: 1, Refuse: true}) // It tries again.
			broadcaster := record.NewBroadcaster(record.WithContext(t.Context()))
			broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
			recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tgsync"})
			for range 3 {
				recorder.Event(pod, corev1.EventTypeWarning, "Parked", "text")
			}
			time.Sleep(time.Minute)
			list, err := world.CoreV1().Events("ns").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=p,type=Warning,source=tgsync"})
			require.NoError(t, err)
			require.Len(t, list.Items, 1)
			require.EqualValues(t, 3, list.Items[0].Count, "the same event is counted by patches")
			broadcaster.Shutdown()
		})
	})
	t.Run("events.k8s.io", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, client, world := begin(t, Options{})
			broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
			require.NoError(t, broadcaster.StartRecordingToSinkWithContext(t.Context()))
			recorder := broadcaster.NewRecorder(scheme.Scheme, "tgsync.io/tgsync")
			recorder.Eventf(pod, nil, corev1.EventTypeNormal, "Registered", "Register", "target %s", "10.0.0.1:80")
			time.Sleep(time.Minute)
			list, err := world.CoreV1().Events("ns").List(t.Context(), metav1.ListOptions{FieldSelector: "reportingComponent=tgsync.io/tgsync"})
			require.NoError(t, err)
			require.Len(t, list.Items, 1)
			require.Equal(t, "target 10.0.0.1:80", list.Items[0].Message)
			broadcaster.Shutdown()
		})
	})
}
