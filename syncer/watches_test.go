package syncer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/test/kubesim"
)

// TestWatchesFollow has the API server go and come back. client-go pauses after each
// failure, and in the meantime caches are full and old.
func TestWatchesFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := kubesim.New(kubesim.Options{})
		defer server.Close()
		var w syncer.Watches
		config := server.Config()
		config.Wrap(w.Wrap)
		client, err := kubernetes.NewForConfig(config)
		require.NoError(t, err)
		informers, err := syncer.NewInformers(nil, client)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer informers.Shutdown()
		defer cancel()

		began := time.Now()
		require.False(t, w.Follow(ctx, nil), "nothing watches")
		require.Equal(t, time.Minute, time.Since(began))
		informers.Start(ctx.Done())
		require.True(t, w.Follow(ctx, nil))

		server.SetDown(true)
		time.Sleep(10 * time.Minute)
		server.SetDown(false)
		require.True(t, informers.HasSynced(), "which is no proof")
		began = time.Now()
		require.True(t, w.Follow(ctx, nil))
		require.Greater(t, time.Since(began), time.Second)
		began = time.Now()
		require.True(t, w.Follow(ctx, nil))
		require.Zero(t, time.Since(began))

		cancel()
		informers.Shutdown()
		require.False(t, w.Follow(t.Context(), nil), "they have ended")
	})
}

// TestWatchesFollowKindsThatMayBeAbsent only where they are there.
func TestWatchesFollowKindsThatMayBeAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := kubesim.New(kubesim.Options{})
		defer server.Close()
		var w syncer.Watches
		config := server.Config()
		config.Wrap(w.Wrap)
		client, err := kubernetes.NewForConfig(config)
		require.NoError(t, err)
		informers, err := syncer.NewInformers(nil, client)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer informers.Shutdown()
		defer cancel()
		informers.Start(ctx.Done())

		lookups := 0
		require.True(t, w.Follow(ctx, map[string]func() bool{"widgets": func() bool { return false }}))
		require.True(t, w.Follow(ctx, map[string]func() bool{"widgets": func() bool {
			lookups++
			return lookups < 3 // it is found to be absent
		}}))
		require.Equal(t, 3, lookups)
		require.False(t, w.Follow(ctx, map[string]func() bool{"widgets": func() bool { return true }}), "it is there, and nobody watches it")
		require.True(t, w.Follow(ctx, map[string]func() bool{"pods": func() bool { return true }}))
	})
}
