package securitygroup

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// TestBackendIsMade once, with LBC's name, tags and description; then it is known.
func TestBackendIsMade(t *testing.T) {
	a := newAccount()
	b := NewBackend(BackendOptions{EC2: a, VPCID: vpcID, Cluster: "demo-1", Tags: map[string]string{"team": "x"}})
	require.Empty(t, b.ID())
	id, err := b.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, &awsapi.SecurityGroup{
		// The digest is sha256 of the cluster's name.
		ID: id, Name: "k8s-traffic-demo1-6b01c344db", VPCID: vpcID, Description: "[k8s] Shared Backend SecurityGroup for LoadBalancer",
		Tags: awsapi.Tags{"elbv2.k8s.aws/cluster": "demo-1", "elbv2.k8s.aws/resource": "backend-sg", "team": "x"},
	}, a.groups[id])
	again, err := b.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, again)
	require.Equal(t, []string{"groups", "create k8s-traffic-demo1-6b01c344db"}, a.calls)
}

// TestBackendIsFound by its tags, the first of two, or not asked for if it is given.
func TestBackendIsFound(t *testing.T) {
	a := newAccount()
	a.group("sg-2", awsapi.Tags{ingress.TagCluster: cluster, tagResource: backendResource})
	a.group("sg-1", awsapi.Tags{ingress.TagCluster: cluster, tagResource: backendResource})
	a.group("sg-0", awsapi.Tags{ingress.TagCluster: "b", tagResource: backendResource})
	id, err := NewBackend(BackendOptions{EC2: a, VPCID: vpcID, Cluster: cluster}).Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sg-1", id)

	a.calls = nil
	given := NewBackend(BackendOptions{EC2: a, VPCID: vpcID, Cluster: cluster, ID: "sg-9"})
	id, err = given.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sg-9", id)
	given.Seen(a.read(func(*awsapi.SecurityGroup) bool { return true }))
	given.listed(nil, time.Now().Add(time.Hour))
	require.Equal(t, "sg-9", given.ID())
	require.NoError(t, given.remove(t.Context(), given.wishes()))
	require.Empty(t, a.calls)
}

// TestBackendOfSomebodyElse: a group of the name without the tags is not adopted.
func TestBackendOfSomebodyElse(t *testing.T) {
	a := newAccount()
	name := ingress.BackendGroupName(cluster)
	a.group("sg-"+name, nil)
	_, err := NewBackend(BackendOptions{EC2: a, VPCID: vpcID, Cluster: cluster}).Get(t.Context())
	require.Equal(t, awsapi.Duplicate, awsapi.ClassOf(err))
	require.ErrorContains(t, err, "backend security group "+name)
}

// TestBackendGoes when no Ingress group and no TargetGroupBinding needs it any more, and
// nothing refers to it.
func TestBackendGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.pod("web", "p1", "a")
		w.need("web", 80)
		w.boards[1].Show("x", []Need{{Name: "x", Service: types.NamespacedName{Name: "api"}, Openings: []Opening{{From: Peer{Group: backend}}}}})
		w.start()
		w.aws.group("sg-user", nil, theirs(rule(1, 1)))
		w.show("web")
		w.after(10 * time.Minute)
		require.NotContains(t, w.calls(), "delete sg-backend")
		w.boards[1].Show("x", nil)
		w.show("lb", Need{Name: "lb", Backend: true})
		w.after(10 * time.Minute)
		require.NotContains(t, w.calls(), "delete sg-backend")
		w.show("lb")
		w.after(50 * time.Second)
		require.Empty(t, w.calls())
		w.after(10 * time.Minute)
		require.Subset(t, w.calls(), []string{"delete sg-backend"})
		require.Contains(t, w.aws.groups, backend, "a rule names it")
		w.aws.groups["sg-user"].Ingress = nil
		w.after(10 * time.Minute)
		require.NotContains(t, w.aws.groups, backend)
		require.Empty(t, w.backend.ID())
		w.calls()
		w.after(50 * time.Minute)
		require.NotContains(t, w.calls(), "delete sg-backend")
	})
}

// TestBackendStays: before all is known, and if it is not ours, nothing is deleted.
func TestBackendStays(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.boards[0].Complete()
		w.run()
		w.after(2 * time.Hour)
		require.Empty(t, w.writes())
		w.stop()
		w.backend = NewBackend(BackendOptions{EC2: w.aws, VPCID: vpcID, Cluster: cluster, ID: backend})
		w.start()
		w.after(2 * time.Hour)
		require.Empty(t, w.writes())
	})
}

// TestBackendIsAskedForMeanwhile: who asks while it goes waits, and who has asked since it
// was found to be needless keeps it.
func TestBackendIsAskedForMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount()
		b := NewBackend(BackendOptions{EC2: a, VPCID: vpcID, Cluster: cluster})
		id, err := b.Get(t.Context())
		require.NoError(t, err)
		asked := b.wishes()
		_, err = b.Get(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.remove(t.Context(), asked))
		require.Contains(t, a.groups, id)

		a.during["delete"] = func(*account) {
			_, err := b.Get(t.Context())
			require.ErrorIs(t, err, ErrGoing)
		}
		require.NoError(t, b.remove(t.Context(), b.wishes()))
		require.Empty(t, a.during, "it was asked for")
		require.NotContains(t, a.groups, id)
		_, err = b.Get(t.Context())
		require.NoError(t, err)
		require.Contains(t, a.groups, id)
	})
}

// TestBackendInDoubt: after an open outcome it is looked for again.
func TestBackendInDoubt(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.start()
		w.aws.fail["delete sg-backend"] = context.DeadlineExceeded
		w.after(2 * time.Minute)
		delete(w.aws.fail, "delete sg-backend")
		w.after(10 * time.Minute)
		require.NotContains(t, w.aws.groups, backend)
		require.Empty(t, w.backend.ID())
	})
}

// TestBackendWasDeletedByHand is noticed with the next audit.
func TestBackendWasDeletedByHand(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		w.show("lb", Need{Name: "lb", Backend: true})
		w.start()
		require.Equal(t, backend, w.backend.ID())
		delete(w.aws.groups, backend)
		w.after(2 * time.Hour)
		require.Empty(t, w.backend.ID())
	})
}
