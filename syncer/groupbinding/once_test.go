package groupbinding_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/groupbinding"
	"github.com/tgsync/tgsync/syncer/target"
)

// TestOnce: one look shows what all objects need and bind.
func TestOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		t := w.t
		arn := w.group("mine", nil)
		open := map[string]any{"ingress": []any{map[string]any{"from": []any{map[string]any{"securityGroup": map[string]any{"groupID": "sg-1"}}}}}}
		w.apply(tgb("a", map[string]any{"targetGroupName": "mine", "networking": open}))
		w.apply(leftover("b", arn))

		client, err := kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		custom, err := dynamic.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		informers, err := syncer.NewInformers(nil, client)
		require.NoError(t, err)
		log := slog.New(slog.DiscardHandler)
		watch, err := groupbinding.NewWatch(nil, custom, nil, log)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		informers.Start(ctx.Done())
		var running sync.WaitGroup
		running.Go(func() { watch.Run(ctx) })
		w.settle()

		loop := groupbinding.New(groupbinding.Options{
			Watch: watch, Provisioned: w.provisioned, Services: informers.Services.Lister(), Synced: informers.HasSynced,
			Client: custom, Webhooks: client.AdmissionregistrationV1(), Events: w.events, AWS: w.aws.ELB, Cluster: cluster, Log: log, VPCID: "vpc-1",
			Roles: func(r target.Role) groupbinding.AWS { return w.aws.Assume(r).ELB }, Drained: func(string) bool { return false },
		})
		loop.Once(t.Context())
		needs, complete := loop.Needs().Needs()
		require.True(t, complete)
		require.Len(t, needs, 1)
		require.Equal(t, "sg-1", needs[0].Openings[0].From.Group)
		_, known := loop.Missing()
		require.True(t, known)
		require.Equal(t, arn, loop.Bindings()[0].GroupARN)
		require.NotNil(t, w.get("b"), "what is left of another controller is let go by a loop, and not at first sight")

		cancel()
		running.Wait()
		informers.Shutdown()
	})
}
