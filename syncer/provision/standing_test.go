package provision

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
)

// TestFixedResponseWithoutAType is the same as one that says what AWS makes of it.
func TestFixedResponseWithoutAType(t *testing.T) {
	fixed := func(contentType string) string {
		return actionsKey([]awsapi.Action{{Type: actionFixedResponse, FixedResponse: &awsapi.FixedResponse{StatusCode: "503", ContentType: contentType}}})
	}
	require.Equal(t, fixed("text/plain"), fixed(""))
	require.NotEqual(t, fixed("text/html"), fixed(""))
}
