package awsapi

import "time"

// Observer is told about every attempt of every call. It is called from many
// goroutines at once and must not block. Package metrics has one.
type Observer interface {
	// Request reports an attempt that was made. Service is "elasticloadbalancing"
	// or "ec2", operation is AWS's name, code is what Code returns for the
	// outcome, d is the time on the wire without the wait for tokens.
	Request(service, operation, code string, d time.Duration)
	// TokenWait reports how long an attempt waited for a token of a bucket, zero
	// included. The name of a bucket is fixed: "elb-account", "ec2-DescribeSubnets".
	TokenWait(bucket string, d time.Duration)
}

// silent is the Observer of those who did not bring one.
type silent struct{}

var _ Observer = silent{}

func (silent) Request(string, string, string, time.Duration) {}

func (silent) TokenWait(string, time.Duration) {}
