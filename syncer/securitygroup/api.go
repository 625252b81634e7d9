package securitygroup

import (
	"context"
	"time"

	"github.com/tgsync/tgsync/awsapi"
)

// Interfaces finds network interfaces: those that have one of the addresses, though not
// out of a prefix, and those of instances.
type Interfaces interface {
	DescribeNetworkInterfaces(ctx context.Context, vpcID string, addresses []string) ([]awsapi.NetworkInterface, error)
	DescribeNetworkInterfacesOf(ctx context.Context, vpcID string, instanceIDs []string) ([]awsapi.NetworkInterface, error)
}

// EC2 is what this package needs of EC2. Writing is not idempotent: what exists is
// Duplicate, what does not is NotFound, and the rest of the call is not done either.
type EC2 interface {
	Interfaces
	BackendEC2
	// FindSecurityGroups returns those with one of the IDs or names. What does not exist is
	// left out.
	FindSecurityGroups(ctx context.Context, vpcID string, ids, names []string) ([]awsapi.SecurityGroup, error)
	AuthorizeIngress(ctx context.Context, id string, permissions []awsapi.Permission) error
	RevokeIngress(ctx context.Context, id string, permissions []awsapi.Permission) error
}

// Times and sizes.
const (
	// callTimeout ends a call that AWS does not answer.
	callTimeout = 15 * time.Second
	// gap is the least time from the end of a pass to the next: many changes at once make
	// one pass. The first change never waits.
	gap = time.Second
	// linger is how long a rule stays that nobody needs: pods that are replaced are gone
	// for a moment.
	linger = time.Minute
	// settling is how long after the start nothing is taken away while anything is not
	// known.
	settling = 5 * time.Minute
	// showsLater is how long AWS may not show a security group that was just made.
	showsLater = time.Minute
	// forgotten is what nobody has asked for so long: the last pod of a node may be
	// replaced there.
	forgotten = 10 * time.Minute
	// What fails, and what is not found, is tried again after 5 s, doubling to 5 min.
	firstPause = 5 * time.Second
	lastPause  = 5 * time.Minute
	// A call looks up so many instances or addresses: EC2 takes 200 values of filters.
	instancesAtOnce = 100
	addressesAtOnce = 190
)

var _ EC2 = (*awsapi.EC2)(nil)
