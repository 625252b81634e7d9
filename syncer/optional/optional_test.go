package optional

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A kind is absent from the first answer that says so to the first that does not. An
// error of another kind says nothing.
func TestKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		k := NewKind("Widgets", slog.New(slog.NewTextHandler(&log, nil)))
		notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "widgets"}, "")
		require.True(t, k.Served())

		k.Heard(t.Context(), errors.New("no answer"))
		require.True(t, k.Served())
		k.Heard(t.Context(), notFound)
		require.False(t, k.Served())
		require.False(t, k.GoneFor(time.Minute))
		time.Sleep(time.Minute)
		k.Heard(t.Context(), notFound)
		k.Heard(t.Context(), errors.New("no answer"))
		require.True(t, k.GoneFor(time.Minute))

		k.Heard(t.Context(), nil)
		k.Heard(t.Context(), nil)
		require.True(t, k.Served())
		require.False(t, k.GoneFor(time.Minute))
		require.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
	})
}
