package awsapi

import (
	"net/netip"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func TestZoneProblemOf(t *testing.T) {
	tests := map[string]struct {
		code, text string
		want       ZoneProblem
		address    string
	}{
		"inside": {
			text: "The IP address '10.0.1.9' is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'us-east-1b'",
			want: ZoneUnwanted, address: "10.0.1.9",
		},
		"outside, without a zone": {
			text: "The Availability Zone is required for IP address '10.4.40.87' because it is not in the VPC",
			want: ZoneMissing, address: "10.4.40.87",
		},
		"outside, network load balancer": {
			text: "You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP address '10.130.6.97' is outside the VPC",
			want: ZoneMissing, address: "10.130.6.97",
		},
		"outside, with a zone": {
			text: "The Availability Zone for IP address '10.9.0.1' must be 'all' for Application Load Balancer target groups, when not within the VPC",
			want: ZoneMissing, address: "10.9.0.1",
		},
		"all does not do":      {text: "you must specify an Availability Zone", want: ZoneUnspecific},
		"IPv6":                 {text: "The Availability Zone is required for IP address '2001:db8::1' because it is not in the VPC", want: ZoneMissing, address: "2001:db8::1"},
		"something else":       {text: "The IP address '8.8.8.8' is publicly routable"},
		"not a refusal at all": {code: "InternalFailure", text: "The Availability Zone is having a bad day"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code := tt.code
			if code == "" {
				code = "ValidationError"
			}
			problem, address := ZoneProblemOf(wrap("RegisterTargets", "1 in arn", &smithy.GenericAPIError{Code: code, Message: tt.text}))
			require.Equal(t, tt.want, problem)
			want := netip.Addr{}
			if tt.address != "" {
				want = netip.MustParseAddr(tt.address)
			}
			require.Equal(t, want, address)
		})
	}
	problem, _ := ZoneProblemOf(nil)
	require.Empty(t, problem)
}
