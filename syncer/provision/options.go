package provision

import (
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/record"

	"github.com/tgsync/tgsync/syncer/ingress"
)

// Options configure a Loop.
type Options struct {
	Settings ingress.Settings
	VPCID    string
	// Subnets say how subnets are found that nobody names.
	Subnets SubnetSettings

	Ingresses networkinglisters.IngressLister
	Classes   networkinglisters.IngressClassLister
	Services  corelisters.ServiceLister
	// Params are what classes refer to; nil: nothing.
	Params *ClassWatch
	// Synced reports whether the listers show all that the cluster has.
	Synced func() bool

	Client kubernetes.Interface // patches Ingresses
	Events record.EventRecorder
	ELB    ELB
	EC2    EC2
	ACM    ACM // nil: certificates have to be named
	// Directory knows target groups from before; nil: none.
	Directory *Directory
	// Backend is the backend security group; nil: the one that is found by its tags.
	Backend Backend
	// Urgent returns the Services of which pods have changed while nobody took care. It
	// is asked once, at the start: their target groups are found first. Nil: there are
	// none.
	Urgent  func() map[types.NamespacedName]bool
	Metrics Metrics
	Log     *slog.Logger

	// AuditInterval is how often a group is compared with AWS although nothing has
	// changed; 0: never.
	AuditInterval time.Duration
	// GracePeriod is how long a Service that is gone counts as if it were there.
	GracePeriod time.Duration
	// ReplaceTimeout is how long requests stay with what is being replaced while the targets
	// of its successor are less healthy; 0: they never stay.
	ReplaceTimeout time.Duration
	// LBLinger is how long a load balancer still answers that has been replaced: clients
	// may have its address from before.
	LBLinger time.Duration
}
